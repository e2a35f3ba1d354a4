package status

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestSummarise checks what kstatus relies on: Reconciling and Stalled exist
// only while true, and never together.
func TestSummarise(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		ready    Verdict
		progress Progress
		want     map[string]metav1.ConditionStatus
	}{
		{
			name: "done", ready: True("Succeeded", "all is well"), progress: Done,
			want: map[string]metav1.ConditionStatus{"Ready": "True"},
		},
		{
			name: "working", ready: False("Progressing", "1 of 2 pods"), progress: Working,
			want: map[string]metav1.ConditionStatus{"Ready": "False", "Reconciling": "True"},
		},
		{
			name: "stuck", ready: False("InvalidSpec", "fix the spec"), progress: Stuck,
			want: map[string]metav1.ConditionStatus{"Ready": "False", "Stalled": "True"},
		},
	}
	// One list goes through all of them, for leftovers are the risk.
	var conditions []metav1.Condition
	for _, test := range tests {
		Summarise(&conditions, 7, test.ready, test.progress)
		got := map[string]metav1.ConditionStatus{}
		for _, c := range conditions {
			got[c.Type] = c.Status
			if c.ObservedGeneration != 7 {
				t.Errorf("%s: %s has observedGeneration %d, want 7", test.name, c.Type, c.ObservedGeneration)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: conditions (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestSetCutsLongMessages(t *testing.T) {
	t.Parallel()
	var conditions []metav1.Condition
	Set(&conditions, 1, "Ready", False("InvalidSpec", strings.Repeat("x", messageLimit+1)))
	if got := len(conditions[0].Message); got != messageLimit {
		t.Errorf("message has %d bytes, want it cut to %d", got, messageLimit)
	}
}

func TestNoteFitsIntoAnEvent(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"short":                          "short",
		strings.Repeat("x", noteLimit):   strings.Repeat("x", noteLimit),
		strings.Repeat("x", noteLimit+1): strings.Repeat("x", noteLimit-3) + "…",
		strings.Repeat("ö", noteLimit):   strings.Repeat("ö", (noteLimit-3)/2) + "…",
	} {
		if got := Note(message); got != want {
			t.Errorf("Note of %d bytes: %d bytes, want %d", len(message), len(got), len(want))
		}
	}
}
