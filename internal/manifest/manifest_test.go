package manifest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/config/crd"
	"github.com/rsolv-dev/rsolv-operator/internal/admission"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var now = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

func load(t *testing.T, documents ...string) (Set, error) {
	t.Helper()
	validator, err := admission.New(crd.Bases)
	if err != nil {
		t.Fatal(err)
	}
	var set Set
	err = set.Load(t.Context(), validator, "test.yaml", "prod", strings.NewReader(strings.Join(documents, "\n---\n")))
	return set, err
}

// TestRenderSamples holds all that the samples become against a golden file,
// so that no change of a builder goes unseen.
func TestRenderSamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../config/samples/rsolv_*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples (%v)", err)
	}
	var documents []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, string(raw))
	}
	set, err := load(t, documents...)
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := Render(set, now)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := Write(&got, rendered.Objects); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/samples.yaml"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("rendering changed (-want +got); rewrite it with -update:\n%s", diff)
	}
}

func TestOneBadPartLeavesTheOthers(t *testing.T) {
	t.Parallel()
	set, err := load(t,
		`{apiVersion: rsolv.dev/v1alpha1, kind: FeatureFlag, metadata: {name: good}, spec: {deploymentRef: {name: app}, defaultVariant: enabled}}`,
		`{apiVersion: rsolv.dev/v1alpha1, kind: FeatureFlag, metadata: {name: bad}, spec: {deploymentRef: {name: app}, defaultVariant: a, variants: [{name: a, value: 1}]}}`,
		`{apiVersion: rsolv.dev/v1alpha1, kind: AlertBaseline, metadata: {name: base}, spec: {deploymentRef: {name: app}, thresholds: [
			{name: good, signal: {expr: "up"}, critical: {below: "1", alert: Down}},
			{name: bad, signal: {expr: "up{"}, critical: {below: "1", alert: Broken}}]}}`,
	)
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := Render(set, now)
	if err == nil {
		t.Fatal("Render() = nil error, want one that names the bad flag and the bad threshold")
	}
	for _, want := range []string{"FeatureFlag prod/bad", "AlertBaseline prod/base", `threshold "bad"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Render() error = %v, want it to contain %q", err, want)
		}
	}
	var got bytes.Buffer
	if err := Write(&got, rendered.Objects); err != nil {
		t.Fatal(err)
	}
	for want, present := range map[string]bool{`"good"`: true, `"bad"`: false, "alert: Down": true, "alert: Broken": false} {
		if strings.Contains(got.String(), want) != present {
			t.Errorf("output contains %q: %t, want %t\n%s", want, !present, present, got.String())
		}
	}
}

func TestLoadNamesFileAndDocument(t *testing.T) {
	t.Parallel()
	good := `{apiVersion: rsolv.dev/v1alpha1, kind: FeatureFlag, metadata: {name: blog}, spec: {deploymentRef: {name: rsolv}, defaultVariant: disabled}}`
	set, err := load(t, "# comments alone", good, strings.Replace(good, "name: blog", "name: rsolv-blog", 1), "not: [closed", "{kind: Pod, apiVersion: v1}")
	if err == nil {
		t.Fatal("Load() = nil error, want one for each bad document")
	}
	for _, want := range []string{"document 3: ", `use "blog"`, "document 4: no valid YAML", "document 5: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Load() = %v, want it to contain %q", err, want)
		}
	}
	if len(set.Flags) != 1 || set.Flags[0].Namespace != "prod" {
		t.Errorf("Load() kept %d flags, want the good one, in namespace prod", len(set.Flags))
	}
}
