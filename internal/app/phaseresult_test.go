package app

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPhaseResult(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		phase Phase
		data  string
		want  PhaseResult
	}{
		"nothing said": {PhaseMitigation, `{}`, PhaseResult{Completed: true}},
		"all of a mitigation": {
			PhaseMitigation, `{"status":"completed","language":"Ruby","durationMs":90500,"trustScore":87.5,"prUrl":"https://github.com/kiln/shop/pull/7"}`,
			PhaseResult{Completed: true, Language: "ruby", Took: 90500 * time.Millisecond, Trust: new(87.5), PullRequest: true},
		},
		"in snake case": {
			PhaseMitigation, `{"status":"failed","duration_ms":1000,"trust_score":0,"pull_request_url":"https://gitlab.com/kiln/shop/-/merge_requests/3"}`,
			PhaseResult{Took: time.Second, Trust: new(0.0), PullRequest: true},
		},
		"not fixed":                      {PhaseMitigation, `{"fixed":false}`, PhaseResult{}},
		"the tests of a validation":      {PhaseValidation, `{"validated":true,"testExecutionMs":1500,"durationMs":9}`, PhaseResult{Completed: true, Took: 1500 * time.Millisecond}},
		"a validation has no trust":      {PhaseValidation, `{"trustScore":5,"prUrl":"https://github.com/a/b/pull/1"}`, PhaseResult{Completed: true}},
		"what is no number":              {PhaseMitigation, `{"durationMs":"long","trustScore":null,"status":7,"prUrl":["/pull/1"]}`, PhaseResult{Completed: true}},
		"what is out of bounds":          {PhaseMitigation, `{"durationMs":1e300,"trustScore":101}`, PhaseResult{Completed: true}},
		"a link that is no pull request": {PhaseMitigation, `{"prUrl":"https://github.com/kiln/shop/issues/7"}`, PhaseResult{Completed: true}},
	} {
		test.want.Phase = test.phase
		got := PhaseData{Phase: test.phase, Data: json.RawMessage(test.data)}.Result()
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
