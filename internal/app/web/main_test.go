package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rsolv-dev/rsolv-operator/content"
	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/worker"
	"github.com/rsolv-dev/rsolv-operator/internal/app/billing"
	"github.com/rsolv-dev/rsolv-operator/internal/app/blog"
	"github.com/rsolv-dev/rsolv-operator/internal/app/credentials"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/flags"
	"github.com/rsolv-dev/rsolv-operator/internal/app/funnel"
	"github.com/rsolv-dev/rsolv-operator/internal/app/ingest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/jobs"
	"github.com/rsolv-dev/rsolv-operator/internal/app/metrics"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/app/verify"
)

// TestMain lets the test binary be a worker of the analysis too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == worker.Command {
		if err := worker.Main(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(dbtest.Run(m))
}

const browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// lockedBuffer is a log that many goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type testFlags struct{ blog, drafts atomic.Bool }

func (f *testFlags) Blog() bool                  { return f.blog.Load() }
func (f *testFlags) DisplayDraftBlogPosts() bool { return f.drafts.Load() }

// site is a running server on a real database.
type site struct {
	t       testing.TB
	url     string
	store   *postgres.Store
	spool   *ingest.Spool
	tracker *funnel.Tracker
	flags   *testFlags
	log     *lockedBuffer
	server  *server
	reg     *prometheus.Registry
	money   func(*billing.Options)
	mails   mailbag
}

// mailbag keeps the links that were mailed, by address.
type mailbag struct {
	mu    sync.Mutex
	links map[string]string
}

func (m *mailbag) VerifyAddress(_ context.Context, _, email, link string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.links == nil {
		m.links = map[string]string{}
	}
	m.links[email] = link
	return nil
}

func (m *mailbag) link(email string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.links[email]
}

// runJobs works on jobs until the test ends.
func (s *site) runJobs(databaseURL string, log *slog.Logger, accounts *billing.Service) {
	s.t.Helper()
	client, err := jobs.New(s.t.Context(), jobs.Options{URL: databaseURL, Log: log, Redact: postgres.Redact})
	if err == nil {
		err = accounts.Register(client)
	}
	if err == nil {
		var links *verify.Service
		if links, err = verify.New(verify.Options{Store: s.store, Log: log, Mailer: &s.mails, SiteURL: "https://rsolv.dev"}); err == nil {
			err = links.Register(client)
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.store.UseJobs(client)
	if s.money == nil {
		s.t.Cleanup(client.Close)
		return // nobody makes jobs that the test would wait for
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(s.t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := client.Run(ctx); err != nil {
			s.t.Errorf("the jobs: %v", err)
		}
	})
	s.t.Cleanup(func() { stop(); running.Wait(); client.Close() })
}

func newSite(tb testing.TB, databaseURL string, change func(*Deps)) *site {
	tb.Helper()
	return newPayingSite(tb, databaseURL, change, nil)
}

// newPayingSite is a site whose billing is set up by the test.
func newPayingSite(tb testing.TB, databaseURL string, change func(*Deps), money func(*billing.Options)) *site {
	tb.Helper()
	s := &site{money: money, t: tb, flags: &testFlags{}, log: &lockedBuffer{}, reg: prometheus.NewRegistry()}
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	m, err := metrics.New(s.reg, "test")
	if err != nil {
		tb.Fatal(err)
	}
	s.store, err = postgres.Open(tb.Context(), postgres.Options{URL: databaseURL, PoolSize: 20, Observe: m.ObserveQuery, Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.store.Close)
	s.startIngest(databaseURL, log, m)
	folder, err := fs.Sub(content.Files, "blog")
	if err != nil {
		tb.Fatal(err)
	}
	posts, err := blog.Load(folder, log)
	if err != nil {
		tb.Fatal(err)
	}
	vault, err := credentials.New(credentials.Options{Store: s.store, Log: log, Now: time.Now, Metrics: m})
	if err != nil {
		tb.Fatal(err)
	}
	setup := billing.Options{Store: s.store, Log: log, Now: time.Now, Metrics: m}
	if s.money != nil {
		s.money(&setup)
	}
	accounts, err := billing.New(setup)
	if err != nil {
		tb.Fatal(err)
	}
	s.runJobs(databaseURL, log, accounts)
	deps := Deps{
		Credentials: vault, Billing: accounts, Accounts: s.store, Registry: s.store, Phases: s.store,
		Log: log, Now: time.Now, Customers: s.store, Keys: s.store, KeyRing: s.store, KeyUse: s.store, Limits: s.store, Funnel: s.store, Tracker: s.tracker,
		Collector: s.tracker, Ledger: storeLedger{s.store},
		Flags: s.flags, Evaluator: flags.Defaults(log), Metrics: m, Blog: posts, DatabaseUp: func() bool { return true }, Version: "test",
	}
	deps.Analysis = testAnalysis(tb, s.reg, log)
	deps.Visitors = app.VisitorsCookie
	if change != nil {
		change(&deps)
	}
	if s.server, err = newServer(deps); err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(tb.Context()))
	var beside sync.WaitGroup
	beside.Go(func() { s.server.run(ctx) })
	tb.Cleanup(func() { stop(); beside.Wait() })
	web := httptest.NewServer(s.server.wrap(s.server.crossOrigins(s.server.mux)))
	tb.Cleanup(web.Close)
	s.url = web.URL
	return s
}

// startIngest starts the way of events to the store.
func (s *site) startIngest(databaseURL string, log *slog.Logger, m *metrics.Metrics) {
	s.t.Helper()
	var err error
	s.spool, err = ingest.OpenEmbedded(s.t.Context(), ingest.EmbeddedOptions{
		Dir: s.t.TempDir(), MaxBytes: 64 << 20, Host: "test", Log: log, Now: time.Now,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.tracker, err = funnel.New(s.t.Context(), funnel.Options{
		Spool: s.spool, Log: log, Now: time.Now, Count: m.CountEvents, BatchWait: time.Millisecond, CountWait: 10 * time.Millisecond,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	// A store of its own, so that the queries of requests can be counted.
	store, err := postgres.Open(s.t.Context(), postgres.Options{URL: databaseURL, PoolSize: 4})
	if err != nil {
		s.t.Fatal(err)
	}
	writer, err := ingest.NewWriter(ingest.WriterOptions{
		Spool: s.spool, Store: store, Log: log, Now: time.Now, Count: m.CountEvents, Describe: postgres.Redact,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	ended := make(chan struct{})
	go func() { defer close(ended); writer.Run(ctx) }()
	s.t.Cleanup(func() {
		closeCtx, cancelClose := context.WithTimeout(ctx, time.Minute)
		defer cancelClose()
		_ = s.tracker.Close(closeCtx)
		cancel()
		<-ended
		store.Close()
		_ = s.spool.Close()
	})
}

// storeLedger is the ledger of one pod.
type storeLedger struct{ store *postgres.Store }

func (l storeLedger) Ledger(ctx context.Context) (app.EventLedger, error) {
	return l.store.Ledger(ctx, false)
}

// settle waits until everything tracked so far is stored.
func (s *site) settle() {
	s.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for s.tracker.Len() > 0 || s.spool.Pending() > 0 || sum(s.t, s.reg, "accepted") != sum(s.t, s.reg, "stored") {
		if time.Now().After(deadline) {
			s.t.Fatal("the tracked events are not stored")
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// sum adds up rsolv_funnel_events_total over the types.
func sum(tb testing.TB, reg *prometheus.Registry, outcome string) (total float64) {
	tb.Helper()
	families, err := reg.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "rsolv_funnel_events_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "outcome" && label.GetValue() == outcome {
					total += metric.GetCounter().GetValue()
				}
			}
		}
	}
	return total
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) problem(tb testing.TB) Problem {
	tb.Helper()
	var p Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		tb.Fatalf("no problem: %v: %s", err, a.body)
	}
	return p
}

// do sends a request; headers come in pairs.
func (s *site) do(client *http.Client, method, path, body string, headers ...string) answer {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

func (s *site) get(path string, headers ...string) answer {
	s.t.Helper()
	return s.do(http.DefaultClient, http.MethodGet, path, "", headers...)
}

// visitor is a browser with cookies.
func visitor(tb testing.TB) *http.Client {
	tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

// onboard returns the new customer's key.
func (s *site) onboard(client *http.Client, email string) string {
	s.t.Helper()
	a := s.do(client, http.MethodPost, "/api/v1/customers/onboard", `{"name":"Kiln","email":"`+email+`"}`, "User-Agent", browser)
	var body struct {
		APIKey string `json:"api_key"`
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.status != http.StatusCreated || body.APIKey == "" {
		s.t.Fatalf("onboarding: %d %s", a.status, a.body)
	}
	return body.APIKey
}

// forgetKeys makes the next request with any key ask the database for it.
func (s *site) forgetKeys() {
	s.server.keys.mu.Lock()
	defer s.server.keys.mu.Unlock()
	clear(s.server.keys.entries)
}
