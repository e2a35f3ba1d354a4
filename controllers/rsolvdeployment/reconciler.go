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
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// Reconciler reconciles RsolvDeployments. All exported fields are
// required.
type Reconciler struct {
	// Client reads from the cache and writes.
	Client client.Client
	// Live reads from the API server: the app itself, the content of Secrets,
	// which must not lie in a cache, and what else must not be stale.
	Live client.Reader
	// Applier writes the children.
	Applier *child.Applier
	// Recorder tells of transitions.
	Recorder events.EventRecorder
	// Logs reads what the pods of Jobs have printed.
	Logs PodLogs
	// Prometheus connects to the servers that gates ask.
	Prometheus Prometheus
	// Clock tells the time, for the wait between two attempts.
	Clock func() time.Time
	// Random fills a slice with random bytes, fit for a key.
	Random func([]byte) error

	optional optionalKinds
}

// scope is what one reconcile knows. Phases fill it in; only finish writes the
// status.
type scope struct {
	rd *v1alpha1.RsolvDeployment
	// target is rd with the image as it is to run: by digest once that is
	// known.
	target *v1alpha1.RsolvDeployment
	// deployment is the app's Deployment, nil when there is none of ours. The
	// first phase sets it from the cache, observe from the API server.
	deployment *appsv1.Deployment
	// desired is the number of pods to have.
	desired int32
	// unknown are the optional kinds that the cluster does not know.
	unknown map[schema.GroupVersionKind]*unknownKind
	// refused holds why children were refused that hold up no rollout.
	refused []error
	// env are the variables that are secret. They go into the copy that the
	// pods are given, and are masked in whatever is read from pods.
	env         map[string][]byte
	environment workload.Environment
	verdicts    map[string]status.Verdict
	completed   *v1alpha1.MigrationRecord
	failed      *v1alpha1.MigrationRecord
	preflight   *v1alpha1.PreflightRecord
	catalog     *v1alpha1.CatalogRecord
	// reached tells that the pods' identity and Service are in place, deployed
	// that this reconcile applied the Deployment.
	reached, deployed bool
	// revision is the declared one, known once everything before the pods is
	// in order.
	revision workload.Revision
	lastGood *v1alpha1.RevisionRecord
	// lastGoodCatalog is what the image of the last good revision said.
	lastGoodCatalog *v1alpha1.CatalogRecord
	rejected        *v1alpha1.RejectedRecord
	smoke           *v1alpha1.SmokeTestRecord
	gate            *v1alpha1.GateRecord
	backAt          *metav1.Time
	// rolledBack is set while the last good revision stands in for the
	// declared one.
	rolledBack *status.Verdict
	// published is nil until the flags were read.
	published *published
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
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=get;list;watch
// +kubebuilder:rbac:groups=apps,resources=controllerrevisions,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=apps,resources=replicasets,verbs=list
// +kubebuilder:rbac:groups=autoscaling,resources=horizontalpodautoscalers,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=httproutes,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=monitoring.coreos.com,resources=servicemonitors,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=networking.k8s.io,resources=ingresses;networkpolicies,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=list
// +kubebuilder:rbac:groups="",resources=pods/log,verbs=get
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=postgresql.cnpg.io,resources=clusters,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=rsolv.dev,resources=alertbaselines,verbs=get;list;watch
// +kubebuilder:rbac:groups=rsolv.dev,resources=rsolvdeployments,verbs=get;list;watch
// +kubebuilder:rbac:groups=rsolv.dev,resources=rsolvdeployments/finalizers,verbs=update
// +kubebuilder:rbac:groups=rsolv.dev,resources=rsolvdeployments/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups="",resources=serviceaccounts,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;patch

// Reconcile brings one app a step further.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	// Not from the cache: what was computed from a status older than the one
	// that was written last could equal it, and the newer one would stay.
	before := &v1alpha1.RsolvDeployment{}
	if err := r.Live.Get(ctx, request.NamespacedName, before); err != nil {
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
		rd:        rd.DeepCopy(),
		target:    rd.DeepCopy(),
		desired:   rd.Status.Desired,
		failed:    rd.Status.FailedMigrations,
		preflight: rd.Status.Preflight.DeepCopy(),
		catalog:   rd.Status.Catalog.DeepCopy(),
		lastGood:  rd.Status.LastGood.DeepCopy(),
		rejected:  rd.Status.RejectedRevision.DeepCopy(),
		smoke:     rd.Status.SmokeTest.DeepCopy(),
		gate:      rd.Status.Gate.DeepCopy(),
		backAt:    rd.Status.DependencyBackAt.DeepCopy(),
		verdicts:  map[string]status.Verdict{},

		lastGoodCatalog: rd.Status.LastGoodCatalog.DeepCopy(),
	}
}

// run goes through the phases. What runs is observed always, and reported even
// while a rollout is held. Once all phases are through it is what is declared,
// and verified; until then it is guarded.
func (r *Reconciler) run(ctx context.Context, s *scope) error {
	var stop error
	for _, phase := range []func(context.Context, *scope) error{
		r.gather, r.applyLive, r.pauseSuspended, r.ensureDatabase, r.checkSecrets, r.holdSuspended,
		r.runPreflight, r.checkFlags, r.runMigrations, r.applyWorkload,
	} {
		if stop = asHeld(phase(ctx, s), s); stop != nil {
			break
		}
	}
	h, isHeld := errors.AsType[*held](stop)
	if stop != nil && !isHeld {
		return stop
	}
	if stop != nil {
		if err := r.keepServing(ctx, s); err != nil {
			return err
		}
	}
	if err := r.observe(ctx, s); err != nil {
		return err
	}
	if stop != nil {
		return r.guardRunning(ctx, s, h)
	}
	return asHeld(r.verify(ctx, s), s)
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
