//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/promtest"
	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

// fault makes a version of the app whose blog answers 500. Its pods are ready
// and its API works, so nothing but its metrics tells.
const (
	faultFile = "internal/app/web/server.go"
	faultLine = `s.mux.HandleFunc("GET /blog", s.blogIndex)`
	faultCode = `s.mux.HandleFunc("GET /blog", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "this version cannot", http.StatusInternalServerError)
	})`
)

// watchPods runs a Prometheus on the node that scrapes the app's pods, with the
// labels that discovery gives them in clusters, and returns its address for the
// cluster's pods.
func watchPods(t *testing.T, app string) string {
	t.Helper()
	node := kubectl(t, "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	targets := filepath.Join(t.TempDir(), "targets.json")
	find := func(ctx context.Context) error {
		list, err := cluster.Kubectl(ctx, nil, "-n", harness.Namespace, "get", "pods",
			"-l", "rsolv.dev/deployment="+app+",app.kubernetes.io/component=server", "-o", "json")
		if err != nil {
			return err
		}
		return writeTargets(targets, list, app)
	}
	if err := find(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() {
		for ctx.Err() == nil {
			if err := find(ctx); err != nil && ctx.Err() == nil {
				t.Errorf("finding the pods to scrape: %v", err)
			}
			time.Sleep(time.Second)
		}
	})
	t.Cleanup(func() { cancel(); wait.Wait() })
	return promtest.Start(t, promtest.Options{Host: node, Config: fmt.Sprintf(
		"global: {scrape_interval: 2s}\nscrape_configs: [{job_name: pods, file_sd_configs: [{files: [%q], refresh_interval: 1s}]}]\n", targets)}).URL
}

// writeTargets turns a list of pods into a file of Prometheus' file discovery.
func writeTargets(file, list, app string) error {
	var pods corev1.PodList
	if err := json.Unmarshal([]byte(list), &pods); err != nil {
		return err
	}
	type target struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	all := []target{}
	for i := range pods.Items {
		if pod := &pods.Items[i]; pod.Status.PodIP != "" {
			all = append(all, target{
				[]string{net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(contract.AdminPort))},
				map[string]string{"pod": pod.Name, "namespace": pod.Namespace, "job": app},
			})
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// TestGate lets one version pass the gate and rolls back another whose blog
// answers 500. While all of that happens, a client asks for the blog again and
// again: no request fails but those that the breaching version itself answers.
// Without the gate, which E2E_WITHOUT_GUARD=gate leaves out, that version stays,
// for its pods are ready and its smoke test passes; the test fails where it
// waits for RolledBack.
func TestGate(t *testing.T) {
	const app = "gate"
	newApp(t, app, "sk_test_51Hq8vJ2eZ")
	apply(t, flagOf(app, "blog", "enabled"))
	url := watchPods(t, app)
	t.Cleanup(func() { kubectlCleanup(t, "ab/"+app) })
	apply(t, fmt.Sprintf(`
apiVersion: rsolv.dev/v1alpha1
kind: AlertBaseline
metadata: {name: %[1]s}
spec:
  deploymentRef: {name: %[1]s}
  window: 20s
  thresholds:
  - name: error-rate
    signal: {errorRatio: {histogram: http}}
    critical: {above: 5%%, for: 10m, alert: GateErrors}
  prometheus: {url: %[2]q}
`, app, url))
	change := func(spec string) {
		t.Helper()
		kubectl(t, "patch", "rd/"+app, "--type=merge", "-p", `{"spec":`+spec+`}`)
	}
	change(`{"rollout":{"gate":{"baselineRef":{"name":"` + app + `"},"duration":"30s","onNoData":"Fail"}}}`)
	waitCondition(t, "rd/"+app, "Ready", "True")
	bad, err := cluster.Variant(t.Context(), os.Stderr, t.TempDir(), "breaching-"+strings.TrimPrefix(cluster.AppImage[strings.LastIndex(cluster.AppImage, ":"):], ":"),
		faultFile, faultLine, faultCode)
	if err != nil {
		t.Fatal(err)
	}
	stop := hammerPath(t, app, "/blog")

	change(`{"resources":{"requests":{"cpu":"50m"}}}`)
	waitPhase(t, app, "Gating", 2*time.Minute)
	mustName(t, conditionMessage(t, "rd/"+app, "GatePassed"), "must keep the critical bounds of AlertBaseline \"gate\" until ")
	waitCondition(t, "rd/"+app, "Ready", "True")
	mustName(t, conditionMessage(t, "rd/"+app, "GatePassed"), "kept the critical bounds")
	if sent, failures := stop(); len(failures) > 0 || sent < 100 {
		t.Errorf("while a good version passed, %d of %d requests failed, first: %v", len(failures), sent, failures[:min(1, len(failures))])
	}

	if withoutGuard("gate") {
		change(`{"rollout":null}`)
	}
	good := image(t, app)
	stop = hammerPath(t, app, "/blog")
	change(fmt.Sprintf(`{"image":%q}`, bad))
	began := time.Now()
	message := waitCondition(t, "rd/"+app, "RolledBack", "True")
	mustName(t, message, "error-rate: the share of HTTP requests answered 5xx is ", ", critical above 5%", "but the pods run "+good)
	// It is said before it is done, so that a manager that dies in between does it.
	eventually(t, time.Minute, func() error {
		if runs := image(t, app); runs != good {
			return fmt.Errorf("the pods run %s, want %s", runs, good)
		}
		return nil
	})
	kubectl(t, "rollout", "status", "deployment/"+app, "--timeout=120s")
	waitCondition(t, "rd/"+app, "Available", "True")
	eventually(t, time.Minute, func() error { // those of the breaching version have gone
		if pods := strings.Fields(podNames(t, app)); len(pods) != 2 {
			return fmt.Errorf("the pods are %v", pods)
		}
		return nil
	})
	sent, failures := stop()
	answered := 0
	for _, failure := range failures {
		if strings.HasPrefix(failure, "500 ") {
			answered++
		}
	}
	t.Logf("back after %s: %d requests, %d of them answered by the breaching version, %d failed otherwise",
		time.Since(began).Round(time.Second), sent, answered, len(failures)-answered)
	if answered == 0 || answered < len(failures) {
		t.Errorf("%d of %d failures are the breaching version's own: %v", answered, len(failures), failures[:min(3, len(failures))])
	}
	stop = hammerPath(t, app, "/blog")
	time.Sleep(2 * time.Second)
	unharmed(t, stop)
}

// image is what the app's pods run.
func image(t *testing.T, app string) string {
	t.Helper()
	return kubectl(t, "get", "deployment", app, "-o", "jsonpath={.spec.template.spec.containers[0].image}")
}

// waitPhase waits until the Phase column has a word.
func waitPhase(t *testing.T, app, phase string, limit time.Duration) {
	t.Helper()
	eventually(t, limit, func() error {
		if got := kubectl(t, "get", "rd/"+app, "-o", "jsonpath={.status.phase}"); got != phase {
			return fmt.Errorf("the phase is %s, want %s", got, phase)
		}
		return nil
	})
}
