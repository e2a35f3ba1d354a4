package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb"
	"github.com/rsolv-dev/rsolv-operator/internal/app/flags"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/app/web"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// Parts of contract.TerminationGraceSeconds that follow the drain.
const (
	shutdownTimeout = 30 * time.Second
	trackerTimeout  = 15 * time.Second
)

// rollupPause is how often the stored daily metrics are recomputed.
const rollupPause = 5 * time.Minute

type serveOptions struct {
	dev           bool
	listen, admin string
	flagsDir      string
	drain         time.Duration
}

// serve runs the app until ctx ends, and then as long as it takes to end in
// order.
func (p *program) serve(ctx context.Context, args []string) error {
	o, err := p.serveOptions(args)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(p.stdout, nil))
	if !o.dev {
		url, err := p.databaseURL()
		if err != nil {
			return err
		}
		return p.serveWith(ctx, o, url, log)
	}
	p.errorf("starting a PostgreSQL of our own...\n")
	server, err := devdb.Start(ctx)
	if err != nil {
		return fmt.Errorf("serve --dev: %w", err)
	}
	url := server.URL("postgres")
	err = postgres.Migrate(ctx, url, postgres.Migrations(), func(postgres.Migration) {})
	if err == nil {
		p.errorf("database  %s\n", url)
		err = p.serveWith(ctx, o, url, log)
	}
	return errors.Join(err, server.Stop())
}

func (p *program) serveOptions(args []string) (serveOptions, error) {
	var o serveOptions
	set := flag.NewFlagSet(contract.CommandServe, flag.ContinueOnError)
	set.BoolVar(&o.dev, "dev", false, "run a PostgreSQL of our own, with the schema in it; nothing survives the end")
	set.StringVar(&o.listen, "listen", ":"+strconv.Itoa(contract.PublicPort), "address of the public listener")
	set.StringVar(&o.admin, "admin-listen", ":"+strconv.Itoa(contract.AdminPort), "address of the admin listener, never to be public")
	set.StringVar(&o.flagsDir, "flags-dir", p.getenv(contract.EnvFlagsDir), "folder with "+contract.FlagsFile+"; default "+contract.EnvFlagsDir+
		", or "+contract.FlagsDir+" when that exists")
	set.DurationVar(&o.drain, "drain", contract.DrainSeconds*time.Second,
		"how long to go on serving after the signal to end, until everybody has noticed; 0 with --dev")
	if err := p.parse(set, args); err != nil {
		return o, err
	}
	drainGiven := false
	set.Visit(func(f *flag.Flag) { drainGiven = drainGiven || f.Name == "drain" })
	if o.dev && !drainGiven {
		o.drain = 0
	}
	if o.drain < 0 || o.drain > 10*time.Second {
		return o, usagef("serve: --drain is %v: use 0 to 10s, so that all of the shutdown fits into %d s",
			o.drain, contract.TerminationGraceSeconds)
	}
	if o.flagsDir == "" && !o.dev {
		o.flagsDir = mountedFlags()
	}
	return o, nil
}

// serveWith runs the app on a database.
func (p *program) serveWith(ctx context.Context, o serveOptions, url string, log *slog.Logger) error {
	parts, err := p.assemble(ctx, o, url, log)
	if err != nil {
		return err
	}
	defer parts.store.Close()
	public, admin, err := p.listen(ctx, o)
	if err != nil {
		return errors.Join(err, parts.tracker.Close(ctx))
	}
	log.Info("serving", "version", appVersion(), "public", public.Addr().String(), "admin", admin.Addr().String())
	if o.dev {
		p.errorf("site      http://%s\nAPI       http://%s/api/openapi.json\nmetrics   http://%s%s\n",
			reachable(public), reachable(public), reachable(admin), contract.MetricsPath)
	}
	// Background work goes on while the listeners drain.
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	publicServer := web.NewHTTPServer(parts.public, log)
	adminServer := web.NewHTTPServer(parts.admin, log)
	adminServer.WriteTimeout = 90 * time.Second // profiles take their time

	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveOn(publicServer, public) })
	group.Go(func() error { return serveOn(adminServer, admin) })
	group.Go(func() error { parts.monitor.Run(background); return nil })
	group.Go(func() error { rollUp(background, parts.store, log, p.now); return nil })
	group.Go(func() error { return runFlags(background, parts.flags) })
	group.Go(func() error {
		defer stopBackground()
		<-groupCtx.Done()
		return parts.shutdown(context.WithoutCancel(ctx), o.drain, publicServer, adminServer, log)
	})
	if p.started != nil {
		p.started(public.Addr().String(), admin.Addr().String())
	}
	return group.Wait()
}

func runFlags(ctx context.Context, store *flags.Store) error {
	if err := store.Run(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("watching the flags: %w", err)
	}
	return nil
}

func (p *program) listen(ctx context.Context, o serveOptions) (public, admin net.Listener, err error) {
	var config net.ListenConfig
	public, err = config.Listen(ctx, "tcp", o.listen)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the public listener (--listen): %w", err)
	}
	admin, err = config.Listen(ctx, "tcp", o.admin)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("opening the admin listener (--admin-listen): %w", err), public.Close())
	}
	return public, admin, nil
}

func serveOn(server *http.Server, listener net.Listener) error {
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving on %s: %w", listener.Addr(), err)
	}
	return nil
}

// reachable is a listener's address as a browser takes it.
func reachable(l net.Listener) string {
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok || !addr.IP.IsUnspecified() {
		return l.Addr().String()
	}
	return net.JoinHostPort("localhost", strconv.Itoa(addr.Port))
}

// rollUp keeps the stored metrics of today and yesterday, until ctx ends.
func rollUp(ctx context.Context, store *postgres.Store, log *slog.Logger, now func() time.Time) {
	failing := false
	for {
		today := now()
		err := errors.Join(store.StoreDay(ctx, app.Day(today)), store.StoreDay(ctx, app.Day(today.AddDate(0, 0, -1))))
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			log.Warn("the daily funnel metrics cannot be stored at the moment", "reason", postgres.Redact(err))
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(rollupPause):
		}
	}
}
