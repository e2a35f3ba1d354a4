package rsolvdeployment

import (
	"context"
	"errors"
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// secretIndex finds the RsolvDeployments that refer to a Secret.
const secretIndex = "spec.secretNames"

// clusterIndex finds the RsolvDeployments that use a Cluster of CloudNativePG.
const clusterIndex = "spec.database.cluster"

// gateIndex finds the RsolvDeployments whose gate is an AlertBaseline.
const gateIndex = "spec.rollout.gate.baselineRef.name"

// workers is how many apps are reconciled at a time.
const workers = 4

// SetupWithManager adds the controller to the manager.
//
// Children are watched by name rather than by owner: that also tells when a
// stranger's object that stood in the way is gone. Deployments and Jobs are
// cached whole, for they are observed, and autoscalers, whose metadata does not
// tell in every cluster what changed; of all others only the metadata.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error { return r.setUp(manager, r) }

// setUp lets through do the work, which is r, or r and what measures it.
func (r *Reconciler) setUp(manager ctrl.Manager, through reconcile.Reconciler) error {
	if r.Client == nil || r.Live == nil || r.Applier == nil || r.Recorder == nil || r.Random == nil || r.Logs == nil || r.Clock == nil || r.Prometheus == nil {
		return errors.New("rsolvdeployment: a field of the Reconciler is not set")
	}
	for index, names := range map[string]func(*v1alpha1.RsolvDeployment) []string{
		secretIndex:  workload.SecretNames,
		clusterIndex: func(rd *v1alpha1.RsolvDeployment) []string { return []string{workload.ClusterName(rd)} },
		gateIndex: func(rd *v1alpha1.RsolvDeployment) []string {
			if gate := gateOf(rd); gate != nil {
				return []string{gate.BaselineRef.Name}
			}
			return nil
		},
	} {
		err := manager.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.RsolvDeployment{}, index,
			func(object client.Object) []string { return names(object.(*v1alpha1.RsolvDeployment)) })
		if err != nil {
			return fmt.Errorf("indexing RsolvDeployments by %s: %w", index, err)
		}
	}
	byName := handler.EnqueueRequestsFromMapFunc(r.appsOf)
	declared := builder.WithPredicates(predicate.Funcs{UpdateFunc: declarationChanged})
	c, err := ctrl.NewControllerManagedBy(manager).
		Named("rsolvdeployment").
		For(&v1alpha1.RsolvDeployment{}, builder.WithPredicates(
			predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		Watches(&appsv1.Deployment{}, byName).
		Watches(&batchv1.Job{}, byName).
		Watches(&appsv1.ControllerRevision{}, byName, builder.OnlyMetadata).
		Watches(&corev1.ConfigMap{}, byName, builder.OnlyMetadata).
		Watches(&corev1.Secret{}, byName, builder.OnlyMetadata).
		Watches(&corev1.Service{}, byName, builder.OnlyMetadata).
		Watches(&corev1.ServiceAccount{}, byName, builder.OnlyMetadata).
		Watches(&policyv1.PodDisruptionBudget{}, byName, builder.OnlyMetadata, declared).
		Watches(&autoscalingv2.HorizontalPodAutoscaler{}, byName, declared).
		Watches(&networkingv1.Ingress{}, byName, builder.OnlyMetadata, declared).
		Watches(&networkingv1.NetworkPolicy{}, byName, builder.OnlyMetadata, declared).
		Watches(&apiextensionsv1.CustomResourceDefinition{}, handler.EnqueueRequestsFromMapFunc(r.allApps), builder.OnlyMetadata, optionalCRDs()).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.appsReferringTo(secretIndex)), builder.OnlyMetadata).
		Watches(&v1alpha1.AlertBaseline{}, handler.EnqueueRequestsFromMapFunc(r.appsReferringTo(gateIndex)),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Build(through)
	if err != nil {
		return fmt.Errorf("making the RsolvDeployment controller: %w", err)
	}
	r.bindOptional(c, manager.GetCache())
	return nil
}

// appsOf finds the apps that an object of this name is, or stands in the way
// of, a child of.
func (r *Reconciler) appsOf(ctx context.Context, object client.Object) []reconcile.Request {
	var requests []reconcile.Request
	for _, name := range workload.AppNames(object.GetName()) {
		key := types.NamespacedName{Namespace: object.GetNamespace(), Name: name}
		// An app that cannot be read is reconciled as well; that is where the
		// error is dealt with.
		if err := r.Client.Get(ctx, key, &v1alpha1.RsolvDeployment{}); client.IgnoreNotFound(err) == nil && err != nil {
			continue
		}
		requests = append(requests, reconcile.Request{NamespacedName: key})
	}
	return requests
}

// appsReferringTo finds the apps that refer to an object, by an index.
func (r *Reconciler) appsReferringTo(index string) handler.MapFunc {
	return func(ctx context.Context, object client.Object) []reconcile.Request {
		return r.apps(ctx, client.InNamespace(object.GetNamespace()), client.MatchingFields{index: object.GetName()})
	}
}

// allApps are for what concerns the whole cluster.
func (r *Reconciler) allApps(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.apps(ctx)
}

func (r *Reconciler) apps(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	var apps v1alpha1.RsolvDeploymentList
	if err := r.Client.List(ctx, &apps, options...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "finding the apps that an object concerns")
		return nil
	}
	requests := make([]reconcile.Request, len(apps.Items))
	for i := range apps.Items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&apps.Items[i])
	}
	return requests
}

// declarationChanged lets updates of the status alone pass by: an autoscaler
// writes its own every few seconds.
func declarationChanged(e event.UpdateEvent) bool {
	if e.ObjectOld == nil || e.ObjectNew == nil {
		return true
	}
	return specChanged(e.ObjectOld, e.ObjectNew) ||
		!maps.Equal(e.ObjectOld.GetLabels(), e.ObjectNew.GetLabels()) ||
		!maps.Equal(e.ObjectOld.GetAnnotations(), e.ObjectNew.GetAnnotations()) ||
		!equality.Semantic.DeepEqual(e.ObjectOld.GetOwnerReferences(), e.ObjectNew.GetOwnerReferences()) ||
		e.ObjectOld.GetUID() != e.ObjectNew.GetUID()
}

// specChanged goes by the generation, which autoscalers have in newer clusters
// only. Of another object without one it is not known.
func specChanged(before, after client.Object) bool {
	if after.GetGeneration() != 0 {
		return before.GetGeneration() != after.GetGeneration()
	}
	old, known := before.(*autoscalingv2.HorizontalPodAutoscaler)
	current, ok := after.(*autoscalingv2.HorizontalPodAutoscaler)
	return !known || !ok || !equality.Semantic.DeepEqual(old.Spec, current.Spec)
}
