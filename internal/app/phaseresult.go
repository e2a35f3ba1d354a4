package app

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// PhaseResult is what the data of a phase says of how it went, as far as that
// is counted. Data are the client's own: what is not said, or said in another
// form, is left out.
type PhaseResult struct {
	Phase Phase
	// Language is as the client says, in lower case; empty if it does not.
	Language string
	// Completed is false where the data say that it failed.
	Completed bool
	// Took is how long a mitigation took, or the tests of a validation ran; 0 if
	// it is not said.
	Took time.Duration
	// Trust is the score of a mitigation, from 0 to 100; nil if there is none.
	Trust *float64
	// PullRequest tells whether a mitigation ended in one.
	PullRequest bool
}

var pullRequestPattern = regexp.MustCompile(`/(pull|pulls|merge_requests|pull-requests)/\d+`)

// maxPhaseDuration is past what any run takes: more is not believed.
const maxPhaseDuration = 24 * time.Hour

// Result reads the result. Fields are looked for in camel and in snake case:
// status (failed, error) or fixed, success or validated (false); language;
// durationMs, testExecutionMs; trustScore; and prUrl or pullRequestUrl.
func (p PhaseData) Result() PhaseResult {
	r := PhaseResult{Phase: p.Phase, Completed: true}
	var raw map[string]json.RawMessage
	if json.Unmarshal(p.Data, &raw) != nil {
		return r
	}
	data := map[string]json.RawMessage{}
	for name, value := range raw {
		data[strings.ToLower(strings.ReplaceAll(name, "_", ""))] = value
	}
	switch status, _ := read[string](data, "status"); strings.ToLower(status) {
	case "failed", "failure", "error":
		r.Completed = false
	}
	for _, name := range [...]string{"fixed", "success", "validated"} {
		if well, said := read[bool](data, name); said && !well {
			r.Completed = false
		}
	}
	language, _ := read[string](data, "language")
	r.Language = strings.ToLower(language)
	took := "durationms"
	if p.Phase == PhaseValidation {
		took = "testexecutionms"
	}
	if ms, said := read[float64](data, took); said && ms > 0 && ms < float64(maxPhaseDuration.Milliseconds()) {
		r.Took = time.Duration(ms * float64(time.Millisecond))
	}
	if p.Phase != PhaseMitigation {
		return r
	}
	if trust, said := read[float64](data, "trustscore"); said && trust >= 0 && trust <= 100 {
		r.Trust = &trust
	}
	for _, name := range [...]string{"prurl", "pullrequesturl"} {
		url, _ := read[string](data, name)
		r.PullRequest = r.PullRequest || pullRequestPattern.MatchString(url)
	}
	return r
}

// read gives a field, if it is there and of this type.
func read[T any](data map[string]json.RawMessage, name string) (value T, said bool) {
	raw, there := data[name]
	return value, there && string(raw) != "null" && json.Unmarshal(raw, &value) == nil
}
