package config

import (
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// TestArgoCDHealthIsOneScript: what is patched into Argo CD's ConfigMap is the
// script that the tests run, for each of the kinds.
func TestArgoCDHealthIsOneScript(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("argocd/health.lua")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("argocd/argocd-cm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var patch corev1.ConfigMap
	if err := yaml.UnmarshalStrict(raw, &patch); err != nil {
		t.Fatal(err)
	}
	if patch.Name != "argocd-cm" || patch.Namespace != "argocd" || patch.Labels["app.kubernetes.io/part-of"] != "argocd" {
		t.Errorf("Argo CD does not read the ConfigMap %s/%s, labelled %v", patch.Namespace, patch.Name, patch.Labels)
	}
	kinds := []string{v1alpha1.KindRsolvDeployment, v1alpha1.KindFeatureFlag, v1alpha1.KindAlertBaseline}
	if len(patch.Data) != len(kinds) {
		t.Errorf("%d scripts, want one for each kind", len(patch.Data))
	}
	for _, kind := range kinds {
		key := "resource.customizations.health." + v1alpha1.GroupVersion.Group + "_" + kind
		if strings.TrimSpace(patch.Data[key]) != strings.TrimSpace(string(script)) {
			t.Errorf("%s is not argocd/health.lua", key)
		}
	}
}
