package contract

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// EnvPlaceholders holds the app's Placeholders in JSON, so that it goes by the
// same list as the operator. Without it, the built-in list counts.
const EnvPlaceholders = "RSOLV_PLACEHOLDERS"

// Placeholders says which values of secrets count as not filled in, beside, or
// instead of, those that everybody writes. The zero value is the built-in list.
type Placeholders struct {
	// Words are compared whole, in lower case, with -, _ and blanks removed.
	Words []string `json:"words,omitempty"`
	// Patterns are RE2 expressions that match whole values.
	Patterns []string `json:"patterns,omitempty"`
	// Replace leaves the built-in list out.
	Replace bool `json:"replace,omitempty"`
	// Exempt are variables whose values are taken as they are.
	Exempt []string `json:"exempt,omitempty"`
}

// PlaceholderCheck tells whether the value of a variable, which may be empty
// for a part of a value, stands for one that somebody forgot to fill in.
type PlaceholderCheck func(variable, value string) bool

// placeholderWords are values that stand for a value still to come, as
// squeezed.
var placeholderWords = []string{
	"changeme", "changeit", "changethis", "replaceme", "replacethis", "replace", "fillme", "fillin", "fillmein",
	"setme", "insertme", "placeholder", "todo", "tbd", "tba", "fixme", "dummy", "example", "sample",
	"none", "null", "nil", "undefined", "unset", "notset", "empty", "na", "n/a",
	"mysecret", "mypassword", "myapikey", "yoursecret", "yourpassword", "yourapikey", "redacted", "secretgoeshere",
}

// placeholderPatterns match whole values. Each is anchored at both ends and
// narrow enough that no generated key, URL or sentence falls into it.
var placeholderPatterns = []*regexp.Regexp{
	// <your key>, ${KEY}, $(KEY), {{ .Values.key }}, %KEY%, $KEY, [KEY], __KEY__
	regexp.MustCompile(`^<[^<>]*>$`),
	regexp.MustCompile(`^\$\{[^{}]*\}$`),
	regexp.MustCompile(`^\$\([^()]*\)$`),
	regexp.MustCompile(`^\{\{.*\}\}$`),
	regexp.MustCompile(`^%[A-Za-z_]+%$`),
	regexp.MustCompile(`^\$[A-Z][A-Z0-9_]*$`),
	regexp.MustCompile(`^\[[A-Za-z][A-Za-z _-]*\]$`),
	regexp.MustCompile(`^__[A-Z][A-Z_]*__$`),
	// xxx, sk_test_xxxx, whsec_..., ****, ----
	regexp.MustCompile(`(?i)^([a-z0-9]+[-_])*(x{3,}|\.{3,}|…+|\*{3,}|-{3,}|_{3,})$`),
	// REPLACE_WITH_REAL_KEY, change-me-please, todo: ask ops
	regexp.MustCompile(`(?i)^replace[-_ ][a-z0-9_ -]*$`),
	regexp.MustCompile(`(?i)^change[-_ ]?(me|this|it)([-_ !.][a-z0-9_ !.-]*)?$`),
	regexp.MustCompile(`(?i)^(todo|tbd|fixme|placeholder)[-_: ].*$`),
	regexp.MustCompile(`(?i)^([a-z0-9]+[-_])*placeholder$`),
	// your-api-key-here, insert_key_here, key goes here
	regexp.MustCompile(`(?i)^(your|my)[-_ ]([a-z0-9]+[-_ ])*(here|key|token|secret|password|value|url|id|dsn)$`),
	regexp.MustCompile(`(?i)^(insert|enter|paste|put|add|set)[-_ ]([a-z0-9]+[-_ ])*here$`),
	regexp.MustCompile(`(?i)^([a-z0-9]+[-_ ])+goes[-_ ]here$`),
}

// unfilledHole matches one anywhere.
var unfilledHole = regexp.MustCompile(`<[^<>]*>|\$\{[^{}]*\}|\{\{.*\}\}`)

var squeeze = strings.NewReplacer("-", "", "_", "", " ", "")

// HasHole tells whether a value that consists of parts, such as a URL, has one
// of <…>, ${…} and {{…}} left in it.
func HasHole(value string) bool { return unfilledHole.MatchString(value) }

// IsPlaceholder tells whether a value stands, by the built-in list, for one
// that somebody forgot to fill in. It is narrow on purpose: a real value that
// it took for a placeholder could not be used at all.
func IsPlaceholder(value string) bool {
	value = bare(value)
	return slices.Contains(placeholderWords, squeezed(value)) || matchesAny(placeholderPatterns, value)
}

// Compile makes the check. The error names the pattern that is none.
func (p Placeholders) Compile() (PlaceholderCheck, error) {
	words := make([]string, len(p.Words))
	for i, word := range p.Words {
		words[i] = squeezed(word)
	}
	patterns := make([]*regexp.Regexp, len(p.Patterns))
	for i, pattern := range p.Patterns {
		compiled, err := regexp.Compile(`^(?:` + pattern + `)$`)
		if err != nil {
			return nil, fmt.Errorf("patterns[%d], %q, is no regular expression: %w", i, pattern, err)
		}
		patterns[i] = compiled
	}
	return func(variable, value string) bool {
		if variable != "" && slices.Contains(p.Exempt, variable) {
			return false
		}
		if !p.Replace && IsPlaceholder(value) {
			return true
		}
		value = bare(value)
		return slices.Contains(words, squeezed(value)) || matchesAny(patterns, value)
	}, nil
}

// ParsePlaceholders reads the content of EnvPlaceholders.
func ParsePlaceholders(text string) (Placeholders, error) {
	var p Placeholders
	if text == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, fmt.Errorf("it is no JSON object such as {\"words\": [\"acme\"]}: %w", err)
	}
	return p, nil
}

// String is the content of EnvPlaceholders.
func (p Placeholders) String() string {
	raw, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("contract: strings that do not marshal: %v", err)) // a fault in the program
	}
	return string(raw)
}

// bare is a value without white space and quotes around it.
func bare(value string) string {
	value = strings.TrimSpace(value)
	if unquoted := strings.Trim(value, `"'`); unquoted != "" {
		return unquoted
	}
	return value
}

func squeezed(value string) string { return squeeze.Replace(strings.ToLower(value)) }

func matchesAny(patterns []*regexp.Regexp, value string) bool {
	return slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(value) })
}
