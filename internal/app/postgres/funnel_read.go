package postgres

import (
	"context"
	"encoding/json"
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

// StoreDay recomputes the stored metrics of one day; doing so again is
// harmless.
func (s *Store) StoreDay(ctx context.Context, day app.Period) error {
	ctx, cancel := context.WithTimeout(withWait(ctx), writeTimeout)
	defer cancel()
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		summary, err := readSummary(ctx, q, day)
		if err != nil {
			return err
		}
		sources, err := json.Marshal(summary.TopSources)
		if err != nil {
			return fmt.Errorf("encoding the top sources: %w", err)
		}
		campaigns, err := json.Marshal(summary.TopCampaigns)
		if err != nil {
			return fmt.Errorf("encoding the top campaigns: %w", err)
		}
		c, r := summary.Counts, summary.Counts.Rates()
		err = q.UpsertMetrics(ctx, db.UpsertMetricsParams{
			PeriodStart: day.Since, PeriodEnd: day.Until, PeriodType: "day",
			WebsiteVisits: c.Visits, UniqueVisitors: c.Visitors, Signups: c.Signups,
			ApiKeysCreated: c.APIKeys, ActivatedUsers: c.Activated, RetainedUsers: c.Retained,
			VisitToSignupRate: r.VisitToSignup, SignupToApiKeyRate: r.SignupToAPIKey,
			ApiKeyToActivationRate: r.APIKeyToActivation, ActivationToRetentionRate: r.ActivationToRetention,
			TopUtmSources: sources, TopUtmCampaigns: campaigns,
		})
		if err != nil {
			return fmt.Errorf("storing the day's metrics: %w", err)
		}
		return nil
	})
	return classify(err)
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
