package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// Optional watches the metadata of a kind while the cluster knows it. A watch
// on a kind that the cluster does not know would never come to rest.
type Optional struct {
	// Kind that may be absent.
	Kind schema.GroupVersionKind
	// CRD is the name of its CustomResourceDefinition.
	CRD string
	// Handler and Predicates say whom an object of the kind wakes.
	Handler    handler.EventHandler
	Predicates []predicate.Predicate

	mu         sync.Mutex
	controller controller.Controller
	cache      cache.Cache
	on         bool
}

// Bind gives the watch the controller to wake, and the cache to watch by.
// Without one, Present tells what there is, and watches nothing.
func (o *Optional) Bind(c controller.Controller, k cache.Cache) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.controller, o.cache = c, k
}

// ErrNotServed says that a CustomResourceDefinition is there and the version of
// its kind is not served: not yet, as a rule, for that takes a moment.
var ErrNotServed = errors.New("not served")

// Present tells whether the cluster knows the kind, and starts or ends the
// watch as that changes. c reads CustomResourceDefinitions.
func (o *Optional) Present(ctx context.Context, c client.Client) (bool, error) {
	crd := &metav1.PartialObjectMetadata{}
	crd.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	err := c.Get(ctx, client.ObjectKey{Name: o.CRD}, crd)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading CustomResourceDefinition %s: %w", o.CRD, err)
	}
	exists := err == nil && crd.DeletionTimestamp == nil

	o.mu.Lock()
	defer o.mu.Unlock()
	if o.on && !exists {
		return false, o.end(ctx)
	}
	if o.on || !exists {
		return exists, nil
	}
	if _, err := c.RESTMapper().RESTMapping(o.Kind.GroupKind(), o.Kind.Version); apimeta.IsNoMatchError(err) {
		return false, fmt.Errorf("%s of %s: %w", o.Kind.Kind, o.Kind.GroupVersion(), ErrNotServed)
	} else if err != nil {
		return false, fmt.Errorf("finding out about %ss: %w", o.Kind.Kind, err)
	}
	return true, o.begin()
}

func (o *Optional) begin() error {
	if o.controller == nil {
		return nil
	}
	if err := o.controller.Watch(source.Kind[client.Object](o.cache, o.object(), o.Handler, o.Predicates...)); err != nil {
		return fmt.Errorf("watching %ss: %w", o.Kind.Kind, err)
	}
	o.on = true
	return nil
}

func (o *Optional) end(ctx context.Context) error {
	if err := o.cache.RemoveInformer(ctx, o.object()); err != nil {
		return fmt.Errorf("ending the watch on %ss: %w", o.Kind.Kind, err)
	}
	o.on = false
	log.FromContext(ctx).Info("the cluster does not know a kind any more", "kind", o.Kind.Kind, "crd", o.CRD)
	return nil
}

func (o *Optional) object() client.Object {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(o.Kind)
	return object
}

// ComesOrGoes lets through that an object exists, and that it goes.
func ComesOrGoes() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return (e.ObjectOld.GetDeletionTimestamp() == nil) != (e.ObjectNew.GetDeletionTimestamp() == nil)
	}}
}

// Named lets through objects of these names as they come and go.
func Named(names ...string) predicate.Predicate {
	return predicate.And(ComesOrGoes(), predicate.NewPredicateFuncs(func(object client.Object) bool {
		return slices.Contains(names, object.GetName())
	}))
}
