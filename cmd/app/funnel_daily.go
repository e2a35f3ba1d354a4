package main

import (
	"context"
	"flag"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/app/web"
)

// funnelDaily prints the funnel of each day of a period.
func (p *program) funnelDaily(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("funnel daily", flag.ContinueOnError)
	days := addRangeFlags(set)
	return p.askFunnel(ctx, set, args, func(now time.Time) (answerFunc, error) {
		period, err := days.period(now)
		return func(ctx context.Context, store *postgres.Store, complete app.Completeness) (any, sheet, error) {
			summaries, err := store.Days(ctx, period, now)
			if err != nil {
				return nil, sheet{}, err
			}
			s := sheet{
				title: about("Each day", period), words: 1,
				header: []string{"day", "visits", "visitors", "signups", "api_keys", "first_call", "second_call"},
			}
			for _, day := range summaries {
				c := day.Counts
				s.rows = append(s.rows, []string{
					day.Period.Since.Format(time.DateOnly), count(c.Visits), count(c.Visitors), count(c.Signups), count(c.APIKeys),
					count(c.Activated), count(c.Retained),
				})
			}
			return web.NewDailyBody(summaries, complete), s, nil
		}, err
	})
}
