package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/funnel"
	"github.com/rsolv-dev/rsolv-operator/internal/app/ingest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/metrics"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// drainTimeout is how long shutdown goes on storing what is spooled: what it
// does not come to is there at the next start.
const drainTimeout = 10 * time.Second

// ingestion is the way of events from the request path to the database.
type ingestion struct {
	spool   *ingest.Spool
	tracker *funnel.Tracker
	writer  *ingest.Writer
	// temporary is the folder to remove at the end, if any.
	temporary string
	// months is how many whole months of events are kept; 0 for all.
	months int
	// stray and missing are the last that upkeep found.
	stray, missing atomic.Int64
}

// ingestSettings are where events wait, and how long they are kept.
type ingestSettings struct {
	natsURL  string
	replicas int
	dir      string
	maxBytes int64
	months   int
}

func (p *program) ingestSettings() (ingestSettings, error) {
	s := ingestSettings{natsURL: p.getenv(contract.EnvNATSURL), dir: p.getenv(contract.EnvSpoolDir)}
	maxBytes, err := p.number(contract.EnvSpoolMaxBytes, contract.SpoolMaxBytes, 1<<20, math.MaxInt32*1024)
	if err != nil {
		return s, err
	}
	s.maxBytes = int64(maxBytes)
	if s.replicas, err = p.number(contract.EnvNATSReplicas, 3, 1, 5); err != nil {
		return s, err
	}
	if s.months, err = p.number(contract.EnvFunnelMonths, 25, 0, 1200); err != nil {
		return s, err
	}
	return s, nil
}

// number is a variable with a whole number, or its default when it is unset.
func (p *program) number(name string, fallback, least, most int) (int, error) {
	text := strings.TrimSpace(p.getenv(name))
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, usagef("%s is %q: use a whole number from %d to %d", name, text, least, most)
	}
	return n, nil
}

// openIngest opens the spool and what stands before and behind it.
func (p *program) openIngest(
	ctx context.Context, dev bool, store *postgres.Store, m *metrics.Metrics, log *slog.Logger,
) (*ingestion, error) {
	settings, err := p.ingestSettings()
	if err != nil {
		return nil, err
	}
	i := &ingestion{months: settings.months}
	if i.spool, err = p.openSpool(ctx, i, settings, dev, log); err != nil {
		return nil, err
	}
	i.tracker, err = funnel.New(ctx, funnel.Options{Spool: i.spool, Log: log, Now: p.now, Count: m.CountEvents})
	if err == nil {
		i.writer, err = ingest.NewWriter(ingest.WriterOptions{
			Spool: i.spool, Store: store, Log: log, Now: p.now, Count: m.CountEvents, Describe: postgres.Redact,
		})
	}
	if err != nil {
		return nil, errors.Join(err, i.close())
	}
	return i, nil
}

func (p *program) openSpool(
	ctx context.Context, i *ingestion, settings ingestSettings, dev bool, log *slog.Logger,
) (*ingest.Spool, error) {
	host := p.getenv(contract.EnvPodName)
	if host == "" {
		host, _ = os.Hostname() // a ledger without it is still a ledger
	}
	if settings.natsURL != "" {
		return ingest.OpenCluster(ctx, ingest.ClusterOptions{
			URL: settings.natsURL, Replicas: settings.replicas, MaxBytes: settings.maxBytes, Host: host, Log: log, Now: p.now,
		})
	}
	dir := settings.dir
	if dir == "" && !dev {
		if info, err := os.Stat(contract.SpoolDir); err == nil && info.IsDir() {
			dir = contract.SpoolDir
		}
	}
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "rsolv-spool-"); err != nil {
			return nil, fmt.Errorf("making a folder for the spool: %w", err)
		}
		i.temporary = dir
		if !dev {
			log.Warn("events wait for the database in a folder that ends with this process: name a lasting one",
				"variable", contract.EnvSpoolDir)
		}
	}
	return ingest.OpenEmbedded(ctx, ingest.EmbeddedOptions{
		Dir: filepath.Clean(dir), MaxBytes: settings.maxBytes, Host: host, Log: log, Now: p.now,
	})
}

// drain makes everything durable that was taken, and stores what it can in time.
func (i *ingestion) drain(ctx context.Context, log *slog.Logger) error {
	trackerCtx, cancel := context.WithTimeout(ctx, trackerTimeout-drainTimeout)
	defer cancel()
	err := i.tracker.Close(trackerCtx)
	if err != nil {
		err = fmt.Errorf("some funnel events could not be made durable: %w", err)
	}
	drainCtx, cancelDrain := context.WithTimeout(ctx, drainTimeout)
	defer cancelDrain()
	if i.writer.Drain(drainCtx) != nil {
		if i.temporary != "" {
			return errors.Join(err, fmt.Errorf("%d funnel events could not be stored, and their spool ends with this process", i.spool.Pending()))
		}
		log.Warn("events are left in the spool for the next start", "events", i.spool.Pending())
	}
	return err
}

func (i *ingestion) close() error {
	var err error
	if i.spool != nil {
		err = i.spool.Close()
	}
	if i.temporary != "" {
		err = errors.Join(err, os.RemoveAll(i.temporary)) //nolint:gosec // made by os.MkdirTemp
	}
	return err
}

// ready says that the app is not to get requests while it cannot take events.
func (i *ingestion) ready() error {
	if i.spool.Full() {
		return errors.New("not ready: the spool is full; it empties when the database is back")
	}
	return nil
}

// gauges reads the state of the spool when it is scraped.
func (i *ingestion) gauges(ctx context.Context, g metrics.Gauges) metrics.Gauges {
	state := func(read func(ingest.State) uint64) func() int {
		return func() int {
			s, err := i.spool.State(ctx)
			if err != nil {
				return 0
			}
			return int(read(s)) //nolint:gosec // a size on disk
		}
	}
	g.QueueLength = i.tracker.Len
	g.SpooledEvents = func() int { return int(i.spool.Pending()) }
	g.SpoolBytes = state(func(s ingest.State) uint64 { return s.Bytes })
	g.SpoolMaxBytes = state(func(s ingest.State) uint64 { return s.MaxBytes })
	g.StrayEvents = func() int { return int(i.stray.Load()) }
	g.MissingEvents = func() int { return int(i.missing.Load()) }
	return g
}

// ledger answers for the database and for the spool that this process sees.
type ledger struct {
	store *postgres.Store
	spool *ingest.Spool
}

// Ledger implements app.EventLedgerReader. What waits in the spool of this
// process is told to the database first: it is at least up to date for the pod
// that answers.
func (l ledger) Ledger(ctx context.Context) (app.EventLedger, error) {
	holds := false
	if l.spool.Clustered() {
		var err error
		if holds, err = l.spool.Holds(ctx); err != nil {
			holds = true // nobody can say that it is empty
		}
	}
	counting := l.spool.Counting()
	if err := l.store.ReportSpooled(ctx, l.spool.Accounts()); err != nil {
		return app.EventLedger{}, err
	}
	read, err := l.store.Ledger(ctx, holds)
	read.Counting = counting
	return read, err
}
