package workload

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// TestOptionalKindsHaveTheShapeOfTheirAuthors: no field is misspelled.
func TestOptionalKindsHaveTheShapeOfTheirAuthors(t *testing.T) {
	t.Parallel()
	convert := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation
	if err := convert(HTTPRoute(full()).Object, &gatewayv1.HTTPRoute{}, true); err != nil {
		t.Error(err)
	}
	monitor := &monitoringv1.ServiceMonitor{}
	if err := convert(ServiceMonitor(full()).Object, monitor, true); err != nil {
		t.Error(err)
	}
	// The monitor must find the Service, or nothing is ever scraped.
	service := Service(full())
	for label, value := range monitor.Spec.Selector.MatchLabels {
		if service.GetLabels()[label] != value {
			t.Errorf("the ServiceMonitor looks for %s=%s, the Service has %v", label, value, service.GetLabels())
		}
	}
}

func TestPublicHostAndProxiesOfBoth(t *testing.T) {
	t.Parallel()
	gateway := &v1alpha1.Gateway{Hosts: []string{"*.b.dev", "b.dev"}, TrustedProxies: []string{"10.0.0.0/8", "172.16.0.0/12"}}
	ingress := &v1alpha1.Ingress{Hosts: []string{"*.a.dev"}, TrustedProxies: []string{"192.0.2.0/24", "10.0.0.0/8"}}
	for name, test := range map[string]struct {
		spec    v1alpha1.RsolvDeploymentSpec
		host    string
		proxies []string
	}{
		"neither":       {},
		"gateway":       {v1alpha1.RsolvDeploymentSpec{Gateway: gateway}, "b.dev", gateway.TrustedProxies},
		"wildcard only": {v1alpha1.RsolvDeploymentSpec{Ingress: ingress}, "", []string{"10.0.0.0/8", "192.0.2.0/24"}},
		"both":          {v1alpha1.RsolvDeploymentSpec{Ingress: ingress, Gateway: gateway}, "b.dev", []string{"10.0.0.0/8", "172.16.0.0/12", "192.0.2.0/24"}},
		"ingress first": {v1alpha1.RsolvDeploymentSpec{Ingress: &v1alpha1.Ingress{Hosts: []string{"a.dev"}}, Gateway: gateway}, "a.dev", gateway.TrustedProxies},
	} {
		if got := publicHost(&test.spec); got != test.host {
			t.Errorf("%s: the host is %q, want %q", name, got, test.host)
		}
		if diff := cmp.Diff(test.proxies, trustedProxies(&test.spec)); diff != "" {
			t.Errorf("%s: proxies (-want +got):\n%s", name, diff)
		}
	}
}

// TestManagerLabels: the policy lets in the pods that the install makes.
func TestManagerLabels(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../config/manager/manager.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var manager appsv1.Deployment
	if err := yaml.Unmarshal(raw, &manager); err != nil {
		t.Fatal(err)
	}
	for label, value := range contract.ManagerLabels {
		if manager.Spec.Template.Labels[label] != value {
			t.Errorf("the manager's pods have %s=%q, the contract says %q", label, manager.Spec.Template.Labels[label], value)
		}
	}
}

// TestLiveChildrenAreNoRevision: what applies at once replaces no pod, and
// what pods are made from does.
func TestLiveChildrenAreNoRevision(t *testing.T) {
	t.Parallel()
	revision := func(rd *v1alpha1.RsolvDeployment) string {
		env := environment
		env.ConfigMap = ConfigMapName(rd)
		return RevisionOf(Deployment(rd, env)).Hash
	}
	before := revision(full())
	for name, test := range map[string]struct {
		change func(*v1alpha1.RsolvDeploymentSpec)
		rolls  bool
	}{
		"autoscaling":       {func(s *v1alpha1.RsolvDeploymentSpec) { s.Autoscaling = nil }, false},
		"gateway":           {func(s *v1alpha1.RsolvDeploymentSpec) { s.Gateway.ParentRefs = s.Gateway.ParentRefs[:1] }, false},
		"order of proxies":  {func(s *v1alpha1.RsolvDeploymentSpec) { slices.Reverse(s.Gateway.TrustedProxies) }, false},
		"metrics":           {func(s *v1alpha1.RsolvDeploymentSpec) { s.Metrics = nil }, false},
		"network policy":    {func(s *v1alpha1.RsolvDeploymentSpec) { s.NetworkPolicy = nil }, false},
		"service account":   {func(s *v1alpha1.RsolvDeploymentSpec) { s.ServiceAccount = nil }, false},
		"order of env":      {func(s *v1alpha1.RsolvDeploymentSpec) { slices.Reverse(s.Env) }, false},
		"public host":       {func(s *v1alpha1.RsolvDeploymentSpec) { s.Ingress.Hosts = []string{"other.dev"} }, true},
		"trusted proxies":   {func(s *v1alpha1.RsolvDeploymentSpec) { s.Gateway.TrustedProxies = nil }, true},
		"env":               {func(s *v1alpha1.RsolvDeploymentSpec) { s.Env[0].Value = "x" }, true},
		"node selector":     {func(s *v1alpha1.RsolvDeploymentSpec) { s.NodeSelector = nil }, true},
		"tolerations":       {func(s *v1alpha1.RsolvDeploymentSpec) { s.Tolerations = nil }, true},
		"topology spread":   {func(s *v1alpha1.RsolvDeploymentSpec) { s.TopologySpread = nil }, true},
		"image pull secret": {func(s *v1alpha1.RsolvDeploymentSpec) { s.ImagePullSecrets = nil }, true},
	} {
		rd := full()
		test.change(&rd.Spec)
		if rolled := revision(rd) != before; rolled != test.rolls {
			t.Errorf("%s: another revision: %t, want %t", name, rolled, test.rolls)
		}
	}
}

var quoted = regexp.MustCompile(`'[A-Z_]+'`)

// TestReservedVariables: what the operator sets is refused in spec.env by the
// schema, which must know every one of them.
func TestReservedVariables(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../api/v1alpha1/rsolvdeployment_pod_types.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(operatorVariables)) {
		if !slices.Contains(quoted.FindAllString(string(raw), -1), "'"+name+"'") {
			t.Errorf("the schema lets spec.env declare %s, which the operator sets", name)
		}
	}
}
