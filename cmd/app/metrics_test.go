package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	appflags "github.com/rsolv-dev/rsolv-operator/internal/app/flags"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

func checkMetrics(t *testing.T, r *running) {
	t.Helper()
	_, text := r.request(http.MethodGet, r.admin+contract.MetricsPath, "")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	family := families[contract.MetricHTTPDuration]
	if family == nil {
		t.Fatalf("no %s", contract.MetricHTTPDuration)
	}
	counts := map[string]uint64{}
	for _, metric := range family.GetMetric() {
		var labels []string
		for _, l := range metric.GetLabel() {
			labels = append(labels, l.GetName()+"="+l.GetValue())
		}
		slices.Sort(labels)
		counts[strings.Join(labels, " ")] = metric.GetHistogram().GetSampleCount()
		var bounds []float64
		for _, bucket := range metric.GetHistogram().GetBucket() {
			bounds = append(bounds, bucket.GetUpperBound())
		}
		for _, threshold := range []float64{100, 200, 500, 1000, 2000, 3000, 5000} {
			if !slices.Contains(bounds, threshold) {
				t.Errorf("the bounds %v lack %v", bounds, threshold)
			}
		}
	}
	for labels, want := range map[string]uint64{
		"action=get-customer controller=customers method=GET path=/api/v1/customers/me status=200":  20,
		"action=onboard controller=customers method=POST path=/api/v1/customers/onboard status=201": 1,
		"action=other controller=other method=GET path=other status=404":                            1,
		"action=show controller=page method=GET path=/ status=200":                                  1,
	} {
		if counts[labels] != want {
			t.Errorf("%s is counted %d times, want %d", labels, counts[labels], want)
		}
		delete(counts, labels)
	}
	if len(counts) > 0 {
		t.Errorf("these are counted as well: %v", counts)
	}
	flags := map[string]float64{}
	for _, metric := range families[contract.MetricFlagEnabled].GetMetric() {
		flags[metric.GetLabel()[0].GetValue()] = metric.GetGauge().GetValue()
	}
	for _, known := range appflags.Catalogue() {
		if got, ok := flags[known.Key]; !ok || (got == 1) != known.Default {
			t.Errorf("the gauge of the flag %s is %v (present: %v)", known.Key, got, ok)
		}
	}
	for _, name := range []string{
		contract.MetricDBQueryDuration, contract.MetricDBPoolSize, contract.MetricDBPoolUsed, "rsolv_funnel_events_total",
		"rsolv_funnel_queue_length", "rsolv_customer_onboarding_complete_total", "rsolv_customer_onboarding_failed_total",
		"rsolv_build_info", "go_goroutines", "process_cpu_seconds_total",
	} {
		if families[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	if got := families[contract.MetricDBPoolSize].GetMetric()[0].GetGauge().GetValue(); got != postgres.DefaultPoolSize {
		t.Errorf("the pool size is %v", got)
	}
	if got := families[contract.MetricDBQueryDuration].GetMetric()[0].GetHistogram().GetSampleCount(); got == 0 {
		t.Error("no query is counted")
	}
}
