package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/config/crd"
	"github.com/rsolv-dev/rsolv-operator/controllers/scheme"
	"github.com/rsolv-dev/rsolv-operator/internal/admission"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/manifest"
	"github.com/rsolv-dev/rsolv-operator/internal/render/flags"
)

// TestFlagsDiff compares declared flags with those of a cluster, for contexts
// that were recorded. How pods are asked for them is told in test/e2e.
func TestFlagsDiff(t *testing.T) {
	t.Parallel()
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Namespace: "prod", CreationTimestamp: metav1.NewTime(time.Unix(1_700_000_000, 0))}
	}
	app := &v1alpha1.RsolvDeployment{ObjectMeta: meta("rsolv")}
	flag := func(name string) *v1alpha1.FeatureFlag {
		return &v1alpha1.FeatureFlag{ObjectMeta: meta(name), Spec: v1alpha1.FeatureFlagSpec{
			DeploymentRef: v1alpha1.DeploymentReference{Name: "rsolv"}, Type: v1alpha1.FlagBoolean, DefaultVariant: "disabled",
		}}
	}
	blog, other := flag("blog"), flag("other")
	published := flags.Make(flags.Input{App: app, Flags: []*v1alpha1.FeatureFlag{blog, other}}).File
	configMap := &corev1.ConfigMap{ObjectMeta: meta("rsolv-flags"), Data: map[string]string{contract.FlagsFile: string(published)}}
	reader := fake.NewClientBuilder().WithScheme(scheme.New()).WithObjects(app, blog, other, configMap).Build()

	dir := t.TempDir()
	sample := filepath.Join(dir, "sample.json")
	if err := os.WriteFile(sample, []byte(`{"flags":[{"flag":"blog","evaluations":40,"contexts":[{"targetingKey":"a"},{"targetingKey":"b"},{"targetingKey":"c"},{"targetingKey":"d"}]},{"flag":"other","evaluations":60,"contexts":[]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	validator, err := admission.New(crd.Bases)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		yaml, want, err string
	}{
		"a rule for one": {
			"{apiVersion: rsolv.dev/v1alpha1, kind: FeatureFlag, metadata: {name: blog}, spec: {deploymentRef: {name: rsolv}, defaultVariant: disabled, rules: [{variant: enabled, when: {actors: [b]}}]}}",
			"blog: would change 25.0 % of recent evaluations (1 of 4 sampled of 40): false (disabled) -> true (enabled)\nall flags: would change 10.0 % of 100 recent evaluations\n", "",
		},
		"nothing": {
			"{apiVersion: rsolv.dev/v1alpha1, kind: FeatureFlag, metadata: {name: blog}, spec: {deploymentRef: {name: rsolv}, defaultVariant: disabled}}",
			"no flag changes\n", "",
		},
		"a key that is taken": {
			"{apiVersion: rsolv.dev/v1alpha1, kind: FeatureFlag, metadata: {name: again}, spec: {deploymentRef: {name: rsolv}, key: blog, defaultVariant: enabled}}",
			"blog: would not be published: key \"blog\" belongs to the older FeatureFlag \"blog\"; delete one of the two\nno flag changes\n",
			"1 of the FeatureFlags would not be published",
		},
		"another app": {
			"{apiVersion: rsolv.dev/v1alpha1, kind: FeatureFlag, metadata: {name: blog}, spec: {deploymentRef: {name: shop}, defaultVariant: enabled}}",
			"", "reading RsolvDeployment shop in namespace prod",
		},
	} {
		var set manifest.Set
		if err := set.Load(t.Context(), validator, "new.yaml", "prod", strings.NewReader(test.yaml)); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		metrics := filepath.Join(dir, "metrics.prom")
		err := diffApps(t.Context(), &flagsDiffOptions{samples: fileList{sample}, metrics: metrics}, set.Flags, reader, nil, &out)
		if diff := cmp.Diff(test.want, out.String()); diff != "" || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v; -want +got:\n%s", name, err, diff)
		}
		if raw, err := os.ReadFile(metrics); name == "a rule for one" && (err != nil || !strings.Contains(string(raw), `rsolv_flags_diff_changed_ratio{namespace="prod",deployment="rsolv",flag="blog"} 0.25`)) {
			t.Errorf("metrics: %v\n%s", err, raw)
		}
	}
}
