// Package alerts turns an AlertBaseline into the rule groups of a
// PrometheusRule: for each threshold a group with recording rules, which the
// alerts and the dashboard both read, and the alerts of its levels. It is
// pure; the time comes as an argument.
package alerts

import (
	"fmt"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// Group is a rule group as a PrometheusRule holds it.
type Group struct {
	// Name of the threshold.
	Name string `json:"name"`
	// Interval between evaluations.
	Interval string `json:"interval"`
	// Rules in order: a group is evaluated from top to bottom, so that alerts
	// see what was recorded a moment before.
	Rules []Rule `json:"rules"`
}

// Rule is a recording rule or an alert.
type Rule struct {
	Record      string            `json:"record,omitempty"`
	Alert       string            `json:"alert,omitempty"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	KeepFiring  string            `json:"keep_firing_for,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Interval at which a group is evaluated unless the baseline says otherwise.
const Interval = "30s"

// Problem says why a threshold has no rules, and how to mend it.
type Problem struct {
	// Threshold by name.
	Threshold string
	// Field below the threshold, or from spec where the cause lies outside it.
	Field string
	// Reason is ReasonInvalidThreshold or ReasonInvalidExpression.
	Reason string
	// What is wrong, and the Fix.
	What, Fix string
}

// Error names threshold and field, then the problem and its remedy.
func (p Problem) Error() string {
	return fmt.Sprintf("threshold %q: %s: %s: %s", p.Threshold, p.Field, p.What, p.Fix)
}

// Result is what a baseline becomes.
type Result struct {
	// Groups of the thresholds that are in order, in the order of the spec.
	Groups []Group
	// Plans of the same thresholds, for the dashboard.
	Plans []Plan
	// Problems of the others. None keeps a good threshold from its rules.
	Problems []Problem
	// RenewAt is when the same baseline must be rendered again because the
	// daylight saving time written into it nears its end. Zero is never.
	RenewAt time.Time
}

// Rules renders the baseline as it is at now.
func Rules(baseline *v1alpha1.AlertBaseline, now time.Time) Result {
	c := newCompiler(baseline, now)
	result := Result{
		Groups: make([]Group, 0, len(baseline.Spec.Thresholds)),
		Plans:  make([]Plan, 0, len(baseline.Spec.Thresholds)),
	}
	for i := range baseline.Spec.Thresholds {
		plan, problem := c.plan(&baseline.Spec.Thresholds[i])
		if problem != nil {
			result.Problems = append(result.Problems, *problem)
			continue
		}
		result.Groups = append(result.Groups, c.group(&plan))
		result.Plans = append(result.Plans, plan)
	}
	if c.usedHours {
		result.RenewAt = c.hours.renewAt
	}
	return result
}

// Alerts counts the alerts in groups.
func Alerts(groups []Group) int {
	count := 0
	for i := range groups {
		for j := range groups[i].Rules {
			if groups[i].Rules[j].Alert != "" {
				count++
			}
		}
	}
	return count
}
