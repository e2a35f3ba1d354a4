package contract

import "time"

// Paths on the admin listener that tell of the use of flags.
const (
	// FlagsUsagePath reports what this pod was asked for, as FlagsUsage in
	// JSON.
	FlagsUsagePath = "/flags/usage"
	// FlagsContextsPath reports a sample of whom it was asked about lately, as
	// FlagsSample in JSON.
	FlagsContextsPath = "/flags/contexts"
)

// FlagsUsage is the body of FlagsUsagePath. It is bounded, however many flags
// there are and whatever is asked for.
type FlagsUsage struct {
	// Since is when this process began to count.
	Since time.Time `json:"since"`
	// Evaluations are sorted by flag, variant and reason.
	Evaluations []FlagEvaluations `json:"evaluations"`
	// Unknown are keys that were asked for and that neither the app nor the
	// flags file has; those that could be keys, sorted.
	Unknown []string `json:"unknown,omitempty"`
	// UnknownAsked is how often such flags were asked for, named or not.
	UnknownAsked uint64 `json:"unknownAsked,omitempty"`
}

// FlagEvaluations counts the evaluations of a flag with one outcome.
type FlagEvaluations struct {
	Flag string `json:"flag"`
	// Variant is empty where the default in the app's code applied.
	Variant string `json:"variant,omitempty"`
	// Reason is OpenFeature's, or an error code.
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
	// Last is when this outcome was last seen, to within seconds.
	Last time.Time `json:"last"`
}

// FlagsSample is the body of FlagsContextsPath: of each flag at most
// FlagContextsLimit evaluations of the last hour.
type FlagsSample struct {
	Flags []FlagContexts `json:"flags"`
}

// FlagContextsLimit bounds the contexts of one flag.
const FlagContextsLimit = 64

// FlagContexts are some of the evaluations of one flag.
type FlagContexts struct {
	Flag string `json:"flag"`
	// Evaluations is how many the contexts stand for.
	Evaluations uint64 `json:"evaluations"`
	// Contexts hold the targeting key and those attributes that the rules of
	// the flags in use ask for. One about nobody is empty; there are none of a
	// flag without rules that the app's code asks for.
	Contexts []map[string]any `json:"contexts"`
}
