//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

// flips is how often the flag changes while propagation is measured.
const flips = 20

// TestFlagsPropagateWithinSeconds flips a flag and measures how long it takes
// from kubectl's return until the last pod runs it, as the pods themselves say.
// It prints the figures; what it asserts is that every flip arrives and is
// acknowledged.
func TestFlagsPropagateWithinSeconds(t *testing.T) {
	const app = "flags-fast"
	newApp(t, app, "sk_test_4eC39HqLyjWD")
	waitCondition(t, "rd/"+app, "Ready", "True")
	pods := strings.Fields(kubectl(t, "get", "pods", "-l", "rsolv.dev/deployment="+app+",app.kubernetes.io/component=server",
		"--field-selector=status.phase=Running", "-o", "jsonpath={.items[*].status.podIP}"))
	if len(pods) != 2 {
		t.Fatalf("%d pods serve, want 2: %v", len(pods), pods)
	}
	awaitAcked(t, app+"-blog", "2/2")
	var took []time.Duration
	for i := range flips {
		before := flagsOf(t, pods[0])
		variant := []string{"enabled", "disabled"}[i%2]
		apply(t, flagOf(app, "blog", variant))
		took = append(took, untilAll(t, pods, before))
	}
	awaitAcked(t, app+"-blog", "2/2")
	waitCondition(t, "ff/"+app+"-blog", "Propagated", "True")
	report("FlagPropagation", took)

	// What would the next flip change for those who asked lately? The pods know.
	awaitBlog(t, app, http.StatusNotFound, 10*time.Second)
	next := filepath.Join(t.TempDir(), "new.yaml")
	if err := os.WriteFile(next, []byte(flagOf(app, "blog", "enabled")), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	if err := cluster.Tool(t.Context(), &said, "go", "run", "./cmd/manager", "flags", "diff", "--namespace", harness.Namespace, "-f", next); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	mustName(t, said.String(), "blog: would change 100.0 % of recent evaluations", ": false (disabled) -> true (enabled)")
}

// TestPlainKubeletRefresh measures how long the same takes where nobody hurries
// the kubelet. It takes minutes, and nothing depends on it but the figure.
func TestPlainKubeletRefresh(t *testing.T) {
	if os.Getenv("RSOLV_BENCH") == "" {
		t.Skip("takes minutes, for a figure; `make bench` runs it")
	}
	const name = "flags-plain"
	t.Cleanup(func() { kubectlCleanup(t, "pod/"+name, "configmap/"+name) })
	file := func(variant string) string {
		return fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {name: %s}, data: {flags.json: '%s'}}", name,
			`{"flags":{"blog":{"state":"ENABLED","variants":{"enabled":true,"disabled":false},"defaultVariant":"`+variant+`"}}}`)
	}
	apply(t, file("disabled"))
	apply(t, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %[1]s}
spec:
  terminationGracePeriodSeconds: 1
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: app
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    image: %[2]s
    args: [serve]
    env:
    - {name: DATABASE_URL, value: "postgres://nobody@127.0.0.1:1/none"}
    volumeMounts:
    - {name: flags, mountPath: /etc/rsolv/flags, readOnly: true}
    - {name: tmp, mountPath: /tmp}
  volumes:
  - {name: flags, configMap: {name: %[1]s}}
  - {name: tmp, emptyDir: {}}
`, name, cluster.AppImage))
	var ip string
	eventually(t, time.Minute, func() error {
		ip = kubectl(t, "get", "pod/"+name, "-o", "jsonpath={.status.podIP}")
		_, err := askFlags(t.Context(), ip)
		return err
	})
	var took []time.Duration
	for i := range 4 {
		before := flagsOf(t, ip)
		// Where in the kubelet's period a change falls is by chance.
		time.Sleep(time.Duration(i*17) * time.Second)
		apply(t, file([]string{"enabled", "disabled"}[i%2]))
		took = append(took, untilAll(t, []string{ip}, before))
	}
	report("PlainKubeletRefresh", took)
}

func awaitAcked(t *testing.T, flag, want string) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		if got := kubectl(t, "get", "ff/"+flag, "-o", "jsonpath={.status.acked}"); got != want {
			return fmt.Errorf("%s is acknowledged by %q, want %s: %s", flag, got, want, conditionMessage(t, "ff/"+flag, "Propagated"))
		}
		return nil
	})
}

var impatient = &http.Client{Timeout: 2 * time.Second}

// askFlags asks a pod which flags it runs.
func askFlags(ctx context.Context, ip string) (digest string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+ip+":9090/flags/status", nil)
	if err != nil {
		return "", err
	}
	response, err := impatient.Do(request)
	if err != nil {
		return "", err
	}
	var body struct{ Digest string }
	err = json.NewDecoder(response.Body).Decode(&body)
	return body.Digest, errors.Join(err, response.Body.Close())
}

func flagsOf(t *testing.T, ip string) string {
	t.Helper()
	digest, err := askFlags(t.Context(), ip)
	if err != nil || digest == "" {
		t.Fatalf("pod %s does not say which flags it runs: %q, %v", ip, digest, err)
	}
	return digest
}

// untilAll is how long it takes until all pods run the same other flags.
func untilAll(t *testing.T, pods []string, before string) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		digests := map[string]bool{}
		for _, ip := range pods {
			digest, err := askFlags(t.Context(), ip)
			if err != nil {
				digest = before
			}
			digests[digest] = true
		}
		took := time.Since(began)
		if len(digests) == 1 && !digests[before] {
			return took
		}
		if took > 3*time.Minute {
			t.Fatalf("not all pods have changed after %s: %v, before %s", took, digests, before)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// report prints figures as benchmarks do.
func report(name string, took []time.Duration) {
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[min(len(took)-1, int(share*float64(len(took))))]) / float64(time.Millisecond)
	}
	fmt.Printf("\nBenchmark%s %d %.0f p50-ms %.0f p99-ms\n", name, len(took), at(0.50), at(0.99))
}
