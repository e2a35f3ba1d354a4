package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
)

// From an advertisement to a key that works, with the campaign remembered.
func TestSignupByForm(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.URL(t)
	s := newSite(t, databaseURL, nil)
	client := visitor(t)
	form := s.do(client, http.MethodGet, "/signup?utm_source=hn&utm_campaign=%22launch%22", "", "User-Agent", browser)
	for _, want := range []string{`name="utm_source" value="hn"`, `name="utm_campaign" value="&#34;launch&#34;"`, `name="email"`} {
		if !strings.Contains(form.body, want) {
			t.Errorf("%s is missing in the form", want)
		}
	}
	s.settle()
	post := func(values url.Values, headers ...string) answer {
		return s.do(client, http.MethodPost, "/signup", values.Encode(),
			append([]string{"Content-Type", "application/x-www-form-urlencoded", "User-Agent", browser, "Sec-Fetch-Site", "same-origin"}, headers...)...)
	}
	bad := post(url.Values{"name": {"<b>Kiln</b>"}, "email": {"a@mailinator.com"}, "utm_source": {"hn"}})
	if bad.status != 422 || !strings.Contains(bad.body, "The address is at a disposable mail service") ||
		!strings.Contains(bad.body, `value="&lt;b&gt;Kiln&lt;/b&gt;"`) || !strings.Contains(bad.body, `value="hn"`) {
		t.Errorf("%d %s", bad.status, bad.body)
	}
	if a := post(url.Values{"name": {"K"}, "email": {"x@kiln.example"}}, "Sec-Fetch-Site", "cross-site"); a.status != http.StatusForbidden {
		t.Errorf("a form of another site: %d", a.status)
	}
	done := post(url.Values{"name": {"Kiln"}, "email": {"ops@kiln.example"}, "utm_source": {"hn"}, "utm_campaign": {`"launch"`}})
	key := regexp.MustCompile(`rsolv_[A-Za-z0-9_-]{43}`).FindString(done.body)
	if done.status != http.StatusCreated || key == "" || done.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %s", done.status, done.header, done.body)
	}
	if !s.works(key) {
		t.Error("the key does not work")
	}
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var source, campaign string
	var visited bool
	err = conn.QueryRow(t.Context(), "SELECT utm_source, utm_campaign, first_visit_at IS NOT NULL FROM customer_journeys").Scan(&source, &campaign, &visited)
	if err != nil || source != "hn" || campaign != `"launch"` || !visited {
		t.Errorf("the journey has %q, %q, a visit: %v, %v", source, campaign, visited, err)
	}
	if strings.Contains(s.log.String(), key) {
		t.Error("the key is in the log")
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), func(d *Deps) { d.PublicHost = "rsolv.dev" })
	for path, want := range map[string]string{
		"/pricing": "$599 <small>a month", "/docs": "https://rsolv.dev/api/v1/customers/me", "/billing/done": "Thank you", "/signup": "Get an API key",
	} {
		a := s.get(path)
		if a.status != 200 || !strings.Contains(a.body, want) || strings.Contains(a.body, "<script src=\"http") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	const post = "https://rsolv.dev/blog/a-failing-test-is-a-proof"
	if a := s.get("/sitemap.xml"); a.status != 200 || !strings.Contains(a.body, "<loc>https://rsolv.dev/pricing</loc>") || strings.Contains(a.body, "/blog") {
		t.Errorf("with the blog off: %d %s", a.status, a.body)
	}
	s.flags.blog.Store(true)
	s.flags.drafts.Store(true)
	if a := s.get("/sitemap.xml"); !strings.Contains(a.body, post) || strings.Contains(a.body, "outlive") {
		t.Errorf("with the blog on: %s", a.body)
	}
}
