package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb"
	"github.com/rsolv-dev/rsolv-operator/internal/app/ingest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
)

const perBatch = 512

// durable is a server that waits for its disk, with the schema in it.
func durable(b *testing.B) string {
	b.Helper()
	db, err := devdb.StartDurable(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Stop() })
	url := db.URL("postgres")
	if err := postgres.Migrate(b.Context(), url, postgres.Migrations(), func(postgres.Migration) {}); err != nil {
		b.Fatal(err)
	}
	return url
}

func someEvents(n int) []app.Event {
	now := time.Now()
	events := make([]app.Event, n)
	for i := range events {
		events[i] = app.Event{
			ID: app.NewEventID(now), Type: app.EventPageView, At: now, Site: "rsolv.dev",
			Touch: app.Touch{
				VisitorID: app.NewEventID(now).String(), Path: "/pricing", Referrer: "https://news.example/item?id=42", Network: "203.0.113.0/24",
				UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", UTM: app.UTM{Source: "hn", Campaign: "launch"},
			},
		}
	}
	return events
}

// BenchmarkCopy is the limit: the same columns by COPY into a table without an
// index, a constraint or a second copy of the data.
func BenchmarkCopy(b *testing.B) {
	conn, err := pgx.Connect(b.Context(), durable(b))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(b.Context()) }()
	if _, err := conn.Exec(b.Context(), `CREATE TABLE bare (id uuid, event_type text, visitor_id text, page_path text, referrer text,
		user_agent text, ip_network text, utm_source text, utm_campaign text, site text, occurred_at timestamptz)`); err != nil {
		b.Fatal(err)
	}
	const n = 10000
	events := someEvents(n)
	columns := []string{"id", "event_type", "visitor_id", "page_path", "referrer", "user_agent", "ip_network", "utm_source", "utm_campaign", "site", "occurred_at"}
	for b.Loop() {
		_, err := conn.CopyFrom(b.Context(), pgx.Identifier{"bare"}, columns, pgx.CopyFromSlice(n, func(i int) ([]any, error) {
			e := &events[i]
			return []any{
				[16]byte(e.ID), string(e.Type), e.Touch.VisitorID, e.Touch.Path, e.Touch.Referrer, e.Touch.UserAgent, e.Touch.Network,
				e.Touch.UTM.Source, e.Touch.UTM.Campaign, e.Site, e.At,
			}, nil
		}))
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "events/s")
}

func benchSpool(b *testing.B) *ingest.Spool {
	b.Helper()
	spool, err := ingest.OpenEmbedded(b.Context(), ingest.EmbeddedOptions{
		Dir: b.TempDir(), MaxBytes: 1 << 30, Host: "bench", Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = spool.Close() })
	return spool
}

// BenchmarkDurableIngest carries events from memory over the synced spool into
// the partitioned, indexed and constrained table, ledger included, until the
// last one is committed.
func BenchmarkDurableIngest(b *testing.B) {
	store, err := postgres.Open(b.Context(), postgres.Options{URL: durable(b), PoolSize: 4})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	spool := benchSpool(b)
	writer, err := ingest.NewWriter(ingest.WriterOptions{
		Spool: spool, Store: store, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Count: func(app.EventType, app.Outcome, int) {}, Describe: postgres.Redact,
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); writer.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	const batches = 64
	for b.Loop() {
		b.StopTimer()
		events := someEvents(batches * perBatch)
		b.StartTimer()
		for i := range batches {
			if err := spool.Append(b.Context(), events[i*perBatch:(i+1)*perBatch], nil); err != nil {
				b.Fatal(err)
			}
		}
		if err := writer.Drain(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*batches*perBatch/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkAppend is the spool alone: encoded, written and synced.
func BenchmarkAppend(b *testing.B) {
	spool := benchSpool(b)
	events := someEvents(perBatch)
	n := 0
	for b.Loop() {
		if n++; n*perBatch > 2_000_000 {
			b.Skip("the spool is full")
		}
		if err := spool.Append(b.Context(), events, nil); err != nil {
			b.Fatal(fmt.Errorf("after %d batches: %w", n, err))
		}
	}
	b.ReportMetric(float64(b.N)*perBatch/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkSpooledMemory is what a million events in the spool take of the
// process's memory.
func BenchmarkSpooledMemory(b *testing.B) {
	for b.Loop() {
		before := heap()
		spool := benchSpool(b)
		for range 1_000_000 / perBatch {
			if err := spool.Append(b.Context(), someEvents(perBatch), nil); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric((heap()-before)/(1<<20), "MiB")
		runtime.KeepAlive(spool)
	}
}

func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
