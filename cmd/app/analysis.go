package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/worker"
	"github.com/rsolv-dev/rsolv-operator/internal/app/metrics"
	"github.com/rsolv-dev/rsolv-operator/internal/app/web"
)

// What the analysis may use.
const (
	maxWorkers = 4
	jobTimeout = 5 * time.Second

	verdictsKept = 50_000
	verdictsTTL  = 15 * time.Minute
)

// analysis makes the analysis with its workers, which are this program again.
// Without parsers in this build it is nil, and the log says so.
func (s *parts) analysis(reg prometheus.Registerer, now func() time.Time, log *slog.Logger) (*web.AnalysisDeps, error) {
	m, err := metrics.NewAnalysis(reg)
	if err != nil {
		return nil, fmt.Errorf("making the metrics of the analysis: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	s.workers, err = worker.NewPool(worker.Options{
		Command: self, Args: []string{worker.Command}, Size: min(maxWorkers, max(1, runtime.GOMAXPROCS(0))), Timeout: jobTimeout, Log: log,
	})
	if errors.Is(err, syntax.ErrNoParser) {
		log.Warn("the routes of the analysis answer 503", "error", err)
		return nil, nil //nolint:nilnil // no analysis is what there is
	}
	if err != nil {
		return nil, fmt.Errorf("making the workers of the analysis: %w", err)
	}
	return &web.AnalysisDeps{Service: analysis.New(s.workers, analysis.NewCache(verdictsKept, verdictsTTL, now)), Metrics: m}, nil
}
