package alertbaseline

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/watch"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/internal/render/dashboard"
	"github.com/rsolv-dev/rsolv-operator/internal/render/routing"
)

// CustomResourceDefinitions of what the baselines become.
const (
	ruleCRDName    = "prometheusrules.monitoring.coreos.com"
	routingCRDName = "alertmanagerconfigs.monitoring.coreos.com"
)

// optional is the watch on a kind that the cluster may not know.
func optional(crd string, kind schema.GroupVersionKind) *watch.Optional {
	return &watch.Optional{Kind: kind, CRD: crd, Handler: handler.EnqueueRequestsFromMapFunc(ofSameName)}
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
