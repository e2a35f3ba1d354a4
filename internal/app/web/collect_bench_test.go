package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/funnel"
	"github.com/rsolv-dev/rsolv-operator/internal/app/ingest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/metrics"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
)

const (
	benchConnections = 256
	benchView        = `{"n":"pageview","u":"https://rsolv.dev/pricing?utm_source=hn","d":"rsolv.dev","r":"https://news.ycombinator.com/item?id=1"}`
)

// BenchmarkEmptyEvent is what net/http takes by itself to read the same
// requests and answer them.
func BenchmarkEmptyEvent(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	benchmarkEvents(b, server.Listener.Addr().String())
}

// BenchmarkEventPaused answers when events are synced to disk; nothing empties
// the spool.
func BenchmarkEventPaused(b *testing.B) { benchmarkCollector(b, false) }

// BenchmarkEventSustained has the writer store them in Postgres meanwhile.
func BenchmarkEventSustained(b *testing.B) { benchmarkCollector(b, true) }

// benchmarkCollector is the whole of the public listener, with the log at the
// level that it has in service.
func benchmarkCollector(b *testing.B, writing bool) {
	b.Helper()
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	spool, err := ingest.OpenEmbedded(b.Context(), ingest.EmbeddedOptions{
		Dir: b.TempDir(), MaxBytes: 4 << 30, Host: "bench", Log: log, Now: time.Now,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = spool.Close() }()
	m, err := metrics.New(prometheus.NewRegistry(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	tracker, err := funnel.New(b.Context(), funnel.Options{Spool: spool, Log: log, Now: time.Now, Count: m.CountEvents})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = tracker.Close(b.Context()) }()
	url := dbtest.URL(b)
	s := newSite(b, url, func(d *Deps) {
		d.Log, d.Collector, d.Metrics = log, tracker, m
		d.VisitorID = nil
	})
	if writing {
		store, err := postgres.Open(b.Context(), postgres.Options{URL: url, PoolSize: 4})
		if err != nil {
			b.Fatal(err)
		}
		defer store.Close()
		writer, err := ingest.NewWriter(ingest.WriterOptions{
			Spool: spool, Store: store, Log: log, Now: time.Now, Count: func(app.EventType, app.Outcome, int) {}, Describe: postgres.Redact,
		})
		if err != nil {
			b.Fatal(err)
		}
		var running sync.WaitGroup
		ctx, stop := context.WithCancel(b.Context())
		running.Go(func() { writer.Run(ctx) })
		defer func() {
			if err := writer.Drain(ctx); err != nil {
				b.Error(err)
			}
			stop()
			running.Wait()
		}()
	}
	benchmarkEvents(b, strings.TrimPrefix(s.url, "http://"))
}

// benchmarkEvents posts from many connections, each of which waits for its
// answer before it sends again. The client does as little as possible, for it
// has the same processors as the server.
func benchmarkEvents(b *testing.B, address string) {
	b.Helper()
	request := []byte(fmt.Sprintf("POST /api/event HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nContent-Type: text/plain\r\nContent-Length: %s\r\n\r\n%s",
		address, browser, strconv.Itoa(len(benchView)), benchView))
	conns := make([]net.Conn, benchConnections)
	var dialer net.Dialer
	for i := range conns {
		conn, err := dialer.DialContext(b.Context(), "tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		conns[i] = conn
		defer func() { _ = conn.Close() }()
	}
	var sent, refused atomic.Int64
	var workers sync.WaitGroup
	b.ResetTimer()
	for _, conn := range conns {
		workers.Go(func() {
			reader := bufio.NewReader(conn)
			for sent.Add(1) <= int64(b.N) {
				if status, err := exchange(conn, reader, request); err != nil || status != http.StatusAccepted {
					refused.Add(1)
					return
				}
			}
		})
	}
	workers.Wait()
	b.StopTimer()
	if n := refused.Load(); n > 0 {
		b.Errorf("%d connections ended early", n)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

// exchange sends a request, and reads the answer to its end.
func exchange(conn net.Conn, reader *bufio.Reader, request []byte) (status int, err error) {
	if _, err := conn.Write(request); err != nil {
		return 0, err
	}
	length := 0
	for first := true; ; first = false {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		text := strings.TrimRight(string(line), "\r\n")
		switch {
		case first && len(text) > 12:
			status, _ = strconv.Atoi(text[9:12])
		case strings.HasPrefix(text, "Content-Length: "):
			length, _ = strconv.Atoi(text[16:])
		case text == "":
			_, err := reader.Discard(length)
			return status, err
		}
	}
}
