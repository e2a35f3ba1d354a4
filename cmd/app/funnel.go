package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/app/web"
)

// funnel answers one question about the funnel.
func (p *program) funnel(ctx context.Context, args []string) error {
	questions := map[string]func(context.Context, []string) error{
		"summary": p.funnelSummary, "daily": p.funnelDaily, "ordered": p.funnelOrdered, "timing": p.funnelTiming,
		"drop-off": p.funnelDropOff, "cohorts": p.funnelCohorts, "sources": p.funnelSources, "journeys": p.funnelJourneys,
		"export": p.funnelExport, "dead-letters": p.funnelDeadLetters,
		"days": p.funnelDaily, // its name before there were others
	}
	name := strings.Join(args[:min(1, len(args))], "")
	ask, ok := questions[name]
	if !ok {
		return usagef("unknown command %q\n\n%s", strings.TrimSpace("funnel "+name), usage)
	}
	return ask(ctx, args[1:])
}

// funnelSummary prints the funnel of the last days.
func (p *program) funnelSummary(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("funnel summary", flag.ContinueOnError)
	days := set.Int("days", app.DefaultSummaryDays, "days before today; today is added to them")
	return p.askFunnel(ctx, set, args, func(now time.Time) (answerFunc, error) {
		period, err := app.LastDays(now, *days)
		return func(ctx context.Context, store *postgres.Store, complete app.Completeness) (any, sheet, error) {
			summary, err := store.Summary(ctx, period)
			return web.NewSummaryBody(summary).With(complete), summarySheet(summary), err
		}, err
	})
}

// openStore opens the database of a one-shot command.
func (p *program) openStore(ctx context.Context) (*postgres.Store, error) {
	url, err := p.databaseURL()
	if err != nil {
		return nil, err
	}
	store, err := postgres.Open(ctx, postgres.Options{URL: url, PoolSize: 2})
	if errors.Is(err, postgres.ErrBadURL) {
		return nil, usagef("DATABASE_URL: %v", err)
	}
	return store, err
}

const barWidth = 40

// summarySheet draws a bar for each stage; the longest is barWidth wide.
func summarySheet(sum app.Summary) sheet {
	c, r := sum.Counts, sum.Counts.Rates()
	largest := max(1, c.Visits, c.Signups, c.APIKeys, c.Activated, c.Retained)
	s := sheet{
		title:  fmt.Sprintf("%s, %d unique visitors", about("Funnel", sum.Period), c.Visitors),
		header: []string{"stage", "count", "rate", ""}, words: 1,
	}
	for _, row := range []struct {
		name  string
		count int64
		rate  string
	}{
		{"visits", c.Visits, ""},
		{"signups", c.Signups, r.VisitToSignup},
		{"API keys", c.APIKeys, r.SignupToAPIKey},
		{"first call", c.Activated, r.APIKeyToActivation},
		{"second call", c.Retained, r.ActivationToRetention},
	} {
		rate := ""
		if row.rate != "" {
			rate = percent(row.rate)
		}
		s.rows = append(s.rows, []string{row.name, count(row.count), rate, bar(row.count, largest)})
	}
	s.notes = append(s.notes, top("sources", sum.TopSources)...)
	s.notes = append(s.notes, top("campaigns", sum.TopCampaigns)...)
	return s
}

// bar is never empty for a count above zero.
func bar(count, largest int64) string {
	if count == 0 {
		return ""
	}
	return strings.Repeat("█", int(max(1, count*barWidth/largest)))
}

// top lists counts, the largest first.
func top(title string, counts map[string]int64) []string {
	if len(counts) == 0 {
		return nil
	}
	names := slices.SortedFunc(maps.Keys(counts), func(x, y string) int {
		if counts[x] != counts[y] {
			return int(counts[y] - counts[x])
		}
		return strings.Compare(x, y)
	})
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = fmt.Sprintf("%q %d", name, counts[name])
	}
	return []string{"top " + title + ": " + strings.Join(parts, ", ")}
}
