package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// Random histories, delivered in random order and in parts, are counted by the
// database as by the reference: repeated stages, equal times, late events,
// browsers that turn out to be somebody's, windows, time zones.
func TestOracle(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	// All events go to one partition; months before it have not been retired.
	b.exec(t, `DO $$ DECLARE part text; BEGIN
		FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'funnel_events'::regclass AND inhrelid <> 'funnel_events_default'::regclass
		LOOP EXECUTE 'DROP TABLE ' || part; END LOOP; END $$`)
	rapid.Check(t, func(rt *rapid.T) {
		b.exec(t, `WITH a AS (DELETE FROM customers), b AS (DELETE FROM funnel_metrics), c AS (DELETE FROM funnel_notes),
			d AS (DELETE FROM funnel_sources), e AS (DELETE FROM identity_links) DELETE FROM funnel_events`)
		w := deliver(t, rt, b)
		period := app.Period{Since: on(rapid.IntRange(1, 12).Draw(rt, "first day"), 0)}
		period.Until = period.Since.AddDate(0, 0, rapid.IntRange(1, 12).Draw(rt, "days"))
		window := time.Duration(rapid.IntRange(1, 40).Draw(rt, "window")) * 6 * time.Hour
		now := on(rapid.IntRange(10, 35).Draw(rt, "now"), 0)
		for _, start := range app.FunnelStages()[:4] {
			stages, err := app.StagesFrom("start", string(start))
			if err != nil {
				t.Fatal(err)
			}
			question := app.FunnelQuestion{Period: period, Stages: stages, Window: window}
			got, err := b.Ordered(t.Context(), question, now)
			if err != nil {
				t.Fatal(err)
			}
			agree(rt, "ordered from "+string(start), w.ordered(question, now), got)
		}
		summary, err := b.Summary(t.Context(), period)
		if err != nil {
			t.Fatal(err)
		}
		agree(rt, "summary", w.summary(period), summary)
		zone := rapid.SampledFrom([]string{"UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"}).Draw(rt, "zone")
		weeks, err := app.CohortWeeks(now, 6, zone)
		if err != nil {
			t.Fatal(err)
		}
		cohorts, err := b.Cohorts(t.Context(), weeks, window, now)
		if err != nil {
			t.Fatal(err)
		}
		agree(rt, "cohorts", w.cohorts(weeks, window, now), cohorts)
		sources, err := b.Sources(t.Context(), period, app.BySource, window)
		if err != nil {
			t.Fatal(err)
		}
		agree(rt, "sources", w.sources(period, window), sources)
	})
}

func agree(rt *rapid.T, about string, want, got any) {
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		rt.Fatalf("%s: the reference (-) and the database (+) differ: %s", about, diff)
	}
}

// deliver makes a history and gives it to the database.
func deliver(t *testing.T, rt *rapid.T, b *bench) world {
	t.Helper()
	// Six hours apart, so that many times are equal; around a change of clocks.
	moment := rapid.Custom(func(rt *rapid.T) time.Time {
		return on(1, 0).Add(time.Duration(rapid.IntRange(0, 96).Draw(rt, "quarter days")) * 6 * time.Hour)
	})
	browser := rapid.SampledFrom([]string{"", "v0", "v1", "v2", "v3", "v4"})
	source := rapid.SampledFrom([]string{"", "", "a", "b"})
	var w world
	for range rapid.IntRange(0, 14).Draw(rt, "visits") {
		v := view(browser.Draw(rt, "browser"), moment.Draw(rt, "at"), app.UTM{Source: source.Draw(rt, "source")})
		w.visits = append(w.visits, v)
	}
	rollUp := func() {
		t.Helper()
		if !rapid.Bool().Draw(rt, "roll up") {
			return
		}
		if err := b.RollUp(t.Context(), moment.Draw(rt, "rolled up at"), 0); err != nil {
			t.Fatal(err)
		}
	}
	early := rapid.IntRange(0, len(w.visits)).Draw(rt, "visits delivered before the signups")
	apply := func(batch app.Batch) {
		t.Helper()
		if _, err := b.Apply(t.Context(), []app.Batch{batch}); err != nil {
			t.Fatal(err)
		}
	}
	apply(batchOf(w.visits[:early]...))
	rollUp()
	for i := range rapid.IntRange(0, 5).Draw(rt, "customers") {
		w.customers = append(w.customers, enter(t, rt, b, i, moment, browser, source))
	}
	apply(batchOf(w.visits[early:]...))
	rollUp()
	var single []app.Event
	for i := range w.customers {
		p := &w.customers[i]
		for _, at := range rapid.SliceOfN(moment, 0, 4).Draw(rt, "calls") {
			p.calls = append(p.calls, at)
			if rapid.Bool().Draw(rt, "as an event") {
				single = append(single, call(p.id, at))
				continue
			}
			batch := batchOf()
			batch.Calls = []app.Calls{{Boot: batch.Source, Sequence: 1, CustomerID: p.id, Count: 1, First: at, Last: at}}
			batch.Total = 1
			apply(batch)
		}
	}
	cut := rapid.IntRange(0, len(single)).Draw(rt, "calls delivered first")
	apply(batchOf(single[cut:]...))
	apply(batchOf(single[:cut]...))
	return w
}

// enter signs somebody up, and links further browsers.
func enter(t *testing.T, rt *rapid.T, b *bench, i int, moment *rapid.Generator[time.Time], browser, source *rapid.Generator[string]) person {
	t.Helper()
	p := person{
		visitor: browser.Draw(rt, "browser of the signup"), signup: moment.Draw(rt, "signup"), utm: app.UTM{Source: source.Draw(rt, "source of the signup")},
		internal: rapid.IntRange(0, 4).Draw(rt, "internal") == 0,
	}
	p.id = b.onboard(t, fmt.Sprintf("c%d@kiln.example", i), p.signup, app.Touch{VisitorID: p.visitor, UTM: p.utm})
	if p.visitor != "" {
		p.links = append(p.links, link{p.visitor, p.signup})
	}
	for range rapid.IntRange(0, 2).Draw(rt, "further browsers") {
		l := link{browser.Draw(rt, "further browser"), moment.Draw(rt, "linked")}
		known := slices.ContainsFunc(p.links, func(k link) bool { return k.visitor == l.visitor })
		if l.visitor == "" || known {
			continue
		}
		p.links = append(p.links, l)
		b.exec(t, "INSERT INTO identity_links (visitor_id, customer_id, linked_at) VALUES ($1, $2, $3)", l.visitor, p.id, l.at)
	}
	if p.internal {
		if _, err := b.SetInternal(t.Context(), p.id, true); err != nil {
			t.Fatal(err)
		}
	}
	return p
}
