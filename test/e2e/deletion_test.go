//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestNamespaceGoesWithoutTheManager deletes a namespace with a running app, a
// flag and a baseline in it while the manager is away: no finalizer may keep
// it. The database is not the namespace's, and stays.
func TestNamespaceGoesWithoutTheManager(t *testing.T) {
	const namespace, database = "e2e-leaver", "e2e_leaver"
	url := newDatabase(t, database)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
		defer cancel()
		for _, args := range [][]string{
			{"delete", "--ignore-not-found", "namespace", namespace},
			{"delete", "--ignore-not-found", "clusterrolebinding", "rsolv-operator"},
		} {
			if _, err := cluster.Kubectl(ctx, nil, args...); err != nil {
				t.Error(err)
			}
		}
		if err := cluster.Install(ctx, os.Stderr); err != nil { // the manager is back, too
			t.Error(err)
		}
	})
	if err := cluster.ApplyInstall(t.Context(), "install-cluster-wide.yaml"); err != nil {
		t.Fatal(err)
	}
	do := func(stdin string, args ...string) string {
		t.Helper()
		out, err := cluster.Kubectl(t.Context(), strings.NewReader(stdin), args...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	do(fmt.Sprintf(leaver, namespace, url, cluster.AppImage), "apply", "--server-side", "-f", "-")
	do("", "-n", namespace, "wait", "rd/leaver", "ff/blog", "--for=condition=Ready", "--timeout=180s")
	before := migrations(t, database)

	do("", "-n", "rsolv-system", "scale", "deployment/rsolv-operator", "--replicas=0")
	eventually(t, time.Minute, func() error {
		if pods := do("", "-n", "rsolv-system", "get", "pods", "-l", "app.kubernetes.io/name=rsolv-operator", "-o", "name"); pods != "" {
			return fmt.Errorf("the manager is still there: %s", pods)
		}
		return nil
	})
	do("", "delete", "namespace", namespace, "--wait=true", "--timeout=150s")
	if after := migrations(t, database); after != before || before == "0" {
		t.Errorf("the database has %s migrations, had %s", after, before)
	}
}

const leaver = `
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}
---
apiVersion: v1
kind: Secret
metadata: {name: leaver-db, namespace: %[1]s}
stringData: {database-url: %[2]q}
---
apiVersion: rsolv.dev/v1alpha1
kind: RsolvDeployment
metadata: {name: leaver, namespace: %[1]s}
spec:
  image: %[3]s
  replicas: 1
  database: {secretRef: {name: leaver-db, key: database-url}}
  flags: {policy: Warn}
  networkPolicy: {}
---
apiVersion: rsolv.dev/v1alpha1
kind: FeatureFlag
metadata: {name: blog, namespace: %[1]s}
spec: {deploymentRef: {name: leaver}, defaultVariant: disabled}
---
apiVersion: rsolv.dev/v1alpha1
kind: AlertBaseline
metadata: {name: base, namespace: %[1]s}
spec:
  deploymentRef: {name: leaver}
  thresholds:
  - {name: up, signal: {expr: "up"}, critical: {below: "1", alert: Down}}
`

// migrations counts those that a database has been given.
func migrations(t *testing.T, database string) string {
	t.Helper()
	count, err := cluster.Psql(t.Context(), database, "select count(*) from goose_db_version")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(count)
}
