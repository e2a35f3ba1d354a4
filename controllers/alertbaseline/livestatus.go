package alertbaseline

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// writeLive writes what is known of the rules in Prometheus. None of it makes
// the baseline ready or unready: a Prometheus that is away breaks nothing here.
func (s *scope) writeLive() {
	st := &s.baseline.Status
	switch {
	case s.baseline.Spec.Calibrate == nil:
		st.Calibration = nil
	case s.past != nil:
		st.Calibration = s.past.DeepCopy()
	}
	set := func(condition string, verdict status.Verdict) {
		status.Set(&st.Conditions, s.baseline.Generation, condition, verdict)
	}
	if reason := s.cannotLook(); reason.Status != "" {
		for _, condition := range liveConditions {
			set(condition, reason)
		}
		st.States, st.Firing = nil, nil
		return
	}
	if s.seen == nil {
		for _, condition := range liveConditions {
			set(condition, s.lookedBefore(condition))
		}
		return
	}
	set(v1alpha1.ConditionRulesLoaded, s.seen.loaded)
	set(v1alpha1.ConditionMetricsPresent, s.seen.present)
	st.States = mergeStates(st.States, s.seen.standings, s.now)
	st.Firing = s.seen.firing
	set(v1alpha1.ConditionWithinBaseline, s.withinVerdict())
}

var liveConditions = []string{v1alpha1.ConditionRulesLoaded, v1alpha1.ConditionMetricsPresent, v1alpha1.ConditionWithinBaseline}

// cannotLook is the verdict where there is nothing to look at, or nowhere to
// look; empty otherwise.
func (s *scope) cannotLook() status.Verdict {
	switch {
	case s.baseline.Spec.Prometheus == nil:
		return status.Unknown(v1alpha1.ReasonNotConfigured, "nobody is asked: set spec.prometheus.url, for example to http://prometheus-operated.monitoring:9090")
	case !s.deployment:
		return s.rules
	case s.counted && len(s.groups) == 0:
		return status.Unknown(v1alpha1.ReasonNotEvaluated, "there are no rules in place: see RulesApplied")
	default:
		return status.Verdict{}
	}
}

// lookedBefore keeps what was written about this generation, such as before
// the manager was started anew.
func (s *scope) lookedBefore(condition string) status.Verdict {
	kept := s.orBefore(condition, status.Verdict{})
	if kept.Reason == v1alpha1.ReasonProgressing || kept.Reason == v1alpha1.ReasonNotConfigured || kept.Reason == v1alpha1.ReasonNotEvaluated {
		return status.Unknown(v1alpha1.ReasonProgressing, "Prometheus has not been asked about this yet")
	}
	return kept
}

// mergeStates keeps what was written of a threshold for as long as its state
// lasts, so that a value that moves is no reason to write.
func mergeStates(before []v1alpha1.ThresholdStatus, now []standing, at time.Time) []v1alpha1.ThresholdStatus {
	if now == nil {
		// Nothing is known: every state that was is not known any more.
		for i := range before {
			now = append(now, standing{name: before[i].Name, state: v1alpha1.StateUnknown})
		}
	}
	states := make([]v1alpha1.ThresholdStatus, 0, len(now))
	for _, s := range now {
		old := slices.IndexFunc(before, func(b v1alpha1.ThresholdStatus) bool { return b.Name == s.name })
		if old >= 0 && before[old].State == s.state {
			states = append(states, before[old])
			continue
		}
		states = append(states, v1alpha1.ThresholdStatus{Name: s.name, State: s.state, Value: s.value, Since: metav1.NewTime(at.Truncate(time.Second))})
	}
	if len(states) == 0 {
		return nil
	}
	return states
}

// withinVerdict sums up the states as they are written.
func (s *scope) withinVerdict() status.Verdict {
	in := map[v1alpha1.ThresholdState][]string{}
	for i := range s.baseline.Status.States {
		state := &s.baseline.Status.States[i]
		in[state.State] = append(in[state.State], s.describe(state))
	}
	if s.seen.standings == nil || len(in[v1alpha1.StateUnknown]) == len(s.baseline.Status.States) {
		return status.Unknown(v1alpha1.ReasonNotEvaluated, "it is not known how the thresholds stand: see RulesLoaded")
	}
	var parts []string
	for _, state := range []v1alpha1.ThresholdState{
		v1alpha1.StateCritical, v1alpha1.StateWarning, v1alpha1.StateInfo, v1alpha1.StatePending, v1alpha1.StateNoData, v1alpha1.StateUnknown,
	} {
		if len(in[state]) > 0 {
			parts = append(parts, words[state]+": "+strings.Join(in[state], ", "))
		}
	}
	message := strings.Join(parts, "; ")
	gone := slices.ContainsFunc(s.seen.standings, func(s standing) bool { return s.gone })
	if len(in[v1alpha1.StateCritical])+len(in[v1alpha1.StateWarning]) > 0 || gone {
		return status.False(v1alpha1.ReasonOutsideBaseline, message)
	}
	if message == "" {
		message = "no alert fires or is pending"
	}
	return status.True(v1alpha1.ReasonSucceeded, message)
}

var words = map[v1alpha1.ThresholdState]string{
	v1alpha1.StateCritical: "critical", v1alpha1.StateWarning: "warning", v1alpha1.StateInfo: "info", v1alpha1.StatePending: "pending",
	v1alpha1.StateNoData: "no data", v1alpha1.StateUnknown: "unknown",
}

// describe names a threshold, its value and the bound that it is beyond.
func (s *scope) describe(state *v1alpha1.ThresholdStatus) string {
	text := quoted(state.Name)
	at := slices.IndexFunc(s.rendered.Plans, func(p alerts.Plan) bool { return p.Name == state.Name })
	if state.Value == "" || at < 0 {
		return text
	}
	text += " at " + state.Value
	plan := &s.rendered.Plans[at]
	for i := range plan.Bounds {
		if severities[plan.Bounds[i].Severity] == state.State {
			return text + " (" + boundWords[plan.Bounds[i].Operator] + " " + plan.Bounds[i].Text + ")"
		}
	}
	return text
}

var boundWords = map[string]string{">": "above", "<": "below", "<=": "at most"}
