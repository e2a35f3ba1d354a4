package alerts

import (
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// TestGroupsAreEvaluatedAsDeclared: a baseline may want another interval than
// the usual one, which one without the field has.
func TestGroupsAreEvaluatedAsDeclared(t *testing.T) {
	t.Parallel()
	for declared, want := range map[v1alpha1.PromDuration]string{"": Interval, "1s": "1s", "2m": "2m"} {
		baseline := &v1alpha1.AlertBaseline{}
		baseline.Spec.DeploymentRef.Name = "rsolv"
		baseline.Spec.EvaluationInterval = declared
		baseline.Spec.Thresholds = []v1alpha1.Threshold{{
			Name: "errors", Signal: v1alpha1.Signal{ErrorRatio: &v1alpha1.ErrorRatio{}},
			Warning: &v1alpha1.Level{Above: "1%", For: "5m", Alert: "Errors"},
		}}
		result := Rules(baseline, time.Unix(1_800_000_000, 0))
		if len(result.Problems) > 0 || len(result.Groups) != 1 || result.Groups[0].Interval != want {
			t.Errorf("declared %q: groups %+v, problems %v", declared, result.Groups, result.Problems)
		}
	}
}
