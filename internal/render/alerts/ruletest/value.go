package ruletest

import (
	"slices"

	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// violated tells whether a value is outside a bound.
func violated(b *alerts.Bound, value float64) bool {
	switch b.Operator {
	case ">":
		return value > b.Value
	case "<":
		return value < b.Value
	default:
		return value <= b.Value
	}
}

// candidates are values between and beyond the bounds of a plan, far enough
// from each that rounding does not matter. 0 is among them where counters give
// it exactly.
func candidates(p *alerts.Plan) []float64 {
	edges := make([]float64, 0, len(p.Bounds))
	for i := range p.Bounds {
		edges = append(edges, p.Bounds[i].Value)
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	if len(edges) == 0 {
		return []float64{0.5}
	}
	lowest, highest := edges[0], edges[len(edges)-1]
	var all []float64
	switch {
	case p.Unit == alerts.Plain:
		all = append(all, lowest-1)
	case lowest > 0:
		all = append(all, lowest*0.8, 0)
	default:
		all = append(all, 0)
	}
	for i := 1; i < len(edges); i++ {
		all = append(all, (edges[i-1]+edges[i])/2)
	}
	switch {
	case p.Kind == alerts.ErrorRatio || p.Kind == alerts.FailureRatio:
		if highest < 1 {
			all = append(all, (highest+1)/2)
		}
	case p.Unit == alerts.Plain:
		all = append(all, highest+1)
	default:
		all = append(all, highest*1.5+1)
	}
	return all
}

// healthy is a value that violates no bound.
func (s *situations) healthy() (float64, bool) {
	at := slices.IndexFunc(s.values, func(v float64) bool { return len(s.outside(v)) == 0 })
	if at < 0 {
		return 0, false
	}
	return s.values[at], true
}

// breach is a value that violates a bound, and as few others as can be.
func (s *situations) breach(b *alerts.Bound) (float64, bool) {
	best, found := 0.0, 0
	for _, v := range s.values {
		if n := len(s.outside(v)); violated(b, v) && (found == 0 || n < found) {
			best, found = v, n
		}
	}
	return best, found > 0
}

// worst is a value that violates as many bounds as can be.
func (s *situations) worst() (float64, bool) {
	best, most := 0.0, 0
	for _, v := range s.values {
		if n := len(s.outside(v)); n > most {
			best, most = v, n
		}
	}
	return best, most > 0
}

// outside are the bounds that a value violates.
func (s *situations) outside(value float64) []*alerts.Bound {
	var all []*alerts.Bound
	for i := range s.plan.Bounds {
		if violated(&s.plan.Bounds[i], value) {
			all = append(all, &s.plan.Bounds[i])
		}
	}
	return all
}
