package alerts

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/config/crd"
	"github.com/rsolv-dev/rsolv-operator/internal/admission"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
)

// envRendered names a folder to write the rendered objects to, for checks by
// programs whose libraries are not linked here: `make conformance` runs the
// admission code of prometheus-operator over them.
const envRendered = "RSOLV_RENDERED"

// TestValidBaselinesBecomeValidRules: what the API server admits and no
// threshold's check refuses, Prometheus loads.
func TestValidBaselinesBecomeValidRules(t *testing.T) {
	t.Parallel()
	validator, err := admission.New(crd.Bases)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		baseline := validBaselines().Draw(t, "baseline")
		object := render.Object(baseline)
		unstructured.RemoveNestedField(object.Object, "status")
		if err := validator.Admit(t.Context(), object); err != nil {
			t.Fatalf("the API server refuses it: %v", err)
		}
		acceptable(t, baseline)
	})
}

// acceptable renders a baseline and has Prometheus' own code read the rules.
func acceptable(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, baseline *v1alpha1.AlertBaseline,
) []byte {
	t.Helper()
	result := Rules(baseline, testTime)
	if len(result.Problems) > 0 {
		t.Fatalf("%v", result.Problems)
	}
	text, err := json.Marshal(ruleSpec{result.Groups})
	if err != nil {
		t.Fatalf("%v", err)
	}
	if _, errs := rulefmt.Parse(text, false, model.LegacyValidation, parser.NewParser(parser.Options{}), nil); len(errs) > 0 {
		t.Fatalf("Prometheus refuses it: %v\n%s", errs, text)
	}
	return text
}

// TestPromtoolAcceptsRandomBaselines gives promtool the rules of 500 random
// baselines and of all samples.
func TestPromtoolAcceptsRandomBaselines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := []string{"check", "rules"}
	write := func(name string, baseline *v1alpha1.AlertBaseline) {
		file := filepath.Join(dir, name+".json")
		if err := os.WriteFile(file, acceptable(t, baseline), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
		if folder := os.Getenv(envRendered); folder != "" {
			raw, err := json.Marshal(PrometheusRule(baseline, Rules(baseline, testTime).Groups))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, name+".rule.json"), raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for seed := range 500 {
		write(fmt.Sprintf("random-%03d", seed), validBaselines().Example(seed))
	}
	for name, baseline := range samples(t) {
		write(name, baseline)
	}
	promtool(t, dir, args...)
}
