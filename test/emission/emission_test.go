// Package emission runs the app and holds the shipped baselines to what it
// exposes: no alert and no panel reads a series, or a label of one, that the
// app does not have.
package emission

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/promql"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/internal/render/dashboard"
)

// foreign are prefixes of series that come from the cluster, or are recorded
// by the rules themselves.
var foreign = []string{"probe_", "kube_", "rsolv:", "ALERTS"}

// added are labels that scraping puts on every series.
var added = []string{"job", "namespace"}

// read are the labels of each metric that the samples' rules and dashboards
// read.
func read(t *testing.T) map[string]map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../../config/samples/*alertbaseline*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d samples (%v)", len(files), err)
	}
	all := map[string]map[string]bool{}
	take := func(expression string) {
		for _, r := range promql.Reads(expression) {
			if slices.ContainsFunc(foreign, func(prefix string) bool { return strings.HasPrefix(r.Metric, prefix) }) {
				continue
			}
			if all[r.Metric] == nil {
				all[r.Metric] = map[string]bool{}
			}
			for _, label := range r.Labels {
				if !slices.Contains(added, label) {
					all[r.Metric][label] = true
				}
			}
		}
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		baseline := &v1alpha1.AlertBaseline{}
		if err := yaml.UnmarshalStrict(raw, baseline); err != nil {
			t.Fatal(err)
		}
		result := alerts.Rules(baseline, time.Now())
		for _, group := range result.Groups {
			for i := range group.Rules {
				take(group.Rules[i].Expr)
			}
		}
		var d struct {
			Panels []struct {
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(dashboard.JSON(baseline, result.Plans), &d); err != nil {
			t.Fatal(err)
		}
		for _, panel := range d.Panels {
			for _, target := range panel.Targets {
				take(target.Expr)
			}
		}
	}
	return all
}

const secret = "whsec_of_this_test"

// running is the app, with a database of its own.
type running struct{ public, admin string }

func start(t *testing.T) running {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "app")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/app")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the app: %v\n%s", err, out)
	}
	public, admin := freeAddress(t), freeAddress(t)
	var output bytes.Buffer
	command := exec.Command(binary, "serve", "--dev", "--listen", public, "--admin-listen", admin) //nolint:noctx // the cleanup ends it
	command.Env = append(os.Environ(), "STRIPE_WEBHOOK_SECRET="+secret)
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
		if t.Failed() {
			t.Logf("the app said:\n%s", output.String())
		}
	})
	r := running{"http://" + public, "http://" + admin}
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		if status, _ := r.ask(t, http.MethodGet, r.admin+contract.ReadyPath, "", nil); status == http.StatusOK {
			return r
		}
		if time.Now().After(deadline) {
			t.Fatal("the app does not become ready")
		}
	}
}

// patience is for a machine that has much else to do.
const patience = 3 * time.Minute

// must asks until it is answered well: a busy machine may answer that it is.
func (r running) must(t *testing.T, url, body string, header map[string]string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		status, text := r.ask(t, http.MethodPost, r.public+url, body, header)
		if status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d %s", url, status, text)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // nothing was sent
	return listener.Addr().String()
}

func (r running) ask(t *testing.T, method, url, body string, header map[string]string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	text, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(text)
}

// live has a customer, and everything that is counted happen once.
func (r running) live(t *testing.T) {
	t.Helper()
	status, text := r.ask(t, http.MethodPost, r.public+"/api/v1/customers/onboard", `{"name":"K","email":"ops@kiln.example"}`, nil)
	var customer struct {
		APIKey string `json:"api_key"`
	}
	if err := json.Unmarshal([]byte(text), &customer); err != nil || status != http.StatusCreated {
		t.Fatalf("onboarding: %d %s", status, text)
	}
	key := map[string]string{"X-Api-Key": customer.APIKey}
	r.must(t, "/api/v1/vulnerabilities/validate", `{"file":"a.js","content":"eval(req.body.x)","vulnerabilityType":"eval-injection"}`, key)
	for path, body := range map[string]string{
		"/api/v1/test-integration/generate": `{"targetFileContent":"","framework":"pytest","language":"python","testSuite":{"redTests":[{"testName":"n","testCode":"assert 1","attackVector":"v"}]}}`,
		"/api/v1/phases/store?validation":   `{"phase":"validation","repo":"kiln/shop","commitSha":"abc","issueNumber":1,"data":{"testExecutionMs":1200}}`,
		"/api/v1/phases/store?mitigation":   `{"phase":"mitigation","repo":"kiln/shop","commitSha":"abc","issueNumber":1,"data":{"durationMs":90000,"trustScore":87}}`,
	} {
		r.must(t, path, body, key)
	}
	event := fmt.Sprintf(`{"id":"evt_1","object":"event","type":"product.created","created":%d,"data":{"object":{}}}`, time.Now().Unix())
	at := fmt.Sprint(time.Now().Unix())
	code := hmac.New(sha256.New, []byte(secret))
	code.Write([]byte(at + "." + event))
	signed := map[string]string{"Stripe-Signature": "t=" + at + ",v1=" + hex.EncodeToString(code.Sum(nil))}
	if status, text := r.ask(t, http.MethodPost, r.public+"/api/webhooks/stripe", event, signed); status != http.StatusOK {
		t.Fatalf("a webhook: %d %s", status, text)
	}
	r.ask(t, http.MethodPost, r.public+"/api/webhooks/stripe", event, nil)
}

// exposed are the labels of each series that the app has.
func (r running) exposed(t *testing.T) map[string]map[string]bool {
	t.Helper()
	_, text := r.ask(t, http.MethodGet, r.admin+contract.MetricsPath, "", nil)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]bool{}
	for name, family := range families {
		for _, metric := range family.GetMetric() {
			labels := map[string]bool{}
			for _, l := range metric.GetLabel() {
				labels[l.GetName()] = true
			}
			if metric.GetHistogram() == nil {
				all[name] = union(all[name], labels)
				continue
			}
			all[name+"_count"], all[name+"_sum"] = union(all[name+"_count"], labels), union(all[name+"_sum"], labels)
			all[name+"_bucket"] = union(all[name+"_bucket"], labels, map[string]bool{"le": true})
		}
	}
	return all
}

func union(sets ...map[string]bool) map[string]bool {
	all := map[string]bool{}
	for _, set := range sets {
		maps.Copy(all, set)
	}
	return all
}

func TestSamplesReadWhatTheAppExposes(t *testing.T) {
	r := start(t)
	r.live(t)
	wanted := read(t)
	var exposed map[string]map[string]bool
	// Effects of a webhook are stored a moment after it is answered, and some
	// gauges are looked up a moment after the start.
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		exposed = r.exposed(t)
		if !slices.ContainsFunc(slices.Collect(maps.Keys(wanted)), func(series string) bool { return exposed[series] == nil }) {
			break
		}
	}
	if len(wanted) < 15 {
		t.Fatalf("the samples read only %v", slices.Sorted(maps.Keys(wanted)))
	}
	for _, series := range slices.Sorted(maps.Keys(wanted)) {
		labels, found := exposed[series]
		if !found {
			t.Errorf("the samples read %s, which the app does not expose", series)
			continue
		}
		for _, label := range slices.Sorted(maps.Keys(wanted[series])) {
			if !labels[label] {
				t.Errorf("the samples read the label %s of %s, which has only %v", label, series, slices.Sorted(maps.Keys(labels)))
			}
		}
	}
}
