package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

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

// FuzzEndpoints sends any body to every endpoint that takes one: none answers
// with an internal error, whatever it is sent. Errors are problems.
func FuzzEndpoints(f *testing.F) {
	s := newSite(f, dbtest.URL(f), func(d *Deps) { d.Limits = unlimited{} })
	key := s.admin()
	type endpoint struct{ method, path string }
	var endpoints []endpoint
	for path, item := range s.server.api.OpenAPI().Paths {
		path = strings.NewReplacer("{id}", "999999", "{key}", "1", "{slug}", "x").Replace(path)
		for method, op := range map[string]bool{
			http.MethodPost: item.Post != nil, http.MethodPut: item.Put != nil, http.MethodPatch: item.Patch != nil, http.MethodDelete: item.Delete != nil,
		} {
			if op && !strings.Contains(path, "/ofrep/") {
				endpoints = append(endpoints, endpoint{method, path})
			}
		}
	}
	endpoints = append(endpoints, endpoint{http.MethodPost, stripePath}, endpoint{http.MethodPost, "/verify"})
	slices.SortFunc(endpoints, func(a, b endpoint) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	for _, body := range []string{
		``, `{}`, `[]`, `null`, `"x"`, `1e999`, `{"name":`, `{"name":null,"email":{}}`, `{"providers":[null]}`, `{"providers":["openai"],"ttl_minutes":1e3}`,
		`{"data":{"a":"\u0000"},"phase":"scan","repo":"a/b","commitSha":"c"}`, `{"credential_id":"\ud800"}`, `{"tokens_used":1e18,"request_count":1,"provider":"openai"}`,
		`{"packageJson":{"devDependencies":{"jest":"1","jest":"2"}}}`, strings.Repeat(`{"a":`, 500), `{"name":"` + "\xff\xfe" + `","email":"a@b"}`,
		`{"amount":-1,"reason":"x"}`, `{"fix_id":"x"}`, `{"expires_at":"9999-12-31T23:59:59Z","name":"x"}`, `{"confirm":"x"}`,
	} {
		for i := range endpoints {
			f.Add(uint8(i), []byte(body))
		}
	}
	handler := s.server.wrap(s.server.mux)
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		e := endpoints[int(which)%len(endpoints)]
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, e.method, e.path, bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.RemoteAddr = fmt.Sprintf("198.51.%d.%d:1", rand.N(256), rand.N(256)) // onboarding is limited by address
		r.Header.Set("X-Api-Key", key)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Fatalf("%s %s answers %d to %q: %s", e.method, e.path, w.Code, body, w.Body)
		}
		if w.Code < 400 || strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			return
		}
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Code == "" || p.Message == "" || p.RequestID == "" || p.Status != w.Code {
			t.Fatalf("%s %s answers %q to %q with no problem: %d %s", e.method, e.path, e.path, body, w.Code, w.Body)
		}
	})
}
