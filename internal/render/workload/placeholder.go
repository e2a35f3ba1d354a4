package workload

import (
	"regexp"
	"slices"
	"strings"
)

// placeholderWords are values that stand for a value still to come. A value is
// compared whole, in lower case, with -, _ and blanks removed.
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

// template matches an unfilled hole anywhere, for values that consist of parts.
var template = regexp.MustCompile(`<[^<>]*>|\$\{[^{}]*\}|\{\{.*\}\}`)

var squeeze = strings.NewReplacer("-", "", "_", "", " ", "")

// placeholder tells whether a value stands for one that somebody forgot to
// fill in. It is narrow on purpose: a real value that it took for a
// placeholder could not be used at all.
func placeholder(value string) bool {
	value = strings.TrimSpace(value)
	if unquoted := strings.Trim(value, `"'`); unquoted != "" {
		value = unquoted
	}
	if slices.Contains(placeholderWords, squeeze.Replace(strings.ToLower(value))) {
		return true
	}
	return slices.ContainsFunc(placeholderPatterns, func(p *regexp.Regexp) bool { return p.MatchString(value) })
}
