// Package featureflag publishes the FeatureFlags of each app as one ConfigMap
// and hurries it to the app's pods.
//
// Its requests name apps, not flags: however many flags of an app change
// together, the file is written once.
package featureflag

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/controllers/watch"
	"github.com/rsolv-dev/rsolv-operator/internal/render/flags"
)

// indexApp finds the flags of an app.
const indexApp = "featureflag.deploymentRef.name"

// soon is when a write that met a newer object is computed again.
const soon = 50 * time.Millisecond

// Reconciler publishes flags. All fields but memory are required.
type Reconciler struct {
	// Client reads from the cache and writes.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Applier writes the ConfigMaps.
	Applier *child.Applier
	// Recorder tells of transitions.
	Recorder events.EventRecorder
	// Clock gives the time.
	Clock func() time.Time
	// Pods asks pods what they run.
	Pods Asker

	memory   memory
	observed observations
}

// SetupWithManager registers the reconciler and what it watches.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if r.Client == nil || r.Live == nil || r.Applier == nil || r.Recorder == nil || r.Clock == nil || r.Pods == nil {
		return errors.New("setting up the FeatureFlag controller: Client, Live, Applier, Recorder, Clock and Pods are required")
	}
	err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.FeatureFlag{}, indexApp, func(object client.Object) []string {
		return []string{object.(*v1alpha1.FeatureFlag).Spec.DeploymentRef.Name}
	})
	if err != nil {
		return fmt.Errorf("indexing FeatureFlags: %w", err)
	}
	err = ctrl.NewControllerManagedBy(mgr).Named("featureflag").
		Watches(&v1alpha1.FeatureFlag{}, gathering(appOfFlag), builder.WithPredicates(watch.DeclarationChanged())).
		Watches(&v1alpha1.RsolvDeployment{}, at(itself), builder.WithPredicates(predicate.Or[client.Object](watch.DeclarationChanged(), catalogueChanged()))).
		WatchesMetadata(&corev1.ConfigMap{}, at(appOfConfigMap)).
		Watches(&corev1.Pod{}, at(appOfPod), builder.WithPredicates(podsOfInterest())).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the FeatureFlag controller: %w", err)
	}
	return nil
}

// scope is what one reconcile knows about its app.
type scope struct {
	key types.NamespacedName
	// app is nil when there is none, or none that stays.
	app *v1alpha1.RsolvDeployment
	// flags of the app that are not being deleted.
	flags []*v1alpha1.FeatureFlag
	plan  flags.Plan
	// published is what the app's ConfigMap held before this reconcile.
	published publication
	// hold says why nothing can be published; nil when it could.
	hold *hold
	// pods mount the flags, answers are what those of them said that serve, and
	// seen is what is remembered of both.
	pods    []corev1.Pod
	answers answers
	seen    observation
}

// Patching pods reaches more than the two annotations it is used for: it could
// change a pod's labels, or its images. It cannot be narrowed by RBAC.
//
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=rsolv.dev,resources=featureflags,verbs=get;list;watch
// +kubebuilder:rbac:groups=rsolv.dev,resources=featureflags/status,verbs=get;patch
// +kubebuilder:rbac:groups=rsolv.dev,resources=rsolvdeployments,verbs=get;list;watch

// Reconcile publishes the flags of the app that the request names.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	s := &scope{key: request.NamespacedName}
	if err := r.gather(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	if s.app == nil {
		r.memory.forget(s.key)
		r.observed.forget(s.key)
		s.hold = missingApp(s.key)
		s.plan = flags.Make(flags.Input{App: unknownApp(s.key), Flags: s.flags})
		return r.finish(ctx, s, 0, nil)
	}
	err := r.publish(ctx, s)
	if err != nil && s.hold == nil {
		return ctrl.Result{}, err
	}
	var wait time.Duration
	if s.hold == nil {
		wait, err = r.follow(ctx, s)
	}
	return r.finish(ctx, s, wait, err)
}

// gather reads the app and its flags.
func (r *Reconciler) gather(ctx context.Context, s *scope) error {
	var app v1alpha1.RsolvDeployment
	switch err := r.Client.Get(ctx, s.key, &app); {
	case err == nil && app.DeletionTimestamp == nil:
		s.app = &app
	case client.IgnoreNotFound(err) != nil:
		return fmt.Errorf("reading RsolvDeployment %s: %w", s.key.Name, err)
	}
	var list v1alpha1.FeatureFlagList
	if err := r.Client.List(ctx, &list, client.InNamespace(s.key.Namespace), client.MatchingFields{indexApp: s.key.Name}); err != nil {
		return fmt.Errorf("listing the FeatureFlags of %s: %w", s.key.Name, err)
	}
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp == nil {
			s.flags = append(s.flags, &list.Items[i])
		}
	}
	return nil
}

// finish writes the statuses and decides when to look again.
func (r *Reconciler) finish(ctx context.Context, s *scope, wait time.Duration, err error) (ctrl.Result, error) {
	var errs []error
	if err != nil {
		errs = append(errs, err)
	}
	now := r.Clock()
	wait = earliest(wait, untilExpiry(s.flags, now))
	for _, verdict := range s.plan.Verdicts {
		again, err := r.report(ctx, s, verdict, now)
		wait = earliest(wait, again)
		switch {
		case apierrors.IsConflict(err):
			wait = earliest(wait, soon)
		case client.IgnoreNotFound(err) != nil:
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: wait}, nil
}

// earliest is the shorter of two waits, where 0 is none.
func earliest(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func unknownApp(key types.NamespacedName) *v1alpha1.RsolvDeployment {
	return &v1alpha1.RsolvDeployment{ObjectMeta: metav1.ObjectMeta{Name: key.Name, Namespace: key.Namespace}}
}
