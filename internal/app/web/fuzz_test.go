package web

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	rtmetrics "runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v83/webhook"

	"github.com/rsolv-dev/rsolv-operator/internal/app/billing"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/ratelimit"
)

// unlimited leases more than anybody takes: what is fuzzed is not the limit.
type unlimited struct{}

func (unlimited) LeaseSlices(_ context.Context, leases []ratelimit.Lease) ([]ratelimit.Slice, error) {
	slices := make([]ratelimit.Slice, len(leases))
	for i := range slices {
		slices[i] = ratelimit.Slice{Granted: 1 << 40}
	}
	return slices, nil
}

func (unlimited) ForgetWindows(context.Context, time.Time) error { return nil }

const fuzzSecret = "whsec_fuzz"

// fuzzed is a site to send anything to, and whether nothing else runs in this
// process, so that what a request takes of memory can be told.
type fuzzed struct {
	*site
	key     string
	handler http.Handler
	alone   bool
}

func newFuzzed(f *testing.F) fuzzed {
	f.Helper()
	s := newPayingSite(f, dbtest.URL(f), func(d *Deps) { d.Limits, d.Log = unlimited{}, silentLog(f) },
		func(o *billing.Options) { o.Secrets = []string{fuzzSecret} })
	worker := flag.Lookup("test.fuzzworker")
	return fuzzed{s, s.admin(), s.server.wrap(s.server.mux), worker != nil && worker.Value.String() == "true"}
}

// mostAllocated bounds what a request may allocate beside its body's size
// several times over. The largest body that any endpoint takes has 16 MiB.
const mostAllocated = 16 << 20

func allocated() uint64 {
	sample := []rtmetrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	rtmetrics.Read(sample)
	return sample[0].Value.Uint64()
}

// send sends a request and fails on an internal error, on an error that is no
// problem, and on memory taken without measure.
func (z fuzzed) send(t *testing.T, method, target string, body []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return // no server gets to see it
	}
	r := httptest.NewRequestWithContext(ctx, method, "/", bytes.NewReader(body))
	r.URL, r.RequestURI = u, target
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = fmt.Sprintf("198.51.%d.%d:1", rand.N(256), rand.N(256)) // onboarding is limited by address
	r.Header.Set("X-Api-Key", z.key)
	if u.Path == stripePath {
		now := time.Now()
		r.Header.Set("Stripe-Signature", fmt.Sprintf("t=%d,v1=%x", now.Unix(), webhook.ComputeSignature(now, body, fuzzSecret)))
	}
	if u.Path == "/signup" || u.Path == "/verify" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	before := allocated()
	z.handler.ServeHTTP(w, r)
	if took := allocated() - before; z.alone && took > mostAllocated+64*uint64(len(body)) {
		t.Fatalf("%s %s allocates %d bytes for a body of %d", method, target, took, len(body))
	}
	if w.Code == http.StatusInternalServerError {
		t.Fatalf("%s %s answers %d to %q: %s", method, target, w.Code, body, w.Body)
	}
	if w.Code < 400 || strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || strings.HasPrefix(u.Path, "/ofrep/") {
		return // the errors of the evaluation protocol have their own shape
	}
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Code == "" || p.Message == "" || p.RequestID == "" || p.Status != w.Code {
		t.Fatalf("%s %s answers %q with no problem: %d %s", method, target, body, w.Code, w.Body)
	}
}

// endpoint is a method and a pattern.
type endpoint struct{ method, path string }

// endpoints are those of the API, by whether they take a body, and the pages.
func (z fuzzed) endpoints(bodies bool) []endpoint {
	var list []endpoint
	for path, item := range z.server.api.OpenAPI().Paths {
		for method, op := range map[string]bool{
			http.MethodGet: item.Get != nil, http.MethodDelete: item.Delete != nil,
			http.MethodPost: item.Post != nil, http.MethodPut: item.Put != nil, http.MethodPatch: item.Patch != nil,
		} {
			if op && bodies == (method != http.MethodGet) && path != ofrepEvents { // a stream does not end
				list = append(list, endpoint{method, path})
			}
		}
	}
	others := map[bool][]endpoint{
		true: {{http.MethodPost, stripePath}, {http.MethodPost, "/verify"}, {http.MethodPost, "/signup"}},
		false: {
			{http.MethodGet, "/"},
			{http.MethodGet, "/verify"},
			{http.MethodGet, "/signup"},
			{http.MethodGet, "/pricing"},
			{http.MethodGet, "/docs"},
			{http.MethodGet, "/blog"},
			{http.MethodGet, "/blog/{slug}"},
			{http.MethodGet, "/blog/rss.xml"},
			{http.MethodGet, "/billing/done"},
			{http.MethodGet, "/sitemap.xml"},
			{http.MethodGet, "/api/openapi"},
			{http.MethodGet, "/api/docs"},
		},
	}
	for _, e := range others[bodies] {
		if !slices.Contains(list, e) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b endpoint) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return list
}

// FuzzEndpoints sends any body to every endpoint that takes one: none answers
// with an internal error, whatever it is sent. Errors are problems.
func FuzzEndpoints(f *testing.F) {
	z := newFuzzed(f)
	endpoints := z.endpoints(true)
	for _, body := range []string{
		``, `{}`, `[]`, `null`, `"x"`, `1e999`, `{"name":`, `{"name":null,"email":{}}`, `{"providers":[null]}`, `{"providers":["openai"],"ttl_minutes":1e3}`,
		`{"data":{"a":"\u0000"},"phase":"scan","repo":"a/b","commitSha":"c"}`, `{"credential_id":"\ud800"}`, `{"tokens_used":1e18,"request_count":1,"provider":"openai"}`,
		`{"packageJson":{"devDependencies":{"jest":"1","jest":"2"}}}`, strings.Repeat(`{"a":`, 500), `{"name":"` + "\xff\xfe" + `","email":"a@b"}`,
		`{"amount":-1,"reason":"x"}`, `{"fix_id":"x"}`, `{"expires_at":"9999-12-31T23:59:59Z","name":"x"}`, `{"confirm":"x"}`,
		`{"id":"evt_1","type":"invoice.paid","created":-1,"data":{"object":{"id":"in_1","customer":{"id":"cus_1"},"amount_paid":1e30}}}`,
		"{\"id\":\"evt_\xff\",\"type\":\"x\"}", `name=x&email=a%00b@c.example&utm_source=%ff`, `{"n":"pageview","u":"https://rsolv.dev/\u0000","d":"rsolv.dev"}`,
		`{"id":"evt_2","type":"x","data":{"object":1e999999}}`, `{"id":"evt_3","type":"x","data":{"object":` + strings.Repeat(`[`, 9000) + strings.Repeat(`]`, 9000) + `}}`,
		`{"id":"evt_4","type":"x","data":{"object":"\ud800"}}`, `{"phase":"scan","repo":"a/b","commitSha":"c","data":{"a":1e999999}}`, `{"phase":"scan","repo":"a/b","commitSha":"c","data":{"a":"\ud800\udc00\ud800"}}`,
		`{"phase":"scan","repo":"a/b","commitSha":"c","data":{"a":` + strings.Repeat(`[`, 9000) + strings.Repeat(`]`, 9000) + `}}`,
		`{"type":"x","data":{"a":1e999999}}`, `{"type":"x","data":"` + strings.Repeat(`[`, 9000) + `"}`, `{"type":"x","data":` + strings.Repeat(`[`, 9000) + strings.Repeat(`]`, 9000) + `}`,
		`{"context":{"targetingKey":"\u0000"}}`, `{"type":"event","payload":{"website":"x","url":"/"}}`,
	} {
		for i := range endpoints {
			f.Add(uint8(i), []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		e := endpoints[int(which)%len(endpoints)]
		z.send(t, e.method, strings.NewReplacer("{id}", "999999", "{key}", "blog", "{slug}", "x").Replace(e.path), body)
	})
}

// FuzzQueries asks every page and every endpoint that is read, with anything in
// its path and its query.
func FuzzQueries(f *testing.F) {
	z := newFuzzed(f)
	endpoints := z.endpoints(false)
	for _, seed := range [][2]string{
		{"1", ""},
		{"-1", "days=-1&limit=99999999999999999999"},
		{"%00", "from=%00&to=%ff"},
		{"9223372036854775807", "after=9223372036854775807&search=%25_%5c"},
		{"..%2f..", "utm_source=%00&utm_medium=\xff"},
		{"x", "repo=a/b&issue=1&commit=%ed%a0%80"},
		{"%zz", "token=x;y&&=&days=1&days=2"},
		{"x", "from=2026-01-01&to=0001-01-01&days=30"},
	} {
		for i := range endpoints {
			f.Add(uint8(i), seed[0], seed[1])
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, segment, query string) {
		e := endpoints[int(which)%len(endpoints)]
		target := strings.NewReplacer("{id}", segment, "{key}", segment, "{slug}", segment).Replace(e.path)
		if query != "" {
			target += "?" + query
		}
		z.send(t, e.method, target, nil)
	})
}
