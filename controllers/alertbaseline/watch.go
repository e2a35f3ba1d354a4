package alertbaseline

import (
	"context"
	"fmt"
	"strings"
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/internal/render/dashboard"
	"github.com/rsolv-dev/rsolv-operator/internal/render/routing"
)

// CustomResourceDefinitions of what the baselines become.
const (
	ruleCRDName    = "prometheusrules.monitoring.coreos.com"
	routingCRDName = "alertmanagerconfigs.monitoring.coreos.com"
)

// optionalKind is a kind that the cluster may not know. It is watched while its
// CRD exists: a watch on an unknown kind would never come to rest.
type optionalKind struct {
	crd      string
	gvk      schema.GroupVersionKind
	requests handler.MapFunc

	mu sync.Mutex
	on bool
}

// watches are the controller and the cache that watches are added to, and the
// kinds that come and go.
type watches struct {
	controller     controller.Controller
	cache          cache.Cache
	rules, routing optionalKind
}

// watchOptional starts or stops the watch as the CRD comes and goes, and tells
// whether it is there.
func (r *Reconciler) watchOptional(ctx context.Context, kind *optionalKind) (bool, error) {
	crd := &metav1.PartialObjectMetadata{}
	crd.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	err := r.Client.Get(ctx, client.ObjectKey{Name: kind.crd}, crd)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading CustomResourceDefinition %s: %w", kind.crd, err)
	}
	exists := err == nil && crd.DeletionTimestamp == nil

	kind.mu.Lock()
	defer kind.mu.Unlock()
	if exists == kind.on {
		return exists, nil
	}
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kind.gvk)
	if !exists {
		if err := r.watch.cache.RemoveInformer(ctx, object); err != nil {
			return false, fmt.Errorf("ending the watch on %ss: %w", kind.gvk.Kind, err)
		}
		kind.on = false
		log.FromContext(ctx).Info("the cluster does not know this kind any more", "crd", kind.crd)
		return false, nil
	}
	// A CRD is served a moment after it exists.
	if _, err := r.Client.RESTMapper().RESTMapping(kind.gvk.GroupKind(), kind.gvk.Version); err != nil {
		return false, fmt.Errorf("waiting for %ss to be served: %w", kind.gvk.Kind, err)
	}
	if err := r.watch.controller.Watch(source.Kind[client.Object](r.watch.cache, object, handler.EnqueueRequestsFromMapFunc(kind.requests))); err != nil {
		return false, fmt.Errorf("watching %ss: %w", kind.gvk.Kind, err)
	}
	kind.on = true
	return true, nil
}

// ofSameName and ofConfigMap go by the name alone, so that a foreign object
// that is in the way is noticed when it goes.
func ofSameName(_ context.Context, object client.Object) []ctrl.Request {
	return requestFor(object.GetNamespace(), object.GetName())
}

func ofConfigMap(_ context.Context, object client.Object) []ctrl.Request {
	for _, suffix := range [...]string{dashboard.Name(""), alerts.ConfigMapName(""), routing.ConfigMapName("")} {
		if baseline, ours := strings.CutSuffix(object.GetName(), suffix); ours {
			return requestFor(object.GetNamespace(), baseline)
		}
	}
	return nil
}

func requestFor(namespace, name string) []ctrl.Request {
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}}
}

// ofDeployment are the baselines of an app.
func (r *Reconciler) ofDeployment(ctx context.Context, object client.Object) []ctrl.Request {
	return r.list(ctx, client.InNamespace(object.GetNamespace()), client.MatchingFields{indexApp: object.GetName()})
}

// ofSecret are the baselines whose routing refers to a secret.
func (r *Reconciler) ofSecret(ctx context.Context, object client.Object) []ctrl.Request {
	return r.list(ctx, client.InNamespace(object.GetNamespace()), client.MatchingFields{indexSecret: object.GetName()})
}

// ofAll are all baselines.
func (r *Reconciler) ofAll(ctx context.Context, _ client.Object) []ctrl.Request { return r.list(ctx) }

func (r *Reconciler) list(ctx context.Context, options ...client.ListOption) []ctrl.Request {
	var baselines v1alpha1.AlertBaselineList
	if err := r.Client.List(ctx, &baselines, options...); err != nil {
		log.FromContext(ctx).Error(err, "listing AlertBaselines")
		return nil
	}
	requests := make([]ctrl.Request, 0, len(baselines.Items))
	for i := range baselines.Items {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&baselines.Items[i])})
	}
	return requests
}

// comesOrGoes lets through that an object exists, and that it goes.
func comesOrGoes() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return (e.ObjectOld.GetDeletionTimestamp() == nil) != (e.ObjectNew.GetDeletionTimestamp() == nil)
	}}
}

// ourCRDs lets through the CRDs of what baselines become as they come and go.
func ourCRDs() predicate.Predicate {
	return predicate.And(comesOrGoes(), predicate.NewPredicateFuncs(func(object client.Object) bool {
		return object.GetName() == ruleCRDName || object.GetName() == routingCRDName
	}))
}
