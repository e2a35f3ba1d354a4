package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

// Summary implements app.FunnelReader. All counts come from one snapshot: the
// stored days, and what came since they were stored.
func (s *Store) Summary(ctx context.Context, period app.Period) (app.Summary, error) {
	var summary app.Summary
	err := s.ask(ctx, "a summary", func(ctx context.Context, q *db.Queries) error {
		var err error
		summary, err = readSummary(ctx, q, period)
		return err
	})
	return summary, err
}

func readSummary(ctx context.Context, q *db.Queries, period app.Period) (app.Summary, error) {
	days, err := readVisits(ctx, q, period)
	if err != nil {
		return app.Summary{}, err
	}
	stages, err := readStages(ctx, q, period)
	if err != nil {
		return app.Summary{}, err
	}
	all := join(days)
	var counts app.Counts
	for _, c := range stages {
		counts.Signups += c.Signups
		counts.APIKeys += c.APIKeys
		counts.Activated += c.Activated
		counts.Retained += c.Retained
	}
	counts.Visits, counts.Visitors = all.count, all.visitors()
	return withSources(ctx, q, days, app.Summary{Period: period, Counts: counts})
}

func withSources(ctx context.Context, q *db.Queries, days []dayVisits, summary app.Summary) (app.Summary, error) {
	sources, err := readSources(ctx, q, days)
	summary.TopSources, summary.TopCampaigns = app.Top(sources["source"], app.TopValues), app.Top(sources["campaign"], app.TopValues)
	return summary, err
}

// readStages counts the customers who reached the stages, by day.
func readStages(ctx context.Context, q *db.Queries, period app.Period) (map[time.Time]app.Counts, error) {
	rows, err := q.CountStages(ctx, db.CountStagesParams{Since: period.Since, Until: period.Until})
	if err != nil {
		return nil, fmt.Errorf("counting the stages: %w", err)
	}
	days := map[time.Time]app.Counts{}
	for _, row := range rows {
		day := row.Day.UTC()
		c := days[day]
		switch app.Stage(row.Stage) {
		case app.StageSignup:
			c.Signups = row.Customers
		case app.StageAPIKey:
			c.APIKeys = row.Customers
		case app.StageActivation:
			c.Activated = row.Customers
		case app.StageRetention:
			c.Retained = row.Customers
		case app.StageVisit: // is no customer's alone
		}
		days[day] = c
	}
	return days, nil
}

// Days implements app.FunnelReader: one summary for each day of the period,
// ascending.
func (s *Store) Days(ctx context.Context, period app.Period, _ time.Time) ([]app.Summary, error) {
	var summaries []app.Summary
	err := s.ask(ctx, "its days", func(ctx context.Context, q *db.Queries) error {
		days, err := readVisits(ctx, q, period)
		if err != nil {
			return err
		}
		stages, err := readStages(ctx, q, period)
		if err != nil {
			return err
		}
		for _, d := range days {
			counts := stages[d.day.Since]
			counts.Visits, counts.Visitors = d.count, d.visitors()
			summary, err := withSources(ctx, q, []dayVisits{d}, app.Summary{Period: d.day, Counts: counts})
			if err != nil {
				return err
			}
			summaries = append(summaries, summary)
		}
		return nil
	})
	return summaries, err
}
