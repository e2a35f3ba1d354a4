package backtest_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/backtest"
	"github.com/rsolv-dev/rsolv-operator/internal/promclient"
	"github.com/rsolv-dev/rsolv-operator/internal/promtest"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// now is a Monday, 12:00 UTC.
var now = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

const baselineText = `
metadata: {name: base, namespace: shop}
spec:
  deploymentRef: {name: rsolv}
  businessHours: {timezone: UTC, from: "09:00", to: "18:00"}
  thresholds:
  - name: errors
    signal: {errorRatio: {}}
    warning: {above: 5%, for: 5m, alert: Errors}
    critical: {above: 50%, for: 5m, alert: ErrorsMany, keepFiringFor: 30m}
  - name: queue
    signal: {expr: 'queue_length{$selector}'}
    warning: {above: "100", for: 10m, alert: QueueLong}
    critical: {above: "1000", for: 10m, alert: QueueVeryLong}
  - name: idle
    signal: {expr: 'queue_length{$selector}'}
    info: {below: "20", for: 30m, alert: QueueIdle, during: BusinessHours}
  - name: unknown
    signal: {requestRate: {counter: nothing_total}}
    warning: {below: 1/s, for: 5m, alert: Nothing}
  - name: broken
    signal: {expr: 'sum('}
    warning: {above: "1", for: 5m, alert: Broken}
`

// history of a day: one in a hundred requests fails, but for half an hour in
// which sixty do, twice and ten minutes apart; a queue that is longer by day.
func history() []promtest.Series {
	const step = time.Minute
	begin := now.Add(-25 * time.Hour)
	steps := int(25 * time.Hour / step)
	ok, failed, queue := make([]float64, steps), make([]float64, steps), make([]float64, steps)
	for i := 1; i < steps; i++ {
		share := 0.01
		if i >= 600 && i < 630 || i >= 640 && i < 670 {
			share = 0.6
		}
		ok[i] = ok[i-1] + 60*(1-share)
		failed[i] = failed[i-1] + 60*share
		at := begin.Add(time.Duration(i) * step)
		queue[i] = 10 + float64(i%7)
		if at.Hour() >= 13 && at.Hour() < 18 {
			queue[i] = 60 + float64(i%41)
		}
	}
	labels := `{job="rsolv",namespace="shop",pod="a",status=`
	return []promtest.Series{
		{Name: `phoenix_http_request_duration_milliseconds_count` + labels + `"200"}`, From: begin, Step: step, Values: ok},
		{Name: `phoenix_http_request_duration_milliseconds_count` + labels + `"503"}`, From: begin, Step: step, Values: failed},
		{Name: `queue_length{job="rsolv",namespace="shop",pod="a"}`, From: begin, Step: step, Values: queue},
	}
}

func run(t *testing.T) []backtest.Report {
	t.Helper()
	server := promtest.Start(t, promtest.Options{History: history()})
	config, err := promclient.Resolve(t.Context(), &v1alpha1.MonitoringEndpoint{URL: server.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	api, err := promclient.New(config)
	if err != nil {
		t.Fatal(err)
	}
	var baseline v1alpha1.AlertBaseline
	if err := yaml.UnmarshalStrict([]byte(baselineText), &baseline); err != nil {
		t.Fatal(err)
	}
	reports, err := backtest.Run(t.Context(), api, &baseline, 24*time.Hour, now, promclient.OfTheQuery)
	if err != nil {
		t.Fatal(err)
	}
	return reports
}

func TestAgainstARealPrometheus(t *testing.T) {
	t.Parallel()
	reports := run(t)
	byName := map[string]backtest.Report{}
	for _, r := range reports {
		byName[r.Threshold] = r
	}
	errorsReport := byName["errors"]
	if len(errorsReport.Levels) != 2 {
		t.Fatalf("errors: %+v", errorsReport)
	}
	// Both bursts are told of once each as a warning; keepFiringFor makes one
	// critical alert of them.
	if warning := errorsReport.Levels[0]; len(warning.Episodes) != 2 || warning.Longest() < 25*time.Minute || warning.Longest() > 35*time.Minute {
		t.Errorf("warning: %+v", warning)
	}
	if critical := errorsReport.Levels[1]; len(critical.Episodes) != 1 || critical.Total() < 85*time.Minute || critical.Total() > 100*time.Minute {
		t.Errorf("critical: %s", critical.Says())
	}
	// In history as in the rules, hours are those of business.
	if idle := byName["idle"].Levels[0]; len(idle.Episodes) != 1 || idle.Episodes[0].From.Hour() != 9 || idle.Total() < 2*time.Hour {
		t.Errorf("idle: %s, %+v", idle.Says(), idle.Episodes)
	}
	queue := byName["queue"]
	if len(queue.Levels[0].Episodes) != 0 {
		t.Errorf("queue: %s", queue.Levels[0].Says())
	}
	if s := queue.Levels[0].Suggestion; s == nil || s.Value < 95 || s.Value > 110 || s.PerWeek != 0 {
		t.Errorf("queue: suggested %+v", s)
	}
	if got := byName["unknown"].Problem; got != "there is no value to judge in the whole window" {
		t.Errorf("unknown: %q", got)
	}
	if got := byName["broken"].Problem; !strings.HasPrefix(got, "signal.expr: 1:5: ") {
		t.Errorf("broken: %q", got)
	}
	for _, r := range reports {
		for _, v := range r.Values {
			if math.IsInf(v, 0) {
				t.Errorf("%s has an infinite value", r.Threshold)
			}
		}
	}

	var out bytes.Buffer
	if err := backtest.Print(&out, reports, 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("testdata/report.txt", out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/report.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("the report differs (-want +got); if that is meant, run the test with -update\n%s", diff)
	}
}

// failing answers nothing to all queries, but an error to those with a word.
type failing struct {
	word string
	err  error
}

func (f failing) QueryRange(_ context.Context, query string, _ promv1.Range, _ ...promv1.Option) (model.Value, promv1.Warnings, promv1.Infos, error) {
	if strings.Contains(query, f.word) {
		return nil, nil, nil, f.err
	}
	return model.Matrix{}, nil, nil, nil
}

// A query that is too much costs one threshold; a server that answers none costs
// no more than a few of them.
func TestHeavyQueries(t *testing.T) {
	t.Parallel()
	var baseline v1alpha1.AlertBaseline
	if err := yaml.UnmarshalStrict([]byte(baselineText), &baseline); err != nil {
		t.Fatal(err)
	}
	reports, err := backtest.Run(t.Context(), failing{"queue_length", context.DeadlineExceeded}, &baseline, time.Hour, now, promclient.OfTheQuery)
	if err != nil || len(reports) != len(baseline.Spec.Thresholds) {
		t.Fatalf("%d reports, %v", len(reports), err)
	}
	heavy := 0
	for _, r := range reports {
		if strings.HasPrefix(r.Problem, "it is too much for Prometheus (no answer in time)") {
			heavy++
		}
	}
	if heavy != 2 { // queue and idle
		t.Errorf("%d thresholds are too much: %+v", heavy, reports)
	}
	if _, err := backtest.Run(t.Context(), failing{"", context.DeadlineExceeded}, &baseline, time.Hour, now, promclient.OfTheQuery); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that answers nothing: %v", err)
	}
}

func TestUnreachablePrometheusIsAnError(t *testing.T) {
	t.Parallel()
	config, err := promclient.Resolve(t.Context(), &v1alpha1.MonitoringEndpoint{URL: "http://127.0.0.1:1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	api, err := promclient.New(config)
	if err != nil {
		t.Fatal(err)
	}
	var baseline v1alpha1.AlertBaseline
	if err := yaml.UnmarshalStrict([]byte(baselineText), &baseline); err != nil {
		t.Fatal(err)
	}
	_, err = backtest.Run(t.Context(), api, &baseline, time.Hour, now, promclient.OfTheQuery)
	if err == nil || errors.Is(err, nil) || promclient.Explain(err) != "connection refused" {
		t.Errorf("got %v", err)
	}
}
