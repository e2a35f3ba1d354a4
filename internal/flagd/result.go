package flagd

import "encoding/json"

// Reason says how an evaluation came to its result. The values are those of
// the OpenFeature specification.
type Reason string

// Reasons of evaluations.
const (
	// Static: the flag's default variant, which everybody gets.
	Static Reason = "STATIC"
	// TargetingMatch: the variant that the flag's rules chose.
	TargetingMatch Reason = "TARGETING_MATCH"
	// Default: the rules chose nothing, or the flag names no default variant.
	// In the latter case there is no value and the caller's default applies.
	Default Reason = "DEFAULT"
	// Disabled: the flag is switched off as a whole; there is no value and the
	// caller's default applies.
	Disabled Reason = "DISABLED"
	// Failed: there is no value; Result.Code says why.
	Failed Reason = "ERROR"
)

// ErrorCode says why an evaluation failed. The values are those of the
// OpenFeature specification.
type ErrorCode string

// Codes of failures.
const (
	// NotFound: no such flag.
	NotFound ErrorCode = "FLAG_NOT_FOUND"
	// TypeMismatch: the flag has values of another type.
	TypeMismatch ErrorCode = "TYPE_MISMATCH"
	// General: the rules chose a variant that the flag does not have, or did
	// not come to an end within MaxSteps.
	General ErrorCode = "GENERAL"
)

// Result is the outcome of one evaluation.
type Result struct {
	// Key and Type of the flag; Type is empty when there is no such flag.
	Key  string
	Type Type
	// Variant that was chosen and its value: a bool, string or float64, and
	// json.RawMessage for an object. Both are empty when OK is false.
	Variant string
	Value   any
	// JSON is the value as compact JSON. It is shared: do not change it.
	JSON json.RawMessage
	// Reason of the outcome, and the Code and Detail of a failure.
	Reason Reason
	Code   ErrorCode
	Detail string
	// Targeted tells whether the flag has rules.
	Targeted bool
	// Metadata of the flag. It is shared: do not change it.
	Metadata map[string]any
}

// OK tells whether there is a value.
func (r *Result) OK() bool { return r.Value != nil }

// Why is the code of a failure, or else the reason.
func (r *Result) Why() string {
	if r.Code != "" {
		return string(r.Code)
	}
	return string(r.Reason)
}

// fail turns the result into a failure.
func (r *Result) fail(code ErrorCode, detail string) Result {
	return Result{Key: r.Key, Type: r.Type, Targeted: r.Targeted, Metadata: r.Metadata, Reason: Failed, Code: code, Detail: detail}
}
