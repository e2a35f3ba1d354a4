//go:build e2e

// Package e2e tells the stories in a real cluster: real pods, the real images,
// the operator installed from dist/install.yaml. `make e2e` runs it.
package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

// cluster is shared by all stories; each has an app and a database of its own.
var cluster *harness.Cluster

// TestMain brings the cluster up, and down again unless it was up before or
// E2E_KEEP is set.
func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx := context.Background()
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(file), "..", "..")
	wasUp := (&harness.Cluster{Root: root}).Tool(ctx, discard{}, "go", "run", "./hack/cluster", "status") == nil
	var err error
	if cluster, err = harness.Find(ctx, root, os.Stderr); err == nil {
		err = cluster.Images(ctx, os.Stderr)
	}
	if err == nil {
		err = cluster.Install(ctx, os.Stderr)
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
	} else {
		code = m.Run()
	}
	if cluster != nil && cluster.Local && !wasUp && os.Getenv("E2E_KEEP") == "" {
		if err := cluster.Tool(ctx, os.Stderr, "go", "run", "./hack/cluster", "down"); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: taking the cluster down:", err)
			code = 1
		}
	}
	return code
}

// withoutGuard tells whether a story is to be told the old way, with the guard
// of this name off: E2E_WITHOUT_GUARD=flags make e2e RUN=FlagNameMismatch, say.
// It then fails, which shows that the guard is what the story is about.
func withoutGuard(name string) bool { return os.Getenv("E2E_WITHOUT_GUARD") == name }

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// kubectl runs kubectl in the watched namespace and fails the test with its
// words.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := cluster.Kubectl(t.Context(), nil, append([]string{"-n", harness.Namespace}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func apply(t *testing.T, yaml string) {
	t.Helper()
	if _, err := cluster.Apply(t.Context(), yaml); err != nil {
		t.Fatal(err)
	}
}

// waitCondition waits until a condition of an object has a status, and returns
// its message.
func waitCondition(t *testing.T, object, condition, status string) string {
	t.Helper()
	_, err := cluster.Kubectl(t.Context(), nil, "-n", harness.Namespace, "wait", object,
		"--for=condition="+condition+"="+status, "--timeout=120s")
	if err != nil {
		t.Fatalf("%v\n%s", err, kubectl(t, "get", object, "-o", "yaml"))
	}
	return conditionMessage(t, object, condition)
}

func conditionMessage(t *testing.T, object, condition string) string {
	t.Helper()
	return kubectl(t, "get", object, "-o", fmt.Sprintf(`jsonpath={.status.conditions[?(@.type==%q)].message}`, condition))
}

// eventually polls check until it returns nil or the limit is reached.
func eventually(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still not after %s: %v", limit, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// newDatabase makes an empty database and returns its URL as pods reach it.
func newDatabase(t *testing.T, name string) string {
	t.Helper()
	if !cluster.Local {
		t.Skip("needs a database of its own, which a given cluster does not offer")
	}
	for _, statement := range []string{"drop database if exists " + name + " with (force)", "create database " + name} {
		if _, err := cluster.Psql(t.Context(), "", statement); err != nil {
			t.Fatal(err)
		}
	}
	base, query, _ := strings.Cut(cluster.DatabaseURL, "?")
	url := base[:strings.LastIndex(base, "/")+1] + name
	if query != "" {
		url += "?" + query
	}
	return url
}

// flagOf declares a boolean flag of an app, off.
func flagOf(app, key, variant string) string {
	return fmt.Sprintf(`{apiVersion: rsolv.dev/v1alpha1, kind: FeatureFlag, metadata: {name: %s}, spec: {deploymentRef: {name: %s}, key: %s, defaultVariant: %s}}`,
		app+"-"+strings.ReplaceAll(key, "_", "-"), app, key, variant)
}

// newApp declares an app with a database secret, one further secret and the
// flags that its image needs, all named after it, and removes all of it when
// the test ends.
func newApp(t *testing.T, name, stripeKey string) {
	t.Helper()
	declareApp(t, name, stripeKey)
	for _, key := range []string{"blog", "display_draft_blog_posts"} {
		apply(t, flagOf(name, key, "disabled"))
	}
}

// declareApp is newApp without the flags.
func declareApp(t *testing.T, name, stripeKey string) {
	t.Helper()
	url := newDatabase(t, "e2e_"+strings.ReplaceAll(name, "-", "_"))
	t.Cleanup(func() {
		kubectlCleanup(t, "rd/"+name, "secret/"+name+"-db", "secret/"+name+"-stripe",
			"ff/"+name+"-blog", "ff/"+name+"-display-draft-blog-posts")
	})
	apply(t, fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: %[1]s-db}
stringData: {database-url: %[2]q}
---
apiVersion: v1
kind: Secret
metadata: {name: %[1]s-stripe}
stringData: {STRIPE_API_KEY: %[3]q}
---
apiVersion: rsolv.dev/v1alpha1
kind: RsolvDeployment
metadata: {name: %[1]s}
spec:
  image: %[4]s
  replicas: 2
  database: {secretRef: {name: %[1]s-db, key: database-url}}
  secrets:
  - {name: %[1]s-stripe, requiredKeys: [STRIPE_API_KEY]}
`, name, url, stripeKey, cluster.AppImage))
}

// kubectlCleanup deletes objects when a test has ended, and with it the test's
// own context.
func kubectlCleanup(t *testing.T, objects ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	args := append([]string{"-n", harness.Namespace, "delete", "--ignore-not-found"}, objects...)
	if _, err := cluster.Kubectl(ctx, nil, args...); err != nil {
		t.Error(err)
	}
}
