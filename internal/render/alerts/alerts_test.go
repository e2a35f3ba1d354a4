package alerts

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const samplePath = "../../../config/samples/rsolv_v1alpha1_alertbaseline_api-performance.yaml"

var testTime = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

// sample is the shipped baseline, in the namespace that the tests' series have.
func sample(tb testing.TB) *v1alpha1.AlertBaseline {
	tb.Helper()
	raw, err := os.ReadFile(samplePath)
	if err != nil {
		tb.Fatal(err)
	}
	baseline := &v1alpha1.AlertBaseline{}
	if err := yaml.UnmarshalStrict(raw, baseline); err != nil {
		tb.Fatal(err)
	}
	baseline.Namespace = "rsolv-production"
	return baseline
}

// golden compares with a file below testdata, or rewrites it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); if that is meant, run the test with -update\n%s", path, diff)
	}
}

func toYAML(t *testing.T, value any) []byte {
	t.Helper()
	raw, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestSampleGolden(t *testing.T) {
	t.Parallel()
	baseline := sample(t)
	result := Rules(baseline, testTime)
	if len(result.Problems) > 0 {
		t.Fatalf("problems: %v", result.Problems)
	}
	golden(t, "api-performance.rules.yaml", toYAML(t, ruleSpec{result.Groups}))
	baseline.UID = "5d4cbd3c-0000-4000-8000-000000000000"
	golden(t, "api-performance.prometheusrule.yaml", toYAML(t, PrometheusRule(baseline, result.Groups)))
}
