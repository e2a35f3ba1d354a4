package ruletest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// inHours: a level of the business hours fires once they have lasted as long
// as its `for`, not before, and not after they are over.
func (s *situations) inHours(b *alerts.Bound) []Test {
	value, ok := s.breach(b)
	if !ok {
		return nil
	}
	wait, keep := steps(b.For), steps(b.KeepFiringFor)
	opens, closes, _ := s.hours.opening(s.settling() + 4)
	if opens+wait >= closes {
		return nil
	}
	t := s.test(b.Alert+" fires in business hours alone", s.input(s.phase(value, closes+keep+20)))
	t.silent(opens-1, b.Alert)
	if wait > 0 {
		t.silent(opens+wait-1, b.Alert)
	}
	t.firing(opens+wait, b.Alert)
	t.firing(closes-1, b.Alert)
	if keep == 0 {
		t.silent(closes, b.Alert)
	} else {
		t.firing(closes+keep-1, b.Alert)
	}
	t.silent(closes+keep+2, b.Alert)
	return []Test{t.Test}
}

// clocks: around every change of the clocks, the rules know the local time and
// whether business is open. promtool begins in 1970; so the rules' own
// expressions are asked with the moment in place of time().
func (s *situations) clocks() []Test {
	local, open := s.expression("local_time"), s.expression("business_hours")
	if local == "" || open == "" || s.hours == nil {
		return nil
	}
	t := s.test("the hours around each change of the clocks", []Series{{`unrelated{pod="a"}`, "1+0x5"}})
	_, series, _ := strings.Cut(s.plan.Value, "{")
	recorded := "rsolv:" + strings.ReplaceAll(s.plan.Name, "-", "_") + ":local_time{" + series
	ask := func(at time.Time) {
		_, offset := at.In(s.hours.location).Zone()
		shifted := at.Unix() + int64(offset)
		t.ask(0, strings.ReplaceAll(local, "time()", strconv.FormatInt(at.Unix(), 10)), Sample{"{}", float64(shifted)})
		question := fmt.Sprintf("count(%s)", strings.ReplaceAll(open, recorded, fmt.Sprintf("vector(%d)", shifted)))
		if s.hours.open(time.Unix(shifted, 0).UTC()) {
			t.ask(0, question, Sample{"{}", 1})
		} else {
			t.ask(0, question)
		}
	}
	days := func(around time.Time, before, after int) {
		year, month, date := around.In(s.hours.location).Date()
		for day := -before; day <= after; day++ {
			for _, edge := range []int{s.hours.from, s.hours.to} {
				at := time.Date(year, month, date+day, 0, edge, 0, 0, s.hours.location)
				ask(at.Add(-time.Second))
				ask(at)
			}
		}
	}
	days(s.now, 0, 6)
	for _, change := range s.hours.changes(s.now) {
		ask(change.Add(-time.Second))
		ask(change)
		days(change, 1, 1)
	}
	return []Test{t.Test}
}

// expression is that of a recording rule of the group; empty if there is none.
func (s *situations) expression(suffix string) string {
	for i := range s.group.Rules {
		if strings.HasSuffix(s.group.Rules[i].Record, ":"+suffix) {
			return s.group.Rules[i].Expr
		}
	}
	return ""
}
