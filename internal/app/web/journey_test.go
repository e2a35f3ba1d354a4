package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
)

// The whole funnel: visits, signups, keys, first calls, second calls, and the
// four rates between them.
func TestFunnelJourney(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.URL(t)
	s := newSite(t, databaseURL, nil)
	var keys []string
	for i := range 8 {
		client := visitor(t)
		s.do(client, http.MethodGet, "/?utm_source=hn&utm_campaign=launch", "", "User-Agent", browser)
		if i%2 == 0 {
			keys = append(keys, s.onboard(client, fmt.Sprintf("c%d@kiln.example", i)))
		}
	}
	// Nobody of these is a person who looks at a page.
	s.get("/", "User-Agent", "Googlebot/2.1")
	s.do(http.DefaultClient, http.MethodHead, "/", "", "User-Agent", browser)
	s.get("/nothing", "User-Agent", browser)
	s.get("/blog", "User-Agent", browser) // the flag is off
	s.get("/", "User-Agent", browser, "Sec-Purpose", "prefetch")

	for i, key := range keys[:3] {
		for range []int{1, 2, 2}[i] {
			if a := s.get("/api/v1/customers/me", "X-Api-Key", key); a.status != http.StatusOK {
				t.Fatalf("call: %d %s", a.status, a.body)
			}
		}
	}
	// What does not end well, or asks for health, is no call.
	s.get("/api/v1/funnel/summary", "X-Api-Key", keys[3])
	s.get("/api/health", "X-Api-Key", keys[3])
	s.settle()

	// The administrator is one of them who has made no call: asking is none.
	if _, err := s.store.GrantPermission(t.Context(), "c6@kiln.example", app.PermissionAdmin); err != nil {
		t.Fatal(err)
	}
	s.forgetKeys()
	ask := func() answer {
		t.Helper()
		a := s.get("/api/v1/funnel/summary?days=30", "X-Api-Key", keys[3])
		if a.status != http.StatusOK {
			t.Fatalf("summary: %d %s", a.status, a.body)
		}
		return a
	}
	for range 2 {
		ask()
	}
	s.settle()
	a := ask()
	var got map[string]any
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "period_start")
	delete(got, "period_end")
	want := map[string]any{
		"website_visits": 8.0, "unique_visitors": 8.0, "signups": 4.0, "api_keys_created": 4.0,
		"activated_users": 3.0, "retained_users": 2.0,
		"visit_to_signup_rate": "50.00", "signup_to_api_key_rate": "100.00",
		"api_key_to_activation_rate": "75.00", "activation_to_retention_rate": "66.67",
		"top_utm_sources": map[string]any{"hn": 8.0}, "top_utm_campaigns": map[string]any{"launch": 8.0},
		"completeness": map[string]any{"events": "100.00"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	checkJourneys(t, databaseURL)
	for _, key := range keys {
		if strings.Contains(s.log.String(), strings.TrimPrefix(key, "rsolv_")) {
			t.Fatal("a key is in the log")
		}
	}
}

func checkJourneys(t *testing.T, databaseURL string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var linked, networks int
	err = conn.QueryRow(t.Context(), `SELECT
		(SELECT count(*) FROM customer_journeys WHERE first_visit_at <= signup_at AND visit_to_signup_seconds >= 0 AND utm_source = 'hn'),
		(SELECT count(*) FROM funnel_events WHERE ip_network = '127.0.0.0/24')`).Scan(&linked, &networks)
	if err != nil {
		t.Fatal(err)
	}
	if linked != 4 {
		t.Errorf("%d of 4 signups know their visit", linked)
	}
	if networks == 0 {
		t.Error("no event has a truncated address")
	}
}

// Fifty first calls at once make one activation and one retention.
func TestParallelFirstCalls(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.URL(t)
	s := newSite(t, databaseURL, nil)
	key := s.onboard(http.DefaultClient, "ops@kiln.example")
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if a := s.get("/api/v1/customers/me", "X-Api-Key", key); a.status != http.StatusOK {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	s.settle()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var got string
	// The first two calls are events; the others are counted.
	err = conn.QueryRow(t.Context(), `SELECT string_agg(kind, ' ' ORDER BY kind) FROM (
		SELECT event_type || '=' || count(*) AS kind FROM funnel_events WHERE event_type <> 'api_call' GROUP BY event_type
		UNION ALL SELECT 'calls=' || api_calls || ' ' || (first_api_call_at <= second_api_call_at) FROM customer_journeys
		UNION ALL SELECT stage || '=' || count(*) FROM funnel_milestones GROUP BY stage) x`).Scan(&got)
	if err != nil {
		t.Fatal(err)
	}
	want := "activation=1 api_key=1 api_key_created=1 calls=50 true first_api_call=1 retention=1 signup=1 signup=1"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestOnboarding(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	a := s.do(http.DefaultClient, http.MethodPost, "/api/v1/customers/onboard",
		`{"name":"Kiln Ltd","email":"ops@kiln.example","credit_balance":9999,"is_staff":true,"utm_source":"hn"}`)
	if a.status != http.StatusCreated || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	key := regexp.MustCompile(`rsolv_[A-Za-z0-9_-]{43}`).FindString(a.body)
	want := `{"customer":{"id":1,"name":"Kiln Ltd","email":"ops@kiln.example","trial_fixes_limit":5,"trial_fixes_used":0,` +
		`"subscription_type":"trial"},"api_key":"` + key + `"}`
	if got := strings.TrimSpace(a.body); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	me := s.get("/api/v1/customers/me", "Authorization", "Bearer "+key)
	if me.status != http.StatusOK || !strings.Contains(me.body, `"credits":5,`) || !strings.Contains(me.body, `"monthly_limit":100`) {
		t.Errorf("me: %d %s", me.status, me.body)
	}
	for _, tt := range []struct {
		about, body string
		status      int
		code        app.Code
		fields      []string
	}{
		{"duplicate", `{"name":"K","email":"OPS@kiln.example"}`, 422, app.CodeValidation, []string{"email"}},
		{"bad address", `{"name":"K","email":"ops at kiln"}`, 422, app.CodeValidation, []string{"email"}},
		{"empty", `{}`, 422, app.CodeValidation, []string{"email", "name"}},
		{"wrong type", `{"name":"K","email":7}`, 422, app.CodeValidation, []string{"email"}},
		{"NUL", `{"name":"K\u0000","email":"x@kiln.example"}`, 422, app.CodeValidation, []string{"name"}},
		{"no JSON", `{"name`, 400, app.CodeInvalidRequest, []string{"body"}},
		{"an array", `[]`, 422, app.CodeValidation, []string{"body"}},
		{"too large", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, 413, app.CodeTooLarge, nil},
	} {
		a := s.do(http.DefaultClient, http.MethodPost, "/api/v1/customers/onboard", tt.body)
		p := a.problem(t)
		if a.status != tt.status || p.Code != string(tt.code) || p.Message == "" || p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id") {
			t.Errorf("%s: %d %s", tt.about, a.status, a.body)
		}
		if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
			t.Errorf("%s: content type %s", tt.about, ct)
		}
		var fields []string
		for _, f := range p.Errors {
			fields = append(fields, f.Field)
		}
		slices.Sort(fields)
		if diff := cmp.Diff(tt.fields, fields); diff != "" {
			t.Errorf("%s: %s\n%s", tt.about, diff, a.body)
		}
	}
}
