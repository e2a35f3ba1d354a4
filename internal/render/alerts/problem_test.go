package alerts

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// threshold reads a threshold, and fails on fields that do not exist.
func threshold(t *testing.T, text string) v1alpha1.Threshold {
	t.Helper()
	var parsed v1alpha1.Threshold
	if err := yaml.UnmarshalStrict([]byte(text), &parsed); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return parsed
}

func baselineOf(thresholds ...v1alpha1.Threshold) *v1alpha1.AlertBaseline {
	return &v1alpha1.AlertBaseline{
		ObjectMeta: metav1.ObjectMeta{Name: "base", Namespace: "shop"},
		Spec:       v1alpha1.AlertBaselineSpec{DeploymentRef: v1alpha1.DeploymentReference{Name: "rsolv"}, Thresholds: thresholds},
	}
}

const good = `{name: good, signal: {errorRatio: {}}, warning: {above: 1%, alert: Good}}`

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		threshold string
		change    func(*v1alpha1.AlertBaseline)
		field     string
		message   []string
	}{
		"bad PromQL": {
			threshold: `{name: x, signal: {expr: "sum(\n  rte(x[5m]))"}, warning: {above: 1, alert: X}}`,
			field:     "signal.expr", message: []string{`2:3: unknown function with name "rte"`, "use a function"},
		},
		"range vector":                         {threshold: `{name: x, signal: {expr: "x[5m]"}, warning: {above: "1", alert: X}}`, field: "signal.expr", message: []string{"1:1:", "rate()"}},
		"both sides":                           {threshold: `{name: x, signal: {expr: x}, info: {below: "1", alert: X}, warning: {above: "5", alert: Z}}`, field: "signal.expr", message: []string{"both sides", "two thresholds"}},
		"no signal":                            {threshold: `{name: x, signal: {}, target: "1"}`, field: "signal", message: []string{"exactly one"}},
		"two signals":                          {threshold: `{name: x, signal: {expr: up, requestRate: {}}, target: "1"}`, field: "signal", message: []string{"exactly one"}},
		"latency in percent":                   {threshold: `{name: x, signal: {latency: {}}, warning: {above: 5%, alert: X}}`, field: "warning.above", message: []string{`"5%" is no duration`, "500ms"}},
		"target unit":                          {threshold: `{name: x, signal: {latency: {}}, target: 5%}`, field: "target", message: []string{"500ms"}},
		"ratio without %":                      {threshold: `{name: x, signal: {errorRatio: {}}, warning: {above: "0.05", alert: X}}`, field: "warning.above", message: []string{"no percentage", "5%"}},
		"ratio over 100%":                      {threshold: `{name: x, signal: {errorRatio: {}}, warning: {above: 101%, alert: X}}`, field: "warning.above", message: []string{"100%"}},
		"ratio at 100%":                        {threshold: `{name: x, signal: {errorRatio: {}}, warning: {above: 100%, alert: X}}`, field: "warning.above", message: []string{"never exceeded"}},
		"rate without /s":                      {threshold: `{name: x, signal: {requestRate: {}}, warning: {below: "1", alert: X}}`, field: "warning.below", message: []string{"0.01/s"}},
		"past the buckets":                     {threshold: `{name: x, signal: {latency: {histogram: http}}, warning: {above: 30s, alert: X}}`, field: "warning.above", message: []string{"never exceeded", "30000ms"}},
		"no bound":                             {threshold: `{name: x, signal: {errorRatio: {}}, warning: {alert: X}}`, field: "warning", message: []string{"exactly one"}},
		"two bounds":                           {threshold: `{name: x, signal: {errorRatio: {}}, warning: {above: 1%, below: 5%, alert: X}}`, field: "warning", message: []string{"exactly one"}},
		"nothing":                              {threshold: `{name: x, signal: {errorRatio: {}}}`, field: "target", message: []string{"neither target nor level"}},
		"warning beyond":                       {threshold: `{name: x, signal: {latency: {}}, warning: {above: 3s, alert: X}, critical: {above: 500ms, alert: Z}}`, field: "warning.above", message: []string{"warning above 3s lies beyond critical above 500ms", "swap"}},
		"warning below":                        {threshold: `{name: x, signal: {requestRate: {}}, warning: {below: 1/s, alert: X}, critical: {below: 2/s, alert: Z}}`, field: "warning", message: []string{"beyond", "swap"}},
		"two directions":                       {threshold: `{name: x, signal: {requestRate: {}}, warning: {above: 1/s, alert: X}, critical: {below: 2/s, alert: Z}}`, field: "critical", message: []string{"different directions"}},
		"duration":                             {threshold: `{name: x, signal: {errorRatio: {}}, warning: {above: 1%, for: 5min, alert: X}}`, field: "warning.for", message: []string{`"5min"`, "1h30m"}},
		"alert name":                           {threshold: `{name: x, signal: {errorRatio: {}}, warning: {above: 1%, alert: x-y}}`, field: "warning.alert", message: []string{"capital"}},
		"alert twice":                          {threshold: `{name: x, signal: {errorRatio: {}}, warning: {above: 1%, alert: Good}}`, field: "alert", message: []string{"Good is used twice"}},
		"alert twice inside":                   {threshold: `{name: x, signal: {errorRatio: {}}, warning: {above: 1%, alert: X}, onNoData: {alert: X}}`, field: "alert", message: []string{"X is used twice"}},
		"name":                                 {threshold: `{name: X_1, signal: {errorRatio: {}}, target: 1%}`, field: "name", message: []string{"lower-case"}},
		"name twice":                           {threshold: `{name: good, signal: {errorRatio: {}}, target: 1%}`, field: "name", message: []string{"same name"}},
		"severity":                             {threshold: `{name: x, signal: {errorRatio: {}}, onNoData: {alert: X, severity: page}}`, field: "onNoData.severity", message: []string{"page"}},
		"during":                               {threshold: `{name: x, signal: {errorRatio: {}}, warning: {above: 1%, alert: X, during: Weekends}}`, field: "warning.during", message: []string{"Weekends"}},
		"no business hours":                    {threshold: `{name: x, signal: {errorRatio: {}}, warning: {above: 1%, alert: X, during: BusinessHours}}`, field: "warning.during", message: []string{"set spec.businessHours"}},
		"quantile":                             {threshold: `{name: x, signal: {latency: {quantile: p42}}, target: 1s}`, field: "signal.latency.quantile", message: []string{"p42"}},
		"endpoint":                             {threshold: `{name: x, signal: {latency: {endpoint: 'api"v1'}}, target: 1s}`, field: "signal.latency.endpoint", message: []string{"begins with /"}},
		"min rate":                             {threshold: `{name: x, signal: {latency: {minRate: 1%}}, target: 1s}`, field: "signal.latency.minRate", message: []string{"0.1/s"}},
		"histogram suffix":                     {threshold: `{name: x, signal: {latency: {histogram: a_bucket}}, target: 1s}`, field: "signal.latency.histogram", message: []string{"one series", "write a"}},
		"histogram name":                       {threshold: `{name: x, signal: {requestRate: {histogram: a-b}}, target: 1/s}`, field: "signal.requestRate.histogram", message: []string{"no metric name"}},
		"counter name":                         {threshold: `{name: x, signal: {failureRatio: {counter: a b, failures: {a: b}}}, target: 1%}`, field: "signal.failureRatio.counter", message: []string{"no metric name"}},
		"no failures":                          {threshold: `{name: x, signal: {failureRatio: {counter: a, failures: {}}}, target: 1%}`, field: "signal.failureRatio.failures", message: []string{"status: failed"}},
		"gauge name":                           {threshold: `{name: x, signal: {utilization: {used: "1", capacity: b}}, target: 1%}`, field: "signal.utilization.used", message: []string{"gauge"}},
		"pattern":                              {threshold: `{name: x, signal: {errorRatio: {errors: {status: "5(."}}}, target: 1%}`, field: "signal.errorRatio.errors.status", message: []string{"regular expression"}},
		"label name":                           {threshold: `{name: x, signal: {errorRatio: {errors: {'a="b",c': x}}}, target: 1%}`, field: "signal.errorRatio.errors", message: []string{"label name"}},
		"keep firing":                          {threshold: `{name: x, signal: {errorRatio: {}}, warning: {above: 1%, alert: X, keepFiringFor: 5min}}`, field: "warning.keepFiringFor", message: []string{`"5min"`}},
		"own window":                           {threshold: `{name: x, window: 0s, signal: {errorRatio: {}}, target: 1%}`, field: "window", message: []string{`"0s"`, "longer than zero"}},
		"short long window":                    {threshold: `{name: x, window: 10m, longWindow: 10m, signal: {errorRatio: {}}, target: 1%}`, field: "longWindow", message: []string{"longer than the window, 10m"}},
		"long window of an expression":         {threshold: `{name: x, longWindow: 10m, signal: {expr: up}, target: "1"}`, field: "window", message: []string{"avg_over_time"}},
		"window of a gauge":                    {threshold: `{name: x, window: 10m, signal: {utilization: {used: a, capacity: b}}, target: 1%}`, field: "window", message: []string{"only a rate"}},
		"flag key":                             {threshold: `{name: x, onlyWhenFlag: {key: Blog, is: true}, signal: {expr: up}, target: "1"}`, field: "onlyWhenFlag.key", message: []string{`"Blog"`, "FeatureFlag"}},
		"flag key of underscores":              {threshold: `{name: x, onlyWhenFlag: {key: a__b, is: true}, signal: {expr: up}, target: "1"}`, field: "onlyWhenFlag.key", message: []string{`"a__b"`}},
		"own label":                            {threshold: `{name: x, labels: {severity: page}, signal: {expr: up}, target: "1"}`, field: "labels", message: []string{"severity is set by the operator"}},
		"no label":                             {threshold: `{name: x, labels: {a-b: page}, signal: {expr: up}, target: "1"}`, field: "labels", message: []string{`"a-b"`}},
		"label template":                       {threshold: `{name: x, labels: {a: "{{ $value }}"}, signal: {expr: up}, target: "1"}`, field: "labels.a", message: []string{"annotation"}},
		"annotation name":                      {threshold: `{name: x, annotations: {a-b: page}, signal: {expr: up}, target: "1"}`, field: "annotations", message: []string{`"a-b"`}},
		"annotation template":                  {threshold: `{name: x, annotations: {text: "is {{ $value | humanise }}"}, signal: {expr: up}, target: "1"}`, field: "annotations.text", message: []string{`"humanise" not defined`}},
		"by":                                   {threshold: `{name: x, signal: {failureRatio: {counter: a, failures: {a: b}, by: namespace}}, target: 1%}`, field: "signal.failureRatio.by", message: []string{"set by the operator"}},
		"by an added label":                    {threshold: `{name: x, labels: {repo: all}, signal: {failureRatio: {counter: a, failures: {a: b}, by: repo}}, target: 1%}`, field: "signal.failureRatio.by", message: []string{"label repo of one value"}},
		"rate counter":                         {threshold: `{name: x, signal: {requestRate: {counter: a b}}, target: 1/s}`, field: "signal.requestRate.counter", message: []string{"no metric name"}},
		"bad PromQL after a placeholder":       {threshold: `{name: x, signal: {expr: "up\n+ up{$selector} + upp($namespace)"}, target: "1"}`, field: "signal.expr", message: []string{"2:19: unknown function"}},
		"bad PromQL in a placeholder":          {threshold: `{name: x, signal: {expr: "up + $selector"}, target: "1"}`, field: "signal.expr", message: []string{"1:6: "}},
		"bad PromQL of an unknown placeholder": {threshold: `{name: x, signal: {expr: "up{$selectors}"}, target: "1"}`, field: "signal.expr", message: []string{"1:"}},
		"bad PromQL with a dollar":             {threshold: `{name: x, signal: {expr: "up{a=$b}"}, target: "1"}`, field: "signal.expr", message: []string{"1:6: ", "$selector, $namespace or $deployment"}},
		"labels of the baseline": {
			threshold: `{name: x, signal: {expr: up}, target: "1"}`,
			change: func(b *v1alpha1.AlertBaseline) {
				b.Spec.Alerts = &v1alpha1.AlertOptions{Labels: v1alpha1.AlertLabels{"baseline": "c"}}
				b.Spec.Thresholds = b.Spec.Thresholds[1:]
			},
			field: "spec.alerts.labels", message: []string{"baseline is set by the operator"},
		},
		"selector": {
			threshold: `{name: x, signal: {expr: up}, target: "1"}`,
			change: func(b *v1alpha1.AlertBaseline) {
				b.Spec.Selector = map[string]v1alpha1.LabelValue{"a-b": "c"}
				b.Spec.Thresholds = b.Spec.Thresholds[1:]
			},
			field: "spec.selector", message: []string{"a-b"},
		},
		"window": {
			threshold: `{name: x, signal: {errorRatio: {}}, target: 1%}`,
			change: func(b *v1alpha1.AlertBaseline) {
				b.Spec.Window = "0s"
				b.Spec.Thresholds = b.Spec.Thresholds[1:]
			},
			field: "spec.window", message: []string{"longer than zero"},
		},
		"min request rate": {
			threshold: `{name: x, signal: {errorRatio: {}}, target: 1%}`,
			change: func(b *v1alpha1.AlertBaseline) {
				b.Spec.MinRequestRate = "often"
				b.Spec.Thresholds = b.Spec.Thresholds[1:]
			},
			field: "spec.minRequestRate", message: []string{"often"},
		},
		"for outlasts the hours": {
			threshold: `{name: x, signal: {errorRatio: {}}, warning: {above: 1%, for: 9h, alert: X, during: BusinessHours}}`,
			change: func(b *v1alpha1.AlertBaseline) {
				b.Spec.BusinessHours = &v1alpha1.BusinessHours{From: "09:00", To: "18:00"}
			},
			field: "warning.for", message: []string{"are over before 9h have passed"},
		},
		"zone": {
			threshold: `{name: x, signal: {errorRatio: {}}, warning: {above: 1%, alert: X, during: BusinessHours}}`,
			change: func(b *v1alpha1.AlertBaseline) {
				b.Spec.BusinessHours = &v1alpha1.BusinessHours{Timezone: "Europe/Madird", From: "09:00", To: "18:00"}
			},
			field: "spec.businessHours.timezone", message: []string{"Europe/Madird", "IANA"},
		},
		"the operator's own zone": {
			threshold: `{name: x, signal: {errorRatio: {}}, warning: {above: 1%, alert: X, during: BusinessHours}}`,
			change: func(b *v1alpha1.AlertBaseline) {
				b.Spec.BusinessHours = &v1alpha1.BusinessHours{Timezone: "Local", From: "09:00", To: "18:00"}
			},
			field: "spec.businessHours.timezone", message: []string{"Local"},
		},
		"span": {
			threshold: `{name: x, signal: {errorRatio: {}}, warning: {above: 1%, alert: X, during: BusinessHours}}`,
			change: func(b *v1alpha1.AlertBaseline) {
				b.Spec.BusinessHours = &v1alpha1.BusinessHours{From: "18:00", To: "09:00"}
			},
			field: "spec.businessHours", message: []string{"no span"},
		},
		"day": {
			threshold: `{name: x, signal: {errorRatio: {}}, warning: {above: 1%, alert: X, during: BusinessHours}}`,
			change: func(b *v1alpha1.AlertBaseline) {
				b.Spec.BusinessHours = &v1alpha1.BusinessHours{From: "09:00", To: "18:00", Days: []v1alpha1.Weekday{"Monday"}}
			},
			field: "spec.businessHours.days", message: []string{"Monday"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			baseline := baselineOf(threshold(t, good), threshold(t, test.threshold))
			if test.change != nil {
				test.change(baseline)
			}
			result := Rules(baseline, testTime)
			if len(result.Problems) != 1 {
				t.Fatalf("problems: %v; want one", result.Problems)
			}
			problem := result.Problems[0]
			if problem.Field != test.field {
				t.Errorf("field %q; want %q", problem.Field, test.field)
			}
			for _, part := range append(test.message, problem.Threshold) {
				if !strings.Contains(problem.Error(), part) {
					t.Errorf("%q lacks %q", problem.Error(), part)
				}
			}
			wantReason := v1alpha1.ReasonInvalidThreshold
			if strings.HasPrefix(name, "bad PromQL") || name == "range vector" {
				wantReason = v1alpha1.ReasonInvalidExpression
			}
			if problem.Reason != wantReason || problem.What == "" || problem.Fix == "" {
				t.Errorf("incomplete: %#v", problem)
			}
			if len(baseline.Spec.Thresholds) == 2 && (len(result.Groups) != 1 || result.Groups[0].Name != "good" || Alerts(result.Groups) != 1) {
				t.Errorf("the good threshold has suffered: %v", result.Groups)
			}
		})
	}
}

// Awkward but legal baselines give rules that Prometheus loads, templates
// included, and that two baselines do not share.
func TestAwkwardBaselines(t *testing.T) {
	t.Parallel()
	thresholds := []string{
		`{name: a-b, signal: {latency: {endpoint: "/x/{{id}}.y/*", quantile: p50}}, warning: {above: 0.5s, alert: A, for: 1h30m}}`,
		`{name: a--b, signal: {latency: {endpoint: "/x/{{id}}"}}, warning: {above: 500ms, alert: B}, onNoData: {alert: C, severity: info, for: 1d}}`,
		`{name: q, signal: {errorRatio: {histogram: my_thing, errors: {status: 'a"b\.c', le: "x|y"}}}, critical: {above: 0%, alert: D}}`,
		`{name: e, signal: {expr: "up # trailing"}, info: {atMost: "-0.5", alert: E}}`,
		`{name: s, signal: {expr: "time() - 3 # trailing"}, info: {above: "0", alert: F}, onNoData: {alert: G}}`,
		`{name: u, signal: {utilization: {used: a, capacity: b}}, warning: {below: 10%, alert: H}, onNoData: {alert: I}}`,
		`{name: f, signal: {failureRatio: {counter: c_total, failures: {code: "4..|5.."}}}, warning: {above: 10%, alert: J, during: BusinessHours}}`,
		`{name: w, signal: {failureRatio: {counter: webhooks, failures: {status: failed}, minRate: 0/s}}, warning: {above: 10%, alert: K}}`,
		`{name: t, signal: {requestRate: {}}, target: 1/s}`,
		`{name: l, window: 10m, longWindow: 1d, signal: {failureRatio: {counter: c_total, failures: {code: "5.."}, by: repo}}, warning: {above: 10%, alert: M, keepFiringFor: 15m}}`,
		`{name: ll, longWindow: 1h, onlyWhenFlag: {key: new_ui, is: false}, signal: {latency: {endpoint: /ui}}, warning: {above: 1s, alert: NN, during: BusinessHours}, onNoData: {alert: O}}`,
		`{name: p, suspend: true, signal: {requestRate: {counter: c_total}}, critical: {atMost: 0/s, alert: P}}`,
		`{name: x, labels: {team: web}, annotations: {summary: "{{ $labels.pod }} is {{ if gt $value 1.0 }}on{{ else }}off{{ end }}", more: "{{` + "`{{`" + `}}"}, signal: {expr: 'sum by (pod) (up{$selector,x="$namespace/$deployment"})'}, info: {above: "1", alert: Q}}`,
		`{name: gone, signal: {requestRate: {}}, onNoData: {alert: L}}`,
	}
	baseline := baselineOf()
	for _, text := range thresholds {
		baseline.Spec.Thresholds = append(baseline.Spec.Thresholds, threshold(t, text))
	}
	baseline.Spec.Selector = map[string]v1alpha1.LabelValue{"job": `we"ird\`, "a": "b\nc"}
	baseline.Spec.Alerts = &v1alpha1.AlertOptions{
		Labels:      v1alpha1.AlertLabels{"team": "platform", "tier": `a"b\`},
		Annotations: v1alpha1.AlertAnnotations{"owner": "ops"},
		RunbookURL:  "https://wiki.example.com/{alert}.html",
	}
	baseline.Spec.BusinessHours = &v1alpha1.BusinessHours{Timezone: "America/New_York", From: "00:00", To: "12:00"}
	result := Rules(baseline, testTime)
	if len(result.Problems) > 0 {
		t.Fatal(result.Problems)
	}
	raw := toYAML(t, ruleSpec{result.Groups})
	if _, errs := rulefmt.Parse(raw, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler)); len(errs) > 0 {
		t.Errorf("Prometheus refuses the rules: %v\n%s", errs, raw)
	}
	golden(t, "awkward.rules.yaml", raw)
}
