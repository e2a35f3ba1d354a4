//go:build e2e

package e2e

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

// TestClusterWideInstall gives the operator all namespaces, by the overlay,
// and expects it to reconcile in one that the default install does not watch;
// then it goes back to the default install.
func TestClusterWideInstall(t *testing.T) {
	const namespace = "e2e-elsewhere"
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		for _, args := range [][]string{
			{"delete", "--ignore-not-found", "namespace", namespace},
			{"delete", "--ignore-not-found", "clusterrolebinding", "rsolv-operator"},
		} {
			if _, err := cluster.Kubectl(ctx, nil, args...); err != nil {
				t.Error(err)
			}
		}
		if err := cluster.Install(ctx, os.Stderr); err != nil {
			t.Error(err)
		}
	})
	if err := cluster.ApplyInstall(t.Context(), "install-cluster-wide.yaml"); err != nil {
		t.Fatal(err)
	}
	const objects = `
apiVersion: v1
kind: Namespace
metadata: {name: e2e-elsewhere}
---
apiVersion: rsolv.dev/v1alpha1
kind: RsolvDeployment
metadata: {name: other, namespace: e2e-elsewhere}
spec:
  image: example.org/rsolv:v1
  database: {secretRef: {name: missing, key: url}}
---
apiVersion: rsolv.dev/v1alpha1
kind: FeatureFlag
metadata: {name: blog, namespace: e2e-elsewhere}
spec: {deploymentRef: {name: other}, defaultVariant: enabled}
`
	_, err := cluster.Kubectl(t.Context(), strings.NewReader(objects), "apply", "--server-side", "-f", "-")
	if err != nil {
		t.Fatal(err)
	}
	_, err = cluster.Kubectl(t.Context(), nil, "-n", namespace, "wait", "ff/blog", "--for=condition=Ready", "--timeout=90s")
	if err != nil {
		t.Error(err)
	}
	_, err = cluster.Kubectl(t.Context(), nil, "-n", namespace, "wait", "rd/other", "--for=condition=SecretsReady=False", "--timeout=30s")
	if err != nil {
		t.Error(err)
	}
}
