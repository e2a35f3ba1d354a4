package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
)

func TestParseEvent(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 11, 4, 12, 0, 0, 0, time.UTC)
	base := app.Event{Type: app.EventPageView, Site: "rsolv.dev", At: now, Touch: app.Touch{Path: "/pricing"}}
	changed := func(change func(e *app.Event)) app.Event {
		e := base
		change(&e)
		return e
	}
	for about, tt := range map[string]struct {
		body string
		want app.Event
	}{
		"short": {`{"n":"pageview","u":"https://rsolv.dev/pricing","d":"rsolv.dev"}`, base},
		"long": {
			`{"name":"pageview","url":"https://rsolv.dev/pricing?utm_source=hn&utm_campaign=launch","domain":"rsolv.dev","referrer":"https://r.example/"}`,
			changed(func(e *app.Event) {
				e.Touch.Referrer, e.Touch.UTM = "https://r.example/", app.UTM{Source: "hn", Campaign: "launch"}
			}),
		},
		"several sites": {`{"n":"pageview","u":"https://rsolv.dev/pricing","d":"rsolv.dev,all.example"}`, base},
		"time on a page is no visit": {
			`{"n":"engagement","u":"https://rsolv.dev/pricing","d":"rsolv.dev","e":1200,"sd":140}`,
			changed(func(e *app.Event) {
				e.Type, e.Metadata = app.EventEngagement, `{"engagement_ms":1200,"scroll_depth":100}`
			}),
		},
		"a name of its own, props as text": {
			`{"n":"Signup","u":"https://rsolv.dev/pricing","d":"rsolv.dev","p":"{\"plan\":\"pro\",\"n\":2}","id":"k1"}`,
			changed(func(e *app.Event) {
				e.Type, e.Name, e.Key, e.Metadata = app.EventCustom, "Signup", "k1", `{"n":2,"plan":"pro"}`
			}),
		},
		"sent late": {
			fmt.Sprintf(`{"n":"pageview","u":"https://rsolv.dev/pricing","d":"rsolv.dev","timestamp":%d}`, now.Add(-time.Hour).UnixMilli()),
			changed(func(e *app.Event) { e.At = now.Add(-time.Hour) }),
		},
		"by a clock that is a little ahead": {
			fmt.Sprintf(`{"n":"pageview","u":"https://rsolv.dev/pricing","d":"rsolv.dev","timestamp":%d}`, now.Add(time.Minute).UnixMilli()), base,
		},
	} {
		got, err := parseEvent([]byte(tt.body), now)
		if err != nil {
			t.Errorf("%s: %v", about, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", about, diff)
		}
	}
	for want, body := range map[string]string{
		"name is required; domain is required; url is required": `{}`,
		"not the JSON this endpoint expects":                    `{"n":`,
		"url must be an absolute address":                       `{"n":"pageview","u":"/pricing","d":"d"}`,
		"timestamp lies in the future":                          fmt.Sprintf(`{"n":"p","u":"https://a/","d":"d","timestamp":%d}`, now.Add(time.Hour).UnixMilli()),
		"timestamp is more than 72 hours ago":                   fmt.Sprintf(`{"n":"p","u":"https://a/","d":"d","timestamp":%d}`, now.Add(-73*time.Hour).UnixMilli()),
		"name contains control characters":                      `{"n":"a\u0000b","u":"https://a/","d":"d"}`,
		"name is longer than 120 bytes":                         `{"n":"` + strings.Repeat("x", 121) + `","u":"https://a/","d":"d"}`,
		"props has a value that is an object":                   `{"n":"p","u":"https://a/","d":"d","props":{"a":{}}}`,
		"id is longer than 64 bytes":                            `{"n":"p","u":"https://a/","d":"d","id":"` + strings.Repeat("x", 65) + `"}`,
	} {
		if _, err := parseEvent([]byte(body), now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %s", body, err, want)
		}
	}
}

// Good, late, repeated and hostile events at the real endpoint: each is stored
// once, refused, or counted.
func TestCollectors(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.URL(t)
	s := newSite(t, databaseURL, nil)
	post := func(path, body string, headers ...string) answer {
		t.Helper()
		return s.do(http.DefaultClient, http.MethodPost, path, body, append([]string{"User-Agent", browser}, headers...)...)
	}
	event := func(source, more string) string {
		return fmt.Sprintf(`{"n":"pageview","u":"https://rsolv.dev/?utm_source=%s","d":"rsolv.dev"%s}`, source, more)
	}
	for range 3 { // sent again, stored once
		if a := post("/api/event", event("keyed", `,"id":"k1"`), "Content-Type", "text/plain"); a.status != http.StatusAccepted ||
			a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Fatalf("%d %v %s", a.status, a.header, a.body)
		}
	}
	hostile := `';DROP%20TABLE%20funnel_events;--%00%F0%9F%92%A9`
	if a := post("/api/event", event(hostile, `,"r":"\u0000\u202e<script>","props":{"\u0000":"\u0000"}`)); a.status/100 != 2 && a.status != 400 {
		t.Errorf("hostile: %d %s", a.status, a.body)
	}
	if a := post("/api/event", event("bot", ""), "User-Agent", "Googlebot/2.1"); a.status != http.StatusAccepted || a.header.Get("X-Plausible-Dropped") != "1" {
		t.Errorf("a bot: %d %v", a.status, a.header)
	}
	if a := post("/api/event", event("big", `,"r":"`+strings.Repeat("x", 10<<20)+`"`)); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("ten megabytes: %d", a.status)
	}
	if a := post("/api/event", "\x00\xff"); a.status != http.StatusBadRequest || a.problem(t).Code != "INVALID_REQUEST" {
		t.Errorf("no JSON: %d %s", a.status, a.body)
	}
	for _, body := range []string{`{"type":"form_submit","data":{"page_path":"/p","utm_source":"hn","a":"\u0000"}}`, `{"data":"no object"}`, `{"type":"x","data":"{\"a\":1}"}`} {
		if a := post("/api/track", body); a.status != http.StatusCreated || a.body != `{"success":true}` {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for s.tracker.Len() > 0 || s.spool.Pending() > 0 {
		if time.Now().After(deadline) {
			t.Fatal("the events are not stored")
		}
		time.Sleep(5 * time.Millisecond)
	}
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var got string
	err = conn.QueryRow(t.Context(), `SELECT concat_ws(' ',
		(SELECT count(*) FROM funnel_events WHERE utm_source = 'keyed' AND site = 'rsolv.dev' AND ip_network = '127.0.0.0/24'),
		(SELECT count(*) FROM funnel_events WHERE utm_source IN ('bot', 'big')),
		(SELECT string_agg(event_type, ',' ORDER BY event_type) FROM analytics_events),
		(SELECT count(*) FROM analytics_events WHERE metadata ? 'raw_data'),
		(SELECT count(*) FROM funnel_dead_letters))`).Scan(&got)
	if err != nil {
		t.Fatal(err)
	}
	if want := "1 0 form_submit,unknown,x 1 0"; got != want {
		t.Errorf("stored %s, want %s", got, want)
	}
}
