package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/app/web"
)

// funnelDays prints the funnel of each day of a period.
func (p *program) funnelDays(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("funnel days", flag.ContinueOnError)
	from := set.String("from", "", fmt.Sprintf("first day, YYYY-MM-DD in UTC; default %d days before the last", app.DefaultSummaryDays))
	to := set.String("to", "", "last day, included; default today")
	asJSON := set.Bool("json", false, "print a JSON array, each day as the API prints a summary")
	if err := p.parse(set, args); err != nil {
		return err
	}
	now := p.now()
	period, err := app.Days(*from, *to, now)
	if invalid, ok := errors.AsType[*app.Error](err); ok {
		return usagef("funnel days: --%s", invalid.Message)
	}
	store, err := p.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	days, err := store.Days(ctx, period, now)
	if err != nil {
		return fmt.Errorf("funnel days: %s", postgres.Redact(err))
	}
	if !*asJSON {
		return printDays(p.stdout, days)
	}
	bodies := make([]web.SummaryBody, len(days))
	for i, day := range days {
		bodies[i] = web.NewSummaryBody(day)
	}
	encoder := json.NewEncoder(p.stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(bodies); err != nil {
		return fmt.Errorf("printing the days: %w", err)
	}
	return nil
}

func printDays(w io.Writer, days []app.Summary) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s %8s %8s %8s %8s %10s %11s\n", "day (UTC)", "visits", "visitors", "signups", "API keys", "first call", "second call")
	for _, day := range days {
		c := day.Counts
		fmt.Fprintf(&b, "%-10s %8d %8d %8d %8d %10d %11d\n", day.Period.Since.Format(time.DateOnly),
			c.Visits, c.Visitors, c.Signups, c.APIKeys, c.Activated, c.Retained)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
