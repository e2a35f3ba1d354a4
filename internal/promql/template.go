package promql

import (
	"errors"
	"strings"
	"text/template/parse" //nolint:depguard // annotations are such templates; they are parsed here, never executed
)

// templateFunctions are those that every Prometheus since 2.42 gives to the
// templates of alerts, besides the ones built into the language.
var templateFunctions = func() map[string]any {
	names := "args externalURL first graphLink humanize humanize1024 humanizeDuration humanizePercentage humanizeTimestamp " +
		"label match parseDuration pathPrefix query reReplaceAll safeHtml sortByLabel stripDomain stripPort strvalue tableLink " +
		"title toLower toTime toUpper value " +
		"and call eq ge gt html index js le len lt ne not or print printf println slice urlquery"
	all := map[string]any{}
	for name := range strings.FieldsSeq(names) {
		all[name] = name
	}
	return all
}()

// templateVariables are declared before each template by Prometheus.
const templateVariables = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"

// CheckTemplate parses the text of an annotation, and says what is wrong with
// it.
func CheckTemplate(text string) error {
	_, err := parse.Parse("annotation", templateVariables+text, "{{", "}}", templateFunctions)
	if err != nil {
		return errors.New(strings.Replace(err.Error(), "template: annotation:", "line ", 1))
	}
	return nil
}
