package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/config/crd"
	"github.com/rsolv-dev/rsolv-operator/internal/admission"
	"github.com/rsolv-dev/rsolv-operator/internal/backtest"
	"github.com/rsolv-dev/rsolv-operator/internal/manifest"
	"github.com/rsolv-dev/rsolv-operator/internal/promclient"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// backtestCommand says what the alerts of the AlertBaselines in files would
// have done in the past, by the history that a Prometheus has. now is the end
// of the window.
func backtestCommand(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer, now time.Time) error {
	var files fileList
	flags := flag.NewFlagSet("manager backtest", flag.ContinueOnError)
	flags.Var(&files, "f", "`file` or folder with declarations, - for standard input; may be repeated")
	namespace := flags.String("namespace", manifest.DefaultNamespace, "namespace of objects that name none; queries are narrowed to it")
	url := flags.String("prometheus", "", "`URL` of the Prometheus, for example http://localhost:9090")
	window := flags.String("window", "48h", "how far to look back, as Prometheus writes it: 48h, 7d")
	if err := flags.Parse(args); err != nil {
		return err
	}
	files = append(files, flags.Args()...)
	length, ok := alerts.ParseDuration(*window)
	switch {
	case len(files) == 0:
		return errors.New("nothing to look at: name files with -f, or - for standard input")
	case *url == "":
		return errors.New("no history: name a Prometheus with --prometheus, for example http://localhost:9090")
	case !ok || length < time.Hour || length > 30*24*time.Hour:
		return fmt.Errorf("--window %q is no window from 1h to 30d: write for example 48h or 7d", *window)
	}
	validator, err := admission.New(crd.Bases)
	if err != nil {
		return err
	}
	var set manifest.Set
	for _, file := range files {
		if err := loadFile(ctx, &set, validator, file, *namespace, stdin); err != nil {
			return err
		}
	}
	if len(set.Baselines) == 0 {
		return errors.New("the files declare no AlertBaseline")
	}
	// Credentials are for the operator; from here, kubectl port-forward has them.
	config, err := promclient.Resolve(ctx, &v1alpha1.MonitoringEndpoint{URL: *url}, nil)
	if err != nil {
		return fmt.Errorf("--prometheus: %w", err)
	}
	api, err := promclient.New(config)
	if err != nil {
		return fmt.Errorf("--prometheus: %w", err)
	}
	for _, baseline := range set.Baselines {
		reports, err := backtest.Run(ctx, api, baseline, length, now, promclient.OfTheQuery)
		if err != nil {
			return fmt.Errorf("asking Prometheus at %s: %s", *url, promclient.Explain(err))
		}
		if _, err := fmt.Fprintf(stdout, "== AlertBaseline %s/%s\n", baseline.Namespace, baseline.Name); err != nil {
			return err
		}
		if err := backtest.Print(stdout, reports, length); err != nil {
			return err
		}
	}
	return nil
}
