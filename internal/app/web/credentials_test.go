package web

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/credentials"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
)

// openRouter speaks the wire format of OpenRouter's provisioning API.
type openRouter struct {
	*httptest.Server
	mu      sync.Mutex
	live    map[string]string // hash to secret
	bodies  []string
	deleted []string
	broken  bool
}

func newOpenRouter(t *testing.T) *openRouter {
	t.Helper()
	o := &openRouter{live: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/keys", func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		if o.broken || r.Header.Get("Authorization") != "Bearer sk-or-prov-test" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error":{"code":401,"message":"sk-or-prov-test is wrong"}}`))
			return
		}
		o.bodies = append(o.bodies, string(body))
		hash := fmt.Sprintf("%064d", len(o.bodies))
		secret := fmt.Sprintf("sk-or-v1-%055d", len(o.bodies))
		o.live[hash] = secret
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"data":{"hash":%q,"name":"n","disabled":false,"limit":5,"usage":0},"key":%q}`, hash, secret)
	})
	mux.HandleFunc("DELETE /api/v1/keys/{hash}", func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.live, r.PathValue("hash"))
		o.deleted = append(o.deleted, r.PathValue("hash"))
		_, _ = w.Write([]byte(`{"deleted":true}`))
	})
	o.Server = httptest.NewServer(mux)
	t.Cleanup(o.Close)
	return o
}

type exchanged struct {
	Credentials map[string]CredentialBody `json:"credentials"`
	Usage       usageBody                 `json:"usage"`
}

const anthropicKey = "sk-ant-static-0123456789abcdefghijklmnop"

func newVault(t *testing.T, o *openRouter) (s *site, key string, conn *pgx.Conn) {
	t.Helper()
	url := dbtest.URL(t)
	s = newSite(t, url, func(d *Deps) {
		options := credentials.Options{
			Store: d.Registry.(app.Credentials), Log: d.Log, Now: d.Now, Metrics: d.Metrics.(credentials.Metrics), //nolint:forcetypeassert // the store and the metrics of newSite
			Static: map[app.Provider]string{app.ProviderAnthropic: anthropicKey},
		}
		if o != nil {
			options.Minters = map[app.Provider]credentials.Minter{app.ProviderOpenRouter: &credentials.OpenRouter{
				BaseURL: o.URL + "/api/v1", ProvisioningKey: "sk-or-prov-test", SpendLimit: 5,
			}}
		}
		var err error
		if d.Credentials, err = credentials.New(options); err != nil {
			t.Fatal(err)
		}
	})
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return s, s.onboard(http.DefaultClient, "ops@kiln.example"), conn
}

func (s *site) exec(conn *pgx.Conn, sql string) {
	s.t.Helper()
	if _, err := conn.Exec(s.t.Context(), sql); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

func (s *site) exchange(key, body string) answer {
	s.t.Helper()
	return s.do(http.DefaultClient, http.MethodPost, exchangePath, body, "X-Api-Key", key, "X-GitHub-Job", "rsolv", "X-GitHub-Run", "42")
}

// What the shipping client sends, and what it reads.
func TestExchange(t *testing.T) {
	t.Parallel()
	o := newOpenRouter(t)
	s, key, conn := newVault(t, o)
	const request = `{"api_key":"ignored","providers":["anthropic","openai","openrouter"],"ttl_minutes":60}`
	a := s.exchange(key, request)
	var got exchanged
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != 200 || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
	minted, ok := got.Credentials["openrouter"]
	if !ok || len(got.Credentials) != 1 || len(minted.APIKey) < 32 || !minted.TTLEnforced || !strings.HasPrefix(minted.CredentialID, "cred_") {
		t.Errorf("an unverified customer got %+v", got.Credentials)
	}
	if left := time.Until(minted.ExpiresAt); left < 59*time.Minute || left > time.Hour {
		t.Errorf("the credential ends in %v", left)
	}
	now := time.Now().UTC()
	if got.Usage.RemainingFixes != 100 || got.Usage.ResetAt != time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC) {
		t.Errorf("usage %+v", got.Usage)
	}
	var sent struct {
		Name      string    `json:"name"`
		Limit     float64   `json:"limit"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := json.Unmarshal([]byte(o.bodies[0]), &sent); err != nil || sent.Limit != 5 || !sent.ExpiresAt.Equal(minted.ExpiresAt) {
		t.Errorf("OpenRouter was asked for %s", o.bodies[0])
	}
	s.exec(conn, "UPDATE customers SET email_verified_at = now()")
	a = s.exchange(key, request)
	got = exchanged{}
	_ = json.Unmarshal([]byte(a.body), &got)
	if static := got.Credentials["anthropic"]; static.APIKey != anthropicKey || static.TTLEnforced || len(got.Credentials) != 2 {
		t.Errorf("a verified customer got %s", a.body)
	}
	var hash, job, run string
	err := conn.QueryRow(t.Context(), "SELECT secret_hash, github_job, github_run FROM credentials WHERE id = $1", minted.CredentialID).Scan(&hash, &job, &run)
	if err != nil || hash != app.HashKey(minted.APIKey) || job != "rsolv" || run != "42" {
		t.Errorf("stored: %q %q %q %v", hash, job, run, err)
	}
	for _, secret := range []string{key, minted.APIKey, anthropicKey, "sk-or-prov-test"} {
		if strings.Contains(s.log.String(), secret) {
			t.Error("a secret is in the log")
		}
	}
}

func TestExchangeErrors(t *testing.T) {
	t.Parallel()
	o := newOpenRouter(t)
	s, key, conn := newVault(t, o)
	for body, want := range map[string]struct {
		status int
		text   string
	}{
		`{}`:                       {422, "providers is required"},
		`{"providers":"openai"}`:   {422, "providers must be of the JSON type array"},
		`{"providers":["cohere"]}`: {422, "providers[0] "},
		`{"providers":["openrouter"],"ttl_minutes":241}`: {422, "ttl_minutes must be at most 240"},
		`{"providers":["openrouter"],"ttl_minutes":0}`:   {422, "ttl_minutes must be at least 1"},
		`{"providers":["openrouter"],"ttl_minutes":"1"}`: {422, "ttl_minutes must be "},
		`{"providers":`: {400, "body is not the JSON"},
		`[]`:            {422, ""},
	} {
		a := s.exchange(key, body)
		if p := a.problem(t); a.status != want.status || !strings.HasPrefix(p.Message, want.text) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	// None of these came as far as the limit of exchanges.
	for about, tt := range map[string]struct {
		change, body string
		status       int
		code, text   string
	}{
		"nothing wanted": {"SELECT", `{"providers":[]}`, 200, "", ""},
		"not offered":    {"SELECT", `{"providers":["openai"]}`, 503, "SERVICE_UNAVAILABLE", "No credentials are available: openai is not offered here"},
		"untrusted":      {"SELECT", `{"providers":["anthropic","openai"]}`, 503, "SERVICE_UNAVAILABLE", "No credentials are available: anthropic needs a confirmed e-mail address; openai is not offered here"},
	} {
		s.exec(conn, tt.change)
		a := s.exchange(key, tt.body)
		if a.status != tt.status {
			t.Errorf("%s: %d %s", about, a.status, a.body)
		} else if tt.status != 200 && (a.problem(t).Message != tt.text || a.problem(t).Code != tt.code) {
			t.Errorf("%s: %s", about, a.body)
		}
	}
	o.mu.Lock()
	o.broken = true
	o.mu.Unlock()
	if a := s.exchange(key, `{"providers":["openrouter"]}`); a.status != 503 || strings.Contains(a.body+s.log.String(), "sk-or-prov") {
		t.Errorf("a broken provider: %d %s", a.status, a.body)
	}
	s.exec(conn, "UPDATE customers SET current_usage = 100")
	if a := s.exchange(key, `{"providers":["openrouter"]}`); a.status != 403 || a.problem(t).Message != "Monthly usage limit exceeded" || a.problem(t).Code != "USAGE_LIMIT_EXCEEDED" {
		t.Errorf("at the monthly limit: %d %s", a.status, a.body)
	}
	s.exec(conn, "UPDATE customers SET usage_month = usage_month - interval '1 month'")
	if a := s.exchange(key, `{"providers":[]}`); a.status != 200 || !strings.Contains(a.body, `"remaining_fixes":100`) {
		t.Errorf("in the month after: %d %s", a.status, a.body)
	}
	s.exec(conn, "UPDATE customers SET subscription_type = 'beta', usage_month = now(), current_usage = 1000")
	if a := s.exchange(key, `{"providers":[]}`); a.status != 200 || !strings.Contains(a.body, `"unlimited":true`) {
		t.Errorf("a beta tester: %d %s", a.status, a.body)
	}
}

// atOneMoment stops the clock of everything that counts, so that no minute ends
// between the requests of a test.
func atOneMoment(t *testing.T) func(*Deps) {
	t.Helper()
	moment := time.Now().Truncate(time.Minute)
	return func(d *Deps) {
		d.Now = func() time.Time { return moment }
		var err error
		d.Credentials, err = credentials.New(credentials.Options{
			Store: d.Registry.(app.Credentials), Log: d.Log, Now: d.Now, Metrics: d.Metrics.(credentials.Metrics), //nolint:forcetypeassert // the store and the metrics of newSite
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestExchangeLimitIsExact(t *testing.T) {
	t.Parallel()
	url, moment := dbtest.URL(t), atOneMoment(t)
	one, two := newSite(t, url, moment), newSite(t, url, moment)
	key, other := one.onboard(http.DefaultClient, "ops@kiln.example"), one.onboard(http.DefaultClient, "ops@other.example")
	var mu sync.Mutex
	statuses := map[int]int{}
	var last answer
	var group sync.WaitGroup
	for i := range 30 {
		s := []*site{one, two}[i%2]
		group.Go(func() {
			a := s.exchange(key, `{"providers":[]}`)
			mu.Lock()
			defer mu.Unlock()
			statuses[a.status]++
			if a.status == 429 {
				last = a
			}
		})
	}
	group.Wait()
	if statuses[200] != 10 || statuses[429] != 20 {
		t.Fatalf("answers of 30 at once, by two processes: %v", statuses)
	}
	if p := last.problem(t); p.Message != "Rate limit exceeded" || p.Code != "RATE_LIMITED" || p.RetryAfter < 1 || p.RetryAfter > 60 || last.header.Get("Retry-After") == "" {
		t.Errorf("%v %s", last.header, last.body)
	}
	// The limit is each customer's own.
	for i := range 10 {
		if a := two.exchange(other, `{"providers":[]}`); a.status != 200 {
			t.Fatalf("exchange %d of another customer: %d %s", i+1, a.status, a.body)
		}
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	o := newOpenRouter(t)
	s, key, conn := newVault(t, o)
	var got exchanged
	_ = json.Unmarshal([]byte(s.exchange(key, `{"providers":["openrouter"]}`).body), &got)
	id := got.Credentials["openrouter"].CredentialID
	refresh := func(key, id string) answer {
		return s.do(http.DefaultClient, http.MethodPost, refreshPath, `{"credential_id":"`+id+`"}`, "X-Api-Key", key)
	}
	stranger := s.onboard(http.DefaultClient, "other@kiln.example")
	for about, tt := range map[string]struct {
		key, id string
		status  int
		text    string
	}{
		"unknown": {key, "cred_x", 404, "Credential not found"}, "somebody else's": {stranger, id, 403, "Access denied"},
		"too early": {key, id, 400, "Credential not eligible for refresh"},
	} {
		if a := refresh(tt.key, tt.id); a.status != tt.status || a.problem(t).Message != tt.text {
			t.Errorf("%s: %d %s", about, a.status, a.body)
		}
	}
	s.exec(conn, "UPDATE credentials SET expires_at = now() + interval '4 minutes'")
	var mu sync.Mutex
	var answers []answer
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			a := refresh(key, id)
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, a)
		})
	}
	group.Wait()
	slices.SortFunc(answers, func(a, b answer) int { return a.status - b.status })
	if answers[0].status != 200 || answers[1].status != 400 {
		t.Fatalf("four at once: %+v", answers)
	}
	var next exchanged
	_ = json.Unmarshal([]byte(answers[0].body), &next)
	if c := next.Credentials["openrouter"]; c.CredentialID == id || time.Until(c.ExpiresAt) < 59*time.Minute {
		t.Errorf("%s", answers[0].body)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.live) != 1 || o.live[fmt.Sprintf("%064d", 1)] != "" {
		t.Errorf("keys that live on at the provider: %v", o.live)
	}
}

func TestUsageReports(t *testing.T) {
	t.Parallel()
	s, key, conn := newVault(t, nil)
	report := func(body string) answer {
		return s.do(http.DefaultClient, http.MethodPost, "/api/v1/usage/report", body, "X-Api-Key", key)
	}
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if a := report(`{"provider":"anthropic","tokens_used":5999,"request_count":3,"job_id":"j"}`); a.status != 200 || !strings.Contains(a.body, `"status":"recorded"`) {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	group.Wait()
	var usage, rows int
	if err := conn.QueryRow(t.Context(), "SELECT current_usage, (SELECT count(*) FROM usage_reports) FROM customers").Scan(&usage, &rows); err != nil || usage != 40 || rows != 20 {
		t.Errorf("usage %d, %d reports, %v", usage, rows, err)
	}
	s.exec(conn, "UPDATE customers SET usage_month = usage_month - interval '2 months'")
	report(`{"provider":"openai","tokens_used":2000,"request_count":1}`)
	if a := s.get("/api/v1/customers/me", "X-Api-Key", key); !strings.Contains(a.body, `"current_usage":1`) {
		t.Errorf("the first report of a month: %s", a.body)
	}
	for _, body := range []string{
		`{"tokens_used":1,"request_count":1}`, `{"provider":"x","tokens_used":1,"request_count":1}`,
		`{"provider":"openai","request_count":1}`, `{"provider":"openai","tokens_used":-1,"request_count":1}`,
		`{"provider":"openai","tokens_used":99999999999999999999,"request_count":1}`, `{"provider":"openai","tokens_used":1.5,"request_count":1}`,
	} {
		if a := report(body); a.status != 422 && a.status != 400 {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
}
