package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rsolv-dev/rsolv-operator/content"
	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/worker"
	"github.com/rsolv-dev/rsolv-operator/internal/app/blog"
	"github.com/rsolv-dev/rsolv-operator/internal/app/export"
	"github.com/rsolv-dev/rsolv-operator/internal/app/flags"
	"github.com/rsolv-dev/rsolv-operator/internal/app/health"
	"github.com/rsolv-dev/rsolv-operator/internal/app/jobs"
	"github.com/rsolv-dev/rsolv-operator/internal/app/metrics"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/app/visitor"
	"github.com/rsolv-dev/rsolv-operator/internal/app/web"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// parts are what serve runs.
type parts struct {
	store   *postgres.Store
	ingest  *ingestion
	monitor *health.Monitor
	flags   *flags.Store
	public  *web.Server
	jobs    *jobs.Client
	admin   http.Handler
	workers *worker.Pool // nil in a build without parsers
	// exports are those that are asked for.
	exports []*export.Runner
	// visitors tells visitors without a cookie apart.
	visitors *visitor.IDs
	// count is the ledger of funnel events.
	count func(kind app.EventType, outcome app.Outcome, n int)
	// parked learns how many of Stripe's events wait for a person.
	parked func(n int64)
	// subscriptions learns how many are active by plan.
	subscriptions func(counts map[app.Plan]int64)
}

// assemble makes the parts and connects them; nothing but the tracker and its
// spool runs yet.
func (p *program) assemble(ctx context.Context, o serveOptions, url string, log *slog.Logger) (*parts, error) {
	size, err := p.poolSize()
	if err != nil {
		return nil, err
	}
	reg := prometheus.NewRegistry()
	m, err := metrics.New(reg, appVersion())
	if err != nil {
		return nil, fmt.Errorf("making the metrics: %w", err)
	}
	store, err := postgres.Open(ctx, postgres.Options{URL: url, PoolSize: size, Observe: m.ObserveQuery, Now: p.now})
	if errors.Is(err, postgres.ErrBadURL) {
		return nil, usagef("%s: %v", contract.EnvDatabaseURL, err)
	}
	if err != nil {
		return nil, err
	}
	o.databaseURL = url
	s := &parts{store: store, monitor: health.New(store, log, postgres.Redact), count: m.CountEvents, parked: m.SetParked, subscriptions: m.SetSubscriptions}
	if s.ingest, err = p.openIngest(ctx, o.dev, store, m, log); err != nil {
		store.Close()
		return nil, err
	}
	if err := p.connect(ctx, s, o, m, reg, log); err != nil {
		err = errors.Join(err, s.ingest.close())
		store.Close()
		return nil, err
	}
	return s, nil
}

func (p *program) connect(
	ctx context.Context, s *parts, o serveOptions, m *metrics.Metrics, reg *prometheus.Registry, log *slog.Logger,
) error {
	var err error
	if s.flags, err = openFlags(o.flagsDir, log); err != nil {
		return err
	}
	s.flags.SampleContexts(p.getenv(contract.EnvFlagSamples) != "off")
	vault, warnings, err := p.credentials(s.store, m, log)
	if err != nil {
		return err
	}
	if s.admin, err = web.NewAdmin(web.AdminDeps{
		Ready: s.ready, FlagsStatus: s.flags.Status, FlagsUsage: s.flags.Usage, FlagsContexts: s.flags.Contexts, Warnings: warnings,
		Metrics: promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg}),
	}); err != nil {
		return err
	}
	accounts, jobClient, err := p.billing(ctx, s.store, o.databaseURL, m, log)
	if err != nil {
		return err
	}
	s.jobs = jobClient
	deps := web.Deps{
		Credentials: vault, Billing: accounts, Accounts: s.store, Registry: s.store, Phases: s.store,
		Log: log, Now: p.now, Customers: s.store, Keys: s.store, KeyRing: s.store, KeyUse: s.store, Limits: s.store,
		Funnel: s.store, Flags: s.flags, Evaluator: s.flags, Metrics: m,
		DatabaseUp: s.monitor.DatabaseUp, Version: appVersion(), PublicFlags: o.publicFlags, Stopping: ctx.Done(),
	}
	if deps.PublicHost, err = p.publicHost(); err != nil {
		return err
	}
	if deps.TrustedProxies, err = p.trustedProxies(); err != nil {
		return err
	}
	if deps.Blog, err = p.loadBlog(log); err != nil {
		return err
	}
	if s.exports, err = p.exports(s.store, m, log); err != nil {
		return err
	}
	if deps.Visitors, err = p.visitorMode(); err != nil {
		return err
	}
	if s.visitors, err = visitor.New(visitor.Options{Store: s.store, Log: log, Now: p.now, Describe: postgres.Redact}); err != nil {
		return err
	}
	deps.VisitorID = s.visitors.ID
	deps.Tracker, deps.Collector, deps.Ledger = s.ingest.tracker, s.ingest.tracker, ledger{s.store, s.ingest.spool}
	if deps.RequestsPerMinute, err = p.requestsPerMinute(); err != nil {
		return err
	}
	if deps.CORSOrigins, err = p.corsOrigins(); err != nil {
		return err
	}
	if deps.Analysis, err = s.analysis(reg, p.now, log); err != nil {
		return err
	}
	if s.public, err = web.New(deps); err != nil { //nolint:contextcheck // a handler has the context of its request
		return err
	}
	if err := m.WatchFlags(s.flags.Booleans, s.flags.CountEvaluations); err != nil {
		return err
	}
	return m.Watch(s.ingest.gauges(context.WithoutCancel(ctx), metrics.Gauges{PoolSize: s.store.PoolSize, PoolUsed: s.store.PoolUsed}))
}

// ready says why the app is not to get requests; nil when it is.
func (s *parts) ready() error {
	if err := s.monitor.Ready(); err != nil {
		return err
	}
	return s.ingest.ready()
}

func openFlags(dir string, log *slog.Logger) (*flags.Store, error) {
	if dir == "" {
		return flags.Defaults(log), nil
	}
	store, err := flags.Open(dir, log)
	if err != nil {
		return nil, fmt.Errorf("opening the flags: %w", err)
	}
	return store, nil
}

// loadBlog reads the posts in the folder BLOG_DIR, or those that are compiled in.
func (p *program) loadBlog(log *slog.Logger) (*blog.Blog, error) {
	if dir := p.getenv(envBlogDir); dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, usagef("%s is %q, which is no folder here: mount the posts there, or correct the path", envBlogDir, dir)
		}
		return blog.Load(os.DirFS(dir), log)
	}
	folder, err := fs.Sub(content.Files, "blog")
	if err != nil {
		return nil, fmt.Errorf("opening the blog posts: %w", err)
	}
	return blog.Load(folder, log)
}

// envBlogDir names a folder of posts, which are read as the app starts.
const envBlogDir = "BLOG_DIR"

// shutdown ends everything in order: first nobody sends requests any more, then
// the running ones end, then what they left in the queue is stored. The admin
// listener answers until the last.
func (s *parts) shutdown(
	ctx context.Context, drain time.Duration, public, admin *http.Server, log *slog.Logger,
) error {
	log.Info("shutting down", "drain", drain.String())
	s.monitor.Drain()
	time.Sleep(drain)
	shutdownCtx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	err := public.Shutdown(shutdownCtx)
	if err != nil {
		err = errors.Join(fmt.Errorf("some requests did not end in time: %w", err), public.Close())
	}
	err = errors.Join(err, s.ingest.drain(ctx, log))
	if s.workers != nil {
		s.workers.Close()
	}
	log.Info("everything has ended", "clean", err == nil)
	return errors.Join(err, admin.Close())
}
