package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/export"
	"github.com/rsolv-dev/rsolv-operator/internal/app/metrics"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
)

// Where events are exported to; without them, nowhere.
const (
	envGA4ID           = "EXPORT_GA4_MEASUREMENT_ID"
	envGA4Secret       = "EXPORT_GA4_API_SECRET" //nolint:gosec // a variable's name
	envGA4URL          = "EXPORT_GA4_URL"
	envPlausibleURL    = "EXPORT_PLAUSIBLE_URL"
	envPlausibleDomain = "EXPORT_PLAUSIBLE_DOMAIN"
)

// destinations are what the variables ask for.
func (p *program) destinations() ([]export.Destination, error) {
	var list []export.Destination
	id, secret := p.getenv(envGA4ID), p.getenv(envGA4Secret)
	if (id == "") != (secret == "") {
		return nil, usagef("%s and %s belong together: set both, or neither", envGA4ID, envGA4Secret)
	}
	if id != "" {
		address, err := p.address(envGA4URL, export.GA4URL)
		if err != nil {
			return nil, err
		}
		list = append(list, &export.GA4{URL: address, MeasurementID: id, APISecret: secret})
	}
	if p.getenv(envPlausibleURL) != "" {
		address, err := p.address(envPlausibleURL, "")
		if err != nil {
			return nil, err
		}
		list = append(list, &export.Plausible{URL: address, Domain: p.getenv(envPlausibleDomain)})
	}
	return list, nil
}

// address is a variable with an address of the web, or its default.
func (p *program) address(name, fallback string) (string, error) {
	text := p.getenv(name)
	if text == "" {
		return fallback, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return "", usagef("%s cannot be used: give an address without a query, such as https://plausible.io/api/event", name)
	}
	return text, nil
}

func (p *program) exports(store *postgres.Store, m *metrics.Metrics, log *slog.Logger) ([]*export.Runner, error) {
	destinations, err := p.destinations()
	if err != nil {
		return nil, err
	}
	holder := app.NewSourceID(p.now()).String()
	var runners []*export.Runner
	for _, d := range destinations {
		runner, err := export.New(export.Options{Store: store, Destination: d, Holder: holder, Log: log, Now: p.now, Metrics: m})
		if err != nil {
			return nil, err
		}
		runners = append(runners, runner)
	}
	return runners, nil
}

// funnelExport writes the events of some days to a file.
func (p *program) funnelExport(ctx context.Context, args []string) (err error) {
	set := flag.NewFlagSet("funnel export", flag.ContinueOnError)
	format := set.String("format", export.FormatCSV, "csv or parquet")
	from := set.String("from", "", "first day, as 2025-11-04 (UTC); default 30 days ago")
	until := set.String("to", "", "last day; default today")
	output := set.String("output", "", "file to write; default the standard output")
	if err := p.parse(set, args); err != nil {
		return err
	}
	first, last, err := p.days(*from, *until)
	if err != nil {
		return err
	}
	if *format != export.FormatCSV && *format != export.FormatParquet {
		return usagef("funnel export: --format is %q: use %s or %s", *format, export.FormatCSV, export.FormatParquet)
	}
	store, err := p.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	to := p.stdout
	if *output != "" {
		file, err := os.Create(*output)
		if err != nil {
			return usagef("funnel export: --output: %v", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		to = file
	}
	dump, err := export.NewDump(to, *format)
	if err != nil {
		return fmt.Errorf("funnel export: %w", err)
	}
	n := 0
	if err := store.EachEvent(ctx, first, last.AddDate(0, 0, 1), func(e *app.StoredEvent) error { n++; return dump.Add(e) }); err != nil {
		return fmt.Errorf("funnel export: %s", postgres.Redact(err))
	}
	if err := dump.Close(); err != nil {
		return fmt.Errorf("funnel export: %w", err)
	}
	p.errorf("%d events from %s to %s\n", n, first.Format(time.DateOnly), last.Format(time.DateOnly))
	return nil
}

// days reads the first and the last day of an export.
func (p *program) days(from, until string) (first, last time.Time, err error) {
	today := p.now().UTC().Truncate(24 * time.Hour)
	first, last = today.AddDate(0, 0, -30), today
	for _, day := range []struct {
		flag, text string
		to         *time.Time
	}{{"--from", from, &first}, {"--to", until, &last}} {
		if day.text == "" {
			continue
		}
		if *day.to, err = time.Parse(time.DateOnly, strings.TrimSpace(day.text)); err != nil {
			return first, last, usagef("funnel export: %s is %q: write a day as 2025-11-04", day.flag, day.text)
		}
	}
	if last.Before(first) {
		return first, last, usagef("funnel export: --to is before --from: swap them")
	}
	return first, last, nil
}
