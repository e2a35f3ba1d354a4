package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/app/web"
)

// funnelSummary prints the funnel of the last days.
func (p *program) funnelSummary(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("funnel summary", flag.ContinueOnError)
	days := set.Int("days", app.DefaultSummaryDays, "days before today; today is added to them")
	asJSON := set.Bool("json", false, "print JSON, as the API does")
	if err := p.parse(set, args); err != nil {
		return err
	}
	period, err := app.LastDays(p.now(), *days)
	if err != nil {
		return usagef("funnel summary: --days must be between %d and %d, got %d", app.MinSummaryDays, app.MaxSummaryDays, *days)
	}
	store, err := p.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	summary, err := store.Summary(ctx, period)
	if err != nil {
		return fmt.Errorf("funnel summary: %s", postgres.Redact(err))
	}
	if !*asJSON {
		return printFunnel(p.stdout, summary)
	}
	encoder := json.NewEncoder(p.stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(web.NewSummaryBody(summary)); err != nil {
		return fmt.Errorf("printing the summary: %w", err)
	}
	return nil
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

// printFunnel draws a bar for each stage; the longest is barWidth wide.
func printFunnel(w io.Writer, s app.Summary) error {
	c, r := s.Counts, s.Counts.Rates()
	rows := []struct {
		name  string
		count int64
		rate  string
	}{
		{"visits", c.Visits, ""},
		{"signups", c.Signups, r.VisitToSignup},
		{"API keys", c.APIKeys, r.SignupToAPIKey},
		{"first call", c.Activated, r.APIKeyToActivation},
		{"second call", c.Retained, r.ActivationToRetention},
	}
	largest := max(1, c.Visits, c.Signups, c.APIKeys, c.Activated, c.Retained)
	var b strings.Builder
	fmt.Fprintf(&b, "Funnel from %s to %s (UTC), %d unique visitors\n\n",
		s.Period.Since.Format(time.DateOnly), s.Period.LastDay().Format(time.DateOnly), c.Visitors)
	for _, row := range rows {
		rate := ""
		if row.rate != "" {
			rate = row.rate + "%"
		}
		line := fmt.Sprintf("%-12s %8d %9s  %s", row.name, row.count, rate, bar(row.count, largest))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	b.WriteString("\n")
	printTop(&b, "sources", s.TopSources)
	printTop(&b, "campaigns", s.TopCampaigns)
	_, err := io.WriteString(w, b.String())
	return err
}

// bar is never empty for a count above zero.
func bar(count, largest int64) string {
	if count == 0 {
		return ""
	}
	return strings.Repeat("█", int(max(1, count*barWidth/largest)))
}

func printTop(b *strings.Builder, title string, counts map[string]int64) {
	if len(counts) == 0 {
		return
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
	fmt.Fprintf(b, "top %s: %s\n", title, strings.Join(parts, ", "))
}
