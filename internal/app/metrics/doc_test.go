package metrics_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rsolv-dev/rsolv-operator/internal/app/metrics"
)

var update = flag.Bool("update", false, "rewrite docs/reference/metrics.md")

const reference = "../../../docs/reference/metrics.md"

// recorder keeps the collectors that are registered.
type recorder struct{ collectors []prometheus.Collector }

func (r *recorder) Register(c prometheus.Collector) error {
	r.collectors = append(r.collectors, c)
	return nil
}

func (r *recorder) MustRegister(cs ...prometheus.Collector) {
	r.collectors = append(r.collectors, cs...)
}

func (r *recorder) Unregister(prometheus.Collector) bool { return false }

var descPattern = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "(.*?)"(?:, unit: "[^"]*")?, constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

// The reference is what the code registers, word for word:
//
//	go test ./internal/app/metrics -run TestReference -update
func TestReference(t *testing.T) {
	r := &recorder{}
	m, err := metrics.New(r, "test")
	if err == nil {
		_, err = metrics.NewAnalysis(r)
	}
	if err == nil {
		err = m.Watch(metrics.Gauges{})
	}
	if err == nil {
		err = m.WatchFlags(func(func(string, bool)) {}, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, c := range r.collectors {
		descs := make(chan *prometheus.Desc, 1000)
		c.Describe(descs)
		close(descs)
		for desc := range descs {
			match := descPattern.FindStringSubmatch(desc.String())
			if match == nil {
				t.Fatalf("cannot read %s", desc)
			}
			if name := match[1]; !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
				rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |", name, kind(name, c), labels(match[3], match[4]), strings.ReplaceAll(match[2], "|", `\|`)))
			}
		}
	}
	slices.Sort(rows)
	text := "# Metrics of the app\n\n" +
		"They are on the admin port, at `/metrics`. Durations are in milliseconds. No label names a customer, a raw path or\n" +
		"anything else that a client may choose freely: values that are not known are `other`, and so are repositories after\n" +
		"the first hundred of a process. The runtime's `go_` and\n" +
		"`process_` families are there as well.\n\n" +
		"| name | type | labels | |\n|---|---|---|---|\n" + strings.Join(rows, "\n") + "\n\n" +
		"This page is generated: `go test ./internal/app/metrics -run TestReference -update`.\n"
	if *update {
		if err := os.WriteFile(reference, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("run go test ./internal/app/metrics -run TestReference -update: %s", diff)
	}
}

func kind(name string, c prometheus.Collector) string {
	if strings.HasSuffix(name, "_total") {
		return "counter"
	}
	switch c.(type) {
	case prometheus.Gauge, *prometheus.GaugeVec:
		return "gauge"
	case prometheus.Histogram, *prometheus.HistogramVec:
		return "histogram"
	}
	return "gauge"
}

func labels(constant, variable string) string {
	var names []string
	for part := range strings.SplitSeq(constant, ",") {
		if name, _, found := strings.Cut(part, "="); found {
			names = append(names, "`"+name+"`")
		}
	}
	for part := range strings.SplitSeq(variable, ",") {
		if part = strings.TrimSpace(part); part != "" {
			names = append(names, "`"+part+"`")
		}
	}
	return strings.Join(names, ", ")
}
