package alerts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// checked is a baseline with every way to be judged or not. Time begins on a
// Thursday at midnight.
const checked = `
metadata: {name: gate, namespace: prod}
spec:
  deploymentRef: {name: rsolv}
  minRequestRate: 0.1/s
  window: 5m
  businessHours: {timezone: UTC, from: "00:15", to: "01:00"}
  thresholds:
  - {name: errors, signal: {errorRatio: {histogram: http}}, critical: {above: 5%, for: 10m, alert: A}}
  - {name: latency, signal: {latency: {histogram: http}}, critical: {above: 750ms, alert: B}}
  - {name: errors-twice, longWindow: 10m, signal: {errorRatio: {histogram: http}}, critical: {above: 5%, alert: C}}
  - {name: stopped, signal: {requestRate: {histogram: http}}, critical: {atMost: 0/s, alert: D}}
  - {name: pool, signal: {utilization: {used: used, capacity: capacity}}, critical: {above: 90%, alert: E}}
  - {name: by-repo, signal: {failureRatio: {counter: runs_total, failures: {status: failed}, by: repo, minRate: 0/s}}, critical: {above: 50%, alert: F}}
  - {name: at-work, signal: {errorRatio: {histogram: http}}, critical: {above: 5%, during: BusinessHours, alert: G}}
  - {name: page, onlyWhenFlag: {key: blog, is: true}, signal: {errorRatio: {histogram: http}}, critical: {above: 5%, alert: H}}
  - {name: queue, signal: {expr: 'sum(queue{$selector})'}, critical: {above: "10", alert: I}}
  - {name: probe, signal: {expr: 'probe_success'}, critical: {below: "1", alert: J}}
  - {name: silent, suspend: true, signal: {errorRatio: {histogram: http}}, critical: {above: 5%, alert: K}}
  - {name: only-warns, signal: {errorRatio: {histogram: http}}, warning: {above: 5%, alert: L}}
  - {name: wrong, signal: {expr: 'sum({$selector}'}, critical: {above: "1", alert: M}}
`

func checkedBaseline(t *testing.T) *v1alpha1.AlertBaseline {
	t.Helper()
	baseline := &v1alpha1.AlertBaseline{}
	if err := yaml.UnmarshalStrict([]byte(checked), baseline); err != nil {
		t.Fatal(err)
	}
	return baseline
}

func TestChecksAskAboutTheCriticalBounds(t *testing.T) {
	t.Parallel()
	type row struct{ Threshold, Says, Window, Settles string }
	list := func(checks []Check) (rows []row) {
		for i := range checks {
			rows = append(rows, row{checks[i].Threshold, checks[i].Says(), checks[i].Window.String(), checks[i].Settles.String()})
		}
		return rows
	}
	want := []row{
		{"errors", "critical above 5%", "5m0s", "0s"},
		{"latency", "critical above 750ms", "5m0s", "0s"},
		{"errors-twice", "critical above 5%", "10m0s", "0s"},
		{"stopped", "critical at or below 0/s", "5m0s", "5m0s"},
		{"pool", "critical above 90%", "0s", "0s"},
		{"by-repo", "critical above 50%", "5m0s", "0s"},
		{"at-work", "critical above 5%", "5m0s", "0s"},
		{"page", "critical above 5%", "5m0s", "0s"},
		{"queue", "critical above 10", "0s", "0s"},
	}
	wrong := Unchecked{"wrong", "it has no rules either: signal.expr: 1:16: unclosed left parenthesis"}
	checks, unchecked := Checks(checkedBaseline(t), testTime, PodsOf("rsolv-7d9f8b6c5d"))
	if diff := cmp.Diff(want, list(checks)); diff != "" {
		t.Errorf("checks of some pods (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Unchecked{{"probe", "its expression has no $selector, so it cannot be asked about some of the pods"}, wrong}, unchecked); diff != "" {
		t.Errorf("unchecked of some pods (-want +got):\n%s", diff)
	}
	checks, unchecked = Checks(checkedBaseline(t), testTime, "")
	if diff := cmp.Diff(append(want, row{"probe", "critical below 1", "0s", "0s"}), list(checks)); diff != "" {
		t.Errorf("checks of all pods (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Unchecked{wrong}, unchecked); diff != "" {
		t.Errorf("unchecked of all pods (-want +got):\n%s", diff)
	}
	suspended := checkedBaseline(t)
	suspended.Spec.Suspend = true
	if checks, _ := Checks(suspended, testTime, ""); len(checks) != 0 {
		t.Errorf("a suspended baseline has %d checks", len(checks))
	}
}

// TestChecksJudgeTheNewPods evaluates the queries over the metrics of an old
// revision that fails and a new one, of which each row says what it does.
func TestChecksJudgeTheNewPods(t *testing.T) {
	t.Parallel()
	const (
		old   = `{job="rsolv",namespace="prod",pod="rsolv-0000000000-aaaaa"`
		young = `{job="rsolv",namespace="prod",pod="rsolv-7d9f8b6c5d-bbbbb"`
		http  = "phoenix_http_request_duration_milliseconds"
	)
	oldFails := []inputLine{{http + `_count` + old + `,status="500"}`, "0+60x60"}, {"queue" + old + "}", "99x60"}}
	noTraffic := []inputLine{{http + `_count` + young + `,status="200"}`, "0x60"}}
	healthy := []inputLine{
		{http + `_count` + young + `,status="200"}`, "0+60x60"},
		{http + `_bucket` + young + `,status="200",le="100"}`, "0+60x60"},
		{http + `_bucket` + young + `,status="200",le="+Inf"}`, "0+60x60"},
	}
	failing := []inputLine{{http + `_count` + young + `,status="200"}`, "0+45x60"}, {http + `_count` + young + `,status="503"}`, "0+15x60"}}
	flag := func(value string) inputLine {
		return inputLine{"rsolv_feature_flag_enabled" + old + `,flag="blog"}`, value}
	}
	for name, test := range map[string]struct {
		series    []inputLine
		threshold string
		at        string
		judged    []exprSample
		present   bool
	}{
		"healthy beside failing old pods": {healthy, "errors", "10m", []exprSample{{"{}", 0}}, true},
		"a quarter fails":                 {failing, "errors", "10m", []exprSample{{"{}", 0.25}}, true},
		"no traffic":                      {noTraffic, "errors", "10m", nil, true},
		"not scraped":                     {nil, "errors", "10m", nil, false},
		"latency":                         {healthy, "latency", "10m", []exprSample{{"{}", 95}}, true},
		"no requests is a rate":           {noTraffic, "stopped", "10m", []exprSample{{"{}", 0}}, true},
		"pool": {
			[]inputLine{{"used" + young + "}", "9x60"}, {"capacity" + young + "}", "10x60"}, {"used" + old + "}", "0x60"}},
			"pool", "10m",
			[]exprSample{{"{}", 0.9}},
			true,
		},
		"half of a pool": {[]inputLine{{"used" + young + "}", "9x60"}}, "pool", "10m", nil, false},
		"each repo": {[]inputLine{
			{"runs_total" + young + `,repo="a",status="failed"}`, "0+60x60"},
			{"runs_total" + young + `,repo="b",status="completed"}`, "0+60x60"},
		}, "by-repo", "10m", []exprSample{{`{repo="a"}`, 1}, {`{repo="b"}`, 0}}, true},
		"before work":       {failing, "at-work", "10m", nil, true},
		"at work":           {failing, "at-work", "20m", []exprSample{{"{}", 0.25}}, true},
		"flag is on":        {append(failing, flag("1x60")), "page", "10m", []exprSample{{"{}", 0.25}}, true},
		"flag is off":       {append(failing, flag("0x60")), "page", "10m", nil, true},
		"flag was off last": {append(failing, flag("1x5 0x3 _x60")), "page", "20m", nil, true},
		"flag is not known": {failing, "page", "10m", []exprSample{{"{}", 0.25}}, true},
		"an expression":     {[]inputLine{{"queue" + young + "}", "3x60"}}, "queue", "10m", []exprSample{{"{}", 3}}, true},
		"no expression":     {nil, "queue", "10m", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checks, _ := Checks(checkedBaseline(t), testTime, PodsOf("rsolv-7d9f8b6c5d"))
			for i := range checks {
				if checks[i].Threshold == test.threshold {
					promtoolExprs(t, append(test.series, oldFails...),
						exprTest{checks[i].Judged, test.at, append([]exprSample{}, test.judged...)},
						exprTest{"count(" + checks[i].Present + ") or vector(0)", test.at, []exprSample{{"{}", map[bool]float64{true: 1}[test.present]}}})
				}
			}
		})
	}
}

// promtoolExprs evaluates expressions over series with a sample each minute.
func promtoolExprs(t *testing.T, series []inputLine, exprs ...exprTest) {
	t.Helper()
	dir := t.TempDir()
	raw, err := yaml.Marshal(unitFile{
		RuleFiles: []string{}, EvaluationInterval: "1m",
		Tests: []unit{{Name: t.Name(), Interval: "1m", InputSeries: series, Exprs: exprs}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tests.yaml"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := promtool(t, dir, "test", "rules", "tests.yaml"); !strings.Contains(out, "SUCCESS") {
		t.Errorf("%s\n%s", out, raw)
	}
}

func TestCheckFormatsAndCompares(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		check   Check
		value   float64
		text    string
		outside bool
	}{
		"a ratio above":        {Check{Unit: Ratio, Bound: Bound{Operator: ">", Value: 0.05}}, 0.125, "12.5%", true},
		"a ratio at the bound": {Check{Unit: Ratio, Bound: Bound{Operator: ">", Value: 0.05}}, 0.05, "5.0%", false},
		"milliseconds":         {Check{Unit: Milliseconds, Bound: Bound{Operator: ">", Value: 750}}, 812.4, "812ms", true},
		"seconds":              {Check{Unit: Milliseconds, Bound: Bound{Operator: ">", Value: 750}}, 2345, "2.35s", true},
		"below":                {Check{Bound: Bound{Operator: "<", Value: 1}}, 0, "0", true},
		"at most":              {Check{Unit: PerSecond, Bound: Bound{Operator: "<=", Value: 0}}, 0, "0/s", true},
		"more than at most":    {Check{Unit: PerSecond, Bound: Bound{Operator: "<=", Value: 0}}, 0.0213, "0.0213/s", false},
	} {
		if got := test.check.Unit.Format(test.value); got != test.text || test.check.Bound.Outside(test.value) != test.outside {
			t.Errorf("%s: %s, outside %t", name, got, test.check.Bound.Outside(test.value))
		}
	}
}

func TestPodsAreMatchedByTheirReplicaSet(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ got, want string }{
		"of one":        {PodsOf("rsolv-7d9f8b6c5d"), `pod=~"rsolv-7d9f8b6c5d-[a-z0-9]+"`},
		"but those":     {PodsBut([]string{"rsolv-1", "rsolv-2"}), `pod!~"rsolv-1-[a-z0-9]+|rsolv-2-[a-z0-9]+"`},
		"but of nobody": {PodsBut(nil), ""},
	} {
		if test.got != test.want {
			t.Errorf("%s: %s, want %s", name, test.got, test.want)
		}
	}
}
