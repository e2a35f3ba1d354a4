package alertbaseline

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/internal/render/dashboard"
)

const missingCRD = "the cluster does not know PrometheusRules, so that there are no alerts: install the CustomResourceDefinitions of " +
	"prometheus-operator, or all of kube-prometheus-stack; the rules are applied as soon as " + ruleCRDName + " exists"

// writeStatus turns what was learned into the status of the baseline.
func (s *scope) writeStatus() {
	st, generation := &s.baseline.Status, s.baseline.Generation
	s.waiting()
	s.rules = s.orBefore(v1alpha1.ConditionRulesApplied, s.rules)
	s.dashboard = s.orBefore(v1alpha1.ConditionDashboardApplied, s.dashboard)
	status.Set(&st.Conditions, generation, v1alpha1.ConditionRulesApplied, s.rules)
	status.Set(&st.Conditions, generation, v1alpha1.ConditionDashboardApplied, s.dashboard)
	s.writeRouting()
	s.writeRoutesLoaded()
	s.writeLive()
	ready, progress := s.readiness()
	status.Summarise(&st.Conditions, generation, ready, progress)
	st.ObservedGeneration = generation
	st.Thresholds = int32(len(s.baseline.Spec.Thresholds)) //nolint:gosec // the schema allows 64
	if s.counted {
		st.Alerts = int32(alerts.Alerts(s.groups)) //nolint:gosec // four for each of 64 thresholds
	}
}

// orBefore keeps the verdict of before on a child about which nothing was
// learned, unless it spoke of another generation.
func (s *scope) orBefore(condition string, learned status.Verdict) status.Verdict {
	if learned.Status != "" {
		return learned
	}
	if before := apimeta.FindStatusCondition(s.baseline.Status.Conditions, condition); before != nil && before.ObservedGeneration == s.baseline.Generation {
		return status.Verdict{Status: before.Status, Reason: before.Reason, Message: before.Message}
	}
	return status.Unknown(v1alpha1.ReasonProgressing, "not applied yet; it is tried again")
}

// waiting are the verdicts while there is no app to watch.
func (s *scope) waiting() {
	if s.deployment {
		return
	}
	wait := status.Unknown(v1alpha1.ReasonNotEvaluated, "waits for the RsolvDeployment "+quoted(s.baseline.Spec.DeploymentRef.Name))
	s.rules, s.dashboard, s.routing = wait, wait, wait
}

// readiness sums the verdicts up.
func (s *scope) readiness() (status.Verdict, status.Progress) {
	switch {
	case !s.deployment:
		return status.False(v1alpha1.ReasonDeploymentMissing, fmt.Sprintf(
			"there is no RsolvDeployment %s in this namespace: create it, or make a baseline for the app that there is",
			quoted(s.baseline.Spec.DeploymentRef.Name))), status.Working
	case s.rules.Reason == v1alpha1.ReasonProgressing || s.dashboard.Reason == v1alpha1.ReasonProgressing || s.routing.Reason == v1alpha1.ReasonProgressing:
		return status.False(v1alpha1.ReasonProgressing, "applying the rules, the dashboard and the routing"), status.Working
	case isProblem(s.rules.Reason) && len(s.groups) > 0:
		return status.False(v1alpha1.ReasonPartiallyApplied, s.rules.Message), status.Stuck
	case !s.rules.Is() && (s.dashboard.Is() || progress(s.rules) == status.Stuck):
		return s.rules, progress(s.rules)
	case !s.dashboard.Is():
		return s.dashboard, progress(s.dashboard)
	case s.baseline.Spec.Routing != nil && !s.routing.Is():
		return s.routing, progress(s.routing)
	default:
		return status.True(v1alpha1.ReasonSucceeded, s.rules.Message), status.Done
	}
}

// progress tells what comes or goes by itself from what waits for somebody.
func progress(verdict status.Verdict) status.Progress {
	switch verdict.Reason {
	case v1alpha1.ReasonCRDsMissing, v1alpha1.ReasonAwaitingDeletion, v1alpha1.ReasonSecretMissing:
		return status.Working
	default:
		return status.Stuck
	}
}

func isProblem(reason string) bool {
	return reason == v1alpha1.ReasonInvalidThreshold || reason == v1alpha1.ReasonInvalidExpression
}

// rulesVerdict is the verdict on rules that were applied.
func (s *scope) rulesVerdict() status.Verdict {
	counts := "no alerts in place"
	if len(s.groups) > 0 {
		counts = plural(alerts.Alerts(s.groups), "alert") + " of " + plural(len(s.groups), "threshold") + " in place"
	}
	if alerts.InConfigMap(s.baseline) {
		counts += ", in ConfigMap " + quoted(alerts.ConfigMapName(s.baseline.Name)) + ", which a Prometheus reads where it is mounted among its rule_files"
	}
	counts += s.suspended()
	if len(s.rendered.Problems) == 0 {
		return status.True(v1alpha1.ReasonSucceeded, counts)
	}
	messages := make([]string, 0, len(s.rendered.Problems)+1)
	for _, problem := range s.rendered.Problems {
		fate := " (it has no rules)"
		if s.kept[problem.Threshold] {
			fate = " (its last good rules stay)"
		}
		messages = append(messages, problem.Error()+fate)
	}
	messages = append(messages, counts)
	return status.False(s.rendered.Problems[0].Reason, strings.Join(messages, "; "))
}

// suspended names what is declared and does not alert.
func (s *scope) suspended() string {
	if s.baseline.Spec.Suspend {
		return "; the baseline is suspended: set spec.suspend to false, or remove it, to have its alerts again"
	}
	var names []string
	for i := range s.baseline.Spec.Thresholds {
		if t := &s.baseline.Spec.Thresholds[i]; t.Suspend {
			names = append(names, quoted(t.Name))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; suspended: " + strings.Join(names, ", ")
}

func (s *scope) dashboardVerdict() status.Verdict {
	message := "the dashboard is in ConfigMap " + quoted(dashboard.Name(s.baseline.Name))
	if url := alerts.DashboardURL(s.baseline); url != "" {
		message += " and will be at " + url
	}
	if len(s.rendered.Problems) > 0 {
		names := make([]string, 0, len(s.rendered.Problems))
		for _, problem := range s.rendered.Problems {
			names = append(names, quoted(problem.Threshold))
		}
		message += ", without the thresholds that have a problem: " + strings.Join(names, ", ")
	}
	if _, problems := alerts.Panels(s.baseline); len(problems) > 0 {
		texts := make([]string, 0, len(problems)+1)
		for _, problem := range problems {
			texts = append(texts, problem.Error())
		}
		return status.False(v1alpha1.ReasonInvalidExpression, strings.Join(append(texts, message+" without it"), "; "))
	}
	return status.True(v1alpha1.ReasonSucceeded, message)
}

// announce records an event when Ready changed.
func (r *Reconciler) announce(before, after *v1alpha1.AlertBaseline) {
	was, is := readyOf(before), readyOf(after)
	if was.Status == is.Status && was.Reason == is.Reason {
		return
	}
	eventType := corev1.EventTypeWarning
	if is.Status == metav1.ConditionTrue {
		eventType = corev1.EventTypeNormal
	}
	r.Recorder.Eventf(after, nil, eventType, is.Reason, "Apply", "%s", status.Note(is.Message))
}

func readyOf(baseline *v1alpha1.AlertBaseline) metav1.Condition {
	if ready := apimeta.FindStatusCondition(baseline.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return *ready
	}
	return metav1.Condition{}
}

func plural(count int, noun string) string {
	if count == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", count, noun)
}

func quoted(name string) string { return `"` + name + `"` }
