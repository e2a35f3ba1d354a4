package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

func (b *bench) apply(t *testing.T, batches ...app.Batch) app.Tally {
	t.Helper()
	tally, err := b.Apply(t.Context(), batches)
	if err != nil {
		t.Fatal(err)
	}
	return tally
}

// months makes the partitions around noon.
func (b *bench) months(t *testing.T) {
	t.Helper()
	if _, err := b.MakePartitions(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) ledger(t *testing.T) app.EventLedger {
	t.Helper()
	l, err := b.Ledger(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A batch whose outcome is unknown is applied again, also by several at once,
// and changes nothing.
func TestApplyAgainChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.months(t)
	id := b.onboard(t, "ops@kiln.example", noon, app.Touch{})
	batch := batchOf(call(id, noon), view("v", noon, app.UTM{}))
	batch.Calls = []app.Calls{{Boot: batch.Source, Sequence: 1, CustomerID: id, Count: 5, First: noon, Second: noon, Last: noon}}
	batch.Total = 7
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := b.Apply(context.WithoutCancel(t.Context()), []app.Batch{batch}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if tally := b.apply(t, batch); len(tally) != 0 {
		t.Errorf("the ninth time it comes to %v", tally)
	}
	if calls := one[int64](t, b, "SELECT api_calls FROM customer_journeys"); calls != 6 {
		t.Errorf("%d calls, want 6", calls)
	}
	want := app.EventLedger{Accepted: 7, Stored: 7, Sources: 1, DroppedBy: map[string]int64{}}
	if diff := cmp.Diff(want, b.ledger(t)); diff != "" {
		t.Error(diff)
	}
}

// The same counted calls in another batch are known by their own key.
func TestCountedCallsAreKnownByTheirKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.onboard(t, "ops@kiln.example", noon, app.Touch{})
	first := batchOf()
	first.Calls = []app.Calls{{
		Boot: first.Source, Sequence: 1, CustomerID: id, Count: 3,
		First: noon.Add(time.Second), Second: noon.Add(2 * time.Second), Last: noon.Add(9 * time.Second),
	}}
	again := batchOf()
	again.Calls = first.Calls
	b.apply(t, first)
	if tally := b.apply(t, again); tally.Total(app.OutcomeDeduplicated) != 3 {
		t.Errorf("tally %v", tally)
	}
	// Nobody delivered the events of the first calls; what was counted tells.
	got := one[string](t, b, `SELECT concat_ws(' ', api_calls, first_to_second_call_seconds,
		(SELECT string_agg(stage, ',' ORDER BY stage) FROM funnel_milestones),
		(SELECT count(*) FROM funnel_milestones m JOIN funnel_events e ON e.id = m.event_id)) FROM customer_journeys`)
	if got != "3 1 activation,api_key,retention,signup 4" {
		t.Errorf("journey and milestones are %q", got)
	}
}

// Within 72 hours an id of a client is an event, however often and from
// wherever it is sent; after that it may be used again.
func TestClientKeys(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	keyed := func(site, key string) app.Event {
		e := view("v", noon, app.UTM{})
		e.Site, e.Key = site, key
		return e
	}
	tally := b.apply(t, batchOf(keyed("a", "1"), keyed("a", "1"), keyed("b", "1"), keyed("a", "2"), keyed("", ""), keyed("", "")))
	if tally.Total(app.OutcomeStored) != 5 || tally.Total(app.OutcomeDeduplicated) != 1 {
		t.Errorf("tally %v", tally)
	}
	if tally = b.apply(t, batchOf(keyed("a", "1"), keyed("a", "3"))); tally.Total(app.OutcomeStored) != 1 {
		t.Errorf("again: tally %v", tally)
	}
	b.exec(t, "UPDATE event_keys SET seen_at = now() - interval '73 hours' WHERE key = '1'")
	if tally = b.apply(t, batchOf(keyed("a", "1"))); tally.Total(app.OutcomeStored) != 1 {
		t.Errorf("after 73 hours: tally %v", tally)
	}
	if err := b.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, b, "SELECT count(*)::int FROM event_keys"); n != 3 {
		t.Errorf("%d keys are remembered, want 3", n)
	}
}

// What the database refuses becomes a dead letter; the rest of its batch is
// stored, and the ledger balances.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.months(t)
	events := make([]app.Event, 20)
	for i := range events {
		events[i] = view(fmt.Sprint(i), noon, app.UTM{})
	}
	events[4].Touch.Network, events[11].Metadata = "not a network", "{"
	batch := batchOf(events...)
	if _, err := b.Apply(t.Context(), []app.Batch{batch}); app.CodeOf(err) != app.CodeValidation {
		t.Fatalf("got %v, want CodeValidation", err)
	}
	tally, err := b.ApplySuspect(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	if tally.Total(app.OutcomeStored) != 18 || tally.Total(app.OutcomeDroppedRefused) != 2 {
		t.Errorf("tally %v", tally)
	}
	whole := batchOf(view("x", noon, app.UTM{}))
	if tally, err = b.Bury(t.Context(), whole, errors.New("of no use")); err != nil || tally.Total(app.OutcomeDroppedRefused) != 1 {
		t.Errorf("burying: %v, %v", tally, err)
	}
	if err := b.BuryRaw(t.Context(), []byte{1, 2, 0}, errors.New("damaged")); err != nil {
		t.Error(err)
	}
	want := app.EventLedger{
		Accepted: 21, Stored: 18, Dropped: 3, DroppedBy: map[string]int64{"refused": 3}, DeadLetters: 4, Sources: 2,
	}
	if diff := cmp.Diff(want, b.ledger(t)); diff != "" {
		t.Error(diff)
	}
	if n := one[int](t, b, `SELECT count(*)::int FROM funnel_dead_letters WHERE reason LIKE 'invalid input syntax for type%'
		AND event_type = 'page_view' AND (convert_from(payload, 'UTF8')::jsonb ->> 'Metadata' = '{' OR convert_from(payload, 'UTF8') LIKE '%not a network%')`); n != 2 {
		t.Errorf("%d of 2 dead letters tell what is wrong with them", n)
	}
}

// What a source accepted and nobody can account for is missing: at once when a
// batch left a gap, and after a while when its pod is silent.
func TestLedgerShowsWhatIsMissing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	batch := batchOf(view("a", noon, app.UTM{}), view("b", noon, app.UTM{}))
	batch.Number, batch.Total, batch.Host = 2, 5, "rsolv-0" // number 1, of three events, is not there
	b.apply(t, batch)
	report := func(spooled int64) {
		t.Helper()
		err := b.ReportSpooled(t.Context(), []app.SourceAccount{
			{Source: batch.Source, Host: "rsolv-0", Spool: app.SpoolEmbedded, Accepted: 5, Spooled: spooled},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		about            string
		change           func()
		spooled, missing int64
	}{
		{"just stored a part", func() {}, 3, 0},
		{"reported as spooled", func() { report(3) }, 3, 0},
		{"reported as not there", func() { report(0) }, 0, 3},
		{"there after all", func() { report(3) }, 3, 0},
		{"silent", func() {
			b.exec(t, "UPDATE ingest_sources SET spooled_at = now() - interval '3 minutes', updated_at = now() - interval '4 minutes'")
		}, 0, 3},
	} {
		step.change()
		l := b.ledger(t)
		if l.Spooled != step.spooled || l.Missing != step.missing || l.Balanced() != (step.missing == 0) || len(l.Open) != 1 {
			t.Errorf("%s: %+v", step.about, l)
		}
	}
	if l := b.ledger(t); l.Completeness() != "40.00" || l.Open[0].Host != "rsolv-0" || l.Open[0].Missing() != 3 {
		t.Errorf("ledger %+v, completeness %s", l, l.Completeness())
	}
	first := app.Batch{Source: batch.Source, Number: 1, Total: 3, Events: []app.Event{
		view("c", noon, app.UTM{}), view("d", noon, app.UTM{}), view("e", noon, app.UTM{}),
	}}
	b.apply(t, first)
	if l := b.ledger(t); !l.Balanced() || l.Stored != 5 || len(l.Open) != 0 {
		t.Errorf("after it came back: %+v", l)
	}
}

// Events lie in the month in which they were taken; months are made ahead, and
// the oldest leave with their days stored.
func TestPartitions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if _, err := b.MakePartitions(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if made, err := b.MakePartitions(t.Context(), noon); err != nil || made != 0 {
		t.Errorf("again: %d made, %v", made, err)
	}
	b.apply(t, batchOf(view("a", noon, app.UTM{}), view("b", noon.AddDate(0, -1, 0), app.UTM{})))
	where := func() string {
		return one[string](t, b, "SELECT coalesce(string_agg(tableoid::regclass::text, ' ' ORDER BY id), '') FROM funnel_events")
	}
	if got := where(); got != "funnel_events_2025_10 funnel_events_2025_11" {
		t.Errorf("events lie in %q", got)
	}
	b.apply(t, batchOf(view("c", noon.AddDate(-3, 0, 0), app.UTM{})))
	if l := b.ledger(t); l.Stray != 1 {
		t.Errorf("%d strays, want 1", l.Stray)
	}
	if retired, err := b.RetirePartitions(t.Context(), noon.AddDate(1, 0, 0), 0); err != nil || len(retired) != 0 {
		t.Errorf("keeping all: %v, %v", retired, err)
	}
	retired, err := b.RetirePartitions(t.Context(), noon.AddDate(0, 3, 0), 3)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"funnel_events_2025_10", "analytics_events_2025_10"}, retired); diff != "" {
		t.Error(diff)
	}
	if got := where(); got != "funnel_events_default funnel_events_2025_11" {
		t.Errorf("events lie in %q", got)
	}
	if n := one[int64](t, b, "SELECT website_visits FROM funnel_metrics WHERE period_type = 'day' AND period_start = '2025-10-04'"); n != 1 {
		t.Errorf("the day of the retired event is stored with %d visits", n)
	}
}

// A first key that is made later is a step in the funnel, a second one is none.
func TestLaterKeysAreTracked(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.onboard(t, "ops@kiln.example", noon, app.Touch{})
	b.exec(t, "DELETE FROM funnel_milestones WHERE stage = 'api_key'")
	b.exec(t, "DELETE FROM funnel_events WHERE event_type = 'api_key_created'")
	b.exec(t, "UPDATE customer_journeys SET api_key_created_at = NULL, completed_api_key = false, signup_to_api_key_seconds = NULL")
	for i := range 2 {
		_, err := b.AddKey(t.Context(), app.KeyDraft{
			CustomerID: id, Name: "k", Hash: app.HashKey(fmt.Sprint(i)), Permissions: []string{app.PermissionFullAccess},
			At: noon.Add(time.Duration(i+1) * time.Minute),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	got := one[string](t, b, `SELECT concat_ws(' ', completed_api_key, signup_to_api_key_seconds,
		(SELECT count(*) FROM funnel_events WHERE event_type = 'api_key_created')) FROM customer_journeys`)
	if got != "t 60 1" {
		t.Errorf("journey is %q", got)
	}
}

// The nightly comparison finds what is missing and what is too much, once a day.
func TestReconcile(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for i := range 3 {
		b.onboard(t, fmt.Sprintf("c%d@kiln.example", i), noon, app.Touch{VisitorID: fmt.Sprint(i)})
	}
	if n := one[int](t, b, "SELECT count(*)::int FROM identity_links"); n != 3 {
		t.Errorf("%d identity links, want 3", n)
	}
	b.exec(t, "DELETE FROM funnel_milestones WHERE stage = 'api_key' AND customer_id = (SELECT min(id) FROM customers)")
	for range 2 {
		if err := b.Reconcile(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := one[int](t, b, "SELECT count(*)::int FROM funnel_reconciliations"); n != 1 {
		t.Errorf("%d comparisons in a day", n)
	}
	r := b.ledger(t).Reconciled
	if r == nil || r.Complete() {
		t.Fatalf("got %+v", r)
	}
	want := app.Reconciliation{At: r.At, Customers: 3, Signups: 3, Keyed: 3, Keys: 2, Strange: 1}
	if diff := cmp.Diff(want, *r); diff != "" {
		t.Error(diff)
	}
}
