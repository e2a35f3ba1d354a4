package alertbaseline

import (
	"context"
	"fmt"
	"strings"
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
)

// ruleCRDName is the CustomResourceDefinition of PrometheusRules.
const ruleCRDName = "prometheusrules.monitoring.coreos.com"

// ruleWatch watches PrometheusRules while their CRD exists. A watch on a kind
// that the cluster does not know would never come to rest.
type ruleWatch struct {
	mu         sync.Mutex
	controller controller.Controller
	cache      cache.Cache
	on         bool
}

// watchRules starts or stops the watch as the CRD comes and goes, and tells
// whether it is there.
func (r *Reconciler) watchRules(ctx context.Context) (bool, error) {
	crd := &metav1.PartialObjectMetadata{}
	crd.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	err := r.Client.Get(ctx, client.ObjectKey{Name: ruleCRDName}, crd)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading CustomResourceDefinition %s: %w", ruleCRDName, err)
	}
	exists := err == nil && crd.DeletionTimestamp == nil

	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	if exists == r.watch.on {
		return exists, nil
	}
	rule := &metav1.PartialObjectMetadata{}
	rule.SetGroupVersionKind(alerts.GVK)
	if !exists {
		if err := r.watch.cache.RemoveInformer(ctx, rule); err != nil {
			return false, fmt.Errorf("ending the watch on PrometheusRules: %w", err)
		}
		r.watch.on = false
		log.FromContext(ctx).Info("PrometheusRules are not known to the cluster any more", "crd", ruleCRDName)
		return false, nil
	}
	// A CRD is served a moment after it exists.
	if _, err := r.Client.RESTMapper().RESTMapping(alerts.GVK.GroupKind(), alerts.GVK.Version); err != nil {
		return false, fmt.Errorf("waiting for PrometheusRules to be served: %w", err)
	}
	if err := r.watch.controller.Watch(source.Kind[client.Object](r.watch.cache, rule, handler.EnqueueRequestsFromMapFunc(ofRule))); err != nil {
		return false, fmt.Errorf("watching PrometheusRules: %w", err)
	}
	r.watch.on = true
	return true, nil
}

// ofRule and ofConfigMap go by the name alone, so that a foreign object that
// is in the way is noticed when it goes.
func ofRule(_ context.Context, object client.Object) []ctrl.Request {
	return requestFor(object.GetNamespace(), object.GetName())
}

func ofConfigMap(_ context.Context, object client.Object) []ctrl.Request {
	for _, suffix := range [...]string{dashboard.Name(""), alerts.ConfigMapName("")} {
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

// ruleCRD lets through the CRD of PrometheusRules as it comes and goes.
func ruleCRD() predicate.Predicate {
	return predicate.And(comesOrGoes(), predicate.NewPredicateFuncs(func(object client.Object) bool {
		return object.GetName() == ruleCRDName
	}))
}
