package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
)

func openStore(t *testing.T, url string) *postgres.Store {
	t.Helper()
	store, err := postgres.Open(t.Context(), postgres.Options{URL: url, PoolSize: 5})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// Fifty pods deliver a customer's first calls at once.
func TestParallelFirstCalls(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.onboard(t, "ops@kiln.example", noon, app.Touch{})
	pods := []*postgres.Store{b.Store, openStore(t, b.url), openStore(t, b.url)}
	var wg sync.WaitGroup
	errs := make([]error, 50)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = writeEvents(context.WithoutCancel(t.Context()), pods[i%len(pods)],
				[]app.Event{call(id, noon.Add(time.Duration(i+1)*time.Second))})
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	got := one[string](t, b, `SELECT concat_ws(' ',
		(SELECT count(*) FROM funnel_events WHERE event_type = 'first_api_call'),
		(SELECT count(*) FROM funnel_events WHERE event_type = 'api_call'),
		(SELECT count(*) FROM funnel_milestones WHERE stage = 'activation'),
		(SELECT count(*) FROM funnel_milestones WHERE stage = 'retention'),
		(SELECT count(*) FROM customer_journeys WHERE completed_activation AND completed_retention
			AND first_api_call_at < second_api_call_at AND first_to_second_call_seconds > 0))`)
	if got != "1 49 1 1 1" {
		t.Errorf("first calls, calls, activations, retentions, journeys are %s, want 1 49 1 1 1", got)
	}
}

func TestWriteEventsTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.onboard(t, "ops@kiln.example", noon, app.Touch{})
	first := call(id, noon.Add(time.Minute))
	batch := []app.Event{first, first, view("v", noon, app.UTM{})}
	tally, err := b.WriteEvents(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	if tally.Total(app.OutcomeStored) != 2 || tally.Total(app.OutcomeDeduplicated) != 1 {
		t.Errorf("tally is %v", tally)
	}
	tally, err = b.WriteEvents(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	if tally.Total(app.OutcomeStored) != 0 || tally.Total(app.OutcomeDeduplicated) != 3 {
		t.Errorf("tally of the repetition is %v", tally)
	}
	if retained := one[bool](t, b, "SELECT completed_retention FROM customer_journeys"); retained {
		t.Error("one call, delivered twice, counts as two")
	}
}

func TestWriteEventsOfVanishedCustomers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tally, err := b.WriteEvents(t.Context(), []app.Event{call(4711, noon), view("v", noon, app.UTM{})})
	if err != nil {
		t.Fatal(err)
	}
	want := app.Tally{
		{Type: app.EventAPICall, Outcome: app.OutcomeDroppedOrphaned}: 1,
		{Type: app.EventPageView, Outcome: app.OutcomeStored}:         1,
		{Type: app.EventPageView, Outcome: app.OutcomeDeduplicated}:   0,
	}
	if diff := cmp.Diff(want, tally); diff != "" {
		t.Error(diff)
	}
}

func TestWriteEventsNamesBadEvents(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	bad := view("v", noon, app.UTM{})
	bad.Touch.Network = "not a network"
	if _, err := b.WriteEvents(t.Context(), []app.Event{bad}); app.CodeOf(err) != app.CodeValidation {
		t.Errorf("got %v, want CodeValidation", err)
	}
	b.exec(t, "DROP TABLE funnel_events")
	if _, err := b.WriteEvents(t.Context(), []app.Event{view("v", noon, app.UTM{})}); app.CodeOf(err) != app.CodeUnavailable {
		t.Errorf("without the table: got %v, want CodeUnavailable", err)
	}
}

// Only what is wrong with the values is a reason to drop an event.
func TestWriteEventsTellsRefusalsFromTroubles(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.exec(t, `CREATE TABLE trouble (code text);
		CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$
			DECLARE state text; BEGIN SELECT code INTO state FROM trouble; RAISE EXCEPTION USING ERRCODE = state; END $$;
		CREATE TRIGGER trouble BEFORE INSERT ON funnel_events FOR EACH ROW EXECUTE FUNCTION trouble()`)
	for code, want := range map[string]app.Code{
		"22003": app.CodeValidation, "23514": app.CodeValidation, "23503": app.CodeValidation,
		"XX000": app.CodeUnavailable, "XX002": app.CodeUnavailable, "0A000": app.CodeUnavailable, "53100": app.CodeUnavailable,
		"54000": app.CodeUnavailable, "55000": app.CodeUnavailable, "57014": app.CodeUnavailable, "25P02": app.CodeUnavailable,
		"P0001": app.CodeUnavailable, "42883": app.CodeUnavailable,
	} {
		b.exec(t, "DELETE FROM trouble")
		b.exec(t, "INSERT INTO trouble VALUES ($1)", code)
		if _, err := b.WriteEvents(t.Context(), []app.Event{view("v", noon, app.UTM{})}); app.CodeOf(err) != want {
			t.Errorf("SQLSTATE %s: got %v, want %s", code, err, want)
		}
	}
}

// Visits and the signups they lead to commit at the same moment; each signup
// must know its visit, whoever comes first; on a busy machine, where a signup
// waits too long for the links, after the upkeep.
func TestVisitAndSignupAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const n, atOnce = 40, 8
	// The race is between the two of one visitor. More pairs at a time would
	// only wait for connections, on a busy machine beyond their limit.
	room := make(chan struct{}, 2*atOnce)
	var wg sync.WaitGroup
	start := func(work func()) {
		room <- struct{}{}
		wg.Go(func() { defer func() { <-room }(); work() })
	}
	for i := range n {
		visitor := fmt.Sprintf("v%d", i)
		start(func() {
			if _, err := b.WriteEvents(context.WithoutCancel(t.Context()), []app.Event{view(visitor, noon.Add(-time.Minute), app.UTM{Source: "hn"})}); err != nil {
				t.Error(err)
			}
		})
		start(func() {
			done, err := b.Onboard(context.WithoutCancel(t.Context()),
				signup(visitor+"@kiln.example", noon, app.Touch{VisitorID: visitor}))
			if err != nil || done.TrackingErr != nil {
				t.Error(err, done.TrackingErr)
			}
		})
	}
	wg.Wait()
	if err := b.RelinkVisits(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if linked := one[int](t, b, "SELECT count(*)::int FROM customer_journeys WHERE visit_to_signup_seconds = 60 AND utm_source = 'hn'"); linked != n {
		t.Errorf("%d of %d signups know their visit", linked, n)
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	period, err := app.LastDays(noon, 30)
	if err != nil {
		t.Fatal(err)
	}
	var events []app.Event
	for i := range 40 {
		utm := app.UTM{}
		if i < 6 {
			utm = app.UTM{Source: "hn", Campaign: "launch"}
		}
		events = append(events, view(fmt.Sprintf("v%d", i%25), noon.Add(-time.Duration(i)*time.Minute), utm))
	}
	// The bounds: the first instant is in, the instant after the last is not.
	events = append(events, view("edge", period.Since, app.UTM{}), view("out", period.Since.Add(-time.Microsecond), app.UTM{}),
		view("edge", period.Until.Add(-time.Microsecond), app.UTM{}), view("out", period.Until, app.UTM{}))
	for i := range 8 {
		id := b.onboard(t, fmt.Sprintf("c%d@kiln.example", i), noon, app.Touch{})
		calls := max(0, 3-i) // 3, 2, 1, then none
		for c := range calls {
			events = append(events, call(id, noon.Add(time.Duration(c+1)*time.Minute)))
		}
	}
	// The visits of an owner's browser count as little as the owner does.
	owner := b.onboard(t, "owner@kiln.example", noon, app.Touch{VisitorID: "owner", UTM: app.UTM{Source: "us"}})
	events = append(events, view("owner", noon, app.UTM{Source: "us", Campaign: "us"}), view("", noon, app.UTM{}),
		call(owner, noon.Add(time.Minute)), call(owner, noon.Add(2*time.Minute)))
	for _, want := range []bool{true, false} {
		if changed, err := b.SetInternal(t.Context(), owner, true); err != nil || changed != want {
			t.Errorf("SetInternal = %v, %v, want %v", changed, err, want)
		}
	}
	if _, err := b.WriteEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	got, err := b.Summary(t.Context(), period)
	if err != nil {
		t.Fatal(err)
	}
	want := app.Summary{
		Period:     period,
		Counts:     app.Counts{Visits: 43, Visitors: 26, Signups: 8, APIKeys: 8, Activated: 3, Retained: 2},
		TopSources: map[string]int64{"hn": 6}, TopCampaigns: map[string]int64{"launch": 6},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	rates := app.Rates{VisitToSignup: "18.60", SignupToAPIKey: "100.00", APIKeyToActivation: "37.50", ActivationToRetention: "66.67"}
	if diff := cmp.Diff(rates, got.Counts.Rates()); diff != "" {
		t.Error(diff)
	}
}

func TestGrantPermission(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.onboard(t, "ops@kiln.example", noon, app.Touch{})
	for _, changed := range []int64{1, 0} {
		grant, err := b.GrantPermission(t.Context(), "OPS@kiln.example", app.PermissionAdmin)
		if err != nil || grant.Active != 1 || grant.Changed != changed {
			t.Errorf("grant is %+v, %v, want %d changed", grant, err, changed)
		}
	}
	principal, err := b.FindKey(t.Context(), app.HashKey("ops@kiln.example"))
	if err != nil || !principal.May(app.PermissionAdmin) || !principal.May(app.PermissionFullAccess) {
		t.Errorf("principal is %+v, %v", principal, err)
	}
	if _, err := b.GrantPermission(t.Context(), "nobody@kiln.example", app.PermissionAdmin); app.CodeOf(err) != app.CodeNotFound {
		t.Errorf("got %v, want CodeNotFound", err)
	}
}
