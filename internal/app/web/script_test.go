package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	visitorid "github.com/rsolv-dev/rsolv-operator/internal/app/visitor"
)

func TestScriptIsSmallAndKept(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	plain := s.get(scriptPath, "Accept-Encoding", "identity")
	if plain.status != 200 || plain.body != string(trackScript) || !strings.HasPrefix(plain.header.Get("Cache-Control"), "public, max-age=86400") {
		t.Errorf("%d %v", plain.status, plain.header)
	}
	packed := s.get(scriptPath+"?v="+trackVersion, "Accept-Encoding", "gzip")
	if size := len(packed.body); size >= 2000 || packed.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("the script takes %d bytes: %v", size, packed.header)
	}
	unpacked, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(unpacked); err != nil || !bytes.Equal(body, trackScript) {
		t.Errorf("unpacked it differs: %v", err)
	}
	if c := packed.header.Get("Cache-Control"); !strings.Contains(c, "immutable") {
		t.Errorf("under its version it is kept for %s", c)
	}
	if a := s.get(scriptPath, "Accept-Encoding", "gzip", "If-None-Match", packed.header.Get("ETag")); a.status != http.StatusNotModified || a.body != "" {
		t.Errorf("again: %d, %d bytes", a.status, len(a.body))
	}
	home := s.get("/", "User-Agent", browser)
	if !strings.Contains(home.body, `src="/static/track.js?v=`+trackVersion+`" data-domain="127.0.0.1" data-seen`) {
		t.Errorf("the home page includes it as %s", home.body)
	}
	if a := s.get("/nothing", "User-Agent", browser); strings.Contains(a.body, scriptPath) {
		t.Error("a page that does not exist counts views")
	}
	if a := s.get("/", "User-Agent", browser, "Sec-Purpose", "prefetch"); strings.Contains(a.body, "data-seen") {
		t.Error("nobody counts the view of a page that was fetched ahead")
	}
}

// withVisitors gives a site ids without cookies.
func withVisitors(t *testing.T, mode app.VisitorMode) func(*Deps) {
	t.Helper()
	return func(d *Deps) {
		store, ok := d.Registry.(visitorid.Store)
		if !ok {
			t.Fatal("the store shares no salts")
		}
		ids, err := visitorid.New(visitorid.Options{Store: store, Log: d.Log, Now: d.Now, Describe: error.Error})
		if err == nil {
			err = ids.Refresh(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		// The test may run across midnight; its visitors stay who they are.
		began := d.Now()
		fixed, err := visitorid.New(visitorid.Options{Store: store, Log: d.Log, Now: func() time.Time { return began }, Describe: error.Error})
		if err == nil {
			err = fixed.Refresh(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		d.Visitors, d.VisitorID, d.PublicHost = mode, fixed.ID, "rsolv.dev"
		d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
}

// text reads one value as text.
func (s *site) text(databaseURL, query string) string {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), databaseURL)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close(s.t.Context()) }()
	var value string
	if err := conn.QueryRow(s.t.Context(), query).Scan(&value); err != nil {
		s.t.Fatal(err)
	}
	return value
}

// Nothing is left in the browser, and still the signup knows the campaign that
// its visitor came by.
func TestJourneyWithoutCookies(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.URL(t)
	s := newSite(t, databaseURL, withVisitors(t, app.VisitorsDaily))
	from := func(address string) []string { return []string{"User-Agent", browser, "X-Forwarded-For", address} }
	first := s.get("/?utm_source=hn&utm_campaign=launch", append(from("198.51.100.7"), "Referer", "https://news.ycombinator.com/item?id=1")...)
	s.get("/pricing", append(from("198.51.100.7"), "Referer", "https://www.rsolv.dev/")...)
	s.get("/", from("198.51.100.99")...)
	if c := first.header.Values("Set-Cookie"); len(c) != 0 {
		t.Errorf("cookies are set: %q", c)
	}
	for _, header := range []string{"DNT", "Sec-GPC"} {
		s.get("/", append(from("203.0.113.9"), header, "1")...)
	}
	s.settle()
	form := url.Values{"name": {"Kiln"}, "email": {"ops@kiln.example"}}
	done := s.do(http.DefaultClient, http.MethodPost, "/signup", form.Encode(),
		append(from("198.51.100.7"), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")...)
	if done.status != http.StatusCreated {
		t.Fatalf("%d %s", done.status, done.body)
	}
	if got, want := s.text(databaseURL, `SELECT concat_ws(' ',
		(SELECT concat_ws(' ', utm_source, utm_campaign, first_visit_at <= signup_at) FROM customer_journeys),
		(SELECT count(*) || '/' || count(DISTINCT visitor_id) FROM funnel_events WHERE event_type = 'page_view' AND site = 'rsolv.dev'),
		(SELECT string_agg(referrer_class, ',' ORDER BY referrer_class) FROM funnel_events),
		(SELECT count(*) FROM identity_links l JOIN funnel_events e USING (visitor_id) WHERE e.event_type = 'page_view'),
		(SELECT count(*) FROM funnel_events WHERE ip_network::text NOT LIKE '198.51.100.0/24'))`),
		"hn launch t 3/2 direct,internal,social 2 0"; got != want {
		t.Errorf("stored %s, want %s", got, want)
	}
	if n := s.counter("rsolv_funnel_rejected_total"); n != 2 {
		t.Errorf("%v views of those who ask not to be followed were counted as such", n)
	}
}

// chromium runs a real browser on a page until stop.
func chromium(t *testing.T, page string, preferences string) (stop func()) {
	t.Helper()
	binary, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs a browser: hack/deps.sh chromium installs it on Debian")
	}
	profile := t.TempDir()
	if err := os.MkdirAll(filepath.Join(profile, "Default"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(profile, "Default", "Preferences"), []byte(preferences), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, binary, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--disable-blink-features=AutomationControlled",
		"--user-data-dir="+profile, "--user-agent="+browser, page)
	cmd.WaitDelay = 10 * time.Second
	if err := startGroup(cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	return func() {
		killGroup(cmd)
		cancel()
		<-ended
	}
}

// spa is a site of somebody's that includes the script from the app, and walks
// by itself. It tells the test when it is at its end.
func spa(t *testing.T, source, attributes string) (page string, done <-chan string) {
	t.Helper()
	ends := make(chan string, 10)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `<!doctype html><body style="height:3000px"><script defer src="%s" %s></script><script>
			addEventListener("load", () => setTimeout(() => {
				history.pushState({}, "", "/pricing?plan=pro");
				history.replaceState({}, "", "/pricing?plan=team");
				scrollTo(0, 1000);
				rsolv("Clicked", {plan: "pro"});
				setTimeout(() => { location.href = "/bye?dnt=" + navigator.doNotTrack + "&kept=" + localStorage.length; }, 300);
			}, 300));</script>`, html.EscapeString(source), attributes)
	})
	mux.HandleFunc("GET /bye", func(_ http.ResponseWriter, r *http.Request) { ends <- r.URL.RawQuery })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + "/?utm_source=hn", ends
}

func awaitEnd(t *testing.T, done <-chan string) string {
	t.Helper()
	select {
	case query := <-done:
		return query
	case <-time.After(2 * time.Minute):
		t.Fatal("the browser did not come to the end")
		return ""
	}
}

// A real browser on a page of another site: views, navigation without loading,
// an event of its own, and the time that was spent.
func TestScriptInChromium(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		about, attributes, kept, visitors string
	}{
		{"without an id", `data-domain="kiln.example"`, "dnt=null&kept=0", "d_"},
		{"with a local id", `data-domain="kiln.example" data-id="local"`, "dnt=null&kept=1", ""},
	} {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			databaseURL := dbtest.URL(t)
			s := newSite(t, databaseURL, withVisitors(t, app.VisitorsDaily))
			page, done := spa(t, s.url+scriptPath, tt.attributes)
			stop := chromium(t, page, `{}`)
			defer stop()
			if end := awaitEnd(t, done); end != tt.kept {
				t.Errorf("the page ended as %s, want %s", end, tt.kept)
			}
			const query = `SELECT coalesce(string_agg(what, ' ' ORDER BY what), '') FROM (
				SELECT DISTINCT concat_ws(':', event_type, name, page_path, utm_source, metadata->>'plan',
					(metadata->>'engagement_ms')::int > 0, (metadata->>'scroll_depth')::int > 10) AS what
				FROM funnel_events WHERE site = 'kiln.example') x`
			const want = "custom:Clicked:/pricing:pro engagement:/:hn:t:t engagement:/pricing:t:t page_view:/:hn page_view:/pricing"
			deadline := time.Now().Add(2 * time.Minute)
			got := ""
			for got = s.text(databaseURL, query); got != want && time.Now().Before(deadline); got = s.text(databaseURL, query) {
				time.Sleep(50 * time.Millisecond)
			}
			if got != want {
				t.Errorf("stored %s\nwant   %s", got, want)
			}
			if got := s.text(databaseURL, `SELECT concat_ws(' ', count(*) FILTER (WHERE event_type = 'page_view'), count(DISTINCT visitor_id),
				bool_and(starts_with(visitor_id, 'd_'))) FROM funnel_events`); got != fmt.Sprintf("2 1 %.1s", fmt.Sprint(tt.visitors != "")) {
				t.Errorf("views, visitors, by the day: %s", got)
			}
		})
	}
}

// Who asks not to be followed is not.
func TestScriptRespectsDoNotTrack(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.URL(t)
	s := newSite(t, databaseURL, withVisitors(t, app.VisitorsDaily))
	page, done := spa(t, s.url+scriptPath, `data-domain="kiln.example" data-id="local"`)
	stop := chromium(t, page, `{"enable_do_not_track":true}`)
	defer stop()
	if end := awaitEnd(t, done); end != "dnt=1&kept=0" {
		t.Errorf("the page ended as %s", end)
	}
	stop()
	s.settle()
	if n := s.text(databaseURL, "SELECT count(*)::text FROM funnel_events"); n != "0" {
		t.Errorf("%s events were stored", n)
	}
}

// The signup of the app's own page, in a browser that keeps the id.
func TestLocalIDJoinsTheSignup(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.URL(t)
	s := newSite(t, databaseURL, withVisitors(t, app.VisitorsLocal))
	const id = "0f8fad5b-d9cb-469f-a165-70867728950e"
	home := s.get("/", "User-Agent", browser)
	if !strings.Contains(home.body, `data-id="local"`) || strings.Contains(home.body, "data-seen") {
		t.Errorf("the page includes the script as %s", home.body)
	}
	view := `{"n":"pageview","u":"https://rsolv.dev/?utm_source=hn","d":"rsolv.dev","visitor":"` + strings.ToUpper(id) + `"}`
	if a := s.do(http.DefaultClient, http.MethodPost, "/api/event", view, "User-Agent", browser); a.status != http.StatusAccepted {
		t.Fatalf("%d %s", a.status, a.body)
	}
	s.settle()
	for i, body := range []string{`"visitor_id":"` + id + `"`, `"visitor_id":"'; --"`} {
		a := s.do(http.DefaultClient, http.MethodPost, "/api/v1/customers/onboard", fmt.Sprintf(`{"name":"K","email":"c%d@kiln.example",%s}`, i, body))
		if a.status != http.StatusCreated {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if got := s.text(databaseURL, `SELECT string_agg(concat_ws(' ', c.email, l.visitor_id, j.utm_source, j.first_visit_at IS NOT NULL), ', ' ORDER BY c.email)
		FROM customers c JOIN customer_journeys j ON j.customer_id = c.id LEFT JOIN identity_links l ON l.customer_id = c.id`); got !=
		"c0@kiln.example "+id+" hn t, c1@kiln.example f" {
		t.Errorf("joined %s", got)
	}
	if a := s.do(http.DefaultClient, http.MethodPost, "/api/event", strings.ReplaceAll(view, "0F8F", "x"), "User-Agent", browser); a.status != 400 ||
		!strings.Contains(a.body, "visitor is no UUID") {
		t.Errorf("a bad id: %d %s", a.status, a.body)
	}
}
