package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/app/smoketest"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// smokeSite is a running app with some customers, and its database.
type smokeSite struct {
	*running
	store *postgres.Store
	env   map[string]string
	rows  string
}

func newSmokeSite(t *testing.T) *smokeSite {
	t.Helper()
	env := map[string]string{contract.EnvDatabaseURL: dbtest.URL(t)}
	store, err := newProgram(t, env).openStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	fillFunnel(t, store, time.Now())
	s := &smokeSite{running: startServe(t, env, "--drain", "0s"), store: store, env: env}
	s.await(s.admin+contract.ReadyPath, 200)
	s.env[contract.EnvSmokeTestURL] = s.public
	s.rows = s.count()
	return s
}

// count is the number of rows wherever a customer leaves some.
func (s *smokeSite) count() string {
	s.t.Helper()
	conn := s.connect(s.t.Context())
	var counts string
	err := conn.QueryRow(s.t.Context(), `SELECT concat_ws(' ', (SELECT count(*) FROM customers), (SELECT count(*) FROM api_keys),
		(SELECT count(*) FROM credit_transactions), (SELECT count(*) FROM funnel_events), (SELECT count(*) FROM customer_journeys),
		(SELECT count(*) FROM funnel_milestones), (SELECT count(*) FROM smoke_test_tokens))`).Scan(&counts)
	if err != nil {
		s.t.Fatal(err)
	}
	return counts
}

func (s *smokeSite) summary() app.Summary {
	s.t.Helper()
	period, err := app.LastDays(time.Now(), 30)
	if err != nil {
		s.t.Fatal(err)
	}
	summary, err := s.store.Summary(context.WithoutCancel(s.t.Context()), period)
	if err != nil {
		s.t.Fatal(err)
	}
	return summary
}

// clean checks that nothing of a smoke test is left.
func (s *smokeSite) clean() {
	s.t.Helper()
	if got := s.count(); got != s.rows {
		s.t.Errorf("rows before %s, after %s", s.rows, got)
	}
}

func TestSmokeTestCommand(t *testing.T) {
	t.Parallel()
	s := newSmokeSite(t)
	l := oneShot(t, s.env, "smoke-test", "--timeout", "20s")
	expect(t, l.messages())
	for _, step := range []string{"Signup", "Key", "FirstCall", "SecondCall", "Funnel"} {
		if !strings.Contains(l.text, fmt.Sprintf("%-12s ok in ", step)) {
			t.Errorf("%s is missing in\n%s", step, l.text)
		}
	}
	s.clean()
	if _, metrics := s.request(http.MethodGet, s.admin+contract.MetricsPath, ""); !strings.Contains(metrics, `rsolv_customer_onboarding_complete_total{source="direct",status="success"} 0`) {
		t.Error("the smoke test counts as an onboarded customer")
	}
}

// watched looks at the funnel while the smoke test's customer is there.
type watched struct {
	*postgres.Store
	look func(emails []string)
}

func (w *watched) CleanUpSmokeTest(ctx context.Context, emails, hashes []string) error {
	w.look(emails)
	return w.Store.CleanUpSmokeTest(ctx, emails, hashes)
}

func (s *smokeSite) walk(t *testing.T, ctx context.Context, target string, db smoketest.Database) smoketest.Result { //nolint:revive // the test comes first
	t.Helper()
	base, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return smoketest.Run(ctx, smoketest.Options{
		URL: base, Database: db, Now: time.Now, Redact: postgres.Redact, Pause: 5 * time.Millisecond,
	})
}

// No figure changes, neither while the customer is there nor afterwards.
func TestSmokeTestIsNeverCounted(t *testing.T) {
	t.Parallel()
	s := newSmokeSite(t)
	before := s.summary()
	looked := false
	result := s.walk(t, t.Context(), s.public, &watched{s.store, func(emails []string) {
		looked = true
		progress, err := s.store.SmokeTestProgress(t.Context(), emails[0])
		want := app.SmokeTestProgress{Internal: true, SignedUp: true, HasKey: true, Activated: true, Retained: true}
		if err != nil || progress != want {
			t.Errorf("the customer has come to %+v, %v", progress, err)
		}
		if diff := cmp.Diff(before, s.summary()); diff != "" {
			t.Errorf("the smoke test is counted: %s", diff)
		}
	}})
	if len(result.Problems) > 0 || len(result.Notes) > 0 || !looked {
		t.Fatalf("%+v", result)
	}
	if diff := cmp.Diff(before, s.summary()); diff != "" {
		t.Errorf("the smoke test left something behind: %s", diff)
	}
	s.clean()
}

// Only what the database permits is marked, and it is permitted once.
func TestSmokeTestMarkCannotBeForged(t *testing.T) {
	t.Parallel()
	s := newSmokeSite(t)
	onboard := func(email, token string) (int, string) {
		return s.request(http.MethodPost, s.public+"/api/v1/customers/onboard", `{"name":"K","email":"`+email+`"}`, app.SmokeTestHeader, token)
	}
	for _, token := range []string{"guess", app.HashKey("real")} {
		if status, body := onboard("forger@kiln.example", token); status != http.StatusForbidden || !strings.Contains(body, "FORBIDDEN") {
			t.Errorf("a made-up token: %d %s", status, body)
		}
	}
	s.clean()
	if err := s.store.IssueSmokeTestToken(t.Context(), app.HashKey("late"), -time.Second); err != nil {
		t.Fatal(err)
	}
	if status, _ := onboard("late@kiln.example", "late"); status != http.StatusForbidden {
		t.Errorf("an expired token: %d", status)
	}
	if err := s.store.IssueSmokeTestToken(t.Context(), app.HashKey("real"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if status, body := onboard("not an address", "real"); status != http.StatusUnprocessableEntity {
		t.Errorf("a bad address: %d %s", status, body)
	}
	if status, body := onboard("once@kiln.example", "real"); status != http.StatusCreated {
		t.Errorf("the token is not good, although a refused signup must not use it up: %d %s", status, body)
	}
	if status, _ := onboard("twice@kiln.example", "real"); status != http.StatusForbidden {
		t.Errorf("a used token: %d", status)
	}
	if progress, err := s.store.SmokeTestProgress(t.Context(), "once@kiln.example"); err != nil || !progress.Internal {
		t.Errorf("%+v, %v", progress, err)
	}
	if status, _ := onboard("anybody@kiln.example", ""); status != http.StatusCreated {
		t.Error("an ordinary signup is refused")
	}
	if progress, err := s.store.SmokeTestProgress(t.Context(), "anybody@kiln.example"); err != nil || progress.Internal {
		t.Errorf("%+v, %v", progress, err)
	}
}

func (s *smokeSite) connect(ctx context.Context) *pgx.Conn {
	s.t.Helper()
	conn, err := pgx.Connect(ctx, s.env[contract.EnvDatabaseURL])
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(ctx)) })
	return conn
}
