package alertbaseline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/controllers/watch"
	"github.com/rsolv-dev/rsolv-operator/internal/promclient"
	"github.com/rsolv-dev/rsolv-operator/internal/render/routing"
)

// routesObserver asks the Alertmanager of each baseline that names one whether
// it runs the baseline's routes. It writes nothing.
type routesObserver struct {
	client client.Client
	live   client.Reader
	clock  func() time.Time
	noted  *noted
	pace   pace

	mu       sync.Mutex
	memories map[types.NamespacedName]routesMemory
}

// routesMemory is what is kept of a baseline between looks: when its
// generation was first looked at, and when Alertmanager last answered.
type routesMemory struct {
	generation      int64
	since, answered time.Time
}

// routesSeen is the verdict of a look.
type routesSeen struct {
	uid        types.UID
	generation int64
	verdict    status.Verdict
}

func (o *routesObserver) setup(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).Named("alertbaseline-routes").
		For(&v1alpha1.AlertBaseline{}, builder.WithPredicates(watch.DeclarationChanged())).
		WithOptions(controller.Options{MaxConcurrentReconciles: 2}).
		Complete(o)
	if err != nil {
		return fmt.Errorf("setting up the observer of routes: %w", err)
	}
	return nil
}

// Reconcile looks once, and says when to look again.
func (o *routesObserver) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var baseline v1alpha1.AlertBaseline
	if err := o.client.Get(ctx, request.NamespacedName, &baseline); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	if baseline.DeletionTimestamp != nil || baseline.Spec.Routing == nil || baseline.Spec.Alertmanager == nil {
		o.mu.Lock()
		delete(o.memories, request.NamespacedName)
		o.mu.Unlock()
		o.noted.forgetRoutes(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	m := o.remember(request.NamespacedName, baseline.Generation)
	verdict, answered := o.look(ctx, &baseline)
	if ctx.Err() != nil {
		return ctrl.Result{}, nil //nolint:nilerr // the manager stops; what failed by that is no news
	}
	now := o.clock()
	before, known := o.noted.routesOf(&baseline)
	if answered {
		m.answered = now
		o.mu.Lock()
		o.memories[request.NamespacedName] = m
		o.mu.Unlock()
	} else if known && now.Sub(m.answered) < o.pace.patience {
		verdict = before // one that is restarted is no news
	}
	o.noted.seeRoutes(request.NamespacedName, routesSeen{baseline.UID, baseline.Generation, verdict})
	if !verdict.Is() && now.Sub(m.since) < o.pace.settled {
		return ctrl.Result{RequeueAfter: o.pace.settling}, nil
	}
	return ctrl.Result{RequeueAfter: o.pace.steady}, nil
}

func (o *routesObserver) remember(key types.NamespacedName, generation int64) routesMemory {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.memories == nil {
		o.memories = map[types.NamespacedName]routesMemory{}
	}
	m, found := o.memories[key]
	if !found || m.generation != generation {
		m = routesMemory{generation: generation, since: o.clock(), answered: m.answered}
		o.memories[key] = m
	}
	return m
}

// look asks Alertmanager; answered says whether it did.
func (o *routesObserver) look(ctx context.Context, baseline *v1alpha1.AlertBaseline) (verdict status.Verdict, answered bool) {
	missing, _, err := missingSecrets(ctx, o.live, baseline)
	if err != nil {
		return status.Unknown(v1alpha1.ReasonProgressing, "the API server did not give the secrets; it is asked again"), false
	}
	plan, problem := routing.Make(baseline, missing)
	if problem != nil {
		return status.Unknown(v1alpha1.ReasonNotEvaluated, "there are no routes to look for: see RoutingApplied"), true
	}
	running, err := o.runningConfig(ctx, baseline)
	if err != nil {
		return unreachableAlertmanager(baseline.Spec.Alertmanager.URL, err), false
	}
	differences, found, err := plan.Absent(running)
	switch {
	case err != nil:
		return unreachableAlertmanager(baseline.Spec.Alertmanager.URL, err), false
	case !found:
		return status.False(v1alpha1.ReasonNotLoaded, notLoaded(baseline)), true
	case len(differences) > 0:
		return status.False(v1alpha1.ReasonNotLoaded, "Alertmanager runs these routes as they were before: not as declared are "+
			strings.Join(differences, ", ")), true
	default:
		return status.True(v1alpha1.ReasonSucceeded, "Alertmanager runs the routes to "+plural(len(plan.Routes), "receiver")), true
	}
}

// notLoaded says what to look at where Alertmanager knows none of the routes.
func notLoaded(baseline *v1alpha1.AlertBaseline) string {
	if baseline.Spec.Routing.Output == v1alpha1.RoutingOutputConfigMap {
		return "Alertmanager runs without these routes: give it " + routing.ConfigKey + " of the ConfigMap " +
			quoted(routing.ConfigMapName(baseline.Name)) + " as its configuration, or merge that into its own, and have it reload"
	}
	return "Alertmanager runs without these routes: the alertmanagerConfigSelector of the Alertmanager object must select the AlertmanagerConfig " +
		quoted(baseline.Name) + " (spec.routing.labels are its labels), alertmanagerConfigNamespaceSelector this namespace; " +
		"an event on the Alertmanager object tells when prometheus-operator refuses one"
}

// runningConfig asks for the configuration in use.
func (o *routesObserver) runningConfig(ctx context.Context, baseline *v1alpha1.AlertBaseline) (string, error) {
	config, err := promclient.Resolve(ctx, baseline.Spec.Alertmanager, secretsOf(o.live, baseline.Namespace))
	if err != nil {
		return "", err
	}
	connection, err := config.HTTPClient()
	if err != nil {
		return "", err
	}
	defer connection.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(baseline.Spec.Alertmanager.URL, "/")+"/api/v2/status", http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := connection.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("it answers %s", response.Status)
	}
	var answer struct {
		Config struct {
			Original string `json:"original"`
		} `json:"config"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, promclient.MaxAnswer)).Decode(&answer); err != nil {
		return "", errors.New("its answer is not that of an Alertmanager")
	}
	return answer.Config.Original, nil
}

func unreachableAlertmanager(url string, err error) status.Verdict {
	if problem, ok := errors.AsType[*promclient.SecretError](err); ok {
		reason := v1alpha1.ReasonSecretInvalid
		if problem.Missing() {
			reason = v1alpha1.ReasonSecretNotFound
		}
		return status.Unknown(reason, "Alertmanager is not asked: spec.alertmanager."+problem.Error())
	}
	return status.Unknown(v1alpha1.ReasonAlertmanagerUnreachable, "Alertmanager at "+url+" does not answer: "+promclient.Explain(err)+
		"; the routes are not touched by that")
}

// writeRoutesLoaded writes what is known of the routes in Alertmanager. It
// says nothing about Ready.
func (s *scope) writeRoutesLoaded() {
	st := &s.baseline.Status
	switch {
	case s.baseline.Spec.Routing == nil:
		apimeta.RemoveStatusCondition(&st.Conditions, v1alpha1.ConditionRoutingLoaded)
	case s.baseline.Spec.Alertmanager == nil:
		status.Set(&st.Conditions, s.baseline.Generation, v1alpha1.ConditionRoutingLoaded, status.Unknown(v1alpha1.ReasonNotConfigured,
			"nobody is asked: set spec.alertmanager.url, for example to http://alertmanager-operated.monitoring:9093"))
	case s.routes.Status == "":
		status.Set(&st.Conditions, s.baseline.Generation, v1alpha1.ConditionRoutingLoaded,
			status.Unknown(v1alpha1.ReasonProgressing, "Alertmanager is being asked"))
	default:
		status.Set(&st.Conditions, s.baseline.Generation, v1alpha1.ConditionRoutingLoaded, s.routes)
	}
}

func (n *noted) seeRoutes(key types.NamespacedName, seen routesSeen) {
	n.mu.Lock()
	before := n.routes[key]
	n.routes[key] = seen
	n.mu.Unlock()
	if before != seen {
		n.wake(key)
	}
}

// routesOf is what was seen of the routes of a baseline as it is declared.
func (n *noted) routesOf(baseline *v1alpha1.AlertBaseline) (status.Verdict, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen, found := n.routes[keyOf(baseline)]
	if !found || seen.uid != baseline.UID || seen.generation != baseline.Generation {
		return status.Verdict{}, false
	}
	return seen.verdict, true
}

func (n *noted) forgetRoutes(key types.NamespacedName) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.routes, key)
}
