package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

func TestAuthentication(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	key := s.onboard(http.DefaultClient, "ops@kiln.example")
	for _, tt := range []struct {
		about   string
		headers []string
		status  int
		code    app.Code
		message string
	}{
		{"no key", nil, 401, app.CodeAuthRequired, "API key must be provided in the x-api-key header"},
		{"empty key", []string{"X-Api-Key", " "}, 401, app.CodeAuthRequired, "API key must be provided in the x-api-key header"},
		{"wrong scheme", []string{"Authorization", "Basic " + key}, 401, app.CodeAuthRequired, "API key must be provided in the x-api-key header"},
		{"unknown key", []string{"X-Api-Key", "rsolv_nobody"}, 401, app.CodeInvalidKey, "Invalid or expired API key"},
		{"the hash instead of the key", []string{"X-Api-Key", app.HashKey(key)}, 401, app.CodeInvalidKey, "Invalid or expired API key"},
		{"x-api-key wins", []string{"X-Api-Key", "wrong", "Authorization", "Bearer " + key}, 401, app.CodeInvalidKey, "Invalid or expired API key"},
		{"key", []string{"X-Api-Key", key}, 200, "", ""},
		{"bearer", []string{"Authorization", "bearer " + key}, 200, "", ""},
	} {
		a := s.get("/api/v1/customers/me", tt.headers...)
		if a.status != tt.status {
			t.Errorf("%s: %d %s", tt.about, a.status, a.body)
			continue
		}
		if tt.code == "" {
			continue
		}
		if p := a.problem(t); p.Code != string(tt.code) || p.Message != tt.message || p.Detail != tt.message {
			t.Errorf("%s: %s", tt.about, a.body)
		}
	}
}

func TestSummaryNeedsAdmin(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	key := s.onboard(http.DefaultClient, "admin@rsolv.dev")
	if a := s.get("/api/v1/funnel/summary", "X-Api-Key", key); a.status != http.StatusForbidden || a.problem(t).Code != "FORBIDDEN" {
		t.Errorf("full access: %d %s", a.status, a.body)
	}
	if _, err := s.store.GrantPermission(t.Context(), "admin@rsolv.dev", app.PermissionAdmin); err != nil {
		t.Fatal(err)
	}
	// The cached key learns of the grant within keyRecheck.
	deadline := time.Now().Add(time.Minute)
	for s.get("/api/v1/funnel/summary", "X-Api-Key", key).status != http.StatusOK {
		if time.Now().After(deadline) {
			t.Fatal("the grant does not take effect")
		}
		time.Sleep(50 * time.Millisecond)
	}
	for query, want := range map[string]string{
		"0": "days must be at least 1", "367": "days must be at most 366", "x": "days must be a whole number",
	} {
		a := s.get("/api/v1/funnel/summary?days="+query, "X-Api-Key", key)
		if p := a.problem(t); a.status != 422 || p.Message != want || len(p.Errors) != 1 || p.Errors[0].Field != "days" {
			t.Errorf("days=%s: %d %s", query, a.status, a.body)
		}
	}
	var body SummaryBody
	if err := json.Unmarshal([]byte(s.get("/api/v1/funnel/summary?days=1", "X-Api-Key", key).body), &body); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	if body.PeriodEnd != now.Format(time.DateOnly) || body.PeriodStart != now.AddDate(0, 0, -1).Format(time.DateOnly) {
		t.Errorf("days=1 covers %s to %s", body.PeriodStart, body.PeriodEnd)
	}
}

func TestBlogFollowsItsFlags(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	const published, draft = "/blog/a-failing-test-is-a-proof", "/blog/tests-that-outlive-the-fix"
	expect := func(about string, want map[string]int) {
		t.Helper()
		for path, status := range want {
			if a := s.get(path, "User-Agent", browser); a.status != status {
				t.Errorf("%s: %s answers %d, want %d", about, path, a.status, status)
			}
		}
	}
	expect("off", map[string]int{"/blog": 404, "/blog/rss.xml": 404, published: 404, draft: 404, "/": 200})
	if strings.Contains(s.get("/").body, `href="/blog"`) {
		t.Error("the start page links to a blog that is off")
	}
	s.flags.drafts.Store(true)
	expect("drafts without blog", map[string]int{"/blog": 404, draft: 404})
	s.flags.drafts.Store(false)
	s.flags.blog.Store(true)
	expect("on", map[string]int{"/blog": 200, "/blog/rss.xml": 200, published: 200, draft: 404, "/blog/no-such-post": 404, "/blog/A_b": 404})
	if body := s.get("/blog").body; !strings.Contains(body, "A failing test is a proof") || strings.Contains(body, "outlive") {
		t.Error("the list has the wrong posts")
	}
	s.flags.drafts.Store(true)
	expect("drafts", map[string]int{"/blog": 200, draft: 200})
	feed := s.get("/blog/rss.xml").body
	if strings.Contains(feed, "outlive") || strings.Count(feed, "<item>") != 2 || !strings.Contains(feed, s.url+published) {
		t.Errorf("the feed is %s", feed)
	}
}

func TestRoutesThatDoNotExist(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	if a := s.get("/api/v1/nothing"); a.status != 404 || a.problem(t).Code != "NOT_FOUND" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.get("/nothing"); a.status != 404 || !strings.Contains(a.body, "<h1>Nothing here</h1>") {
		t.Errorf("%d %s", a.status, a.body)
	}
	a := s.do(http.DefaultClient, http.MethodDelete, "/api/v1/customers/onboard", "")
	if a.status != 405 || a.header.Get("Allow") != "POST" || a.problem(t).Code != "METHOD_NOT_ALLOWED" {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	page := s.get("/")
	elsewhere := strings.ReplaceAll(page.body, s.url, "") // its own address stands in an example
	if !strings.Contains(page.header.Get("Content-Security-Policy"), "default-src 'none'") || strings.Contains(elsewhere, "http://") || strings.Contains(elsewhere, "https://") {
		t.Errorf("the start page loads from elsewhere: %v\n%s", page.header, page.body)
	}
	if css := s.get("/static/style.css"); css.status != 200 || !strings.Contains(css.body, "prefers-color-scheme: dark") {
		t.Errorf("style: %d", css.status)
	}
}

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	var doc struct {
		OpenAPI string                    `json:"openapi"`
		Paths   map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(s.get("/api/openapi.json").body), &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("version %s", doc.OpenAPI)
	}
	for path, method := range map[string]string{
		"/api/v1/customers/onboard": "post", "/api/v1/customers/me": "get", "/api/v1/funnel/summary": "get", "/api/health": "get",
	} {
		if doc.Paths[path][method] == nil {
			t.Errorf("%s %s is missing", method, path)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	if got := s.get("/", "X-Request-Id", "abc-1.2_3").header.Get("X-Request-Id"); got != "abc-1.2_3" {
		t.Errorf("a good id comes back as %q", got)
	}
	for _, bad := range []string{"", strings.Repeat("x", 65), "a b", `"; drop`} {
		if got := s.get("/", "X-Request-Id", bad).header.Get("X-Request-Id"); got == bad || got == "" {
			t.Errorf("the bad id %q comes back as %q", bad, got)
		}
	}
}

func TestPanicsAndUnexpectedErrors(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	s.server.mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("secret cause") })
	register(s.server, huma.Operation{Method: http.MethodGet, Path: "/api/broken", OperationID: "broken"},
		func(context.Context, *struct{}) (*struct{}, error) { return nil, errors.New("secret cause") })
	for _, path := range []string{"/panic", "/api/broken"} {
		a := s.get(path, "X-Request-Id", "find-me")
		p := a.problem(t)
		if a.status != 500 || p.Code != "INTERNAL_ERROR" || p.RequestID != "find-me" || strings.Contains(a.body, "secret") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if n := strings.Count(s.log.String(), "secret cause"); n != 2 {
		t.Errorf("the causes are in the log %d times, want 2", n)
	}
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	s := &server{d: Deps{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	for _, tt := range []struct{ peer, forwarded, want string }{
		{"203.0.113.9:1", "", "203.0.113.9"},
		{"203.0.113.9:1", "198.51.100.1", "203.0.113.9"}, // anybody can send the header
		{"10.1.1.1:1", "198.51.100.1", "198.51.100.1"},
		{"10.1.1.1:1", "6.6.6.6, 198.51.100.1, 10.2.2.2", "198.51.100.1"},
		{"10.1.1.1:1", "", "10.1.1.1"},
		{"10.1.1.1:1", "nonsense", "10.1.1.1"},
		{"[2001:db8::1]:1", "", "2001:db8::1"},
		{"pipe", "", "invalid IP"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = tt.peer
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got := s.clientAddr(r).String(); got != tt.want {
			t.Errorf("from %s with %q: %s, want %s", tt.peer, tt.forwarded, got, tt.want)
		}
	}
}

func TestVisitorCookies(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	a := s.get("/", "User-Agent", browser)
	cookies := a.header.Values("Set-Cookie")
	if len(cookies) != 2 {
		t.Fatalf("cookies are %q", cookies)
	}
	for _, c := range cookies {
		if !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Lax") || strings.Contains(c, "Secure") {
			t.Errorf("over http: %s", c)
		}
	}
	forged := s.get("/", "User-Agent", browser, "Cookie", visitorCookie+"=x'; --")
	if strings.Contains(strings.Join(forged.header.Values("Set-Cookie"), ""), "x'") {
		t.Error("a forged cookie is kept")
	}
	if bot := s.get("/", "User-Agent", "curl/8"); len(bot.header.Values("Set-Cookie")) != 0 {
		t.Error("a bot gets cookies")
	}
}

// Behind an Ingress the visitor is who the controller says, when it is trusted.
func TestVisitorBehindAProxy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		about   string
		proxies []netip.Prefix
		secure  bool
		network string
	}{
		{"trusted", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, true, "198.51.100.0/24"},
		{"not trusted", nil, false, "127.0.0.0/24"},
	} {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			databaseURL := dbtest.URL(t)
			s := newSite(t, databaseURL, func(d *Deps) { d.TrustedProxies = tt.proxies })
			a := s.get("/", "User-Agent", browser, "X-Forwarded-For", "198.51.100.7", "X-Forwarded-Proto", "https")
			cookies := a.header.Values("Set-Cookie")
			if len(cookies) != 2 {
				t.Fatalf("cookies are %q", cookies)
			}
			for _, c := range cookies {
				if strings.Contains(c, "; Secure") != tt.secure {
					t.Errorf("Secure is not %v in %s", tt.secure, c)
				}
			}
			s.settle()
			if got := networks(t, databaseURL); got != tt.network {
				t.Errorf("the visitor's network is %s, want %s", got, tt.network)
			}
		})
	}
}

func networks(t *testing.T, databaseURL string) (all string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if err := conn.QueryRow(t.Context(), "SELECT string_agg(ip_network::text, ' ') FROM funnel_events").Scan(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	ready := errors.New("not yet")
	handler, err := NewAdmin(AdminDeps{
		Ready: func() error { return ready }, Metrics: http.NotFoundHandler(),
		FlagsStatus: func() contract.FlagsStatus { return contract.FlagsStatus{Digest: "sha256:x", Flags: 2} },
		FlagsUsage:  func() contract.FlagsUsage { return contract.FlagsUsage{UnknownAsked: 3} },
		FlagsContexts: func() contract.FlagsSample {
			return contract.FlagsSample{Flags: []contract.FlagContexts{{Flag: "blog", Evaluations: 1}}}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) (int, string) {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return rec.Code, strings.TrimSpace(rec.Body.String())
	}
	if status, body := get(contract.ReadyPath); status != 503 || body != "not yet" {
		t.Errorf("not ready: %d %s", status, body)
	}
	ready = nil
	for path, want := range map[string]string{
		contract.ReadyPath: "ok", contract.LivePath: "ok", contract.FlagsStatusPath: `{"digest":"sha256:x","flags":2}`,
		contract.FlagsUsagePath:    `{"since":"0001-01-01T00:00:00Z","evaluations":null,"unknownAsked":3}`,
		contract.FlagsContextsPath: `{"flags":[{"flag":"blog","evaluations":1,"contexts":null}]}`,
	} {
		if status, body := get(path); status != 200 || body != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if _, err := NewAdmin(AdminDeps{}); err == nil {
		t.Error("an admin listener without its parts")
	}
	if _, err := New(Deps{}); err == nil {
		t.Error("a server without its parts")
	}
}

// A probe of a page is no traffic: with it, nobody would see that traffic has
// stopped. That there was none is seen from the start on.
func TestProbesAreNoTraffic(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	counted := func() (series int, requests uint64) {
		t.Helper()
		families, err := s.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			if family.GetName() != contract.MetricHTTPDuration {
				continue
			}
			for _, metric := range family.GetMetric() {
				series++
				requests += metric.GetHistogram().GetSampleCount()
			}
		}
		return series, requests
	}
	if series, requests := counted(); series != 1 || requests != 0 {
		t.Errorf("before anybody asked: %d series, %d requests", series, requests)
	}
	if a := s.get("/", "User-Agent", "Blackbox-Exporter/0.28.0"); a.status != http.StatusOK {
		t.Fatalf("a probe is answered with %d", a.status)
	}
	if _, requests := counted(); requests != 0 {
		t.Errorf("a probe is counted as %d requests", requests)
	}
	s.get("/", "User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0")
	if series, requests := counted(); series != 1 || requests != 1 {
		t.Errorf("after a visit: %d series, %d requests", series, requests)
	}
}
