// Package rsolvdeployment runs the app that a RsolvDeployment declares. A
// reconcile goes through phases in the order of a rollout; the first that
// holds keeps the later ones from running, and never touches what already
// runs.
package rsolvdeployment

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// Reconciler reconciles RsolvDeployments. All fields are required.
type Reconciler struct {
	// Client reads from the cache and writes.
	Client client.Client
	// Live reads from the API server: the content of Secrets, which must not
	// lie in a cache, and what must not be stale.
	Live client.Reader
	// Applier writes the children.
	Applier *child.Applier
	// Recorder tells of transitions.
	Recorder events.EventRecorder
	// Random fills a slice with random bytes, fit for a key.
	Random func([]byte) error
}

// scope is what one reconcile knows. Phases fill it in; only finish writes the
// status.
type scope struct {
	rd *v1alpha1.RsolvDeployment
	// deployment is the app's Deployment, nil when there is none of ours. The
	// first phase sets it from the cache, observe from the API server.
	deployment *appsv1.Deployment
	// desired is the number of pods to have.
	desired int32
	// refused holds why children were refused that hold up no rollout.
	refused []error
	// env are the variables that are secret. They go into the copy that the
	// pods are given, and are masked in whatever is read from pods.
	env         map[string][]byte
	environment workload.Environment
	verdicts    map[string]status.Verdict
	completed   *v1alpha1.MigrationRecord
	failed      *v1alpha1.MigrationRecord
	flags       *v1alpha1.FlagsRecord
}

// held stops a rollout where it is, without an error: what to wait for, or to
// do, is in the verdict.
type held struct {
	phase    string
	verdict  status.Verdict
	progress status.Progress
	// after is when to look again by ourselves; zero when an event will come.
	after time.Duration
}

// Error makes a hold travel like any other reason to stop.
func (h *held) Error() string { return h.verdict.Reason + ": " + h.verdict.Message }

// The rules below are all that this controller may do. Secrets are listed and
// watched by metadata alone, to learn of changes; get reads those that are
// referred to, and nothing else; created and deleted are the app's own
// immutable copies, so no update or patch is asked for: the operator cannot
// change anybody's Secret.
//
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=apps,resources=replicasets,verbs=list
// +kubebuilder:rbac:groups=autoscaling,resources=horizontalpodautoscalers,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=networking.k8s.io,resources=ingresses,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=list
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=rsolv.dev,resources=rsolvdeployments,verbs=get;list;watch
// +kubebuilder:rbac:groups=rsolv.dev,resources=rsolvdeployments/finalizers,verbs=update
// +kubebuilder:rbac:groups=rsolv.dev,resources=rsolvdeployments/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups="",resources=serviceaccounts,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;patch

// Reconcile brings one app a step further.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	before := &v1alpha1.RsolvDeployment{}
	if err := r.Client.Get(ctx, request.NamespacedName, before); err != nil {
		if apierrors.IsNotFound(err) {
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("reading RsolvDeployment %s: %w", request.Name, err)
	}
	if !before.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil // the garbage collector takes the children
	}
	s := newScope(before)
	stop := r.run(ctx, s)
	h, isHeld := errors.AsType[*held](stop)
	if stop != nil && !isHeld {
		return ctrl.Result{}, stop // the status is left alone: too little was learned
	}
	result, err := r.finish(ctx, before, s, h)
	if err != nil || stop != nil {
		return result, err
	}
	return result, r.prune(ctx, s)
}

func newScope(rd *v1alpha1.RsolvDeployment) *scope {
	return &scope{
		rd:       rd.DeepCopy(),
		desired:  rd.Status.Desired,
		failed:   rd.Status.FailedMigrations,
		verdicts: map[string]status.Verdict{},
	}
}

// run goes through the phases. Observing comes last and always: what runs is
// reported even while a rollout is held.
func (r *Reconciler) run(ctx context.Context, s *scope) error {
	var stop error
	for _, phase := range []func(context.Context, *scope) error{
		r.gather, r.applyLive, r.checkSecrets, r.runMigrations, r.checkFlags, r.applyWorkload,
	} {
		if stop = asHeld(phase(ctx, s), s); stop != nil {
			break
		}
	}
	if _, isHeld := errors.AsType[*held](stop); stop != nil && !isHeld {
		return stop
	}
	if err := r.observe(ctx, s); err != nil {
		return err
	}
	return stop
}

// gather reads the app's Deployment. One that is not ours counts as none; the
// phase that applies it says so.
func (r *Reconciler) gather(ctx context.Context, s *scope) error {
	for _, reader := range []client.Reader{r.Client, r.Live} {
		deployment, err := ownDeployment(ctx, reader, s.rd)
		if err != nil {
			return err
		}
		if deployment != nil {
			s.deployment = deployment
			return nil
		}
	}
	return nil
}

func ownDeployment(ctx context.Context, reader client.Reader, rd *v1alpha1.RsolvDeployment) (*appsv1.Deployment, error) {
	deployment := &appsv1.Deployment{}
	err := reader.Get(ctx, client.ObjectKeyFromObject(rd), deployment)
	if apierrors.IsNotFound(err) || (err == nil && !metav1.IsControlledBy(deployment, rd)) {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("reading Deployment %s: %w", rd.Name, err)
	}
	return deployment, nil
}
