package alertbaseline

import (
	"math"
	"slices"
	"strings"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// facts are what a Prometheus was found to know of a baseline.
type facts struct {
	// rules that it runs for the baseline.
	rules []liveRule
	// values of the recorded series, by their names.
	values map[string][]float64
	// buckets are the metrics that it has among those read, and the upper
	// bounds of those that are buckets. labels are the labels on them.
	buckets map[string][]float64
	labels  map[string][]string
}

// liveRule is a rule as Prometheus runs it.
type liveRule struct {
	// group it is in; alert or record is its name.
	group, alert, record string
	query                string
	// threshold and severity of an alert.
	threshold, severity string
	// labels of an alert, and how long it is pending.
	labels    map[string]string
	pending   time.Duration
	state     string
	lastError string
	failed    bool
}

// rulesOf finds the rules of a baseline among all of a Prometheus: by their
// labels, for names of groups and files are not its own.
func rulesOf(baseline *v1alpha1.AlertBaseline, groups []promv1.RuleGroup) []liveRule {
	var all []liveRule
	ours := func(labels map[string]string) bool {
		return labels["baseline"] == baseline.Name && labels["namespace"] == baseline.Namespace
	}
	for i := range groups {
		for _, rule := range groups[i].Rules {
			switch rule := rule.(type) {
			case promv1.AlertingRule:
				labels := labelsOf(rule.Labels)
				if !ours(labels) {
					continue
				}
				all = append(all, liveRule{
					group: groups[i].Name, alert: rule.Name, query: rule.Query, threshold: labels["threshold"], severity: labels["severity"],
					labels: labels, pending: time.Duration(rule.Duration * float64(time.Second)),
					state: rule.State, lastError: rule.LastError, failed: rule.Health == promv1.RuleHealthBad,
				})
			case promv1.RecordingRule:
				if !ours(labelsOf(rule.Labels)) {
					continue
				}
				all = append(all, liveRule{
					group: groups[i].Name, record: rule.Name, query: rule.Query, lastError: rule.LastError, failed: rule.Health == promv1.RuleHealthBad,
				})
			}
		}
	}
	return all
}

func labelsOf[K, V ~string](set map[K]V) map[string]string {
	labels := make(map[string]string, len(set))
	for name, value := range set {
		labels[string(name)] = string(value)
	}
	return labels
}

// standing is how one threshold stands at the moment of a look.
type standing struct {
	name  string
	state v1alpha1.ThresholdState
	// value is empty where there is none.
	value string
	// gone: the alert for metrics that are gone fires.
	gone bool
}

// standings of all thresholds, and how many alerts fire. A threshold whose
// rules are the last good ones has no plan.
func standings(baseline *v1alpha1.AlertBaseline, plans []alerts.Plan, f *facts) (all []standing, firing int32) {
	for i := range f.rules {
		if f.rules[i].state == firingState {
			firing++
		}
	}
	for i := range baseline.Spec.Thresholds {
		name := baseline.Spec.Thresholds[i].Name
		at := slices.IndexFunc(plans, func(p alerts.Plan) bool { return p.Name == name })
		var plan *alerts.Plan
		if at >= 0 {
			plan = &plans[at]
		}
		all = append(all, standingOf(name, plan, f))
	}
	return all, firing
}

// States of an alert as Prometheus tells them.
const (
	pendingState = "pending"
	firingState  = "firing"
)

func standingOf(name string, plan *alerts.Plan, f *facts) standing {
	s := standing{name: name, state: v1alpha1.StateUnknown}
	runs := slices.ContainsFunc(f.rules, func(r liveRule) bool { return r.group == name })
	if !runs {
		return s
	}
	value, found := valueOf(plan, f)
	if found {
		s.value = plan.Unit.Format(value)
	}
	s.state = v1alpha1.StateOK
	if plan != nil && !found {
		s.state = v1alpha1.StateNoData
	}
	for i := range f.rules {
		r := &f.rules[i]
		if r.threshold != name {
			continue
		}
		state := v1alpha1.StatePending
		switch {
		case r.state == firingState && plan != nil && plan.NoData != nil && plan.NoData.Alert == r.alert:
			state, s.gone = v1alpha1.StateNoData, true
		case r.state == firingState:
			state = severities[r.severity]
		case r.state != pendingState:
			continue
		}
		if rank(state) > rank(s.state) {
			s.state = state
		}
	}
	return s
}

var severities = map[string]v1alpha1.ThresholdState{
	alerts.SeverityInfo: v1alpha1.StateInfo, alerts.SeverityWarning: v1alpha1.StateWarning, alerts.SeverityCritical: v1alpha1.StateCritical,
}

// rank orders states from what needs nobody to what needs somebody now.
func rank(state v1alpha1.ThresholdState) int {
	return slices.Index([]v1alpha1.ThresholdState{
		v1alpha1.StateOK, v1alpha1.StateNoData, v1alpha1.StatePending, v1alpha1.StateInfo, v1alpha1.StateWarning, v1alpha1.StateCritical,
	}, state)
}

// valueOf is the recorded value of a plan: of several, the one nearest to the
// bounds, or beyond them.
func valueOf(plan *alerts.Plan, f *facts) (worst float64, found bool) {
	if plan == nil {
		return 0, false
	}
	record, _, _ := strings.Cut(plan.Value, "{")
	down := len(plan.Bounds) > 0 && plan.Bounds[0].Operator != ">"
	for _, value := range f.values[record] {
		if math.IsNaN(value) {
			continue
		}
		if !found || down && value < worst || !down && value > worst {
			worst, found = value, true
		}
	}
	return worst, found
}
