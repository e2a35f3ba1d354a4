package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
)

const umamiSite = "b9c21dc6-0cc3-4d45-97f7-6bd0a9bb1e3e"

func umamiBody(kind, payload string) string {
	return fmt.Sprintf(`{"type":%q,"payload":{"website":%q,"hostname":"kiln.example","screen":"1920x1080","language":"en-GB"%s}}`, kind, umamiSite, payload)
}

func TestParseUmami(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 11, 4, 12, 0, 0, 0, time.UTC)
	base := app.Event{Type: app.EventPageView, Site: "kiln.example", At: now, Touch: app.Touch{Path: "/pricing"}}
	changed := func(change func(e *app.Event)) app.Event {
		e := base
		change(&e)
		return e
	}
	for about, tt := range map[string]struct {
		body string
		want app.Event
	}{
		"a view": {
			umamiBody("event", `,"url":"/pricing?utm_source=hn&utm_campaign=launch","referrer":"/blog","title":"Pricing"`),
			changed(func(e *app.Event) {
				e.Touch.UTM = app.UTM{Source: "hn", Campaign: "launch"}
				e.Touch.Referrer = "https://kiln.example/blog"
			}),
		},
		"an address as a whole": {umamiBody("event", `,"url":"https://kiln.example/pricing","tag":"b"`), changed(func(e *app.Event) { e.Metadata = `{"tag":"b"}` })},
		"an event of its own": {
			umamiBody("event", `,"url":"/pricing","name":"signup","data":{"plan":"pro","items":[1,{"a":2}]}`),
			changed(func(e *app.Event) {
				e.Type, e.Name, e.Metadata = app.EventCustom, "signup", `{"items":"[1,{\"a\":2}]","plan":"pro"}`
			}),
		},
		"who somebody is": {
			umamiBody("identify", `,"id":"u-1","data":{"plan":"pro"}`),
			changed(func(e *app.Event) {
				e.Type, e.Name, e.Metadata, e.Touch.Path = app.EventAnalytics, "identify", `{"id":"u-1","plan":"pro"}`, ""
			}),
		},
		"how quick it was": {
			umamiBody("performance", `,"url":"/pricing","lcp":1200.5,"cls":0`),
			changed(func(e *app.Event) {
				e.Type, e.Name, e.Metadata = app.EventAnalytics, "performance", `{"cls":0,"lcp":1200.5}`
			}),
		},
		"what is said of time and address is not believed": {
			umamiBody("event", `,"url":"/pricing","ip":"1.2.3.4","timestamp":1,"userAgent":"x"`), base,
		},
	} {
		got, err := parseUmami([]byte(tt.body), now)
		if err != nil {
			t.Errorf("%s: %v", about, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", about, diff)
		}
	}
	for want, body := range map[string]string{
		"payload.website must be a UUID":                   `{"type":"event","payload":{"website":"x","url":"/"}}`,
		"names more than one of website, link and pixel":   umamiBody("event", `,"url":"/","link":"`+umamiSite+`"`),
		`type is none of "event"`:                          umamiBody("pageview", `,"url":"/"`),
		"payload.url is required":                          umamiBody("event", ``),
		"payload.url must be an absolute address":          umamiBody("event", `,"url":"pricing"`),
		"payload.url is longer than 2000 bytes":            umamiBody("event", `,"url":"/`+strings.Repeat("x", 2001)+`"`),
		"payload.name is longer than 50 bytes":             umamiBody("event", `,"url":"/","name":"`+strings.Repeat("x", 51)+`"`),
		"payload.name contains control characters":         umamiBody("event", `,"url":"/","name":"a\u0000"`),
		"payload.referrer is longer than 2000 bytes":       umamiBody("event", `,"url":"/","referrer":"`+strings.Repeat("x", 2001)+`"`),
		"payload.data has more than 30 members":            umamiBody("event", `,"url":"/","name":"n","data":{`+strings.TrimSuffix(members(31), ",")+`}`),
		"payload.data has a value longer than 2000 bytes":  umamiBody("event", `,"url":"/","name":"n","data":{"a":"`+strings.Repeat("x", 2001)+`"}`),
		"not the JSON this endpoint expects":               `{"type":`,
		"The body is not the JSON this endpoint expects: ": `[]`,
	} {
		if _, err := parseUmami([]byte(body), now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %s", body, err, want)
		}
	}
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"m%d":%d,`, i, i)
	}
	return b.String()
}

// Umami's script at the real endpoint: what it is answered, and that whatever
// anybody sends is stored, refused or counted.
func TestUmamiCollector(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.URL(t)
	s := newSite(t, databaseURL, withVisitors(t, app.VisitorsDaily))
	post := func(path, body string, headers ...string) answer {
		t.Helper()
		return s.do(http.DefaultClient, http.MethodPost, path, body, append([]string{"User-Agent", browser}, headers...)...)
	}
	preflight := s.do(http.DefaultClient, http.MethodOptions, "/api/send", "", "Origin", "https://kiln.example", "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "content-type,x-umami-cache")
	if preflight.status/100 != 2 || preflight.header.Get("Access-Control-Allow-Origin") != "*" ||
		!strings.Contains(strings.ToLower(preflight.header.Get("Access-Control-Allow-Headers")), "x-umami-cache") {
		t.Errorf("preflight: %d %v", preflight.status, preflight.header)
	}
	var first, second umamiAnswer
	for i, to := range []*umamiAnswer{&first, &second} {
		a := post("/api/send", umamiBody("event", fmt.Sprintf(`,"url":"/p%d?utm_source=hn"`, i)), "X-Umami-Cache", first.Cache)
		if err := json.Unmarshal([]byte(a.body), to); err != nil || a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Fatalf("%d %v %s", a.status, a.header, a.body)
		}
	}
	if !uuidPattern.MatchString(first.SessionID) || !uuidPattern.MatchString(first.VisitID) || first.SessionID != second.SessionID || first.Cache == "" {
		t.Errorf("answered %+v, then %+v", first, second)
	}
	if a := post("/api/send", umamiBody("event", `,"url":"/bot"`), "User-Agent", "Googlebot/2.1"); a.status != 200 || a.body != `{"beep":"boop"}` {
		t.Errorf("a bot: %d %s", a.status, a.body)
	}
	hostile := `';DROP%20TABLE%20funnel_events;--%00%F0%9F%92%A9`
	if a := post("/api/send", umamiBody("event", `,"url":"/h?utm_source=`+hostile+`","title":"\u202e<script>","data":{"\u0000":"\u0000"}`)); a.status != 200 && a.status != 400 {
		t.Errorf("hostile: %d %s", a.status, a.body)
	}
	for body, status := range map[string]int{
		umamiBody("event", `,"url":"/`+strings.Repeat("x", 10<<20)+`"`): http.StatusRequestEntityTooLarge,
		"\x00\xff":                    http.StatusBadRequest,
		strings.Repeat(`{"a":`, 5000): http.StatusBadRequest,
		`{"type":"event","payload":{"website":"1"}}`: http.StatusBadRequest,
	} {
		if a := post("/api/send", body); a.status != status {
			t.Errorf("%.40q: %d %.100s", body, a.status, a.body)
		}
	}
	batch := post("/api/batch", "["+umamiBody("event", `,"url":"/b1"`)+`,{"type":"x"},`+umamiBody("identify", `,"id":"u"`)+"]")
	var told struct{ Size, Processed, Errors int }
	if err := json.Unmarshal([]byte(batch.body), &told); err != nil || batch.status != 200 || told.Size != 3 || told.Processed != 2 || told.Errors != 1 {
		t.Errorf("a batch: %d %s", batch.status, batch.body)
	}
	if a := post("/api/batch", "["+strings.TrimSuffix(strings.Repeat("{},", 101), ",")+"]"); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a batch of 101: %d %s", a.status, a.body)
	}
	s.settle()
	if got, want := s.text(databaseURL, `SELECT concat_ws(' ',
		(SELECT string_agg(page_path, ',' ORDER BY page_path) FROM funnel_events WHERE site = 'kiln.example' AND event_type = 'page_view' AND page_path <> '/h'),
		(SELECT count(DISTINCT visitor_id) FROM funnel_events), (SELECT count(DISTINCT session_id) < 3 FROM funnel_events),
		(SELECT string_agg(event_type, ',') FROM analytics_events), (SELECT count(*) FROM funnel_dead_letters))`),
		"/b1,/p0,/p1 1 t identify 0"; got != want {
		t.Errorf("stored %s, want %s", got, want)
	}
}
