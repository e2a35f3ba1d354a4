package ruletest

import (
	"maps"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// test is a test that is being written.
type test struct{ Test }

func (s *situations) test(name string, series []Series) *test {
	return &test{Test{Name: s.plan.Name + ": " + name, Interval: step.String(), Series: series}}
}

func (t *test) ask(at int, expr string, want ...Sample) {
	if want == nil {
		want = []Sample{}
	}
	t.Exprs = append(t.Exprs, Question{Expr: expr, At: (time.Duration(at) * step).String(), Samples: want})
}

// firing expects an alert to fire, whatever the others do.
func (t *test) firing(at int, alert string) {
	t.ask(at, `count(ALERTS{alertstate="firing",alertname="`+alert+`"})`, Sample{"{}", 1})
}

// silent expects an alert not to fire, whatever the others do.
func (t *test) silent(at int, alert string) {
	t.ask(at, `count(ALERTS{alertstate="firing",alertname="`+alert+`"})`)
}

const everything = `count by (alertname) (ALERTS{alertstate="firing"})`

// nothing expects that nothing fires.
func (t *test) nothing(at int) { t.ask(at, everything) }

// only expects one alert and no other.
func (t *test) only(at int, alert string) {
	t.ask(at, everything, Sample{`{alertname="` + alert + `"}`, 1})
}

// steps is how many steps a duration takes, rounded up; 0 for none.
func steps(duration string) int {
	length, _ := alerts.ParseDuration(duration)
	return int((length + step - 1) / step)
}

// phase of a value with more traffic than is needed. A rate knows only half a
// minute of it when it first has a value.
func (s *situations) phase(value float64, lasts int) phase {
	return phase{steps: lasts, value: value, volume: max(s.plan.Source.MinRate, 0.01) * float64(max(steps(s.plan.Source.Window), 1)) * 2}
}

// prelude is what comes before a breach: nothing, so that the breach begins
// with the first value that there is; or for rates, which need their whole
// window to show what they are, a healthy time. begin is the step of the first
// value outside; exact says that it is known.
func (s *situations) prelude() (calm phase, begin int, exact bool) {
	switch s.plan.Kind {
	case alerts.RequestRate:
		good, ok := s.healthy()
		if !ok {
			return phase{}, 0, false
		}
		calm = s.phase(good, 2*s.settling())
		return calm, calm.steps, false
	case alerts.Utilization, alerts.Expression:
		return phase{}, 0, true
	default:
		return phase{}, 1, true
	}
}

// settling is how long a change takes until it shows wholly.
func (s *situations) settling() int {
	if s.plan.Source.Counter == "" {
		return 1
	}
	return max(steps(s.plan.Source.Window), steps(s.plan.Source.LongWindow)) + 1
}

// longestWait is after how many steps everything that can fire does.
func (s *situations) longestWait() int {
	longest := 0
	for i := range s.plan.Bounds {
		longest = max(longest, steps(s.plan.Bounds[i].For)+steps(s.plan.Bounds[i].KeepFiringFor))
	}
	if s.plan.NoData != nil {
		longest = max(longest, steps(s.plan.NoData.For))
	}
	return longest
}

// flagLabels are those of the gauge of the plan's flag.
func (s *situations) flagLabels() map[string]string {
	labels := s.labels(map[string]string{contract.LabelFlag: s.plan.Flag.Key})
	maps.DeleteFunc(labels, func(name, _ string) bool { return name == contract.LabelPath })
	return labels
}

// limited tells whether a level is limited to hours that ever close.
func (s *situations) limited(b *alerts.Bound) bool {
	if !b.BusinessHours || s.hours == nil {
		return false
	}
	_, _, ok := s.hours.opening(0)
	return ok
}
