package ruletest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

var now = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

// run writes suites and runs promtool over them.
func run(t *testing.T, suites []Suite) (out string, ok bool) {
	t.Helper()
	dir := t.TempDir()
	args := []string{"test", "rules"}
	for _, suite := range suites {
		for name, content := range map[string]any{suite.Tests.RuleFiles[0]: suite.Rules, suite.Name + ".test.yaml": suite.Tests} {
			raw, err := yaml.Marshal(content)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		args = append(args, suite.Name+".test.yaml")
	}
	tool := os.Getenv("PROMTOOL")
	if tool == "" {
		tool = "promtool"
	}
	command := exec.CommandContext(t.Context(), tool, args...)
	command.Dir = dir
	raw, err := command.CombinedOutput()
	if err != nil && command.ProcessState == nil {
		t.Fatalf("%v: install Debian's package prometheus, or name the binary in the environment variable PROMTOOL", err)
	}
	return string(raw), err == nil
}

func read(t *testing.T, text []byte) *v1alpha1.AlertBaseline {
	t.Helper()
	baseline := &v1alpha1.AlertBaseline{}
	if err := yaml.UnmarshalStrict(text, baseline); err != nil {
		t.Fatal(err)
	}
	return baseline
}

// TestRuleTests runs the tests of every sample, and of a baseline that has
// what the samples lack.
func TestRuleTests(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../../config/samples/*alertbaseline*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples (%v)", err)
	}
	for _, file := range append(files, "testdata/everything.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			baseline := read(t, raw)
			suites := Suites(baseline, now)
			if len(suites) != len(baseline.Spec.Thresholds) {
				t.Errorf("%d suites of %d thresholds: %v", len(suites), len(baseline.Spec.Thresholds), alerts.Rules(baseline, now).Problems)
			}
			if out, ok := run(t, suites); !ok {
				t.Errorf("promtool test rules:\n%s", out)
			}
			covers(t, baseline, suites)
		})
	}
}

// covers: each alert of a baseline is seen firing and seen silent.
func covers(t *testing.T, baseline *v1alpha1.AlertBaseline, suites []Suite) {
	t.Helper()
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, suite := range suites {
		for _, test := range suite.Tests.Tests {
			for _, q := range test.Exprs {
				_, name, _ := strings.Cut(q.Expr, `alertname="`)
				name, _, _ = strings.Cut(name, `"`)
				fires[name] = fires[name] || len(q.Samples) > 0
				silent[name] = silent[name] || len(q.Samples) == 0
			}
		}
	}
	for _, group := range alerts.Rules(baseline, now).Groups {
		for i := range group.Rules {
			if alert := group.Rules[i].Alert; alert != "" && (!fires[alert] || !silent[alert]) {
				t.Errorf("%s is seen firing: %t, silent: %t", alert, fires[alert], silent[alert])
			}
		}
	}
}

// TestRuleTestsFind spoils one rule at a time: some test must fail.
func TestRuleTestsFind(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	baseline := read(t, raw)
	for name, spoil := range map[string]struct {
		threshold string
		change    func(*alerts.Rule) bool
	}{
		"a shorter for":                {"errors", func(r *alerts.Rule) bool { return replace(&r.For, "5m", "4m") }},
		"a longer for":                 {"errors", func(r *alerts.Rule) bool { return replace(&r.For, "5m", "6m") }},
		"no minimum of traffic":        {"errors", func(r *alerts.Rule) bool { return replace(&r.Expr, ">= 0.1", ">= 0") }},
		"another label":                {"errors", func(r *alerts.Rule) bool { return replaceLabel(r, "threshold", "critical") }},
		"a percentage":                 {"errors", func(r *alerts.Rule) bool { return replace(&r.Expr, "> 0.05", "> 5") }},
		"milliseconds as seconds":      {"slow", func(r *alerts.Rule) bool { return replace(&r.Expr, "/ 1000 > 1", "> 1") }},
		"no long window":               {"long", func(r *alerts.Rule) bool { return replace(&r.Expr, "ratio_long", "ratio") }},
		"the wrong flag":               {"page", func(r *alerts.Rule) bool { return replace(&r.Expr, `"blog"`, `"log"`) }},
		"a flag forgotten":             {"page", func(r *alerts.Rule) bool { return replace(&r.Expr, "[1h]", "[5m]") }},
		"a flag turned round":          {"page", func(r *alerts.Rule) bool { return replace(&r.Expr, "== 0", "== 1") }},
		"no keepFiringFor":             {"page", func(r *alerts.Rule) bool { return replace(&r.KeepFiring, "15m", "") }},
		"summer time forgotten":        {"traffic", func(r *alerts.Rule) bool { return replace(&r.Expr, "+ 3600 * (", "+ 0 * (") }},
		"another hour":                 {"traffic", func(r *alerts.Rule) bool { return replace(&r.Expr, ">= 540", ">= 600") }},
		"hours by all labels":          {"failures-by-repo", func(r *alerts.Rule) bool { return replace(&r.Expr, "and on () ", "and ") }},
		"hours by all labels, of pods": {"not-ready", func(r *alerts.Rule) bool { return replace(&r.Expr, "and on () ", "and ") }},
		"weekends too":                 {"traffic", func(r *alerts.Rule) bool { return replace(&r.Expr, "<= 5", "<= 6") }},
		"absence as 0":                 {"traffic", func(r *alerts.Rule) bool { return replace(&r.Expr, "absent(", "0 == sum(") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered := alerts.Rules(baseline, now)
			at := slices.IndexFunc(rendered.Groups, func(g alerts.Group) bool { return g.Name == spoil.threshold })
			spoiled := false
			for i := range rendered.Groups[at].Rules {
				spoiled = spoil.change(&rendered.Groups[at].Rules[i]) || spoiled
			}
			if !spoiled {
				t.Fatal("there is nothing to spoil")
			}
			suites := suitesOf(baseline, rendered, now)
			if out, ok := run(t, suites[at:at+1]); ok {
				t.Errorf("no test fails: %s", out)
			}
		})
	}
}

func replace(in *string, from, to string) bool {
	found := strings.Contains(*in, from)
	*in = strings.Replace(*in, from, to, 1)
	return found
}

func replaceLabel(r *alerts.Rule, label, severity string) bool {
	if r.Labels["severity"] != severity {
		return false
	}
	r.Labels[label] += "-other"
	return true
}

func TestMatching(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"5..": "500", "failed": "failed", "4..|5..": "400", "a+b*(c|d)": "ac", "[a-c]x": "ax", `\d{3}`: "000", "": "",
	} {
		if got := matching(pattern); got != want {
			t.Errorf("matching(%q) = %q; want %q", pattern, got, want)
		}
	}
}

func TestDefaultNamespace(t *testing.T) {
	t.Parallel()
	baseline := &v1alpha1.AlertBaseline{
		ObjectMeta: metav1.ObjectMeta{Name: "base"},
		Spec: v1alpha1.AlertBaselineSpec{
			DeploymentRef: v1alpha1.DeploymentReference{Name: "rsolv"},
			Thresholds: []v1alpha1.Threshold{
				{Name: "bad", Signal: v1alpha1.Signal{Expr: "up{"}, Warning: &v1alpha1.Level{Above: "1", Alert: "Bad"}},
				{Name: "good", Signal: v1alpha1.Signal{Expr: "up"}, Warning: &v1alpha1.Level{Above: "1", Alert: "Good"}},
			},
		},
	}
	if suites := Suites(baseline, now); len(suites) != 1 || suites[0].Name != "default.base.good" {
		t.Errorf("suites %v", suites)
	}
}
