package ruletest

import (
	"fmt"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// situations makes the tests of one threshold.
type situations struct {
	plan      *alerts.Plan
	threshold *v1alpha1.Threshold
	group     *alerts.Group
	baseline  *v1alpha1.AlertBaseline
	now       time.Time
	// values that the signal can be given.
	values []float64
	hours  *calendar
}

// all tests. Each is left out where the threshold does not have its matter.
func (s *situations) all() []Test {
	if s.plan.Suspended {
		return s.silent("suspended")
	}
	var tests []Test
	for i := range s.plan.Bounds {
		b := &s.plan.Bounds[i]
		if s.limited(b) {
			tests = append(tests, s.inHours(b)...)
			continue
		}
		tests = append(tests, s.fires(b)...)
		tests = append(tests, s.recovers(b)...)
		tests = append(tests, s.burst(b)...)
		tests = append(tests, s.flagged(b)...)
	}
	tests = append(tests, s.quiet()...)
	tests = append(tests, s.lowVolume()...)
	tests = append(tests, s.noData()...)
	tests = append(tests, s.vanishes()...)
	tests = append(tests, s.together()...)
	return append(tests, s.clocks()...)
}

// fires: not before `for` has passed, and then.
func (s *situations) fires(b *alerts.Bound) []Test {
	value, ok := s.breach(b)
	if !ok {
		return nil
	}
	calm, begin, exact := s.prelude()
	if calm.steps > 0 && calm.value == value {
		return nil
	}
	wait := steps(b.For)
	fires := begin + wait
	if !exact {
		fires += s.settling()
	}
	last := s.phase(value, fires+10)
	phases := []phase{last}
	if calm.steps > 0 {
		phases = []phase{calm, last}
	}
	t := s.test(fmt.Sprintf("%s fires after %s and not before", b.Alert, b.For), s.input(phases...))
	if at := begin + wait - 1; at >= begin {
		t.silent(at, b.Alert)
	}
	t.firing(fires, b.Alert)
	t.firing(fires+2, b.Alert)
	return []Test{t.Test}
}

// recovers: it goes on for as long as keepFiringFor says, and no longer.
func (s *situations) recovers(b *alerts.Bound) []Test {
	value, ok := s.breach(b)
	good, fine := s.healthy()
	if !ok || !fine {
		return nil
	}
	calm, begin, _ := s.prelude()
	end := begin + steps(b.For) + s.settling() + 2
	keep := steps(b.KeepFiringFor)
	over := end + s.settling() + keep + 2
	phases := []phase{s.phase(value, end), s.phase(good, over+10)}
	if calm.steps > 0 {
		phases = []phase{calm, s.phase(value, end-calm.steps), s.phase(good, over+10)}
	}
	t := s.test(b.Alert+" ends after the signal has come back", s.input(phases...))
	t.firing(end, b.Alert)
	if keep > 0 {
		t.firing(end+keep, b.Alert)
	}
	t.silent(over, b.Alert)
	return []Test{t.Test}
}

// burst: what is outside over the short window alone does not alert.
func (s *situations) burst(b *alerts.Bound) []Test {
	value, ok := s.breach(b)
	good, fine := s.healthy()
	if !ok || !fine || s.plan.Source.LongWindow == "" {
		return nil
	}
	short, long := steps(s.plan.Source.Window), steps(s.plan.Source.LongWindow)
	lasts := short + steps(b.For) + 2
	if lasts*2 > long {
		return nil
	}
	before, during := s.phase(good, 2*long), s.phase(value, lasts+2)
	before.volume *= 1e6
	if s.plan.Kind == alerts.RequestRate {
		// Half of the long window must not outweigh the rest.
		before.value, during.value = amplify(b, good), value
	}
	t := s.test(b.Alert+" is silent in a short burst", s.input(before, during))
	t.ask(2*long+lasts, "count("+s.plan.Value+" "+b.Operator+" "+number(b.Value)+")", Sample{"{}", 1})
	t.silent(2*long+lasts, b.Alert)
	return []Test{t.Test}
}

// amplify moves a healthy rate away from a bound.
func amplify(b *alerts.Bound, good float64) float64 {
	if b.Operator == ">" {
		return 0
	}
	return max(good, b.Value) * 100
}

// flagged: silent while the flag is known to differ, and an hour longer.
func (s *situations) flagged(b *alerts.Bound) []Test {
	value, ok := s.breach(b)
	if !ok || s.plan.Flag == nil {
		return nil
	}
	calm, begin, _ := s.prelude()
	memory := steps("1h")
	ready := begin + s.settling() + steps(b.For)
	until := ready + 20
	total := until + memory + steps(b.For) + 20
	phases := []phase{s.phase(value, total)}
	if calm.steps > 0 {
		phases = []phase{calm, s.phase(value, total)}
	}
	series := named("rsolv_feature_flag_enabled", s.flagLabels())
	flag := func(on bool, lasts int) Series {
		number := 0.0
		if on {
			number = 1
		}
		return gauge(series, []phase{{steps: lasts}}, func(phase) float64 { return number })
	}
	name := b.Alert + " and the flag " + s.plan.Flag.Key
	differs := s.test(name+" that differs, until the app is gone for an hour", append(s.input(phases...), flag(!s.plan.Flag.Is, until)))
	differs.silent(ready, b.Alert)
	differs.silent(until, b.Alert)
	differs.silent(until+memory-2, b.Alert)
	differs.firing(until+memory+steps(b.For)+2, b.Alert)
	agrees := s.test(name+" as it must be", append(s.input(phases...), flag(s.plan.Flag.Is, total)))
	agrees.firing(ready, b.Alert)
	return []Test{differs.Test, agrees.Test}
}

// quiet: a value that violates nothing.
func (s *situations) quiet() []Test {
	good, ok := s.healthy()
	if !ok || len(s.plan.Bounds) == 0 {
		return nil
	}
	at := 2*s.settling() + s.longestWait() + 4
	t := s.test("silent within every bound", s.input(s.phase(good, at+10)))
	for i := range s.plan.Bounds {
		t.silent(at, s.plan.Bounds[i].Alert)
	}
	return []Test{t.Test}
}

// lowVolume: the worst value, of little traffic.
func (s *situations) lowVolume() []Test {
	value, ok := s.worst()
	if !ok || s.plan.Source.MinRate == 0 {
		return nil
	}
	at := s.settling() + s.longestWait() + 4
	little := phase{steps: at + 10, value: value, volume: s.plan.Source.MinRate / 2}
	t := s.test("silent below the minimum of traffic", s.input(little))
	t.nothing(at)
	return []Test{t.Test}
}

// noData: only onNoData tells of metrics that never came.
func (s *situations) noData() []Test { return s.silent("no metrics") }

func (s *situations) silent(name string) []Test {
	nothing := []Series{{`unrelated{pod="a"}`, "1+0x5"}}
	if s.plan.Suspended {
		value, _ := s.worst()
		nothing = s.input(s.phase(value, s.settling()+s.longestWait()+20))
	}
	t := s.test(name, nothing)
	last := s.longestWait() + 4
	if b := s.plan.NoData; b != nil && !s.plan.Suspended {
		wait := steps(b.For)
		if wait > 0 {
			t.nothing(wait - 1)
		}
		t.only(wait, b.Alert)
		t.only(last, b.Alert)
		return []Test{t.Test}
	}
	t.nothing(last)
	return []Test{t.Test}
}

// vanishes: metrics that were there and are gone.
func (s *situations) vanishes() []Test {
	b := s.plan.NoData
	if b == nil {
		return nil
	}
	value := 0.5
	if good, ok := s.healthy(); ok {
		value = good
	}
	gone := 2*s.settling() + 10
	t := s.test(b.Alert+" fires when the metrics vanish", s.input(s.phase(value, gone)))
	t.silent(gone, b.Alert)
	if wait := steps(b.For); wait > 0 {
		t.silent(gone+wait, b.Alert)
	}
	t.firing(gone+1+steps(b.For), b.Alert)
	return []Test{t.Test}
}

// together: critical and warning carry the labels by which one silences the
// other.
func (s *situations) together() []Test {
	value, ok := s.worst()
	count := 0
	for _, b := range s.outside(value) {
		if b.Severity != alerts.SeverityInfo && !s.limited(b) {
			count++
		}
	}
	if !ok || count != 2 {
		return nil
	}
	at := s.settling() + s.longestWait() + 4
	t := s.test("critical and warning have in common what inhibition goes by", s.input(s.phase(value, at+10)))
	common := fmt.Sprintf(`{namespace=%q,service=%q,threshold=%q}`, namespaceOf(s.baseline), s.baseline.Spec.DeploymentRef.Name, s.plan.Name)
	t.ask(at, `count by (namespace, service, threshold) (ALERTS{alertstate="firing",severity=~"warning|critical"})`, Sample{common, 2})
	return []Test{t.Test}
}
