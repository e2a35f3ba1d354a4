package alerts

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// promtool runs Prometheus' own tool in a folder.
func promtool(t *testing.T, dir string, args ...string) string {
	t.Helper()
	tool := os.Getenv("PROMTOOL")
	if tool == "" {
		found, err := exec.LookPath("promtool")
		if err != nil {
			t.Fatal("promtool is not in PATH: install Debian's package prometheus, or name the binary in the environment variable PROMTOOL")
		}
		tool = found
	}
	command := exec.CommandContext(t.Context(), tool, args...)
	command.Dir = dir
	out, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", tool, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// The types of a promtool unit test file.
type (
	unitFile struct {
		RuleFiles          []string `json:"rule_files"`
		EvaluationInterval string   `json:"evaluation_interval"`
		Tests              []unit   `json:"tests"`
	}
	unit struct {
		Name        string      `json:"name"`
		Interval    string      `json:"interval"`
		InputSeries []inputLine `json:"input_series"`
		Exprs       []exprTest  `json:"promql_expr_test,omitempty"`
		Alerts      []alertTest `json:"alert_rule_test,omitempty"`
	}
	inputLine struct {
		Series string `json:"series"`
		Values string `json:"values"`
	}
	exprTest struct {
		Expr     string       `json:"expr"`
		EvalTime string       `json:"eval_time"`
		Samples  []exprSample `json:"exp_samples"`
	}
	exprSample struct {
		Labels string  `json:"labels"`
		Value  float64 `json:"value"`
	}
	alertTest struct {
		EvalTime string     `json:"eval_time"`
		Name     string     `json:"alertname"`
		Alerts   []expAlert `json:"exp_alerts"`
	}
	expAlert struct {
		Labels      map[string]string `json:"exp_labels"`
		Annotations map[string]string `json:"exp_annotations"`
	}
)

// firing expects exactly these alerts, and no others, to fire at a time.
func firing(at string, alerts ...string) exprTest {
	test := exprTest{Expr: `count by (alertname) (ALERTS{alertstate="firing"})`, EvalTime: at, Samples: []exprSample{}}
	for _, alert := range alerts {
		test.Samples = append(test.Samples, exprSample{`{alertname="` + alert + `"}`, 1})
	}
	return test
}

// Input series, sampled every 30 s for two hours.
const target = `job="rsolv",namespace="rsolv-production",pod="a"`

// steady counts at a rate per second.
func steady(series string, perSecond float64) inputLine {
	return inputLine{series, fmt.Sprintf("0+%gx240", perSecond*30)}
}

func constant(series string, value float64) inputLine {
	return inputLine{series, fmt.Sprintf("%g+0x240", value)}
}

// allDay draws a steady line out to twenty hours.
func allDay(l inputLine) inputLine {
	return inputLine{l.Series, l.Values + "0"}
}

func requests(status string, perSecond float64) inputLine {
	return steady(fmt.Sprintf(`phoenix_http_request_duration_milliseconds_count{%s,method="GET",path="/",status=%q}`, target, status), perSecond)
}

// durations is a histogram all of whose observations, at a rate per second,
// lie above one bound and up to the next; labels are further matchers with a
// leading comma.
func durations(metric, labels string, perSecond, above float64) []inputLine {
	var all []inputLine
	for _, bound := range append(slices.Clone(buckets[metric]), math.Inf(1)) {
		rate := perSecond
		if bound <= above {
			rate = 0
		}
		le := strconv.FormatFloat(bound, 'f', -1, 64)
		all = append(all, steady(fmt.Sprintf(`%s_bucket{%s%s,le=%q}`, metric, target, labels, le), rate))
	}
	return append(all, steady(fmt.Sprintf(`%s_count{%s%s}`, metric, target, labels), perSecond))
}

var buckets = map[string][]float64{
	httpMetric: contract.HTTPBucketsMS, dbMetric: contract.DBBucketsMS, webhookMetric: contract.WebhookBucketsMS,
}

const (
	httpMetric    = "phoenix_http_request_duration_milliseconds"
	dbMetric      = "rsolv_prom_ex_ecto_query_duration_milliseconds"
	webhookMetric = "rsolv_billing_stripe_webhook_received_duration_milliseconds"
	poolUsed      = "rsolv_prom_ex_ecto_connection_pool_used_connections{" + target + "}"
	poolSize      = "rsolv_prom_ex_ecto_connection_pool_size{" + target + "}"
	webhookCount  = "rsolv_billing_stripe_webhook_received_total{" + target + ",event_type=\"invoice.paid\",status="

	route    = `,method="POST",status="200",path=`
	exchange = route + `"/api/v1/credentials/exchange"`
	validate = route + `"/api/v1/vulnerabilities/validate"`
	generate = route + `"/api/v1/test-integration/generate"`
)

// lines joins series; a healthy trickle of requests keeps the alerts on
// traffic silent where they are not the matter.
func lines(healthy float64, more ...[]inputLine) []inputLine {
	var all []inputLine
	if healthy > 0 {
		all = append(all, requests("200", healthy))
	}
	for _, m := range more {
		all = append(all, m...)
	}
	return all
}

func one(l inputLine) []inputLine { return []inputLine{l} }

func TestPromtool(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, value any) {
		raw, err := yaml.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("rules.yaml", ruleSpec{Rules(sample(t), testTime).Groups})
	tests := append(append(breaches(), silences()...), units()...)
	// An expression of the original: what is absent does not equal 0, so that it
	// was silent exactly when the app was gone.
	tests = append(tests, unit{
		Name: "comparing what is absent with 0", Interval: "30s", InputSeries: []inputLine{constant("up{"+target+"}", 0)},
		Exprs: []exprTest{{Expr: "sum(rate(" + httpMetric + "_count[5m])) == 0", EvalTime: "30m", Samples: []exprSample{}}},
	})
	write("tests.yaml", unitFile{RuleFiles: []string{"rules.yaml"}, EvaluationInterval: "30s", Tests: tests})

	if out := promtool(t, dir, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"); !strings.Contains(out, "34 rules found") {
		t.Errorf("promtool check rules: %s", out)
	}
	if out := promtool(t, dir, "test", "rules", "tests.yaml"); !strings.Contains(out, "SUCCESS") {
		t.Errorf("promtool test rules: %s", out)
	}
}

// Each of the 13 alerts of the original, and the one for vanished metrics, is
// seen firing.
func TestPromtoolCoversEveryAlert(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, u := range breaches() {
		for _, e := range u.Exprs {
			for _, s := range e.Samples {
				seen[s.Labels] = true
			}
		}
	}
	for _, group := range Rules(sample(t), testTime).Groups {
		for i := range group.Rules {
			if alert := group.Rules[i].Alert; alert != "" && !seen[`{alertname="`+alert+`"}`] {
				t.Errorf("no test sees %s firing", alert)
			}
		}
	}
}
