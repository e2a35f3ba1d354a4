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
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb"
	"github.com/rsolv-dev/rsolv-operator/internal/app/flags"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/app/web"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// Parts of contract.TerminationGraceSeconds, at most. In a pod the preStop hook
// has waited contract.DrainSeconds before the signal comes, so that --drain is
// for everywhere else.
const (
	maxDrain        = 5 * time.Second
	shutdownTimeout = 30 * time.Second
	trackerTimeout  = 15 * time.Second
)

// spareTime is what is left of the grace after the hook and all parts. With less
// than a second of it this does not compile: the kubelet would kill the process at its work.
const spareTime = contract.TerminationGraceSeconds*time.Second -
	(contract.DrainSeconds*time.Second + maxDrain + shutdownTimeout + trackerTimeout)

const _ = uint64(spareTime - time.Second)

type serveOptions struct {
	dev           bool
	listen, admin string
	flagsDir      string
	drain         time.Duration
	publicFlags   []string
	databaseURL   string
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
	set.DurationVar(&o.drain, "drain", 0,
		"how long to go on serving, unready, after the signal to end, for load balancers that notice no sooner;\n"+
			"not needed in a pod, whose preStop hook waits before the signal")
	public := set.String("public-flags", p.getenv(contract.EnvPublicFlags),
		"flags that may be evaluated without an API key, separated by commas; default "+contract.EnvPublicFlags)
	if err := p.parse(set, args); err != nil {
		return o, err
	}
	var err error
	if o.publicFlags, err = publicFlags(*public); err != nil {
		return o, err
	}
	if o.drain < 0 || o.drain > maxDrain {
		return o, usagef("serve: --drain is %v: use 0 to %v, so that all of the shutdown fits into %d s",
			o.drain, maxDrain, contract.TerminationGraceSeconds)
	}
	if o.flagsDir == "" && !o.dev {
		o.flagsDir = mountedFlags()
	}
	return o, nil
}

// publicFlags reads the keys of the flags that need no API key.
func publicFlags(list string) ([]string, error) {
	var keys []string
	for key := range strings.SplitSeq(list, ",") {
		if key = strings.TrimSpace(key); key == "" {
			continue
		}
		if !flagd.ValidKey(key) {
			return nil, usagef("serve: --public-flags (%s): %q is not the key of a flag; write keys like early_access, separated by commas", contract.EnvPublicFlags, key)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// serveWith runs the app on a database.
func (p *program) serveWith(ctx context.Context, o serveOptions, url string, log *slog.Logger) (err error) {
	parts, err := p.assemble(ctx, o, url, log)
	if err != nil {
		return err
	}
	defer parts.store.Close()
	defer parts.jobs.Close()
	public, admin, err := p.listen(ctx, o)
	if err != nil {
		return errors.Join(err, parts.ingest.close())
	}
	defer func() { err = errors.Join(err, parts.ingest.close()) }()
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
	group.Go(func() error { parts.visitors.Run(background); return nil })
	for _, runner := range parts.exports {
		group.Go(func() error { runner.Run(background); return nil })
	}
	group.Go(func() error { parts.ingest.writer.Run(background); return nil })
	group.Go(func() error { p.upkeep(background, parts, log); return nil })
	group.Go(func() error { parts.public.Run(background); return nil })
	group.Go(func() error { return parts.jobs.Run(background) })
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
