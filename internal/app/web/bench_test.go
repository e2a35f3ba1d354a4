package web

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
	"github.com/rsolv-dev/rsolv-operator/internal/app/credentials"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
)

func registerPing(s *site) {
	register(s.server, s.server.authenticated(huma.Operation{Method: http.MethodGet, Path: "/api/ping", OperationID: "ping"}, ""),
		func(context.Context, *struct{}) (*struct{ Body string }, error) {
			return &struct{ Body string }{"pong"}, nil
		})
	s.server.nameRoutes()
}

// silentLog formats every line, and writes it where it takes no room: a log kept
// in memory would be copied as it grows.
func silentLog(tb testing.TB) *slog.Logger {
	tb.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = null.Close() })
	return slog.New(slog.NewJSONHandler(null, nil))
}

// nobody takes an answer, and remembers its status.
type nobody struct {
	header http.Header
	status int
}

func (n *nobody) Header() http.Header            { return n.header }
func (n *nobody) WriteHeader(status int)         { n.status = status }
func (n *nobody) Write(body []byte) (int, error) { return len(body), nil }

// BenchmarkAuthenticated is everything about an authenticated request but its
// work: key, limit, metrics, tracking, log. The limit is raised beyond what the
// benchmark sends; slices are leased as ever.
func BenchmarkAuthenticated(b *testing.B) {
	s := newSite(b, dbtest.URL(b), func(d *Deps) { d.Limits, d.Log = unlimited{}, silentLog(b) })
	registerPing(s)
	key := s.onboard(http.DefaultClient, "ops@kiln.example")
	handler := s.server.wrap(s.server.mux)
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/api/ping", nil)
	r.Header.Set("X-Api-Key", key)
	w := &nobody{header: http.Header{}}
	send := func() {
		clear(w.header)
		handler.ServeHTTP(w, r)
	}
	if send(); w.status != http.StatusOK {
		b.Fatalf("status %d", w.status)
	}
	var took []time.Duration
	b.ReportAllocs()
	cpu := syntax.CPU()
	for b.Loop() {
		began := time.Now()
		send()
		took = append(took, time.Since(began))
	}
	b.ReportMetric(float64(syntax.CPU()-cpu)/float64(len(took)), "cpu-ns")
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
}

// BenchmarkEmpty is a handler that does nothing, beside which BenchmarkExchange
// is to be read.
func BenchmarkEmpty(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write([]byte("{}"))
	}))
	b.Cleanup(server.Close)
	benchmarkPosts(b, poster(b, server.URL, []string{""}))
}

// BenchmarkExchange trades keys of many customers, each within its limit. Every
// key was used before.
func BenchmarkExchange(b *testing.B) {
	url := dbtest.URL(b)
	s := newSite(b, url, func(d *Deps) {
		d.Log = silentLog(b)
		var err error
		d.Credentials, err = credentials.New(credentials.Options{
			Store: d.Registry.(app.Credentials), Log: d.Log, Now: d.Now, Metrics: d.Metrics.(credentials.Metrics), //nolint:forcetypeassert // those of newSite
			Static: map[app.Provider]string{app.ProviderAnthropic: anthropicKey},
		})
		if err != nil {
			b.Fatal(err)
		}
	})
	keys := addCustomers(b, url, 3000)
	post := poster(b, s.url+exchangePath, keys)
	for range keys {
		if status := post(); status != http.StatusOK {
			b.Fatalf("status %d", status)
		}
	}
	benchmarkPosts(b, post)
}

// addCustomers adds customers with a confirmed address, and returns the key of
// each.
func addCustomers(tb testing.TB, url string, n int) []string {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(tb.Context())) }()
	keys, hashes := make([]string, n), make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("rsolv_bench_%d", i)
		hashes[i] = app.HashKey(keys[i])
	}
	_, err = conn.Exec(tb.Context(), `WITH c AS (
			INSERT INTO customers (name, email, email_verified_at, inserted_at, updated_at)
			SELECT 'B', 'b' || i || '@kiln.example', now(), now(), now() FROM generate_series(1, $1::int) i RETURNING id),
		n AS (SELECT id, row_number() OVER () AS i FROM c)
		INSERT INTO api_keys (customer_id, name, key_hash, permissions, inserted_at)
		SELECT n.id, 'k', h.hash, '{full_access}', now() FROM n JOIN unnest($2::text[]) WITH ORDINALITY AS h(hash, i) ON h.i = n.i`, n, hashes)
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

// connections is how many clients send at the same time.
const connections = 16

// poster returns a function that posts a request for credentials with each key
// in turn, and returns the status, or 0 when nobody answers.
func poster(tb testing.TB, url string, keys []string) func() int {
	tb.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	tb.Cleanup(client.CloseIdleConnections)
	var next atomic.Int64
	return func() int {
		r, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, url, strings.NewReader(`{"providers":["anthropic","openai","openrouter"],"ttl_minutes":60}`))
		if err != nil {
			return 0
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Api-Key", keys[int(next.Add(1))%len(keys)])
		response, err := client.Do(r)
		if err != nil {
			return 0
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		return response.StatusCode
	}
}

// benchmarkPosts posts from all connections.
func benchmarkPosts(b *testing.B, post func() int) {
	b.Helper()
	var failed atomic.Int64
	b.ResetTimer()
	b.SetParallelism(max(1, connections/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if post() != http.StatusOK {
				failed.Add(1)
			}
		}
	})
	if failed.Load() > 0 {
		b.Errorf("%d of %d were refused", failed.Load(), b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}
