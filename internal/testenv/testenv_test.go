package testenv

import (
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

func TestMain(m *testing.M) { Main(m) }

func TestInstallsTheKinds(t *testing.T) {
	var crds apiextensionsv1.CustomResourceDefinitionList
	if err := Client(t).List(t.Context(), &crds); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, crd := range crds.Items {
		found[crd.Name] = true
	}
	for _, name := range []string{
		"rsolvdeployments.rsolv.dev", "featureflags.rsolv.dev", "alertbaselines.rsolv.dev",
		"prometheusrules.monitoring.coreos.com", "servicemonitors.monitoring.coreos.com", "httproutes.gateway.networking.k8s.io",
		"clusters.postgresql.cnpg.io",
	} {
		if !found[name] {
			t.Errorf("CRD %s is not installed; installed: %v", name, found)
		}
	}
}
