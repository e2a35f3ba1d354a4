package alertbaseline

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/promtest"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// quickPace is for tests, in which a Prometheus reloads when it is told to.
var quickPace = pace{steady: 200 * time.Millisecond, settling: 200 * time.Millisecond, settled: 2 * time.Second, series: time.Second, patience: time.Second}

// traffic is an app's exporter whose requests fail or succeed as it is told.
type traffic struct {
	failing atomic.Bool
	url     string
}

func newTraffic(t *testing.T) *traffic {
	t.Helper()
	tr := &traffic{}
	registry := prometheus.NewRegistry()
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: contract.MetricHTTPDuration, Buckets: []float64{100, 500, 750, 1000}}, []string{"status"})
	registry.MustRegister(durations)
	durations.WithLabelValues("503")
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Ten requests between two scrapes.
		status := "200"
		if tr.failing.Load() {
			status = "503"
		}
		for range 10 {
			durations.WithLabelValues(status).Observe(300)
		}
		metrics.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	tr.url = server.URL
	return tr
}

// password of the tests' Prometheus, and its bcrypt hash.
const (
	password     = "correct horse"
	passwordHash = "$2b$04$FIsgJcqTFM91csPd84iD5urBJrgBgp3IQr951d1KnDbvpvAZZEuOC"
)

// monitor is a Prometheus that scrapes an exporter as the app rsolv of a
// namespace, behind a proxy by which it can be taken away.
type monitor struct {
	url, direct, rules string
	away               atomic.Bool
}

func newMonitor(t *testing.T, namespace, exporter string) *monitor {
	t.Helper()
	m := &monitor{rules: filepath.Join(t.TempDir(), "rules.yaml")}
	m.write(t, "groups: []")
	server := promtest.Start(t, promtest.Options{
		Config: fmt.Sprintf(`
global: {scrape_interval: 500ms, evaluation_interval: 500ms}
rule_files: [%q]
scrape_configs:
- job_name: rsolv
  static_configs: [{targets: [%q], labels: {namespace: %q}}]
`, m.rules, strings.TrimPrefix(exporter, "http://"), namespace),
		WebConfig: fmt.Sprintf("basic_auth_users: {manager: %q}\n", passwordHash),
		Args:      []string{"--web.enable-lifecycle"},
	})
	m.direct = server.URL
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.away.Load() {
			if connection, _, err := w.(http.Hijacker).Hijack(); err == nil {
				_ = connection.Close()
			}
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	m.url = front.URL
	return m
}

func (m *monitor) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(m.rules, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// load gives Prometheus the groups that are in the cluster, as its operator
// would; only faster.
func (m *monitor) load(c *cluster, name string) {
	c.tb.Helper()
	t := c.tb.(*testing.T)
	rule, err := c.rule(name)
	if err != nil {
		t.Fatal(err)
	}
	groups := decodeGroups(rule, "")
	for i := range groups {
		groups[i].Interval = "500ms"
	}
	raw, err := yaml.Marshal(map[string][]alerts.Group{"groups": groups})
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, string(raw))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.direct+"/-/reload", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("manager", password)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // its status is all
	if response.StatusCode != http.StatusOK {
		t.Fatalf("reloading: %s", response.Status)
	}
}

// watched is a baseline that names the Prometheus.
func (m *monitor) watched() *v1alpha1.AlertBaseline {
	b := small()
	b.Spec.Window = "5s"
	b.Spec.Outputs = &v1alpha1.Outputs{Labels: map[string]string{"team": "shop"}}
	b.Spec.Thresholds = append(b.Spec.Thresholds, v1alpha1.Threshold{
		Name: "slow", Signal: v1alpha1.Signal{Latency: &v1alpha1.Latency{}}, Warning: &v1alpha1.Level{Above: "700ms", Alert: "Slow"},
	})
	b.Spec.Thresholds[0].Critical = &v1alpha1.Level{Above: "90%", Alert: "ErrorsMany"}
	b.Spec.Thresholds[1].Signal.Expr = "up{$selector}"
	for i := range b.Spec.Thresholds {
		for _, level := range []*v1alpha1.Level{b.Spec.Thresholds[i].Warning, b.Spec.Thresholds[i].Critical} {
			if level != nil {
				level.For = "1s" // what a test can wait for
			}
		}
	}
	b.Spec.Prometheus = &v1alpha1.MonitoringEndpoint{URL: m.url, BasicAuthSecretRef: &v1alpha1.LocalReference{Name: "login"}}
	return b
}

func (c *cluster) states() map[string]v1alpha1.ThresholdStatus {
	c.tb.Helper()
	all := map[string]v1alpha1.ThresholdStatus{}
	for _, s := range c.baseline("small").Status.States {
		all[s.Name] = s
	}
	return all
}

// waitState waits for the state of a threshold, and returns it.
func (c *cluster) waitState(threshold string, want v1alpha1.ThresholdState) v1alpha1.ThresholdStatus {
	c.tb.Helper()
	var got v1alpha1.ThresholdStatus
	testenv.Eventually(c.tb, func() error {
		if got = c.states()[threshold]; got.State != want {
			return fmt.Errorf("%s is %+v; want %s", threshold, got, want)
		}
		return nil
	})
	return got
}

func TestWhatPrometheusMakesOfTheRules(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.pace = quickPace
	app1 := newTraffic(t)
	m := newMonitor(t, c.namespace, app1.url)
	c.create(app(), m.watched())
	c.start()
	c.waitReady("small")

	// The credentials may come later than the baseline.
	if message := c.waitFor("small", v1alpha1.ConditionRulesLoaded, metav1.ConditionUnknown, v1alpha1.ReasonSecretNotFound); !strings.Contains(message, `spec.prometheus.basicAuthSecretRef: secret "login" does not exist`) {
		t.Errorf("RulesLoaded says %q", message)
	}
	c.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "login"}, StringData: map[string]string{"username": "manager", "password": password}})
	// The other test's Prometheus object may be the reason that is named.
	c.seesReason("Not", "Prometheus runs none of the rules")
	c.waitFor("small", v1alpha1.ConditionWithinBaseline, metav1.ConditionUnknown, v1alpha1.ReasonNotEvaluated)

	m.load(c, "small")
	if message := c.waitFor("small", v1alpha1.ConditionRulesLoaded, metav1.ConditionTrue, v1alpha1.ReasonSucceeded); message != "Prometheus runs 4 alerts and 5 recording rules" {
		t.Errorf("RulesLoaded says %q", message)
	}
	if message := c.waitFor("small", v1alpha1.ConditionMetricsPresent, metav1.ConditionTrue, v1alpha1.ReasonBetweenBuckets); !strings.Contains(message, `700ms of "slow": the nearest buckets end at 500ms and 750ms`) {
		t.Errorf("MetricsPresent says %q", message)
	}
	c.waitFor("small", v1alpha1.ConditionWithinBaseline, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	c.waitState("errors", v1alpha1.StateOK)
	c.waitState("up", v1alpha1.StateOK)
	if slow := c.waitState("slow", v1alpha1.StateOK); slow.Value == "" {
		t.Errorf("slow is %+v", slow)
	}
	c.writesNothing(t)

	app1.failing.Store(true)
	failing := c.waitState("errors", v1alpha1.StateCritical)
	message := c.waitFor("small", v1alpha1.ConditionWithinBaseline, metav1.ConditionFalse, v1alpha1.ReasonOutsideBaseline)
	if want := `critical: "errors" at ` + failing.Value + " (above 90%)"; message != want || !strings.HasSuffix(failing.Value, "%") {
		t.Errorf("WithinBaseline says %q; want %q", message, want)
	}
	testenv.Eventually(t, func() error {
		if firing := c.baseline("small").Status.Firing; firing == nil || *firing != 2 {
			return fmt.Errorf("%v alerts fire; want 2", firing)
		}
		return nil
	})
	c.writesNothing(t)
	if again := c.states()["errors"]; again != failing {
		t.Errorf("the state moved from %+v to %+v", failing, again)
	}

	// A Prometheus that is away breaks nothing but what it would tell.
	m.away.Store(true)
	c.waitFor("small", v1alpha1.ConditionRulesLoaded, metav1.ConditionUnknown, v1alpha1.ReasonPrometheusUnreachable)
	c.waitState("errors", v1alpha1.StateUnknown)
	if b := c.baseline("small"); b.Status.Firing != nil {
		t.Errorf("%d alerts fire in a Prometheus that is away", *b.Status.Firing)
	}
	c.waitReady("small")
	c.edit("small", func(b *v1alpha1.AlertBaseline) { b.Spec.Thresholds[0].Warning.Above = "2%" })
	c.waitReady("small")
	c.writesNothing(t)

	m.away.Store(false)
	c.waitFor("small", v1alpha1.ConditionRulesLoaded, metav1.ConditionFalse, v1alpha1.ReasonOutdated)
	m.load(c, "small")
	c.waitFor("small", v1alpha1.ConditionRulesLoaded, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	c.waitState("errors", v1alpha1.StateCritical)
	app1.failing.Store(false)
	c.waitState("errors", v1alpha1.StateOK)

	// Nobody is asked any more.
	c.edit("small", func(b *v1alpha1.AlertBaseline) { b.Spec.Prometheus = nil })
	c.waitFor("small", v1alpha1.ConditionRulesLoaded, metav1.ConditionUnknown, v1alpha1.ReasonNotConfigured)
	if states := c.states(); len(states) != 0 {
		t.Errorf("states %v", states)
	}
}

// writesNothing watches a steady state for some looks.
func (c *cluster) writesNothing(t *testing.T) {
	t.Helper()
	// What was found last may just be on its way into the status.
	time.Sleep(2 * quickPace.patience)
	before := len(c.writes.List())
	time.Sleep(10 * quickPace.steady)
	if got := c.writes.List(); len(got) != before {
		t.Errorf("a steady state is written: %v", got[before:])
	}
}

func TestSelectorOfPrometheusIsNamed(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.pace = quickPace
	m := newMonitor(t, c.namespace, newTraffic(t).url)
	baseline := m.watched()
	c.create(app(), baseline, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "login"}, StringData: map[string]string{"username": "manager", "password": password}})
	main := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"ruleSelector": map[string]any{"matchLabels": map[string]any{"team": "shop", "release": "kube-prometheus-stack"}},
	}}}
	main.SetGroupVersionKind(alerts.GVK.GroupVersion().WithKind("Prometheus"))
	main.SetName("main")
	c.create(main)
	c.start()
	c.seesReason(v1alpha1.ReasonNotSelected, "the Prometheus object "+c.namespace+"/main selects rules by release=kube-prometheus-stack: add it to spec.outputs.labels")
	c.edit("small", func(b *v1alpha1.AlertBaseline) { b.Spec.Outputs.Labels["release"] = "kube-prometheus-stack" })
	c.seesReason(v1alpha1.ReasonNotRunning, "the Prometheus object "+c.namespace+"/main selects the rules")
}

func (c *cluster) seesReason(reason, part string) {
	c.tb.Helper()
	testenv.Eventually(c.tb, func() error {
		message := ""
		for _, condition := range c.baseline("small").Status.Conditions {
			if condition.Type == v1alpha1.ConditionRulesLoaded {
				message = condition.Reason + ": " + condition.Message
			}
		}
		if !strings.HasPrefix(message, reason) || !strings.Contains(message, part) {
			return errors.New("RulesLoaded: " + message)
		}
		return nil
	})
}
