package backtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

const (
	// maxPoints of one series; Prometheus refuses more than 11,000.
	maxPoints = 8640
	// maxSeries of one threshold. Those past it are left out, and that is said.
	maxSeries = 64
	// minPoints are fewer values than a bound can be suggested from.
	minPoints = 60
)

// API is what is asked of a Prometheus.
type API interface {
	QueryRange(ctx context.Context, query string, r promv1.Range, opts ...promv1.Option) (model.Value, promv1.Warnings, promv1.Infos, error)
}

// Report on one threshold.
type Report struct {
	Threshold, Subject string
	Unit               alerts.Unit
	Levels             []Level
	// Values is the signal, the worst of all series at each step; NaN where
	// there is none. Begin and Step say when.
	Values []float64
	Begin  time.Time
	Step   time.Duration
	// Points are how many steps have a value.
	Points int
	// Problem says why there is no report, or what it leaves out.
	Problem string
}

// Level says what one alert would have done, and what bound it might have.
type Level struct {
	Bound    alerts.Bound
	Episodes []Episode
	// Suggestion is nil where the history is too short or too even.
	Suggestion *Suggestion
}

// Suggestion is a bound taken from what was observed.
type Suggestion struct {
	Value float64
	Text  string
	// Quantile of the values that it was taken from.
	Quantile float64
	// PerWeek is how often the alert would have fired a week with it. If all
	// was well in the window, each time is a false alarm.
	PerWeek float64
}

// Total is how long the alert would have fired.
func (l *Level) Total() time.Duration {
	total := time.Duration(0)
	for _, e := range l.Episodes {
		total += e.To.Sub(e.From)
	}
	return total
}

// Longest is the longest time without a break.
func (l *Level) Longest() time.Duration {
	longest := time.Duration(0)
	for _, e := range l.Episodes {
		longest = max(longest, e.To.Sub(e.From))
	}
	return longest
}

// StepOf is the time between two evaluations in a window: that of the rules,
// or a multiple of it that keeps the number of points within bounds.
func StepOf(window time.Duration) time.Duration {
	const evaluation = 30 * time.Second
	times := (window + evaluation*maxPoints - 1) / (evaluation * maxPoints)
	return evaluation * max(times, 1)
}

// mostSlow queries in a row are taken for slow queries; after one more it is
// the server that is slow.
const mostSlow = 2

// Run asks about one threshold after the other, by at most three queries each
// and never two at once. ofTheQuery says what is the problem of one threshold
// alone, empty for an error of reaching Prometheus, with which Run ends; so it
// does when one query after the other takes too long.
func Run(ctx context.Context, api API, baseline *v1alpha1.AlertBaseline, window time.Duration, now time.Time, ofTheQuery func(error) string) ([]Report, error) {
	histories, problems := alerts.Histories(baseline, now)
	reports := make([]Report, 0, len(baseline.Spec.Thresholds))
	inARow := 0
	for i := range histories {
		report, err := one(ctx, api, &histories[i], window, now)
		if slow(err) {
			inARow++
		} else {
			inARow = 0
		}
		if err != nil {
			if report.Problem = ofTheQuery(err); report.Problem == "" || inARow > mostSlow {
				return nil, err
			}
		}
		reports = append(reports, report)
	}
	for i := range problems {
		reports = append(reports, Report{Threshold: problems[i].Threshold, Problem: problems[i].Field + ": " + problems[i].What + ": " + problems[i].Fix})
	}
	return reports, nil
}

func slow(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// track is the history of one threshold.
type track struct {
	history     *alerts.History
	short, long map[string]series
	open        []bool
	begin       time.Time
	step        time.Duration
	steps       int
	// more tells that there are series which were not looked at.
	more bool
}

func one(ctx context.Context, api API, h *alerts.History, window time.Duration, now time.Time) (Report, error) {
	step := StepOf(window)
	t := &track{history: h, step: step, steps: int(window / step), begin: now.Truncate(step).Add(-window.Truncate(step))}
	report := Report{Threshold: h.Plan.Name, Subject: h.Plan.Subject, Unit: h.Plan.Unit, Begin: t.begin, Step: step}
	var err error
	if t.short, err = t.ask(ctx, api, h.Judged); err != nil {
		return report, err
	}
	if h.Long != "" {
		if t.long, err = t.ask(ctx, api, h.Long); err != nil {
			return report, err
		}
	}
	if h.Open != "" {
		open, err := t.ask(ctx, api, "count("+h.Open+")")
		if err != nil {
			return report, err
		}
		t.open = make([]bool, t.steps)
		for _, s := range open {
			for i, value := range s {
				t.open[i] = t.open[i] || !math.IsNaN(value)
			}
		}
	}
	t.report(&report)
	return report, nil
}

// ask fills the steps of the window with what a query gives, series by series.
func (t *track) ask(ctx context.Context, api API, expression string) (map[string]series, error) {
	value, _, _, err := api.QueryRange(ctx, expression, promv1.Range{Start: t.begin, End: t.begin.Add(time.Duration(t.steps-1) * t.step), Step: t.step},
		promv1.WithLimit(maxSeries+1))
	if err != nil {
		return nil, err
	}
	matrix, ok := value.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("the answer is a %s, no matrix", value.Type())
	}
	all := map[string]series{}
	for _, stream := range matrix {
		if len(all) == maxSeries {
			t.more = true
			break
		}
		s := make(series, t.steps)
		for i := range s {
			s[i] = math.NaN()
		}
		for _, pair := range stream.Values {
			at := pair.Timestamp.Time().Sub(t.begin)
			if i := int((at + t.step/2) / t.step); i >= 0 && i < t.steps {
				s[i] = float64(pair.Value)
			}
		}
		delete(stream.Metric, model.MetricNameLabel)
		all[stream.Metric.String()] = s
	}
	return all, nil
}

func (t *track) report(r *Report) {
	plan := &t.history.Plan
	down := len(plan.Bounds) > 0 && plan.Bounds[0].Operator != ">"
	r.Values = make([]float64, t.steps)
	for i := range r.Values {
		r.Values[i] = math.NaN()
		for _, s := range t.short {
			if v := s[i]; !math.IsNaN(v) && (math.IsNaN(r.Values[i]) || down && v < r.Values[i] || !down && v > r.Values[i]) {
				r.Values[i] = v
			}
		}
		if !math.IsNaN(r.Values[i]) {
			r.Points++
		}
	}
	switch {
	case r.Points == 0:
		r.Problem = "there is no value to judge in the whole window"
	case t.more:
		r.Problem = fmt.Sprintf("there are more than %d series; the others were not looked at", maxSeries)
	}
	for i := range plan.Bounds {
		b := plan.Bounds[i]
		r.Levels = append(r.Levels, Level{Bound: b, Episodes: t.firings(&b)})
	}
	t.suggest(r)
}

// pool are all values that a level would judge, in order.
func (t *track) pool(b *alerts.Bound) []float64 {
	var all []float64
	for _, s := range t.short {
		for i, value := range s {
			if !math.IsNaN(value) && !math.IsInf(value, 0) && (!b.BusinessHours || t.open == nil || t.open[i]) {
				all = append(all, value)
			}
		}
	}
	slices.Sort(all)
	return all
}
