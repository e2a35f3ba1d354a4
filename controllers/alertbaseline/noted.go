package alertbaseline

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// noted is what the two controllers of this package tell each other: what was
// applied, and what a Prometheus was then found to run. The one that applies
// never waits for a Prometheus, and it alone writes the status.
type noted struct {
	mu      sync.Mutex
	applied map[types.NamespacedName]applied
	seen    map[types.NamespacedName]observation
	// past is what the alerts would have done.
	past map[types.NamespacedName]*v1alpha1.CalibrationStatus
	// routes is what an Alertmanager was found to run.
	routes map[types.NamespacedName]routesSeen
	// changed wakes the one that writes the status.
	changed chan event.TypedGenericEvent[*v1alpha1.AlertBaseline]
}

// applied are the rules in place for a generation of a baseline.
type applied struct {
	uid        types.UID
	generation int64
	groups     []alerts.Group
	plans      []alerts.Plan
}

// observation is what a look at a Prometheus found. Its verdicts hold nothing
// that changes while nothing happens.
type observation struct {
	uid             types.UID
	generation      int64
	loaded, present status.Verdict
	// standings are nil while nothing is known.
	standings []standing
	firing    *int32
}

// same tells that two observations have the same status but for values, which
// are written only with a new state.
func (o *observation) same(other *observation) bool {
	return o.uid == other.uid && o.generation == other.generation && o.loaded == other.loaded && o.present == other.present &&
		slices.EqualFunc(o.standings, other.standings, func(a, b standing) bool { return a.name == b.name && a.state == b.state && a.gone == b.gone }) &&
		(o.firing == nil) == (other.firing == nil) && (o.firing == nil || *o.firing == *other.firing)
}

func newNoted() *noted {
	return &noted{
		applied: map[types.NamespacedName]applied{}, seen: map[types.NamespacedName]observation{},
		past:    map[types.NamespacedName]*v1alpha1.CalibrationStatus{},
		routes:  map[types.NamespacedName]routesSeen{},
		changed: make(chan event.TypedGenericEvent[*v1alpha1.AlertBaseline], 1024),
	}
}

func (n *noted) apply(key types.NamespacedName, a applied) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.applied[key] = a
}

// inPlace are the rules of a baseline as it is declared; not found while they
// are not applied.
func (n *noted) inPlace(baseline *v1alpha1.AlertBaseline) (applied, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, found := n.applied[keyOf(baseline)]
	return a, found && a.uid == baseline.UID && a.generation == baseline.Generation
}

// see keeps an observation, and wakes the writer if its status is another.
func (n *noted) see(key types.NamespacedName, o observation) {
	n.mu.Lock()
	before, found := n.seen[key]
	n.seen[key] = o
	n.mu.Unlock()
	if !found || !before.same(&o) {
		n.wake(key)
	}
}

func (n *noted) wake(key types.NamespacedName) {
	baseline := &v1alpha1.AlertBaseline{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	n.changed <- event.TypedGenericEvent[*v1alpha1.AlertBaseline]{Object: baseline}
}

// calibrate keeps what was found about the past; nil for what nobody asks.
func (n *noted) calibrate(key types.NamespacedName, found *v1alpha1.CalibrationStatus) {
	n.mu.Lock()
	before := n.past[key]
	if found == nil {
		delete(n.past, key)
	} else {
		n.past[key] = found
	}
	n.mu.Unlock()
	if found != nil && !equality.Semantic.DeepEqual(before, found) {
		n.wake(key)
	}
}

// calibrated is what was found about the past of a baseline as it is declared.
func (n *noted) calibrated(baseline *v1alpha1.AlertBaseline) *v1alpha1.CalibrationStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	if found := n.past[keyOf(baseline)]; found != nil && found.ObservedGeneration == baseline.Generation {
		return found
	}
	return nil
}

// of is what was seen of a baseline as it is declared.
func (n *noted) of(baseline *v1alpha1.AlertBaseline) *observation {
	n.mu.Lock()
	defer n.mu.Unlock()
	o, found := n.seen[keyOf(baseline)]
	if !found || o.uid != baseline.UID || o.generation != baseline.Generation {
		return nil
	}
	return &o
}

func (n *noted) forget(key types.NamespacedName) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.applied, key)
	delete(n.seen, key)
	delete(n.past, key)
}

func keyOf(baseline *v1alpha1.AlertBaseline) types.NamespacedName {
	return types.NamespacedName{Namespace: baseline.Namespace, Name: baseline.Name}
}
