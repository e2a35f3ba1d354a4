package promql

import (
	"strings"
	"testing"
)

func TestCheckTemplate(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"", "plain", "{{ $value | humanizePercentage }} of {{ $labels.pod }}",
		`{{ with query "up" }}{{ . | first | value }}{{ end }}{{ if gt $value 1.0 }}{{ printf "%.2f" $value }}{{ end }}`,
		"{{ $externalLabels.cluster }} {{ $externalURL }}",
	} {
		if err := CheckTemplate(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"a\n{{ $value":          "line 2: unclosed action",
		"{{ $vlaue }}":          `undefined variable "$vlaue"`,
		"{{ humanise $value }}": `function "humanise" not defined`,
		"{{ if $value }}":       "unexpected EOF",
	} {
		if err := CheckTemplate(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", bad, err, want)
		}
	}
}
