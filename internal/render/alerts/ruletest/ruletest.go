// Package ruletest makes unit tests for the rules of any AlertBaseline, in the
// form that `promtool test rules` runs. What a test expects comes from the
// declaration and a clock, never from PromQL, so that rules and tests are two
// witnesses of one meaning. It is pure.
package ruletest

import (
	"slices"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// Suite is one threshold's rules and the tests of them.
type Suite struct {
	// Name is <namespace>.<baseline>.<threshold>.
	Name string
	// Rules is the rule file that Tests names as <Name>.rules.yaml.
	Rules RuleFile
	// Tests is the test file.
	Tests File
}

// RuleFile is a rule file of Prometheus.
type RuleFile struct {
	Groups []alerts.Group `json:"groups"`
}

// File is a test file of promtool.
type File struct {
	RuleFiles          []string `json:"rule_files"`
	EvaluationInterval string   `json:"evaluation_interval"`
	Tests              []Test   `json:"tests"`
}

// Test feeds series to the rules, from midnight UTC of Thursday, 1 January
// 1970, and asks questions at given times.
type Test struct {
	Name     string     `json:"name"`
	Interval string     `json:"interval"`
	Series   []Series   `json:"input_series"`
	Exprs    []Question `json:"promql_expr_test"`
}

// Series is a series in promtool's notation.
type Series struct {
	Series string `json:"series"`
	Values string `json:"values"`
}

// Question is an expression and its answer at a time.
type Question struct {
	Expr    string   `json:"expr"`
	At      string   `json:"eval_time"`
	Samples []Sample `json:"exp_samples"`
}

// Sample is a part of an answer.
type Sample struct {
	Labels string  `json:"labels"`
	Value  float64 `json:"value"`
}

// step is the time between samples, and between evaluations.
const step = 30 * time.Second

// Suites makes the tests of every threshold that has rules, as rendered at now.
func Suites(baseline *v1alpha1.AlertBaseline, now time.Time) []Suite {
	return suitesOf(baseline, alerts.Rules(baseline, now), now)
}

// suitesOf makes the tests of what was rendered at now.
func suitesOf(baseline *v1alpha1.AlertBaseline, result alerts.Result, now time.Time) []Suite {
	suites := make([]Suite, 0, len(result.Plans))
	for i := range result.Plans {
		p := &result.Plans[i]
		at := slices.IndexFunc(baseline.Spec.Thresholds, func(t v1alpha1.Threshold) bool { return t.Name == p.Name })
		s := &situations{
			plan: p, threshold: &baseline.Spec.Thresholds[at], group: &result.Groups[i],
			baseline: baseline, now: now, values: candidates(p), hours: newCalendar(baseline.Spec.BusinessHours, now),
		}
		name := namespaceOf(baseline) + "." + baseline.Name + "." + p.Name
		suites = append(suites, Suite{
			Name:  name,
			Rules: RuleFile{[]alerts.Group{s.rules()}},
			Tests: File{[]string{name + ".rules.yaml"}, step.String(), s.all()},
		})
	}
	return suites
}

// rules are those under test. What an expression measures only its author
// knows: its recorded value is given, and not computed.
func (s *situations) rules() alerts.Group {
	group := *s.group
	if s.plan.Kind == alerts.Expression {
		recorded, _, _ := strings.Cut(s.plan.Value, "{")
		group.Rules = slices.DeleteFunc(slices.Clone(group.Rules), func(r alerts.Rule) bool { return r.Record == recorded })
	}
	return group
}

func namespaceOf(baseline *v1alpha1.AlertBaseline) string {
	if baseline.Namespace == "" {
		return "default"
	}
	return baseline.Namespace
}
