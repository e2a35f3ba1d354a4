//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/promtest"
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

// scrapeApp is a Prometheus on the node that finds the app's pods as those in
// clusters do.
const scrapeApp = `
global: {scrape_interval: 2s}
scrape_configs:
- job_name: pods
  kubernetes_sd_configs: [{role: pod, kubeconfig_file: %[1]q, namespaces: {names: [%[2]s]}}]
  relabel_configs:
  - {source_labels: [__meta_kubernetes_pod_label_rsolv_dev_deployment], regex: %[3]s, action: keep}
  - {source_labels: [__meta_kubernetes_pod_container_port_name], regex: admin, action: keep}
  - {source_labels: [__meta_kubernetes_pod_name], target_label: pod}
  - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
  - {target_label: job, replacement: %[3]s}
`

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
	node := kubectl(t, "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	server := promtest.Start(t, promtest.Options{Host: node, Config: fmt.Sprintf(scrapeApp, cluster.Kubeconfig(), "rsolv-production", app)})
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
`, app, server.URL))
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
	stop = hammerPath(t, app, "/blog")
	change(fmt.Sprintf(`{"image":%q}`, bad))
	began := time.Now()
	message := waitCondition(t, "rd/"+app, "RolledBack", "True")
	mustName(t, message, bad, "error-rate: the share of HTTP requests answered 5xx is ", ", critical above 5%", cluster.AppImage)
	waitCondition(t, "rd/"+app, "Available", "True")
	kubectl(t, "rollout", "status", "deployment/"+app, "--timeout=120s")
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
	if image := kubectl(t, "get", "deployment", app, "-o", "jsonpath={.spec.template.spec.containers[0].image}"); !strings.HasPrefix(image, cluster.AppImage) {
		t.Errorf("the pods run %s", image)
	}
	stop = hammerPath(t, app, "/blog")
	time.Sleep(2 * time.Second)
	unharmed(t, stop)
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
