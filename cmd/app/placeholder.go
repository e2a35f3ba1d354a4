package main

import (
	"regexp"
	"slices"
	"strings"
)

// placeholderWords stand for a value still to come. A value is compared whole,
// in lower case, with -, _ and blanks removed.
var placeholderWords = []string{
	"changeme", "changeit", "changethis", "replaceme", "replacethis", "fillme", "fillin", "setme", "placeholder",
	"todo", "tbd", "tba", "fixme", "dummy", "example", "sample", "none", "null", "undefined", "unset", "empty",
	"mysecret", "mypassword", "myapikey", "yoursecret", "yourpassword", "yourapikey", "redacted",
}

// placeholderPattern matches whole values: <key>, ${KEY}, {{ .key }}, xxx,
// sk_test_xxxx, REPLACE_WITH_REAL_KEY, change-me-please, your-key-here.
var placeholderPattern = regexp.MustCompile(`(?i)^(<[^<>]*>|\$\{[^{}]*\}|\$\([^()]*\)|\{\{.*\}\}|` +
	`([a-z0-9]+[-_])*(x{3,}|\.{3,}|…+|\*{3,}|-{3,}|_{3,})|` +
	`replace[-_ ][a-z0-9_ -]*|change[-_ ](me|this|it)([-_ !.].*)?|(todo|tbd|fixme|placeholder)[-_: ].*|` +
	`(your|my)[-_ ]([a-z0-9]+[-_ ])*(here|key|token|secret|password|value))$`)

// template matches an unfilled hole anywhere, for values that consist of parts.
var template = regexp.MustCompile(`<[^<>]*>|\$\{[^{}]*\}|\{\{.*\}\}`)

var squeeze = strings.NewReplacer("-", "", "_", "", " ", "")

// placeholder says whether a value stands for one that somebody forgot to fill
// in. It is narrow: a real value that it took for one could not be used.
func placeholder(value string) bool {
	value = strings.Trim(strings.TrimSpace(value), `"'`)
	return slices.Contains(placeholderWords, squeeze.Replace(strings.ToLower(value))) || placeholderPattern.MatchString(value)
}
