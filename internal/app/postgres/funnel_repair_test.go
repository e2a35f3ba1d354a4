package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// The locks that the writer of page views and the upkeep take.
const linkLock, upkeepLock = 0x52534f4c56_01, 0x52534f4c56_02

// A writer of page views that holds the links for long costs a signup its
// visit for a while, and nothing else.
func TestSignupWhileTheLinksAreLocked(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.exec(t, "BEGIN")
	b.exec(t, "SELECT pg_advisory_xact_lock($1)", int64(linkLock))
	b.exec(t, `INSERT INTO funnel_events (id, event_type, visitor_id, utm_source, occurred_at)
		VALUES (gen_random_uuid(), 'page_view', 'v1', 'hn', $1)`, noon.Add(-time.Minute))
	b.onboard(t, "ops@kiln.example", noon, app.Touch{VisitorID: "v1"})
	b.exec(t, "COMMIT")
	journey := func() string {
		return one[string](t, b, `SELECT concat_ws(' ', completed_signup, completed_api_key, visit_to_signup_seconds, utm_source)
			FROM customer_journeys`)
	}
	if got := journey(); got != "t t" {
		t.Errorf("journey is %q", got)
	}
	if stages := one[int](t, b, "SELECT count(*)::int FROM funnel_milestones"); stages != 2 {
		t.Errorf("%d milestones, want 2", stages)
	}
	for range 2 {
		if err := b.RelinkVisits(t.Context(), noon.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got := journey(); got != "t t 60 hn" {
			t.Errorf("after relinking: journey is %q", got)
		}
	}
}

// A signup waits for a writer of page views that is about to commit.
func TestSignupWaitsForItsVisit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	watcher := connect(t, b.url)
	waiting := func() (is bool) {
		err := watcher.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&is)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	// A machine that stalls just now makes a signup wait in vain; not each time.
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		b.exec(t, "BEGIN")
		b.exec(t, "SELECT pg_advisory_xact_lock($1)", int64(linkLock))
		b.exec(t, `INSERT INTO funnel_events (id, event_type, visitor_id, occurred_at)
			VALUES (gen_random_uuid(), 'page_view', $1, $2)`, name, noon.Add(-time.Minute))
		done := make(chan error, 1)
		go func() {
			_, err := b.Onboard(context.WithoutCancel(t.Context()), signup(name+"@kiln.example", noon, app.Touch{VisitorID: name}))
			done <- err
		}()
		for began := time.Now(); !waiting() && time.Since(began) < time.Second; {
			time.Sleep(time.Millisecond)
		}
		b.exec(t, "COMMIT")
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if one[int](t, b, "SELECT count(*)::int FROM customer_journeys WHERE visit_to_signup_seconds = 60") > 0 {
			return
		}
	}
	t.Error("no signup waited for the visit that led to it")
}

// What could not be tracked beside a signup is tracked later, once.
func TestRepairSignups(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tracked := b.onboard(t, "tracked@kiln.example", noon, app.Touch{UTM: app.UTM{Source: "hn"}})
	b.exec(t, "BEGIN")
	b.exec(t, "LOCK TABLE funnel_events IN ACCESS EXCLUSIVE MODE")
	onboardUntracked(t, b)
	b.exec(t, "ROLLBACK")
	done, err := b.Onboard(t.Context(), signup("smoke@kiln.example", noon, app.Touch{}))
	if err != nil {
		t.Fatal(err)
	}
	b.exec(t, "UPDATE customers SET internal = true WHERE id = $1", done.Customer.ID)
	for _, table := range []string{"funnel_events", "funnel_milestones", "customer_journeys"} {
		b.exec(t, "DELETE FROM "+table+" WHERE customer_id = $1", done.Customer.ID)
	}
	// A call makes a journey that knows nothing of the signup.
	ops := one[int64](t, b, "SELECT id FROM customers WHERE email = 'ops@kiln.example'")
	if _, err := b.WriteEvents(t.Context(), []app.Event{call(ops, noon.Add(time.Minute))}); err != nil {
		t.Fatal(err)
	}
	if err := b.RollUp(t.Context(), noon, 0); err != nil {
		t.Fatal(err)
	}
	before := row(t, b, tracked)

	b.exec(t, "SELECT pg_advisory_lock($1)", int64(upkeepLock))
	if tally, err := b.RepairSignups(t.Context(), noon); err != nil || len(tally) != 0 {
		t.Errorf("while another pod is at it: %v, %v", tally, err)
	}
	b.exec(t, "SELECT pg_advisory_unlock($1)", int64(upkeepLock))
	want := app.Tally{
		{Type: app.EventSignup, Outcome: app.OutcomeStored}: 1, {Type: app.EventAPIKeyCreated, Outcome: app.OutcomeStored}: 1,
	}
	for _, want := range []app.Tally{want, {}} {
		tally, err := b.RepairSignups(t.Context(), noon)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, tally); diff != "" {
			t.Error(diff)
		}
		if got := row(t, b, ops); got != "2025-11-04 12:00:00 2025-11-04 12:00:00 0 60 t t t 2 3" {
			t.Errorf("journey, events and milestones are %q", got)
		}
		if got := row(t, b, tracked); got != before {
			t.Errorf("a tracked customer changed from %q to %q", before, got)
		}
	}
	if n := one[int](t, b, "SELECT count(*)::int FROM funnel_metrics WHERE period_start = '2025-11-04'"); n != 0 {
		t.Error("the stored day goes on without the repaired signup")
	}
	summary, err := b.Summary(t.Context(), app.Day(noon))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(app.Counts{Signups: 2, APIKeys: 2, Activated: 1}, summary.Counts); diff != "" {
		t.Error(diff)
	}
}

// row is what the funnel knows of a customer: the journey, the number of signup
// and key events, and the number of milestones.
func row(t *testing.T, b *bench, customer int64) string {
	t.Helper()
	return one[string](t, b, `SELECT concat_ws(' ', signup_at AT TIME ZONE 'UTC', api_key_created_at AT TIME ZONE 'UTC',
		signup_to_api_key_seconds, api_key_to_first_call_seconds, utm_source, completed_signup, completed_api_key, completed_activation,
		(SELECT count(*) FROM funnel_events e WHERE e.customer_id = j.customer_id AND event_type IN ('signup', 'api_key_created')),
		(SELECT count(*) FROM funnel_milestones m WHERE m.customer_id = j.customer_id))
		FROM customer_journeys j WHERE customer_id = $1`, customer)
}
