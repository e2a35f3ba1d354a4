package alerts

import (
	"regexp"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// Check asks at one instant what a critical alert asks over time: is the
// signal outside its bound? Its queries read the app's own metrics, not what
// the rules record, and may be narrowed to some of the pods.
type Check struct {
	// Threshold by name, and Subject, what it measures, for people.
	Threshold, Subject string
	// Bound is the critical one, in Unit.
	Bound Bound
	Unit  Unit
	// Judged gives the values that are to be judged: none while there is too
	// little traffic, out of business hours, or while the flag differs.
	Judged string
	// Long gives the values over the long window, which must be outside the
	// bound as well; empty without one.
	Long string
	// Present gives something as long as there are metrics to judge by.
	Present string
	// Window is how far back the queries look; zero for gauges.
	Window time.Duration
	// Settles is how long new pods must have run: until then, a rate of theirs
	// is too low.
	Settles time.Duration
}

// Says is the bound in words: critical above 5%.
func (c *Check) Says() string {
	return SeverityCritical + " " + words[c.Bound.Operator] + " " + c.Bound.Text
}

// Unchecked is a threshold with a critical bound that cannot be asked about,
// and why.
type Unchecked struct{ Threshold, Why string }

// Checks are the critical bounds of a baseline as it is at now, over the pods
// that the matchers select, such as those of PodsOf; over all when empty.
// Suspended ones have none.
func Checks(baseline *v1alpha1.AlertBaseline, now time.Time, matchers string) ([]Check, []Unchecked) {
	// Whether a flag is on is the same for all pods.
	everywhere := newCompiler(baseline, now)
	c := newCompiler(baseline, now)
	c.matchers = join(c.matchers, matchers)
	var checks []Check
	var unchecked []Unchecked
	for i := range baseline.Spec.Thresholds {
		t := &baseline.Spec.Thresholds[i]
		if t.Critical == nil || t.Suspend || baseline.Spec.Suspend {
			continue
		}
		plan, problem := c.plan(t)
		if problem != nil {
			unchecked = append(unchecked, Unchecked{t.Name, "it has no rules either: " + problem.Field + ": " + problem.What})
			continue
		}
		if matchers != "" && t.Signal.Expr != "" && !strings.Contains(t.Signal.Expr, "$selector") {
			unchecked = append(unchecked, Unchecked{t.Name, "its expression has no $selector, so it cannot be asked about some of the pods"})
			continue
		}
		checks = append(checks, c.check(&plan, everywhere))
	}
	return checks, unchecked
}

// check turns the critical bound of a plan into queries.
func (c *compiler) check(p *Plan, everywhere *compiler) Check {
	k := Check{Threshold: p.Name, Subject: p.Subject, Unit: p.Unit, Bound: p.Bounds[len(p.Bounds)-1], Long: p.source.long}
	k.Judged = judged(p, everywhere)
	if k.Bound.BusinessHours {
		k.Judged += "\nand on () (" + c.hours.open(c.hours.localTime) + ")"
	}
	k.Present = "absent(" + p.source.absent + ")"
	if p.Kind == Expression {
		k.Present = p.source.value
	}
	for _, window := range [...]string{p.Source.Window, p.Source.LongWindow} {
		length, _ := ParseDuration(window)
		k.Window = max(k.Window, length)
	}
	if p.Kind == Utilization {
		k.Window = 0
	}
	if p.Kind == RequestRate && k.Bound.Operator != ">" {
		k.Settles = k.Window
	}
	return k
}

// judged gives the values of a plan that are to be judged: none while there is
// too little traffic, or while the flag differs. everywhere asks all pods for
// the flag.
func judged(p *Plan, everywhere *compiler) string {
	expr := "(" + p.source.value + ")"
	if p.source.traffic != "" {
		expr += "\nand " + p.source.traffic + " >= " + number(p.Source.MinRate)
	}
	if p.Flag != nil {
		// The value of a moment is that of the pods of that moment.
		expr += "\nunless on () last_over_time(" + everywhere.flagValue(p.Flag.Key) + "[" + flagMemory + ":" + Interval + "]) == " + otherValue(p.Flag)
	}
	return expr
}

// PodsBut matches all pods but those of some ReplicaSets.
func PodsBut(replicaSets []string) string {
	if len(replicaSets) == 0 {
		return ""
	}
	names := make([]string, len(replicaSets))
	for i, set := range replicaSets {
		names[i] = podsOf(set)
	}
	return matcher("pod", "!~", strings.Join(names, "|"))
}

func podsOf(replicaSet string) string { return regexp.QuoteMeta(replicaSet) + "-[a-z0-9]+" }

// PodsOf matches the pods of a ReplicaSet, by the label that Kubernetes'
// service discovery gives their metrics.
func PodsOf(replicaSet string) string {
	return matcher("pod", "=~", podsOf(replicaSet))
}
