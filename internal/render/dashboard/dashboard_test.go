package dashboard

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/promql"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var testTime = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

func sample(t *testing.T) (*v1alpha1.AlertBaseline, []alerts.Plan) {
	t.Helper()
	raw, err := os.ReadFile("../../../config/samples/rsolv_v1alpha1_alertbaseline_api-performance.yaml")
	if err != nil {
		t.Fatal(err)
	}
	baseline := &v1alpha1.AlertBaseline{}
	if err := yaml.UnmarshalStrict(raw, baseline); err != nil {
		t.Fatal(err)
	}
	baseline.Namespace = "rsolv-production"
	return baseline, plansOf(t, baseline)
}

func plansOf(t *testing.T, baseline *v1alpha1.AlertBaseline) []alerts.Plan {
	t.Helper()
	result := alerts.Rules(baseline, testTime)
	if len(result.Problems) > 0 {
		t.Fatal(result.Problems)
	}
	return result.Plans
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); if that is meant, run the test with -update\n%s", path, diff)
	}
}

func read(t *testing.T, raw []byte) model {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	var m model
	if err := decoder.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSampleGolden(t *testing.T) {
	t.Parallel()
	baseline, plans := sample(t)
	golden(t, "api-performance.json", JSON(baseline, plans))
}

func TestConfigMap(t *testing.T) {
	t.Parallel()
	baseline, plans := sample(t)
	baseline.UID = "5d4cbd3c-0000-4000-8000-000000000000"
	got := ConfigMap(baseline, plans)
	data, _, err := unstructured.NestedStringMap(got.Object, "data")
	if err != nil || len(data) != 1 {
		t.Fatalf("data: %v, %v", data, err)
	}
	if data["rsolv-production-api-performance.json"] != string(JSON(baseline, plans)) {
		t.Error("the data is not the dashboard")
	}
	unstructured.RemoveNestedField(got.Object, "data")
	raw, err := yaml.Marshal(got.Object)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "api-performance.configmap-metadata.yaml", raw)
}

// The ten panels of the dashboard that was kept by hand, and what each must
// ask for.
func TestSampleHasEveryPanel(t *testing.T) {
	t.Parallel()
	m := read(t, JSON(sample(t)))
	for _, want := range []struct {
		kind, title, unit string
		asks              []string
		steps             string
	}{
		{"stat", "Share of HTTP requests answered 5xx", "percentunit", []string{"rsolv:api_error_rate:ratio{"}, "green 0.01 yellow 0.05 red"},
		{"stat", "p95 of HTTP requests", "ms", []string{"rsolv:api_p95_latency:p95_milliseconds{"}, "green 1000 yellow 3000 red"},
		{"stat", "p95 of database queries", "ms", []string{"rsolv:database_query_latency:p95_milliseconds{"}, "green 100 yellow 500 red"},
		{"timeseries", "Rate of HTTP requests", "reqps", []string{"rsolv:api_request_rate:rate{", "vector(0.01)"}, "red 1e-9 blue 0.01 green"},
		{"timeseries", "HTTP requests by status", "reqps", []string{"sum by (status) (rate(phoenix_http_request_duration_milliseconds_count{"}, "green"},
		{"timeseries", "HTTP requests: p50, p95, p99", "ms", []string{
			"rsolv:api_p50_latency:p50_milliseconds{", "rsolv:api_p95_latency:p95_milliseconds{", "histogram_quantile(0.99,", "vector(1000)", "vector(200)",
		}, "green 1000 yellow 3000 red"},
		{"timeseries", "HTTP requests: latency of endpoints", "ms", []string{
			"rsolv:credential_exchange_latency:", "rsolv:vulnerability_validation_latency:", "rsolv:test_integration_latency:",
			"histogram_quantile(0.95, sum by (le,path)", "vector(500)", "vector(2000)", "vector(5000)",
		}, "green 500 yellow 2000 yellow"},
		{"timeseries", "Database queries: p50, p95, p99", "ms", []string{
			"histogram_quantile(0.5,", "rsolv:database_query_latency:p95_milliseconds{", "histogram_quantile(0.99,", "vector(100)",
		}, "green 100 yellow 500 red"},
		{"timeseries", "Use of the database connection pool", "percentunit", []string{"rsolv:database_pool_use:ratio{", "vector(0.8)"}, "green 0.9 yellow"},
		{"timeseries", "Stripe webhooks: p50, p95, p99", "ms", []string{"rsolv:webhook_latency:p95_milliseconds{", "vector(1000)"}, "green 1000 yellow"},
		{"timeseries", "Share of failed Stripe webhooks", "percentunit", []string{"rsolv:webhook_failures:ratio{", "vector(0.05)"}, "green 0.05 yellow"},
	} {
		var found *panel
		for i := range m.Panels {
			if m.Panels[i].Type == want.kind && m.Panels[i].Title == want.title {
				found = &m.Panels[i]
			}
		}
		if found == nil {
			t.Errorf("there is no %s %q", want.kind, want.title)
			continue
		}
		if got := found.FieldConfig.Defaults.Unit; got != want.unit {
			t.Errorf("%s: unit %s; want %s", want.title, got, want.unit)
		}
		if got := describeSteps(found.FieldConfig.Defaults.Thresholds.Steps); got != want.steps {
			t.Errorf("%s: steps %s; want %s", want.title, got, want.steps)
		}
		var all strings.Builder
		for _, q := range found.Targets {
			all.WriteString(q.Expr + "\n")
		}
		for _, part := range want.asks {
			if !strings.Contains(all.String(), part) {
				t.Errorf("%s does not ask for %s:\n%s", want.title, part, all.String())
			}
		}
	}
}

func describeSteps(steps []step) string {
	parts := make([]string, 0, 2*len(steps))
	for _, s := range steps {
		if s.Value != nil {
			raw, _ := json.Marshal(*s.Value)
			parts = append(parts, string(raw))
		}
		parts = append(parts, s.Color)
	}
	return strings.Join(parts, " ")
}

// TestModelIsSound checks what Grafana relies on, on the sample and on a
// baseline with every signal and many thresholds.
func TestModelIsSound(t *testing.T) {
	t.Parallel()
	many := &v1alpha1.AlertBaseline{
		ObjectMeta: metav1.ObjectMeta{Name: strings.Repeat("long-", 10) + "name", Namespace: "shop"},
		Spec:       v1alpha1.AlertBaselineSpec{DeploymentRef: v1alpha1.DeploymentReference{Name: "rsolv"}},
	}
	for i := range 30 {
		name := "t" + strings.Repeat("x", i)
		many.Spec.Thresholds = append(many.Spec.Thresholds, v1alpha1.Threshold{
			Name: name, Target: "1s",
			Signal: v1alpha1.Signal{Latency: &v1alpha1.Latency{Quantile: "p90", Endpoint: "/" + name}},
		})
	}
	many.Spec.Thresholds = append(many.Spec.Thresholds,
		v1alpha1.Threshold{Name: "expr", Signal: v1alpha1.Signal{Expr: "up"}, Warning: &v1alpha1.Level{Below: "1", Alert: "A"}},
		v1alpha1.Threshold{Name: "other", Target: "1/s", Signal: v1alpha1.Signal{RequestRate: &v1alpha1.RequestRate{Histogram: "other"}}},
		v1alpha1.Threshold{Name: "p90", Target: "1s", Signal: v1alpha1.Signal{Latency: &v1alpha1.Latency{Quantile: "p90"}}},
	)
	baseline, plans := sample(t)
	for name, raw := range map[string][]byte{"sample": JSON(baseline, plans), "many": JSON(many, plansOf(t, many))} {
		m := read(t, raw)
		if m.UID == "" || len(m.UID) > 40 || strings.Trim(m.UID, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%s: uid %q", name, m.UID)
		}
		var taken [1000][gridWidth]bool
		for i, p := range m.Panels {
			if p.ID != i+1 {
				t.Errorf("%s: panel %q has id %d; want %d", name, p.Title, p.ID, i+1)
			}
			g := p.GridPos
			for y := g.Y; y < g.Y+g.H; y++ {
				for x := g.X; x < g.X+g.W; x++ {
					if x >= gridWidth || taken[y][x] {
						t.Fatalf("%s: panel %q overlaps or overhangs at %d,%d", name, p.Title, x, y)
					}
					taken[y][x] = true
				}
			}
			if (p.Type == "row") != (len(p.Targets) == 0) {
				t.Errorf("%s: %s %q has %d queries", name, p.Type, p.Title, len(p.Targets))
			}
			checkQueries(t, p)
		}
	}
}

func checkQueries(t *testing.T, p panel) {
	t.Helper()
	refs := map[string]bool{}
	for _, q := range p.Targets {
		if refs[q.RefID] {
			t.Errorf("%s: two queries %s", p.Title, q.RefID)
		}
		refs[q.RefID] = true
		if _, err := promql.Check(q.Expr); err != nil {
			t.Errorf("%s: %s: %v", p.Title, q.Expr, err)
		}
		if q.Datasource != source || q.LegendFormat == "" {
			t.Errorf("%s: incomplete query %+v", p.Title, q)
		}
	}
}

func TestSteps(t *testing.T) {
	t.Parallel()
	for want, bounds := range map[string][]alerts.Bound{
		"green":                        nil,
		"green 5 yellow":               {{Severity: "warning", Operator: ">", Value: 5}},
		"red 1 yellow 2 green":         {{Severity: "critical", Operator: "<", Value: 1}, {Severity: "warning", Operator: "<", Value: 2}},
		"yellow 2 green":               {{Severity: "info", Operator: "<", Value: 1}, {Severity: "warning", Operator: "<", Value: 2}},
		"blue 1 green 4 yellow 9 red":  {{Severity: "critical", Operator: ">", Value: 9}, {Severity: "info", Operator: "<", Value: 1}, {Severity: "warning", Operator: ">", Value: 4}},
		"red -1.999999998 green":       {{Severity: "critical", Operator: "<=", Value: -2}},
		"red 1.000000001 yellow 3 red": {{Severity: "critical", Operator: "<=", Value: 1}, {Severity: "warning", Operator: ">", Value: 0}, {Severity: "critical", Operator: ">", Value: 3}},
	} {
		if got := describeSteps(steps(bounds)); got != want {
			t.Errorf("steps %s; want %s", got, want)
		}
	}
}

// TestSidecarSettings: label and annotation are those that the sidecar is told
// to look for.
func TestSidecarSettings(t *testing.T) {
	t.Parallel()
	baseline, plans := sample(t)
	baseline.Spec.Dashboard = &v1alpha1.Dashboard{
		Folder: "RSOLV", FolderAnnotation: "k8s-sidecar-target-directory", Labels: map[string]string{"dashboards": "yes"},
	}
	got := ConfigMap(baseline, plans)
	if labels := got.GetLabels(); labels["dashboards"] != "yes" || labels[sidecarLabel] != "" || labels["app.kubernetes.io/managed-by"] != "rsolv-operator" {
		t.Errorf("labels %v", labels)
	}
	if annotations := got.GetAnnotations(); len(annotations) != 1 || annotations["k8s-sidecar-target-directory"] != "RSOLV" {
		t.Errorf("annotations %v", annotations)
	}
	if len(baseline.Spec.Dashboard.Labels) != 1 {
		t.Error("rendering has changed the baseline")
	}
}

// envRendered names a folder to write the samples' dashboards to: `make
// conformance` holds them to the schema that Grafana publishes.
const envRendered = "RSOLV_RENDERED"

func TestEverySampleHasADashboard(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../config/samples/*alertbaseline*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d samples (%v)", len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		baseline := &v1alpha1.AlertBaseline{}
		if err := yaml.UnmarshalStrict(raw, baseline); err != nil {
			t.Fatal(err)
		}
		got := JSON(baseline, plansOf(t, baseline))
		if panels := read(t, got).Panels; len(panels) < 2*len(baseline.Spec.Thresholds) {
			t.Errorf("%s: %d panels of %d thresholds", baseline.Name, len(panels), len(baseline.Spec.Thresholds))
		}
		if folder := os.Getenv(envRendered); folder != "" {
			if err := os.WriteFile(filepath.Join(folder, baseline.Name+".dashboard.json"), got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestDeclaredPanels: each kind of panel that somebody declares, its steps and
// its queries.
func TestDeclaredPanels(t *testing.T) {
	t.Parallel()
	steps := []v1alpha1.PanelStep{{From: "0.95", Color: "green"}, {Color: "red"}, {From: "0.90", Color: "yellow"}}
	declared := func(kind v1alpha1.PanelKind, unit string, steps []v1alpha1.PanelStep, legends ...string) v1alpha1.Panel {
		p := v1alpha1.Panel{Title: "A " + string(kind), Description: "About it.", Kind: kind, Unit: unit, Steps: steps}
		for _, legend := range legends {
			p.Queries = append(p.Queries, v1alpha1.PanelQuery{Expr: "up{$selector}", Legend: legend})
		}
		return p
	}
	baseline, plans := sample(t)
	baseline.Spec.Dashboard.Panels = []v1alpha1.Panel{
		declared(v1alpha1.PanelGraph, "ms", []v1alpha1.PanelStep{{From: "100", Color: "orange"}}, "now", ""),
		declared(v1alpha1.PanelStat, "", nil, "up"),
		declared(v1alpha1.PanelGauge, "percentunit", steps, "share"),
		declared(v1alpha1.PanelBars, "", []v1alpha1.PanelStep{{From: "3", Color: "red"}}, "{{pod}}"),
		declared(v1alpha1.PanelPie, "currencyUSD", nil, "{{plan}}"),
		declared(v1alpha1.PanelTable, "", steps, "all", "failed"),
	}
	all := read(t, JSON(baseline, plans)).Panels
	at := slices.IndexFunc(all, func(p panel) bool { return p.Type == "row" && p.Title == "more" })
	if at < 0 || len(all)-at != 7 {
		t.Fatalf("no row of six panels: %d of %d", at, len(all))
	}
	var kinds []string
	for _, p := range all[at+1:] {
		kinds = append(kinds, p.Type)
		checkQueries(t, p)
		if p.Description != "About it." {
			t.Errorf("%s: description %q", p.Title, p.Description)
		}
		if !strings.Contains(p.Targets[0].Expr, `job="rsolv"`) {
			t.Errorf("%s: $selector is not expanded: %s", p.Title, p.Targets[0].Expr)
		}
		if last := p.Type != "stat" && p.Type != "timeseries"; p.Targets[0].Instant != last || p.Targets[0].Range == last {
			t.Errorf("%s asks for the last value: %t", p.Title, p.Targets[0].Instant)
		}
	}
	if diff := cmp.Diff([]string{"stat", "gauge", "bargauge", "piechart", "table", "timeseries"}, kinds); diff != "" {
		t.Fatalf("kinds (-want +got):\n%s", diff)
	}
	named := func(kind string) panel { return all[at+1+slices.Index(kinds, kind)] }
	for kind, want := range map[string]string{
		"gauge": "red 0.9 yellow 0.95 green", "table": "red 0.9 yellow 0.95 green", "bargauge": "green 3 red",
		"stat": "green", "piechart": "green", "timeseries": "green 100 orange",
	} {
		if got := describeSteps(named(kind).FieldConfig.Defaults.Thresholds.Steps); got != want {
			t.Errorf("%s: steps %s; want %s", kind, got, want)
		}
	}
	if got := named("gauge").FieldConfig.Defaults.Max; got == nil || *got != 1 {
		t.Errorf("a dial of shares ends at %v", got)
	}
	if got := named("bargauge").FieldConfig.Defaults.Max; got == nil || *got != 4 {
		t.Errorf("bars with a step at 3 end at %v", got)
	}
	if got := named("timeseries").FieldConfig.Defaults.Custom.ThresholdsStyle.Mode; got != "line" {
		t.Errorf("the steps of a graph are drawn as %q", got)
	}
	golden(t, "table.json", indented(t, named("table")))
}

func indented(t *testing.T, value any) []byte {
	t.Helper()
	raw, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(raw, '\n')
}

// TestSamplesHaveTheOwnersPanels of the dashboards for billing, validation and
// the site: what was looked at there is looked at here, in the same form.
func TestSamplesHaveTheOwnersPanels(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"billing": {
			"timeseries Subscriptions created an hour", "gauge Payments of 24 h that succeeded", "piechart Revenue in 24 h by plan",
			"timeseries Payments", "timeseries Payments, until their effects are stored", "timeseries Fixes an hour by plan", "bargauge From signing up to paying, 30 days",
			"table Failed invoices in 24 h by failure code", "stat Subscription cancellations",
			"stat Subscriptions that are active", "stat Credits in 24 h",
		},
		"validation": {
			"gauge Validations of an hour that succeeded", "stat Validations in 24 h", "gauge Mean duration of a validation",
			"timeseries Duration of validations", "piechart Validations in 24 h by language", "timeseries Validations an hour by language",
			"table Validations in 24 h by repository", "bargauge Failed validations in an hour by repository", "timeseries Validations a minute by status",
			"gauge Mitigations of 24 h that succeeded", "stat Mitigations in 24 h", "gauge Median trust score of 24 h",
			"timeseries Trust scores of a day", "timeseries Mitigations an hour by status", "stat Pull requests in 24 h",
		},
		"uptime": {"gauge Uptime in 24 h", "table Probes", "stat Alerts that fire"},
	} {
		raw, err := os.ReadFile("../../../config/samples/rsolv_v1alpha1_alertbaseline_" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		baseline := &v1alpha1.AlertBaseline{}
		if err := yaml.UnmarshalStrict(raw, baseline); err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, p := range read(t, JSON(baseline, plansOf(t, baseline))).Panels {
			found[p.Type+" "+p.Title] = true
		}
		for _, panel := range want {
			if !found[panel] {
				t.Errorf("%s has no %s; it has %v", name, panel, slices.Sorted(maps.Keys(found)))
			}
		}
	}
}
