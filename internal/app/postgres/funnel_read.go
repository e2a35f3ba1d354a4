package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

// Summary implements app.FunnelReader. All counts come from one snapshot.
func (s *Store) Summary(ctx context.Context, period app.Period) (app.Summary, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	var summary app.Summary
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error {
		var err error
		summary, err = readSummary(ctx, s.q.WithTx(tx), period)
		return err
	})
	return summary, classify(err)
}

func readSummary(ctx context.Context, q *db.Queries, period app.Period) (app.Summary, error) {
	since, until := period.Since, period.Until
	events, err := q.CountEvents(ctx, db.CountEventsParams{Since: since, Until: until})
	if err != nil {
		return app.Summary{}, fmt.Errorf("counting funnel events: %w", err)
	}
	calls, err := q.CountCalls(ctx, db.CountCallsParams{Since: &since, Until: &until})
	if err != nil {
		return app.Summary{}, fmt.Errorf("counting activations: %w", err)
	}
	summary := app.Summary{
		Period: period,
		Counts: app.Counts{
			Visits: events.WebsiteVisits, Visitors: events.UniqueVisitors, Signups: events.Signups,
			APIKeys: events.ApiKeysCreated, Activated: calls.ActivatedUsers, Retained: calls.RetainedUsers,
		},
		TopSources: map[string]int64{}, TopCampaigns: map[string]int64{},
	}
	sources, err := q.TopSources(ctx, db.TopSourcesParams{Since: since, Until: until})
	if err != nil {
		return app.Summary{}, fmt.Errorf("counting utm sources: %w", err)
	}
	for _, s := range sources {
		summary.TopSources[s.Value] = s.Events
	}
	campaigns, err := q.TopCampaigns(ctx, db.TopCampaignsParams{Since: since, Until: until})
	if err != nil {
		return app.Summary{}, fmt.Errorf("counting utm campaigns: %w", err)
	}
	for _, c := range campaigns {
		summary.TopCampaigns[c.Value] = c.Events
	}
	return summary, nil
}
