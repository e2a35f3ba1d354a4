// Package conformance gives what the operator renders to the code of those who
// read it: the admission webhook of prometheus-operator, Alertmanager's
// configuration, and the dashboard schema that Grafana publishes. It is a module of its own, so that none of
// their libraries reach the product. `make conformance` renders, and runs it.
package conformance

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/prometheus-operator/prometheus-operator/pkg/admission"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// rendered are the files of a kind in the folder that `make conformance`
// rendered to.
func rendered(t *testing.T, pattern string, least int) map[string][]byte {
	t.Helper()
	folder := os.Getenv("RSOLV_RENDERED")
	if folder == "" {
		t.Fatal("RSOLV_RENDERED names no folder: run this by `make conformance`")
	}
	files, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil || len(files) < least {
		t.Fatalf("%d files %s in %s (%v); want at least %d", len(files), pattern, folder, err, least)
	}
	all := map[string][]byte{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = raw
	}
	return all
}

// webhook is the admission webhook of prometheus-operator for a resource, as it
// serves it.
func webhook(t *testing.T, resource string) string {
	t.Helper()
	mux := http.NewServeMux()
	admission.New(slog.New(slog.DiscardHandler), model.LegacyValidation, parser.Options{}).Register(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + "/admission-" + resource + "/validate"
}

func review(t *testing.T, url string, resource metav1.GroupVersionResource, object []byte) *admissionv1.AdmissionResponse {
	t.Helper()
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: types.UID("1"), Operation: admissionv1.Create,
			Resource: resource,
			Object:   runtime.RawExtension{Raw: object},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer admissionv1.AdmissionReview
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Response == nil {
		t.Fatalf("%s: %v", response.Status, err)
	}
	return answer.Response
}

// TestOperatorAdmitsRules: the rules of 500 random baselines and of the samples.
func TestOperatorAdmitsRules(t *testing.T) {
	resource := metav1.GroupVersionResource{Group: "monitoring.coreos.com", Version: "v1", Resource: "prometheusrules"}
	url := webhook(t, resource.Resource)
	for name, raw := range rendered(t, "*.rule.json", 504) {
		if answer := review(t, url, resource, raw); !answer.Allowed {
			t.Errorf("%s is refused: %+v", name, answer.Result)
		}
	}
	wrong := []byte(`{"apiVersion":"monitoring.coreos.com/v1","kind":"PrometheusRule","metadata":{"name":"x"},"spec":{"groups":[{"name":"x","rules":[{"alert":"X","expr":"sum("}]}]}}`)
	if review(t, url, resource, wrong).Allowed {
		t.Error("the webhook admits what is no PromQL: it checks nothing")
	}
}

// TestOperatorAdmitsRoutes: the AlertmanagerConfigs of 500 random routings and
// of the samples.
func TestOperatorAdmitsRoutes(t *testing.T) {
	resource := metav1.GroupVersionResource{Group: "monitoring.coreos.com", Version: "v1alpha1", Resource: "alertmanagerconfigs"}
	url := webhook(t, resource.Resource)
	for name, raw := range rendered(t, "*.routes.json", 504) {
		if answer := review(t, url, resource, raw); !answer.Allowed {
			t.Errorf("%s is refused: %+v", name, answer.Result)
		}
	}
	wrong := []byte(`{"apiVersion":"monitoring.coreos.com/v1alpha1","kind":"AlertmanagerConfig","metadata":{"name":"x"},"spec":{"route":{"receiver":"nobody"}}}`)
	if review(t, url, resource, wrong).Allowed {
		t.Error("the webhook admits a route to a receiver that is not there: it checks nothing")
	}
}

// TestAlertmanagerLoadsRoutes: the same as a configuration of their own, by the
// code of a current Alertmanager. Its amtool of some years ago is asked by
// `make test`.
func TestAlertmanagerLoadsRoutes(t *testing.T) {
	for name, raw := range rendered(t, "*.alertmanager.yml", 504) {
		if _, err := config.Load(string(raw)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := config.Load("route: {receiver: nobody}"); err == nil {
		t.Error("a receiver that is not there is loaded: nothing is checked")
	}
}

// TestGrafanaKnowsEveryField of the samples' dashboards.
func TestGrafanaKnowsEveryField(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	for name, raw := range rendered(t, "*.dashboard.json", 4) {
		var d dashboard.Dashboard
		// The library has errors without a text, which stand for none.
		if err := d.UnmarshalJSONStrict(raw); err != nil && err.Error() != "" {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := d.Validate(); err != nil && err.Error() != "" {
			t.Errorf("%s: %v", name, err)
		}
		if len(d.Panels) == 0 {
			t.Errorf("%s has no panels", name)
		}
	}
	var d dashboard.Dashboard
	if err := d.UnmarshalJSONStrict([]byte(`{"title":"x","panles":[]}`)); err == nil || err.Error() == "" {
		t.Error("a misspelled field is known: the schema checks nothing")
	}
}
