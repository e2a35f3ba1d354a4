package rsolvdeployment

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/rsolv-dev/rsolv-operator/controllers/watch"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// servedRetry is when to look again at a kind whose CRD is there and which is
// not served yet.
const servedRetry = 5 * time.Second

// unknownKind says that something is declared that becomes an object of a kind
// which the cluster does not know.
type unknownKind struct {
	workload.OptionalKind
	// unserved says that its CRD is there, so that it may come any moment.
	unserved bool
}

// Error says what to do about it.
func (e *unknownKind) Error() string {
	rest := "the rest is in place, and this follows by itself"
	if e.GroupVersionKind == workload.ClusterKind {
		rest = "the rollout goes on by itself then"
	}
	if e.unserved {
		return fmt.Sprintf("%s needs %ss of %s, a version that the cluster does not serve: update the CustomResourceDefinitions of %s; %s",
			e.Field, e.Kind, e.GroupVersion(), e.From, rest)
	}
	return fmt.Sprintf("%s needs %ss, a kind that the cluster does not know: install the CustomResourceDefinitions of %s, or remove %s; %s",
		e.Field, e.Kind, e.From, e.Field, rest)
}

// optionalKinds are the kinds that the cluster may do without, each with its
// watch. The zero value is ready.
type optionalKinds struct {
	once    sync.Once
	watches map[schema.GroupVersionKind]*watch.Optional
}

func (r *Reconciler) watchOf(kind workload.OptionalKind) *watch.Optional {
	r.optional.once.Do(func() {
		r.optional.watches = map[schema.GroupVersionKind]*watch.Optional{}
		for _, each := range workload.Optional {
			wakes := r.appsOf
			if each.GroupVersionKind == workload.ClusterKind {
				wakes = r.appsReferringTo(clusterIndex)
			}
			r.optional.watches[each.GroupVersionKind] = &watch.Optional{
				Kind: each.GroupVersionKind, CRD: each.CRD,
				Handler:    handler.EnqueueRequestsFromMapFunc(wakes),
				Predicates: []predicate.Predicate{predicate.Funcs{UpdateFunc: declarationChanged}},
			}
		}
	})
	return r.optional.watches[kind.GroupVersionKind]
}

// bindOptional lets the optional kinds wake the controller.
func (r *Reconciler) bindOptional(c controller.Controller, k cache.Cache) {
	for _, kind := range workload.Optional {
		r.watchOf(kind).Bind(c, k)
	}
}

// optionalCRDs lets through the CRDs of the optional kinds.
func optionalCRDs() builder.Predicates {
	names := make([]string, len(workload.Optional))
	for i, kind := range workload.Optional {
		names[i] = kind.CRD
	}
	return builder.WithPredicates(watch.Named(names...))
}

// learnKinds finds out which optional kinds the cluster knows.
func (r *Reconciler) learnKinds(ctx context.Context, s *scope) error {
	s.unknown = map[schema.GroupVersionKind]*unknownKind{}
	for _, kind := range workload.Optional {
		known, err := r.watchOf(kind).Present(ctx, r.Client)
		unserved := errors.Is(err, watch.ErrNotServed)
		if err != nil && !unserved {
			return err
		}
		if !known {
			s.unknown[kind.GroupVersionKind] = &unknownKind{OptionalKind: kind, unserved: unserved}
		}
	}
	return nil
}
