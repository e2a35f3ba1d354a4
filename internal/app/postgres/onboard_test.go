package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

func TestOnboard(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	done, err := b.Onboard(t.Context(), signup("ops@kiln.example", noon, app.Touch{}))
	if err != nil || done.TrackingErr != nil {
		t.Fatal(err, done.TrackingErr)
	}
	want := app.Customer{
		ID: done.Customer.ID, Name: "Kiln", Email: "ops@kiln.example", Active: true, SubscriptionType: "trial",
		CreditBalance: 5, MonthlyLimit: 100, TrialFixesLimit: 5, CreatedAt: noon,
	}
	if diff := cmp.Diff(want, done.Customer); diff != "" {
		t.Error(diff)
	}
	stored, err := b.Customer(t.Context(), done.Customer.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Error(diff)
	}
	ledger := one[string](t, b, "SELECT concat_ws(' ', amount, balance_after, source, metadata->>'source') FROM credit_transactions")
	if ledger != "5 5 trial_signup direct" {
		t.Errorf("ledger is %q", ledger)
	}
	key := one[string](t, b, "SELECT concat_ws(' ', name, key_hash, array_to_string(permissions, ',')) FROM api_keys")
	if want := "Default API Key " + app.HashKey("ops@kiln.example") + " full_access"; key != want {
		t.Errorf("key is %q, want %q", key, want)
	}
	stages := one[string](t, b, "SELECT string_agg(stage, ' ' ORDER BY stage) FROM funnel_milestones")
	if stages != "api_key signup" {
		t.Errorf("milestones are %q", stages)
	}
	principal, err := b.FindKey(t.Context(), app.HashKey("ops@kiln.example"))
	if err != nil || principal.CustomerID != done.Customer.ID {
		t.Errorf("FindKey = %+v, %v", principal, err)
	}
}

func TestOnboardDuplicateEmail(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.onboard(t, "ops@kiln.example", noon, app.Touch{})
	_, err := b.Onboard(t.Context(), signup("OPS@kiln.example", noon, app.Touch{}))
	if app.CodeOf(err) != app.CodeValidation || !strings.Contains(err.Error(), "email has already been taken") {
		t.Errorf("got %v", err)
	}
	if n := one[int](t, b, "SELECT count(*)::int FROM funnel_events WHERE event_type = 'signup'"); n != 1 {
		t.Errorf("%d signups are tracked, want 1", n)
	}
}

func TestInactiveKeysAndCustomersAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.onboard(t, "ops@kiln.example", noon, app.Touch{})
	hash := app.HashKey("ops@kiln.example")
	for _, table := range []string{"api_keys", "customers"} {
		b.exec(t, "UPDATE "+table+" SET active = false")
		if _, err := b.FindKey(t.Context(), hash); app.CodeOf(err) != app.CodeInvalidKey {
			t.Errorf("with inactive %s: got %v", table, err)
		}
		b.exec(t, "UPDATE "+table+" SET active = true")
		if _, err := b.FindKey(t.Context(), hash); err != nil {
			t.Error(err)
		}
	}
}

// A tracking failure must never break onboarding.
func TestOnboardSurvivesTrackingFailures(t *testing.T) {
	t.Parallel()
	t.Run("the tables are gone", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		b.exec(t, "DROP TABLE customer_journeys CASCADE")
		onboardUntracked(t, b)
		if n := one[int](t, b, "SELECT count(*)::int FROM funnel_events"); n != 0 {
			t.Errorf("%d events without a journey are stored, want 0", n)
		}
	})
	t.Run("the tables are locked", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		b.exec(t, "BEGIN")
		b.exec(t, "LOCK TABLE funnel_events IN ACCESS EXCLUSIVE MODE")
		began := time.Now()
		onboardUntracked(t, b)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("onboarding waited %v for the funnel", took)
		}
		b.exec(t, "ROLLBACK")
	})
}

func onboardUntracked(t *testing.T, b *bench) {
	t.Helper()
	done, err := b.Onboard(t.Context(), signup("ops@kiln.example", noon, app.Touch{VisitorID: "v"}))
	if err != nil {
		t.Fatalf("onboarding failed with tracking: %v", err)
	}
	if done.TrackingErr == nil {
		t.Error("tracking did not fail: the test proves nothing")
	}
	if _, err := b.FindKey(t.Context(), app.HashKey("ops@kiln.example")); err != nil {
		t.Errorf("the key does not work: %v", err)
	}
	if c, err := b.Customer(t.Context(), done.Customer.ID); err != nil || c.CreditBalance != 5 {
		t.Errorf("customer %+v, %v", c, err)
	}
}

// The tighter timeouts of the funnel's part end with it.
func TestOnboardRestoresTimeouts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	// A deferred trigger runs at commit, after the funnel's part.
	b.exec(t, `CREATE TABLE seen (lock_timeout text, statement_timeout text);
		CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO seen VALUES (current_setting('lock_timeout'), current_setting('statement_timeout')); RETURN NULL;
		END $$;
		CREATE CONSTRAINT TRIGGER look AFTER INSERT ON customers DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW EXECUTE FUNCTION look();
		ALTER DATABASE `+one[string](t, b, "SELECT current_database()")+` SET statement_timeout = '7s'`)
	fresh := openStore(t, b.url)
	if _, err := fresh.Onboard(t.Context(), signup("a@kiln.example", noon, app.Touch{})); err != nil {
		t.Fatal(err)
	}
	if got := one[string](t, b, "SELECT lock_timeout || ' ' || statement_timeout FROM seen"); got != "0 7s" {
		t.Errorf("timeouts at commit are %q, want the session's own", got)
	}
}

func TestVisitBeforeSignup(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	early := []app.Event{
		view("v1", noon.Add(-2*time.Hour), app.UTM{}),
		view("v1", noon.Add(-90*time.Second), app.UTM{Source: "hn", Campaign: "launch"}),
		view("v2", noon.Add(-5*time.Hour), app.UTM{Source: "other"}),
	}
	if _, err := b.WriteEvents(t.Context(), early); err != nil {
		t.Fatal(err)
	}
	b.onboard(t, "ops@kiln.example", noon, app.Touch{VisitorID: "v1", SessionID: "s"})
	got := one[string](t, b, `SELECT concat_ws(' ', to_char(first_visit_at, 'HH24:MI'), visit_to_signup_seconds,
		signup_to_api_key_seconds, utm_source, utm_campaign) FROM customer_journeys`)
	if got != "10:00 7200 0 hn launch" {
		t.Errorf("journey is %q", got)
	}
}

func TestVisitStoredAfterSignup(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.onboard(t, "ops@kiln.example", noon, app.Touch{VisitorID: "v1"})
	seconds := func() *int64 { return one[*int64](t, b, "SELECT visit_to_signup_seconds FROM customer_journeys") }
	if s := seconds(); s != nil {
		t.Fatalf("%d seconds without a visit", *s)
	}
	// A later visit is none that led to the signup.
	for _, step := range []struct {
		at   time.Duration
		want int64
	}{{-time.Minute, 60}, {time.Minute, 60}, {-time.Hour, 3600}, {-time.Minute, 3600}} {
		if _, err := b.WriteEvents(t.Context(), []app.Event{view("v1", noon.Add(step.at), app.UTM{})}); err != nil {
			t.Fatal(err)
		}
		if s := seconds(); s == nil || *s != step.want {
			t.Errorf("after a visit at %v: %v seconds, want %d", step.at, s, step.want)
		}
	}
}
