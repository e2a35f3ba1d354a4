package postgres_test

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// world is what happened, told plainly. The functions below answer questions
// about it by walking through it, so that they can be read and believed.
type world struct {
	visits    []app.Event
	customers []person
}

type person struct {
	id       int64
	internal bool
	visitor  string // of the signup
	signup   time.Time
	utm      app.UTM
	links    []link
	calls    []time.Time
}

type link struct {
	visitor string
	at      time.Time
}

// stages are when the person came to signup, key, first and second call; zero
// for never. Calls that a clock puts before the key count at the key.
func (p person) stages() [4]time.Time {
	s := [4]time.Time{p.signup, p.signup}
	calls := slices.SortedFunc(slices.Values(p.calls), time.Time.Compare)
	for i := range min(2, len(calls)) {
		s[2+i] = calls[i]
		if calls[i].Before(p.signup) {
			s[2+i] = p.signup
		}
	}
	return s
}

// owner is whose a visit is: of those linked to the browser, the first who was
// at or after it, else the last; -1 for a stranger's.
func (w world) owner(v app.Event) int {
	type claim struct {
		at time.Time
		of int
	}
	var claims []claim
	for i, p := range w.customers {
		for _, l := range p.links {
			if l.visitor == v.Touch.VisitorID {
				claims = append(claims, claim{l.at, i})
			}
		}
	}
	slices.SortFunc(claims, func(a, b claim) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(w.customers[a.of].id, w.customers[b.of].id))
	})
	for _, c := range claims {
		if !c.at.Before(v.At) {
			return c.of
		}
	}
	if len(claims) == 0 {
		return -1
	}
	return claims[len(claims)-1].of
}

func in(p app.Period, at time.Time) bool {
	return !at.IsZero() && !at.Before(p.Since) && at.Before(p.Until)
}

// walk counts the stages that follow an entry in order and in time.
func walk(entry time.Time, window time.Duration, stages []time.Time) int {
	before := entry
	for i, at := range stages {
		if at.IsZero() || at.Before(before) || at.After(entry.Add(window)) {
			return i
		}
		before = at
	}
	return len(stages)
}

func (w world) ordered(q app.FunnelQuestion, now time.Time) app.FunnelAnswer {
	a := app.FunnelAnswer{Question: q, Persons: make([]int64, len(q.Stages)), Mature: !now.Before(q.Period.Until.Add(q.Window))}
	count := func(depth int) {
		for i := range depth + 1 {
			a.Persons[i]++
		}
	}
	if first := 4 - len(q.Stages); first >= 0 { // begins with signup or later
		for _, p := range w.customers {
			if s := p.stages(); !p.internal && in(q.Period, s[first]) {
				count(walk(s[first], q.Window, s[first+1:]))
			}
		}
		return a
	}
	strangers := map[string]bool{}
	depths, seen := map[int]int{}, map[int]bool{}
	for _, v := range w.visits {
		if v.Touch.VisitorID == "" || !in(q.Period, v.At) {
			continue
		}
		of := w.owner(v)
		if of < 0 {
			strangers[v.Touch.VisitorID] = true
			continue
		}
		s := w.customers[of].stages()
		depths[of] = max(depths[of], walk(v.At, q.Window, s[:]))
		seen[of] = seen[of] || !v.At.After(s[0])
	}
	for range strangers {
		count(0)
	}
	for i, p := range w.customers {
		depth, entered := depths[i]
		switch {
		case p.internal:
		case entered:
			count(depth)
			if !seen[i] {
				a.Returning++
			}
			fallthrough
		default:
			if in(q.Period, p.signup) && !seen[i] {
				a.Unseen++
			}
		}
	}
	return a
}

func (w world) cohorts(weeks []app.Period, window time.Duration, now time.Time) []app.Cohort {
	var cohorts []app.Cohort
	for _, week := range weeks {
		c := app.Cohort{Since: week.Since, Until: week.Until, Mature: !now.Before(week.Until.Add(window))}
		for _, p := range w.customers {
			s := p.stages()
			if p.internal || !in(week, p.signup) {
				continue
			}
			depth := walk(p.signup, window, s[1:])
			c.Signups++
			for i, n := range []*int64{&c.APIKeys, &c.Activated, &c.Retained} {
				if depth > i {
					*n++
				}
			}
			if !s[3].IsZero() {
				c.EverRetained++
			}
		}
		cohorts = append(cohorts, c)
	}
	return cohorts
}

func (w world) sources(period app.Period, window time.Duration) []app.SourceCount {
	counts := map[string]*app.SourceCount{}
	at := func(value string) *app.SourceCount {
		value = cmp.Or(value, app.SourceNone)
		if counts[value] == nil {
			counts[value] = &app.SourceCount{Value: value}
		}
		return counts[value]
	}
	visits := slices.SortedFunc(slices.Values(w.visits), func(a, b app.Event) int {
		return cmp.Or(a.At.Compare(b.At), bytes.Compare(a.ID[:], b.ID[:]))
	})
	type seen struct{ source, visitor string }
	saw := map[seen]bool{}
	for _, v := range visits {
		if k := (seen{v.Touch.UTM.Source, v.Touch.VisitorID}); in(period, v.At) && !w.ours(k.visitor) {
			c := at(k.source)
			if k.visitor != "" && !saw[k] {
				saw[k] = true
				c.Visitors++
			}
		}
	}
	for i, p := range w.customers {
		if p.internal || !in(period, p.signup) {
			continue
		}
		source := p.utm.Source
		for _, v := range visits {
			if !v.Touch.UTM.IsZero() && v.Touch.VisitorID != "" && !v.At.After(p.signup) && w.owner(v) == i {
				source = v.Touch.UTM.Source
				break
			}
		}
		c, s := at(source), p.stages()
		depth := walk(p.signup, window, s[1:])
		c.Signups++
		for i, n := range []*int64{&c.APIKeys, &c.Activated, &c.Retained} {
			if depth > i {
				*n++
			}
		}
	}
	var all []app.SourceCount
	for _, c := range counts {
		all = append(all, *c)
	}
	return app.LargestSources(all, app.MaxSources)
}

// ours says whether a browser is an internal customer's.
func (w world) ours(visitor string) bool {
	return slices.ContainsFunc(w.customers, func(p person) bool {
		return p.internal && slices.ContainsFunc(p.links, func(l link) bool { return l.visitor == visitor })
	})
}

func (w world) summary(period app.Period) app.Summary {
	s := app.Summary{Period: period, TopSources: map[string]int64{}}
	seen := map[string]bool{"": true}
	for _, v := range w.visits {
		if !in(period, v.At) || w.ours(v.Touch.VisitorID) {
			continue
		}
		s.Counts.Visits++
		if !seen[v.Touch.VisitorID] {
			seen[v.Touch.VisitorID] = true
			s.Counts.Visitors++
		}
		if source := v.Touch.UTM.Source; source != "" {
			s.TopSources[source]++
		}
	}
	for _, p := range w.customers {
		if p.internal {
			continue
		}
		if in(period, p.signup) && p.utm.Source != "" {
			s.TopSources[p.utm.Source]++
		}
		calls := slices.SortedFunc(slices.Values(p.calls), time.Time.Compare)
		reached := append([]time.Time{p.signup, p.signup}, calls...)
		for i, n := range []*int64{&s.Counts.Signups, &s.Counts.APIKeys, &s.Counts.Activated, &s.Counts.Retained} {
			if i < len(reached) && in(period, reached[i]) {
				*n++
			}
		}
	}
	return s
}
