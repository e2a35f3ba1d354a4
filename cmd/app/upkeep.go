package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
)

const (
	// upkeepPause is how often the funnel is repaired and its days are stored.
	upkeepPause = 5 * time.Minute
	// dayFresh is a little less: one pod of many finds that it is its turn.
	dayFresh = upkeepPause - 30*time.Second
)

// upkeep repairs the funnel, stores the numbers of today and yesterday, and keeps
// the tables in months, now and then until ctx ends.
func (p *program) upkeep(ctx context.Context, s *parts, log *slog.Logger) {
	failing := false
	for {
		err := p.upkeepOnce(ctx, s, log)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			log.Warn("the funnel cannot be repaired, or its days stored, at the moment", "reason", postgres.Redact(err))
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(upkeepPause):
		}
	}
}

func (p *program) upkeepOnce(ctx context.Context, s *parts, log *slog.Logger) error {
	repaired, err := s.store.RepairSignups(ctx, p.now())
	for fate, n := range repaired {
		s.count(fate.Type, app.OutcomeAccepted, n)
		s.count(fate.Type, fate.Outcome, n)
	}
	if n := repaired.Total(app.OutcomeStored); n > 0 {
		log.Info("events that were missing in the funnel were added", "events", n)
	}
	parked, parkedErr := s.store.ParkedEvents(ctx)
	if parkedErr == nil {
		s.parked(parked)
	}
	subscriptions, subscriptionsErr := s.store.Subscriptions(ctx)
	if subscriptionsErr == nil {
		s.subscriptions(subscriptions)
	}
	return errors.Join(err, parkedErr, subscriptionsErr, s.store.ForgetExpired(ctx), s.store.RelinkVisits(ctx, p.now()), s.store.RollUp(ctx, p.now(), dayFresh),
		s.store.Reconcile(ctx), p.partitions(ctx, s, log), s.store.Forget(ctx), s.store.ForgetSalts(ctx), s.store.ForgetErased(ctx), s.watch(ctx))
}

// partitions makes the months ahead, and retires the oldest by policy.
func (p *program) partitions(ctx context.Context, s *parts, log *slog.Logger) error {
	_, err := s.store.MakePartitions(ctx, p.now())
	retired, retireErr := s.store.RetirePartitions(ctx, p.now(), s.ingest.months)
	for _, name := range retired {
		log.Info("a month of events was retired", "partition", name, "months_kept", s.ingest.months)
	}
	return errors.Join(err, retireErr)
}

// watch reads what gauges tell of the database.
func (s *parts) watch(ctx context.Context) error {
	l, err := ledger{s.store, s.ingest.spool}.Ledger(ctx)
	if err != nil {
		return err
	}
	s.ingest.stray.Store(l.Stray)
	s.ingest.missing.Store(l.Missing)
	return nil
}
