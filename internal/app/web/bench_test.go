package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
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

// BenchmarkAuthenticated is everything about an authenticated request but its
// work: key, limit, metrics, tracking, log. The limit is raised beyond what the
// benchmark sends; slices are leased as ever.
func BenchmarkAuthenticated(b *testing.B) {
	s := newSite(b, dbtest.URL(b), func(d *Deps) { d.Limits = unlimited{} })
	registerPing(s)
	key := s.onboard(http.DefaultClient, "ops@kiln.example")
	handler := s.server.wrap(s.server.mux)
	send := func() int {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/api/ping", nil)
		r.Header.Set("X-Api-Key", key)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}
	if code := send(); code != http.StatusOK {
		b.Fatalf("status %d", code)
	}
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		send()
		took = append(took, time.Since(began))
	}
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
	benchmarkPosts(b, server.URL, []string{""})
}

// BenchmarkExchange trades keys of many customers, each within its limit.
func BenchmarkExchange(b *testing.B) {
	url := dbtest.URL(b)
	s := newSite(b, url, func(d *Deps) {
		var err error
		d.Credentials, err = credentials.New(credentials.Options{
			Store: d.Registry.(app.Credentials), Log: d.Log, Now: d.Now, Metrics: d.Metrics.(credentials.Metrics), //nolint:forcetypeassert // those of newSite
			Static: map[app.Provider]string{app.ProviderAnthropic: anthropicKey},
		})
		if err != nil {
			b.Fatal(err)
		}
	})
	conn, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(b.Context()) }()
	const customers = 5000
	keys := make([]string, customers)
	hashes := make([]string, customers)
	for i := range keys {
		keys[i] = fmt.Sprintf("rsolv_bench_%d", i)
		hashes[i] = app.HashKey(keys[i])
	}
	_, err = conn.Exec(b.Context(), `WITH c AS (
			INSERT INTO customers (name, email, email_verified_at, inserted_at, updated_at)
			SELECT 'B', 'b' || i || '@kiln.example', now(), now(), now() FROM generate_series(1, $1::int) i RETURNING id),
		n AS (SELECT id, row_number() OVER () AS i FROM c)
		INSERT INTO api_keys (customer_id, name, key_hash, permissions, inserted_at)
		SELECT n.id, 'k', h.hash, '{full_access}', now() FROM n JOIN unnest($2::text[]) WITH ORDINALITY AS h(hash, i) ON h.i = n.i`, customers, hashes)
	if err != nil {
		b.Fatal(err)
	}
	benchmarkPosts(b, s.url+exchangePath, keys)
}

// benchmarkPosts posts with each key in turn, from several connections.
func benchmarkPosts(b *testing.B, url string, keys []string) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	var next, failed atomic.Int64
	b.ResetTimer()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			key := keys[int(next.Add(1))%len(keys)]
			r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, strings.NewReader(`{"providers":["anthropic","openai","openrouter"],"ttl_minutes":60}`))
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Api-Key", key)
			response, err := client.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if response.StatusCode != http.StatusOK {
				failed.Add(1)
			}
		}
	})
	if failed.Load() > 0 {
		b.Errorf("%d of %d were refused", failed.Load(), next.Load())
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

// A warm request asks the database nothing.
func TestWarmRequestsAskNoDatabase(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	registerPing(s)
	key := s.onboard(http.DefaultClient, "ops@kiln.example")
	ping := func() {
		t.Helper()
		if a := s.get("/api/ping", "X-Api-Key", key); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	ping()
	s.settle()
	const queries = "rsolv_prom_ex_ecto_query_duration_milliseconds"
	before := s.counter(queries)
	const warm = 200
	for range warm {
		ping()
	}
	s.settle()
	// A lease of the rate limit and the like may fall into that time.
	if more := s.counter(queries) - before; more > warm/20 {
		t.Errorf("%d warm requests asked the database %v times", warm, more)
	}
}
