package web

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
)

// While the database is away: a cached key still works for what needs no
// database, what needs it answers 503 soon, and everything comes back.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	db, err := devdb.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Stop() })
	databaseURL := db.URL("postgres")
	if err := postgres.Migrate(t.Context(), databaseURL, postgres.Migrations(), func(postgres.Migration) {}); err != nil {
		t.Fatal(err)
	}
	var up atomic.Bool
	s := newSite(t, databaseURL, func(d *Deps) { d.DatabaseUp = up.Load })
	register(s.server, s.server.authenticated(huma.Operation{Method: http.MethodGet, Path: "/api/ping", OperationID: "ping"}, ""),
		func(context.Context, *struct{}) (*struct{ Body string }, error) {
			return &struct{ Body string }{"pong"}, nil
		})
	key := s.onboard(http.DefaultClient, "ops@kiln.example")
	if a := s.get("/api/ping", "X-Api-Key", key); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	s.settle()
	if err := db.Pause(); err != nil {
		t.Fatal(err)
	}
	// Make the cached key old enough to be asked for again.
	s.server.keys.mu.Lock()
	for hash, entry := range s.server.keys.entries {
		entry.at = entry.at.Add(-2 * keyFresh)
		s.server.keys.entries[hash] = entry
	}
	s.server.keys.mu.Unlock()
	if a := s.get("/api/ping", "X-Api-Key", key); a.status != 200 {
		t.Errorf("a cached key, nothing else needed: %d %s", a.status, a.body)
	}
	for about, headers := range map[string][]string{"known key": {"X-Api-Key", key}, "unknown key": {"X-Api-Key", "rsolv_x"}} {
		began := time.Now()
		a := s.get("/api/v1/customers/me", headers...)
		if p := a.problem(t); a.status != 503 || p.Code != "SERVICE_UNAVAILABLE" || a.header.Get("Retry-After") != "5" {
			t.Errorf("%s: %d %v %s", about, a.status, a.header, a.body)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: the answer took %v", about, took)
		}
	}
	a := s.do(http.DefaultClient, http.MethodPost, "/api/v1/customers/onboard", `{"name":"K","email":"new@kiln.example"}`)
	if a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("onboarding: %d %s", a.status, a.body)
	}
	if a := s.get("/health"); a.status != 200 || !strings.Contains(a.body, `"status":"degraded"`) {
		t.Errorf("health: %d %s", a.status, a.body)
	}
	if a := s.get("/", "User-Agent", browser); a.status != 200 {
		t.Errorf("the start page: %d", a.status)
	}
	if text := s.log.String(); !strings.Contains(text, "does not answer") || strings.Contains(text, "127.0.0.1:") {
		t.Errorf("the log does not say what happened, or says where the database is:\n%s", text)
	}
	if err := db.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for s.get("/api/v1/customers/me", "X-Api-Key", key).status != 200 {
		if time.Now().After(deadline) {
			t.Fatal("it does not come back")
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.settle() // what was tracked during the outage is stored after it
	if lost := sum(t, s.reg, "dropped_queue_full"); lost != 0 {
		t.Errorf("%v events were dropped", lost)
	}
}
