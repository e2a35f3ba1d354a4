// Package backtest asks what the alerts of a baseline would have done in the
// past: it reads history from a Prometheus, replays `for` and `keepFiringFor`
// over it, and suggests bounds from what was observed. It changes nothing.
package backtest

import (
	"math"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// Episode is a time in which an alert would have fired. To is the end of the
// history if it still did then.
type Episode struct{ From, To time.Time }

// Replay runs one alert over a signal as Prometheus does: the alert fires once
// the bound has been crossed at every evaluation for as long as `for`, and ends
// with the first evaluation within the bound, or once `keepFiringFor` has
// passed since that. outside holds one answer for each step from begin on.
func Replay(outside []bool, begin time.Time, step, wait, keep time.Duration) []Episode {
	r := replayed{wait: wait, keep: keep}
	for i, out := range outside {
		r.evaluate(out, begin.Add(time.Duration(i)*step))
	}
	r.end(begin.Add(time.Duration(len(outside)) * step))
	return r.episodes
}

// replayed is an alert between two evaluations.
type replayed struct {
	wait, keep time.Duration
	// active is since when the bound is crossed, inside since when it is not
	// any more though the alert goes on; zero while there is no such moment.
	active, inside time.Time
	firing         bool
	episodes       []Episode
}

func (r *replayed) evaluate(outside bool, at time.Time) {
	if outside {
		r.inside = time.Time{}
		if r.active.IsZero() {
			r.active = at
		}
		if !r.firing && at.Sub(r.active) >= r.wait {
			r.firing = true
			r.episodes = append(r.episodes, Episode{From: at})
		}
		return
	}
	if r.firing && r.keep > 0 {
		if r.inside.IsZero() {
			r.inside = at
		}
		if at.Sub(r.inside) < r.keep {
			return
		}
	}
	r.end(at)
}

func (r *replayed) end(at time.Time) {
	if r.firing {
		r.episodes[len(r.episodes)-1].To = at
	}
	r.active, r.inside, r.firing = time.Time{}, time.Time{}, false
}

// series is a signal on the steps of a window; NaN where it has no value.
type series []float64

// outsideOf tells for each step whether an alert's condition held. long may be
// nil, and so may open.
func outsideOf(b *alerts.Bound, short, long series, open []bool) []bool {
	outside := make([]bool, len(short))
	for i, value := range short {
		outside[i] = !math.IsNaN(value) && b.Outside(value) &&
			(long == nil || !math.IsNaN(long[i]) && b.Outside(long[i])) &&
			(open == nil || !b.BusinessHours || open[i])
	}
	return outside
}

// firings replays a bound over every series, each of which is an alert of its
// own.
func (t *track) firings(b *alerts.Bound) []Episode {
	wait, _ := alerts.ParseDuration(b.For)
	keep, _ := alerts.ParseDuration(b.KeepFiringFor)
	var all []Episode
	for key, short := range t.short {
		long := t.long[key]
		if t.history.Long != "" && long == nil {
			continue // without a value over the long window it cannot fire
		}
		all = append(all, Replay(outsideOf(b, short, long, t.open), t.begin, t.step, wait, keep)...)
	}
	return all
}
