package alerts

import (
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// History is what to ask a Prometheus to learn what the alerts of a threshold
// would have done in the past. Its queries read the app's own metrics, so that
// they reach back to before the rules existed.
type History struct {
	Plan Plan
	// Judged gives the values that are judged: none while there is too little
	// traffic, or while the flag differs.
	Judged string
	// Long gives the values over the long window, which must be outside a bound
	// as well; empty without one.
	Long string
	// Open has a value while business is open; empty if no level asks.
	Open string
	// Buckets end the histogram of a latency, where they are known.
	Buckets []float64
}

// Histories of all thresholds that are in order. Suspended ones are among
// them: what they would do is worth knowing before they are let loose.
func Histories(baseline *v1alpha1.AlertBaseline, now time.Time) ([]History, []Problem) {
	c := newCompiler(baseline, now)
	var all []History
	var problems []Problem
	for i := range baseline.Spec.Thresholds {
		plan, problem := c.plan(&baseline.Spec.Thresholds[i])
		if problem != nil {
			problems = append(problems, *problem)
			continue
		}
		all = append(all, c.history(&plan))
	}
	return all, problems
}

func (c *compiler) history(p *Plan) History {
	h := History{Plan: *p, Judged: judged(p, c), Long: p.source.long}
	for i := range p.Bounds {
		if p.Bounds[i].BusinessHours {
			h.Open = c.hours.open(c.hours.localTime)
		}
	}
	if p.Kind == Latency {
		h.Buckets = lookup(histograms, p.Source.Metric).buckets
	}
	return h
}
