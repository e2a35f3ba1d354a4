// Package docs holds the documents to what they speak of: alerts, conditions,
// files, and examples that are admitted.
package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/config/crd"
	"github.com/rsolv-dev/rsolv-operator/internal/admission"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/promql"
)

// declared is an alert of a sample.
type declared struct{ severity, threshold string }

func sampleAlerts(t *testing.T) map[string]declared {
	t.Helper()
	files, err := filepath.Glob("../config/samples/*alertbaseline*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no AlertBaseline among the samples (%v)", err)
	}
	alerts := map[string]declared{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var baseline v1alpha1.AlertBaseline
		if err := yaml.UnmarshalStrict(raw, &baseline); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, threshold := range baseline.Spec.Thresholds {
			for severity, level := range map[string]*v1alpha1.Level{
				"info": threshold.Info, "warning": threshold.Warning, "critical": threshold.Critical,
			} {
				if level != nil {
					alerts[level.Alert] = declared{severity, threshold.Name}
				}
			}
			if threshold.OnNoData != nil {
				alerts[threshold.OnNoData.Alert] = declared{threshold.OnNoData.Severity, threshold.Name}
			}
		}
	}
	if len(alerts) == 0 {
		t.Fatal("the samples declare no alert")
	}
	return alerts
}

// TestRunbooks: each alert of the samples has a runbook that says where to
// change it, and a line in the index; no runbook speaks of an alert that is
// no more.
func TestRunbooks(t *testing.T) {
	t.Parallel()
	index := string(read(t, "runbooks/README.md").source)
	left, err := filepath.Glob("runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	left = slices.DeleteFunc(left, func(path string) bool { return filepath.Base(path) == "README.md" })
	for alert, want := range sampleAlerts(t) {
		path := filepath.Join("runbooks", alert+".md")
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("%s has no runbook: %v", alert, err)
			continue
		}
		left = slices.DeleteFunc(left, func(other string) bool { return other == path })
		if !strings.HasPrefix(string(raw), "# "+alert+"\n") {
			t.Errorf("%s does not begin with the heading %q", path, alert)
		}
		for _, part := range []string{"`" + want.threshold + "`", "## First look\n", "## Likely causes\n", "kubectl ", "```promql\n"} {
			if !strings.Contains(string(raw), part) {
				t.Errorf("%s lacks %q", path, part)
			}
		}
		line := regexp.MustCompile(`(?m)^\| \[` + alert + `\]\(` + alert + `\.md\) \| ` + want.severity + " \\| .* \\| `" + want.threshold + "` \\|$")
		if !line.MatchString(index) {
			t.Errorf("the index has no line for %s, %s, %s", alert, want.severity, want.threshold)
		}
	}
	for _, path := range left {
		t.Errorf("%s is about no alert of the samples", path)
	}
}

// TestLinks: every relative link leads to a file, and to a heading in it if it
// names one.
func TestLinks(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, document := range documents(t, "..") {
		for _, link := range document.links() {
			target, err := url.Parse(link)
			if err != nil {
				t.Errorf("%s: %s: %v", document.path, link, err)
				continue
			}
			if target.Scheme != "" || target.Host != "" {
				continue
			}
			checked++
			path := document.path
			if target.Path != "" {
				path = filepath.Join(filepath.Dir(document.path), filepath.FromSlash(target.Path))
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: the link %s leads nowhere: %v", document.path, link, err)
				continue
			}
			if target.Fragment != "" && filepath.Ext(path) == ".md" && !read(t, path).anchors()[target.Fragment] {
				t.Errorf("%s: the link %s leads to no heading", document.path, link)
			}
		}
	}
	if checked == 0 {
		t.Error("no link was checked")
	}
}

// constants are the string constants of a Go file whose names begin with one
// of prefixes.
func constants(t *testing.T, path string, prefixes ...string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for node := range ast.Preorder(file) {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			continue
		}
		for i, name := range spec.Names {
			if i >= len(spec.Values) || !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name.Name, p) }) {
				continue
			}
			literal, ok := spec.Values[i].(*ast.BasicLit)
			if !ok {
				t.Fatalf("%s: %s is no literal", path, name.Name)
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[name.Name] = value
		}
	}
	return found
}

// TestConditionsAreExplained: whatever a status can say is in the documents,
// written as code.
func TestConditionsAreExplained(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, document := range documents(t, ".") {
		all.Write(document.source)
	}
	for _, prefix := range []string{"Condition", "Reason", "Phase"} {
		found := constants(t, "../api/v1alpha1/conditions.go", prefix)
		if len(found) == 0 {
			t.Errorf("conditions.go has no constant that begins with %s", prefix)
		}
		for _, name := range slices.Sorted(maps.Keys(found)) {
			if !strings.Contains(all.String(), "`"+found[name]+"`") {
				t.Errorf("no document explains %s, %q", name, found[name])
			}
		}
	}
}

// TestExamples: every example of ours is admitted as by an API server, and
// every other one is free of misspelled fields.
func TestExamples(t *testing.T) {
	t.Parallel()
	validator, err := admission.New(crd.Bases)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, document := range documents(t, "..") {
		for _, block := range document.blocks("yaml") {
			object, err := admission.Decode([]byte(block))
			if err != nil {
				t.Errorf("%s: %v\n%s", document.path, err, block)
				continue
			}
			seen[object.GetKind()] = true
			switch object.GroupVersionKind().Group {
			case v1alpha1.GroupVersion.Group:
				err = validator.Admit(t.Context(), object)
			case "monitoring.coreos.com":
				err = runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &monitoringv1.PodMonitor{}, true)
			}
			if err != nil {
				t.Errorf("%s: %v\n%s", document.path, err, block)
			}
		}
	}
	for _, kind := range []string{v1alpha1.KindRsolvDeployment, v1alpha1.KindFeatureFlag, v1alpha1.KindAlertBaseline} {
		if !seen[kind] {
			t.Errorf("there is no example of a %s", kind)
		}
	}
}

var testName = regexp.MustCompile("`(Test[A-Za-z_]+)`")

// TestNamedTestsExist: a document that points at a test points at one that is
// there.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	var tests strings.Builder
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		raw, err := os.ReadFile(path)
		tests.Write(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, document := range documents(t, ".") {
		for _, match := range testName.FindAllStringSubmatch(string(document.source), -1) {
			named++
			if !strings.Contains(tests.String(), "func "+match[1]+"(") {
				t.Errorf("%s points at %s, which is no test", document.path, match[1])
			}
		}
	}
	if named == 0 {
		t.Error("no document points at a test")
	}
}

var selected = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\{`)

// TestQueries: every query in a runbook is valid PromQL over metrics of the
// contract.
func TestQueries(t *testing.T) {
	t.Parallel()
	known := slices.Collect(maps.Values(constants(t, "../internal/contract/metrics.go", "Metric")))
	if !slices.Contains(known, contract.MetricHTTPDuration) {
		t.Fatalf("the contract has the metrics %v", known)
	}
	// These come from the cluster's own exporters.
	known = append(known, "up", "probe_success", "probe_http_status_code", "probe_http_duration_seconds", "probe_ssl_earliest_cert_expiry",
		"kube_pod_status_ready", "kube_deployment_spec_replicas", "kube_deployment_status_replicas_available")
	for _, document := range documents(t, "runbooks") {
		for _, query := range document.blocks("promql") {
			if _, err := promql.Check(query); err != nil {
				t.Errorf("%s: %v\n%s", document.path, err, query)
			}
			names := selected.FindAllStringSubmatch(query, -1)
			if len(names) == 0 {
				t.Errorf("%s: the query selects no metric\n%s", document.path, query)
			}
			for _, name := range names {
				base := strings.TrimSuffix(strings.TrimSuffix(name[1], "_bucket"), "_count")
				if !slices.Contains(known, base) {
					t.Errorf("%s: %s is no metric of the contract", document.path, name[1])
				}
			}
		}
	}
}
