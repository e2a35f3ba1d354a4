package alerts

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// Severities, in rising order.
const (
	SeverityInfo     = "info"
	SeverityWarning  = "warning"
	SeverityCritical = "critical"
)

// Plan is one threshold, understood: what its rules record, and where its
// bounds lie. Rules and dashboard are both drawn from it.
type Plan struct {
	Name      string
	Component string
	// Subject says what is measured, for people: "p95 of HTTP requests".
	Subject string
	// Unit of the recorded value, of Target and of the bounds.
	Unit Unit
	// Value selects the recorded series.
	Value string
	// Bounds in the order info, warning, critical; absent levels are left out.
	Bounds []Bound
	// Target to keep; nil when none is declared. TargetText is as declared.
	Target     *float64
	TargetText string
	// NoData is the alert for vanished metrics; nil when none is declared.
	NoData *Bound
	// Suspended plans are recorded and drawn, and have no alerts.
	Suspended bool
	// Kind of the signal, and what the dashboard needs to ask for more than
	// the recorded value.
	Kind   Kind
	Source Source
	// Flag that the alerts depend on; nil when none is declared.
	Flag *v1alpha1.FlagGuard

	source source
	custom custom
}

// Kind of a signal.
type Kind int

// The signals of an AlertBaseline.
const (
	ErrorRatio Kind = iota
	Latency
	RequestRate
	Utilization
	FailureRatio
	Expression
)

// Source is the metric behind a signal. It is empty for expressions.
type Source struct {
	// Metric is the name of the histogram, without a suffix, or of the counter
	// or gauge.
	Metric string
	// Noun is what the metric counts, for people: "HTTP requests".
	Noun string
	// Matchers narrow it, without braces.
	Matchers string
	// Split is a label worth telling apart on a dashboard; empty if none is
	// known.
	Split string
	// Quantile and Endpoint of a latency, as declared.
	Quantile, Endpoint string
	// Window of its rates.
	Window string
	// LongWindow is the second window; empty without one.
	LongWindow string
	// Counter of what happens, behind a rate or a ratio, and MinRate, below
	// which levels do not alert; empty and 0 for signals without traffic.
	Counter string
	MinRate float64
	// By is the label that the value is told apart by; empty for one value.
	By string
	// Metrics are the names of the series that the signal reads, narrowed by
	// Matchers; those of an expression carry matchers of their own. Labels are
	// names of labels that must be on them, for what counts as failed.
	Metrics, Labels []string
}

// Bound is a level of a threshold.
type Bound struct {
	Severity string
	// Operator that a value outside the bound satisfies: > or < or <=.
	Operator string
	// Value in the unit of the plan, Text as declared.
	Value float64
	Text  string
	For   string
	// KeepFiringFor is empty unless declared.
	KeepFiringFor string
	Alert         string
	// Runbook is the address of the remedy.
	Runbook string
	// BusinessHours limits the alert to them.
	BusinessHours bool
}

// Outside tells whether a value is outside the bound.
func (b *Bound) Outside(value float64) bool {
	switch b.Operator {
	case ">":
		return value > b.Value
	case "<":
		return value < b.Value
	default:
		return value <= b.Value
	}
}

// compiler holds what all thresholds of a baseline share.
type compiler struct {
	baseline  *v1alpha1.AlertBaseline
	namespace string
	service   string
	// matchers narrow every query; series select what this baseline records.
	matchers, series string
	recordLabels     map[string]string
	// window of the rates that are being rendered.
	window       string
	dashboardURL string
	// alertLabels are those that the threshold adds to its alerts.
	alertLabels []string
	now         time.Time
	// thresholds and alerts that were met so far.
	names, alerts map[string]bool

	hours     hours
	hoursErr  *Problem
	usedHours bool
}

func newCompiler(baseline *v1alpha1.AlertBaseline, now time.Time) *compiler {
	c := &compiler{
		baseline:  baseline,
		namespace: or(baseline.Namespace, "default"),
		service:   baseline.Spec.DeploymentRef.Name,
		now:       now,
		names:     map[string]bool{},
		alerts:    map[string]bool{},
	}
	c.matchers = c.selector()
	c.recordLabels = map[string]string{"baseline": baseline.Name, "namespace": c.namespace}
	c.series = "{" + matcher("baseline", "=", baseline.Name) + "," + matcher("namespace", "=", c.namespace) + "}"
	c.dashboardURL = DashboardURL(baseline)
	return c
}

// plan understands one threshold.
func (c *compiler) plan(t *v1alpha1.Threshold) (Plan, *Problem) {
	p := Plan{Name: t.Name, Component: or(t.Component, "app"), Suspended: t.Suspend || c.baseline.Spec.Suspend}
	if problem := c.checkName(t); problem != nil {
		return p, problem
	}
	var problem *Problem
	if p.custom, problem = c.custom(t); problem != nil {
		return p, problem
	}
	c.alertLabels = slices.Sorted(maps.Keys(p.custom.labels))
	if p.Flag, problem = c.flag(t); problem != nil {
		return p, problem
	}
	if p.source, problem = c.source(t); problem != nil {
		return p, problem
	}
	p.Kind, p.Unit, p.Subject, p.Source = p.source.kind, p.source.unit, p.source.subject, p.source.Source
	p.Value = c.recorded(t.Name, p.source.suffix)
	if t.Target != "" {
		target, problem := c.value(t, "target", p.Unit, t.Target)
		if problem != nil {
			return p, problem
		}
		p.Target, p.TargetText = &target, string(t.Target)
	}
	if problem := c.bounds(t, &p); problem != nil {
		return p, problem
	}
	if problem := c.noData(t, &p); problem != nil {
		return p, problem
	}
	if t.Target == "" && len(p.Bounds) == 0 && p.NoData == nil {
		return p, bad(t, "target", "the threshold has neither target nor level", "give it a target, a level (info, warning, critical) or onNoData")
	}
	return p, c.claim(t, &p)
}

func (c *compiler) checkName(t *v1alpha1.Threshold) *Problem {
	if !isName(t.Name) {
		return bad(t, "name", "a name has lower-case letters, digits and -, and begins with a letter", "rename the threshold, for example api-error-rate")
	}
	if c.names[t.Name] {
		return bad(t, "name", "another threshold has the same name", "give each threshold a name of its own")
	}
	if problem := c.checkSelector(t); problem != nil {
		return problem
	}
	c.names[t.Name] = true
	return nil
}

// claim takes the names of the plan's alerts.
func (c *compiler) claim(t *v1alpha1.Threshold, p *Plan) *Problem {
	names := make([]string, 0, len(p.Bounds)+1)
	for i := range p.Bounds {
		names = append(names, p.Bounds[i].Alert)
	}
	if p.NoData != nil {
		names = append(names, p.NoData.Alert)
	}
	for i, name := range names {
		if c.alerts[name] || contains(names[:i], name) {
			return bad(t, "alert", "the alert name "+name+" is used twice", "give each alert a name of its own")
		}
	}
	for _, name := range names {
		c.alerts[name] = true
	}
	return nil
}

// recorded selects a series that the rules of a threshold record.
func (c *compiler) recorded(threshold, suffix string) string {
	return recordName(threshold, suffix) + c.series
}

// recordName is injective: the name of a threshold holds no underscore.
func recordName(threshold, suffix string) string {
	return "rsolv:" + strings.ReplaceAll(threshold, "-", "_") + ":" + suffix
}

// value reads a bound of a threshold.
func (c *compiler) value(t *v1alpha1.Threshold, field string, unit Unit, value v1alpha1.Value) (float64, *Problem) {
	parsed, ok := unit.parse(value)
	if !ok {
		return 0, bad(t, field, "\""+string(value)+"\" "+unitRules[unit].problem, unitRules[unit].fix)
	}
	return parsed, nil
}

func bad(t *v1alpha1.Threshold, field, what, fix string) *Problem {
	return &Problem{Threshold: t.Name, Field: field, Reason: v1alpha1.ReasonInvalidThreshold, What: what, Fix: fix}
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
