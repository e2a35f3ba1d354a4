package alerts

import (
	"slices"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

func TestUnitParse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		unit Unit
		text v1alpha1.Value
		want float64
		ok   bool
	}{
		{Ratio, "1%", 0.01, true},
		{Ratio, "0.29%", 0.0029, true},
		{Ratio, "7%", 0.07, true},
		{Ratio, "100%", 1, true},
		{Ratio, "100.1%", 0, false},
		{Ratio, "-1%", 0, false},
		{Ratio, "0.05", 0, false},
		{Ratio, "5", 0, false},
		{Ratio, "500ms", 0, false},
		{Milliseconds, "500ms", 500, true},
		{Milliseconds, "2s", 2000, true},
		{Milliseconds, "0.25s", 250, true},
		{Milliseconds, "1%", 0, false},
		{Milliseconds, "0.1/s", 0, false},
		{Milliseconds, "500", 0, false},
		{Milliseconds, "-5ms", 0, false},
		{PerSecond, "0.01/s", 0.01, true},
		{PerSecond, "0/s", 0, true},
		{PerSecond, "1s", 0, false},
		{PerSecond, "1", 0, false},
		{Plain, "1", 1, true},
		{Plain, "-0.5", -0.5, true},
		{Plain, "1%", 0, false},
		{Plain, "1e3", 0, false},
		{Plain, "NaN", 0, false},
		{Plain, "", 0, false},
		{Plain, ".5", 0, false},
		{Plain, "5.", 0, false},
	} {
		got, ok := test.unit.parse(test.text)
		if got != test.want || ok != test.ok {
			t.Errorf("unit %d: %q is %v, %v; want %v, %v", test.unit, test.text, got, ok, test.want, test.ok)
		}
	}
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "1d": 24 * time.Hour, "0s": 0, "2d1h": 49 * time.Hour,
	} {
		if got, ok := ParseDuration(text); !ok || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "5", "m", "5 m", "1.5h", "30m1h", "5m5m", "-5m", "5ms", "1w", "99999999999s", "5min"} {
		if got, ok := ParseDuration(text); ok {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

// A quantile is exact at the bounds of the buckets and guessed between them,
// and it never lies above the last.
func TestSampleThresholdsLieOnBuckets(t *testing.T) {
	t.Parallel()
	buckets := map[string][]float64{
		contract.MetricHTTPDuration:             contract.HTTPBucketsMS,
		contract.MetricDBQueryDuration:          contract.DBBucketsMS,
		contract.MetricWebhookDuration:          contract.WebhookBucketsMS,
		contract.MetricWebhookProcessedDuration: contract.WebhookBucketsMS,
		contract.MetricTestGenerationDuration:   contract.TestBucketsMS,
		contract.MetricTestExecutionDuration:    contract.TestBucketsMS,
		contract.MetricMitigationDuration:       contract.MitigationBucketsMS,
	}
	checked := 0
	var plans []Plan
	for _, baseline := range samples(t) {
		plans = append(plans, Rules(baseline, testTime).Plans...)
	}
	for _, plan := range plans {
		if plan.Kind != Latency {
			continue
		}
		bounds := []float64{*plan.Target}
		for _, b := range plan.Bounds {
			bounds = append(bounds, b.Value)
		}
		for _, bound := range bounds {
			checked++
			on, all := false, buckets[plan.Source.Metric]
			for _, upper := range all {
				on = on || upper == bound
			}
			if !on {
				t.Errorf("%s: %vms is no bucket of %s", plan.Name, bound, plan.Source.Metric)
			}
			if bound >= all[len(all)-1] {
				t.Errorf("%s: %vms is not below the last bucket of %s", plan.Name, bound, plan.Source.Metric)
			}
		}
	}
	if checked != 22 {
		t.Errorf("%d bounds were looked at; want 22", checked)
	}
	for _, bound := range []float64{1000} {
		if !slices.Contains(contract.CreditBuckets, bound) || slices.Max(contract.CreditBuckets) <= bound {
			t.Errorf("%v credits cannot be seen in %v", bound, contract.CreditBuckets)
		}
	}
}
