package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

// daysTimeout bounds Days, which may have to count many days that were never
// stored.
const daysTimeout = time.Minute

// RollUp recomputes the stored numbers of the day that now falls on and of the
// day before, unless another pod does so now or did within fresh.
func (s *Store) RollUp(ctx context.Context, now time.Time, fresh time.Duration) error {
	today := app.Day(now)
	return s.upkeep(ctx, func(q *db.Queries) error {
		done, err := q.FreshDay(ctx, db.FreshDayParams{Day: today.Since, Seconds: fresh.Seconds()})
		if err != nil {
			return fmt.Errorf("looking for fresh metrics: %w", err)
		}
		if done {
			return nil
		}
		// Today comes last: it says that both are fresh.
		for _, day := range []app.Period{app.Day(today.Since.AddDate(0, 0, -1)), today} {
			if err := storeDay(ctx, q, day); err != nil {
				return err
			}
		}
		return nil
	})
}

func storeDay(ctx context.Context, q *db.Queries, day app.Period) error {
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
}

// Days is one summary for each day of the period, ascending: the stored one of
// days before today, and a count now of today and of days that were not stored.
func (s *Store) Days(ctx context.Context, period app.Period, now time.Time) ([]app.Summary, error) {
	ctx, cancel := context.WithTimeout(withWait(ctx), daysTimeout)
	defer cancel()
	var days []app.Summary
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		stored, err := storedDays(ctx, q, app.Period{Since: period.Since, Until: app.Day(now).Since})
		if err != nil {
			return err
		}
		for at := period.Since; at.Before(period.Until); at = at.AddDate(0, 0, 1) {
			summary, ok := stored[at]
			if !ok {
				if summary, err = readSummary(ctx, q, app.Day(at)); err != nil {
					return err
				}
			}
			days = append(days, summary)
		}
		return nil
	})
	return days, classify(err)
}

func storedDays(ctx context.Context, q *db.Queries, period app.Period) (map[time.Time]app.Summary, error) {
	rows, err := q.StoredDays(ctx, db.StoredDaysParams{Since: period.Since, Until: period.Until})
	if err != nil {
		return nil, fmt.Errorf("reading the stored days: %w", err)
	}
	days := make(map[time.Time]app.Summary, len(rows))
	for _, r := range rows {
		day := app.Summary{
			Period: app.Day(r.PeriodStart),
			Counts: app.Counts{
				Visits: r.WebsiteVisits, Visitors: r.UniqueVisitors, Signups: r.Signups,
				APIKeys: r.ApiKeysCreated, Activated: r.ActivatedUsers, Retained: r.RetainedUsers,
			},
		}
		if err := json.Unmarshal(r.TopUtmSources, &day.TopSources); err != nil {
			return nil, fmt.Errorf("decoding the top sources: %w", err)
		}
		if err := json.Unmarshal(r.TopUtmCampaigns, &day.TopCampaigns); err != nil {
			return nil, fmt.Errorf("decoding the top campaigns: %w", err)
		}
		days[day.Period.Since] = day
	}
	return days, nil
}
