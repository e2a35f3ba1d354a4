// Package alertbaseline keeps the rules and the dashboard of each AlertBaseline
// in place, and tells what a Prometheus makes of them.
package alertbaseline

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/controllers/watch"
	"github.com/rsolv-dev/rsolv-operator/internal/promclient"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/internal/render/routing"
)

// indexApp finds the baselines of an app, indexSecret those whose routing
// refers to a secret.
const (
	indexApp    = "alertbaseline.deploymentRef.name"
	indexSecret = "alertbaseline.routing.secrets"
)

const (
	// staleRetry is when a status that was computed from a stale object is
	// computed again; the cache is fresh by then.
	staleRetry = 100 * time.Millisecond
	// refusedRetry is when a child that the API server refused, or that stands
	// behind a foreign object, is tried again: what could change the answer is
	// not always visible from here.
	refusedRetry = time.Minute
)

// Reconciler keeps alert rules and dashboards in place. All exported fields are
// required.
type Reconciler struct {
	// Client reads from the cache and writes.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Applier writes the children.
	Applier *child.Applier
	// Recorder tells of transitions.
	Recorder events.EventRecorder
	// Clock gives the time, for the horizon of daylight saving time.
	Clock func() time.Time
	// Prometheus holds the clients of the servers that baselines name. A client
	// goes with its baseline, whoever else used it.
	Prometheus *promclient.Clients

	// rules and routes are the kinds that the cluster may do without.
	rules, routes *watch.Optional
	noted         *noted
	// pace of the looks at Prometheus; the usual one when zero.
	pace pace
}

// SetupWithManager registers the reconciler and what it watches. PrometheusRules
// are watched as soon as their CRD exists.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if r.Client == nil || r.Live == nil || r.Applier == nil || r.Recorder == nil || r.Clock == nil || r.Prometheus == nil {
		return errors.New("setting up the AlertBaseline controller: Client, Live, Applier, Recorder, Clock and Prometheus are required")
	}
	for index, values := range map[string]func(*v1alpha1.AlertBaseline) []string{
		indexApp:    func(b *v1alpha1.AlertBaseline) []string { return []string{b.Spec.DeploymentRef.Name} },
		indexSecret: secretNames,
	} {
		of := func(object client.Object) []string { return values(object.(*v1alpha1.AlertBaseline)) }
		if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.AlertBaseline{}, index, of); err != nil {
			return fmt.Errorf("indexing AlertBaselines: %w", err)
		}
	}
	r.noted = newNoted()
	if r.pace == (pace{}) {
		r.pace = usualPace
	}
	c, err := ctrl.NewControllerManagedBy(mgr).Named("alertbaseline").
		For(&v1alpha1.AlertBaseline{}, builder.WithPredicates(watch.DeclarationChanged())).
		Watches(&v1alpha1.RsolvDeployment{}, handler.EnqueueRequestsFromMapFunc(r.ofDeployment), builder.WithPredicates(watch.ComesOrGoes())).
		WatchesMetadata(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(ofConfigMap)).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.ofSecret)).
		WatchesMetadata(&apiextensionsv1.CustomResourceDefinition{}, handler.EnqueueRequestsFromMapFunc(r.ofAll), builder.WithPredicates(watch.Named(ruleCRDName, routingCRDName))).
		WatchesRawSource(source.Channel(r.noted.changed, &handler.TypedEnqueueRequestForObject[*v1alpha1.AlertBaseline]{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4}).
		Build(r)
	if err != nil {
		return fmt.Errorf("setting up the AlertBaseline controller: %w", err)
	}
	r.rules, r.routes = optional(ruleCRDName, alerts.GVK), optional(routingCRDName, routing.GVK)
	r.rules.Bind(c, mgr.GetCache())
	r.routes.Bind(c, mgr.GetCache())
	if err := (&observer{client: r.Client, live: r.Live, clock: r.Clock, noted: r.noted, clients: r.Prometheus, pace: r.pace}).setup(mgr); err != nil {
		return err
	}
	if err := (&routesObserver{client: r.Client, live: r.Live, clock: r.Clock, noted: r.noted, pace: r.pace}).setup(mgr); err != nil {
		return err
	}
	return (&calibrator{client: r.Client, live: r.Live, clock: r.Clock, noted: r.noted}).setup(mgr)
}

// scope is what one reconcile knows.
type scope struct {
	baseline *v1alpha1.AlertBaseline
	// deployment says whether the app exists.
	deployment bool
	// now is when the rules were rendered.
	now time.Time
	// crd says whether the cluster knows PrometheusRules, routingCRD whether it
	// knows AlertmanagerConfigs.
	crd, routingCRD bool
	// rendered is what the baseline becomes now.
	rendered alerts.Result
	// groups are those applied: rendered ones, and for thresholds with a
	// problem their last good ones. kept names the latter.
	groups []alerts.Group
	kept   map[string]bool
	// counted says that groups are all that is in place.
	counted bool
	// rules and dashboard are the verdicts on the two children; empty where
	// nothing was learned.
	rules, dashboard status.Verdict
	// routing is the verdict on the third, where there is one.
	routing status.Verdict
	// routes is what Alertmanager was found to run; empty while nobody has
	// looked.
	routes status.Verdict
	// seen is what Prometheus was found to run; nil while nobody has looked.
	seen *observation
	// past is what the alerts would have done; nil while it is not known.
	past *v1alpha1.CalibrationStatus
	// retry is when to look again at what nothing announces; zero is never.
	retry time.Duration
}

// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=monitoring.coreos.com,resources=alertmanagerconfigs,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=monitoring.coreos.com,resources=prometheusrules,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=rsolv.dev,resources=alertbaselines,verbs=get;list;watch
// +kubebuilder:rbac:groups=rsolv.dev,resources=alertbaselines/status,verbs=get;patch
// +kubebuilder:rbac:groups=rsolv.dev,resources=rsolvdeployments,verbs=get;list;watch

// Reconcile brings the children of one baseline to their declared state.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var baseline v1alpha1.AlertBaseline
	if err := r.Client.Get(ctx, request.NamespacedName, &baseline); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if baseline.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	before := baseline.DeepCopy()
	s := &scope{baseline: &baseline, kept: map[string]bool{}}
	if err := r.gather(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	// A failure of one child does not keep the other from being applied.
	var errs []error
	if s.deployment {
		s.now = r.Clock()
		s.rendered = alerts.Rules(s.baseline, s.now)
		errs = append(errs, r.applyRules(ctx, s), r.applyDashboard(ctx, s), r.applyRouting(ctx, s))
	}
	if s.baseline.Spec.Prometheus != nil && s.counted {
		r.noted.apply(keyOf(s.baseline), applied{s.baseline.UID, s.baseline.Generation, s.groups, s.rendered.Plans})
	}
	s.seen, s.past = r.noted.of(s.baseline), r.noted.calibrated(s.baseline)
	s.routes, _ = r.noted.routesOf(s.baseline)
	return r.finish(ctx, before, s, errors.Join(errs...))
}

// gather reads what the baseline refers to.
func (r *Reconciler) gather(ctx context.Context, s *scope) error {
	var deployment v1alpha1.RsolvDeployment
	key := types.NamespacedName{Namespace: s.baseline.Namespace, Name: s.baseline.Spec.DeploymentRef.Name}
	err := r.Client.Get(ctx, key, &deployment)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading RsolvDeployment %s: %w", key.Name, err)
	}
	s.deployment = err == nil && deployment.DeletionTimestamp == nil
	if s.crd, err = r.rules.Present(ctx, r.Client); err != nil {
		return err
	}
	s.routingCRD, err = r.routes.Present(ctx, r.Client)
	return err
}

// finish writes the status and decides about the next look. It is the only
// place that does either. err is a failure that may pass by itself; the
// condition of the child that it struck stays as it was.
func (r *Reconciler) finish(ctx context.Context, before *v1alpha1.AlertBaseline, s *scope, err error) (ctrl.Result, error) {
	s.writeStatus()
	changed, patchErr := status.Patch(ctx, r.Client, before, s.baseline)
	switch {
	case apierrors.IsConflict(patchErr):
		s.retry = staleRetry
	case client.IgnoreNotFound(patchErr) != nil:
		err = errors.Join(err, patchErr)
	case changed:
		r.announce(before, s.baseline)
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	wait := s.retry
	if at := s.rendered.RenewAt; wait == 0 && !at.IsZero() {
		wait = max(at.Sub(r.Clock()), time.Second)
	}
	return ctrl.Result{RequeueAfter: wait}, nil
}
