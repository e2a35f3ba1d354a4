package alerts

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

func TestOperatorsLabelsWin(t *testing.T) {
	t.Parallel()
	baseline := baselineOf(threshold(t, good))
	baseline.Spec.Outputs = &v1alpha1.Outputs{Labels: map[string]string{
		"release": "monitoring", "app.kubernetes.io/managed-by": "me", "rsolv.dev/baseline": "other",
	}}
	object := PrometheusRule(baseline, Rules(baseline, testTime).Groups)
	labels := object.GetLabels()
	if labels["release"] != "monitoring" || labels["app.kubernetes.io/managed-by"] != "rsolv-operator" || labels["rsolv.dev/baseline"] != "base" {
		t.Errorf("labels %v", labels)
	}
	if baseline.Spec.Outputs.Labels["rsolv.dev/baseline"] != "other" {
		t.Error("rendering has changed the baseline")
	}
	// Without a cluster there is no owner to refer to.
	if refs := object.GetOwnerReferences(); len(refs) != 0 {
		t.Errorf("owners %v", refs)
	}
	for _, field := range []string{"status", "creationTimestamp"} {
		if _, ok := object.Object[field]; ok {
			t.Errorf("the object has the field %s", field)
		}
	}
	if object.GetCreationTimestamp() != (metav1.Time{}) {
		t.Error("the object has a creation timestamp")
	}
}

func TestDashboardUID(t *testing.T) {
	t.Parallel()
	uid := func(namespace, name string) string {
		return DashboardUID(&v1alpha1.AlertBaseline{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	}
	long := strings.Repeat("a", 40)
	seen := map[string]bool{}
	for _, key := range [][2]string{
		{"shop", "api"}, {"", "api"}, {"a-b", "c"}, {"a", "b-c"}, {"a", "b.c"}, {long, "a"}, {long, "b"}, {long + "b", "a"}, {"n", strings.Repeat("b", 63)},
	} {
		got := uid(key[0], key[1])
		if len(got) > uidLimit || strings.Trim(got, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%v has the uid %q", key, got)
		}
		if seen[got] {
			t.Errorf("%v shares the uid %q", key, got)
		}
		seen[got] = true
	}
	if got := uid("shop", "api"); got != "shop_api" {
		t.Errorf("uid %q; want shop_api", got)
	}
}

func TestDashboardURL(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"": "", "https://grafana.example.com": "https://grafana.example.com/d/u", "https://example.com/grafana/": "https://example.com/grafana/d/u",
	} {
		baseline := &v1alpha1.AlertBaseline{Spec: v1alpha1.AlertBaselineSpec{Dashboard: &v1alpha1.Dashboard{UID: "u", BaseURL: base}}}
		if got := DashboardURL(baseline); got != want {
			t.Errorf("base %q gives %q; want %q", base, got, want)
		}
	}
}
