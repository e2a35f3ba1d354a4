package postgres

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

const (
	// reportFresh is how long a report of what is spooled is believed.
	reportFresh = 2 * time.Minute
	// reconcilePause is how often milestones are compared with accounts.
	reconcilePause = 24 * time.Hour
)

// settleSources commits what became of each source's events, beside them.
func settleSources(ctx context.Context, q *db.Queries, batches []app.Batch, settled map[app.SourceID]app.Tally) error {
	sources := slices.SortedFunc(maps.Keys(settled), func(a, b app.SourceID) int { return bytes.Compare(a[:], b[:]) })
	for _, source := range sources {
		if err := q.SettleSource(ctx, sourceParams(source, batches, settled[source])); err != nil {
			return fmt.Errorf("settling a source: %w", err)
		}
		for _, outcome := range app.DropOutcomes() {
			n := settled[source].Total(outcome)
			if n == 0 {
				continue
			}
			reason := strings.TrimPrefix(string(outcome), "dropped_")
			if err := q.AddDrop(ctx, db.AddDropParams{Source: pgUUID(source), Reason: reason, Events: int64(n)}); err != nil {
				return fmt.Errorf("counting dropped events: %w", err)
			}
		}
	}
	return nil
}

func sourceParams(source app.SourceID, batches []app.Batch, done app.Tally) db.SettleSourceParams {
	p := db.SettleSourceParams{
		Source: pgUUID(source), Spool: app.SpoolEmbedded,
		Stored: int64(done.Total(app.OutcomeStored)), Deduplicated: int64(done.Total(app.OutcomeDeduplicated)),
	}
	for _, b := range batches {
		if b.Source != source {
			continue
		}
		p.Accepted, p.Host = max(p.Accepted, int64(b.Total)), b.Host //nolint:gosec // a count of events
		if b.Clustered {
			p.Spool = app.SpoolCluster
		}
	}
	for _, outcome := range app.DropOutcomes() {
		p.Dropped += int64(done.Total(outcome))
	}
	return p
}

// ReportSpooled says how many events of which sources wait in a spool that the
// caller can see.
func (s *Store) ReportSpooled(ctx context.Context, accounts []app.SourceAccount) error {
	if len(accounts) == 0 {
		return nil
	}
	ctx, cancel := operation(ctx)
	defer cancel()
	p := db.ReportSpooledParams{Host: accounts[0].Host, Spool: accounts[0].Spool}
	for _, a := range accounts {
		p.Sources = append(p.Sources, pgUUID(a.Source))
		p.Accepted, p.Spooled = append(p.Accepted, a.Accepted), append(p.Spooled, a.Spooled)
	}
	return classify(wrap("reporting what is spooled", s.q.ReportSpooled(ctx, p)))
}

// Ledger reads what became of all events, from one snapshot. clusterHolds says
// whether the cluster's spool, if there is one, holds anything: as long as it
// does, what is not settled of its sources is taken to be there.
func (s *Store) Ledger(ctx context.Context, clusterHolds bool) (app.EventLedger, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	var ledger app.EventLedger
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error {
		var err error
		ledger, err = readLedger(ctx, s.q.WithTx(tx), clusterHolds)
		return err
	})
	return ledger, classify(err)
}

func readLedger(ctx context.Context, q *db.Queries, clusterHolds bool) (app.EventLedger, error) {
	totals, err := q.SourceTotals(ctx)
	if err != nil {
		return app.EventLedger{}, fmt.Errorf("adding up the sources: %w", err)
	}
	l := app.EventLedger{
		Accepted: totals.Accepted, Stored: totals.Stored, Deduplicated: totals.Deduplicated, Dropped: totals.Dropped,
		Sources: totals.Sources, DroppedBy: map[string]int64{},
	}
	drops, err := q.DropTotals(ctx)
	if err != nil {
		return app.EventLedger{}, fmt.Errorf("adding up what was dropped: %w", err)
	}
	for _, d := range drops {
		l.DroppedBy[d.Reason] = d.Events
	}
	if err := readOpen(ctx, q, &l, clusterHolds); err != nil {
		return app.EventLedger{}, err
	}
	if l.DeadLetters, err = q.CountDeadLetters(ctx); err != nil {
		return app.EventLedger{}, fmt.Errorf("counting dead letters: %w", err)
	}
	if l.Stray, err = q.CountStray(ctx); err != nil {
		return app.EventLedger{}, fmt.Errorf("counting strays: %w", err)
	}
	l.Reconciled, err = lastReconciliation(ctx, q)
	return l, err
}

// lastReconciliation is nil before the first.
func lastReconciliation(ctx context.Context, q *db.Queries) (*app.Reconciliation, error) {
	last, err := q.LastReconciliation(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the last reconciliation: %w", err)
	}
	if len(last) == 0 {
		return nil, nil //nolint:nilnil // there was none yet
	}
	r := last[0]
	return &app.Reconciliation{
		At: r.At, Customers: r.Customers, Signups: r.Signups, Keyed: r.Keyed, Keys: r.Keys, Strange: r.Strange,
	}, nil
}

// readOpen adds the sources that are not settled whole.
func readOpen(ctx context.Context, q *db.Queries, l *app.EventLedger, clusterHolds bool) error {
	rows, err := q.OpenSources(ctx, reportFresh.Seconds())
	if err != nil {
		return fmt.Errorf("reading the sources: %w", err)
	}
	for _, r := range rows {
		a := app.SourceAccount{
			Source: r.Source.Bytes, Host: r.Host, Spool: r.Spool, Accepted: r.Accepted, Stored: r.Stored,
			Deduplicated: r.Deduplicated, Dropped: r.Dropped, Since: r.InsertedAt,
		}
		open := a.Missing()
		switch {
		case r.Spool == app.SpoolCluster && clusterHolds:
			a.Spooled = open
		case r.Spool == app.SpoolEmbedded && r.Fresh && r.Unreported:
			// Something of it was stored a moment ago: whoever does has the rest.
			a.Spooled = open
		case r.Spool == app.SpoolEmbedded && r.Fresh:
			a.Spooled = min(open, r.Spooled)
		}
		l.Spooled += a.Spooled
		l.Missing += a.Missing()
		if len(l.Open) < app.LedgerSources {
			l.Open = append(l.Open, a)
		}
	}
	return nil
}

// Reconcile compares the milestones with the accounts, once a day between all
// pods.
func (s *Store) Reconcile(ctx context.Context) error {
	return s.upkeep(ctx, func(q *db.Queries) error {
		done, err := q.ReconciledSince(ctx, reconcilePause.Seconds())
		if err != nil || done {
			return wrap("looking for the last reconciliation", err)
		}
		return wrap("comparing milestones with accounts", q.Reconcile(ctx))
	})
}
