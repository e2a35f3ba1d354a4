package workload

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1ac "sigs.k8s.io/gateway-api/applyconfiguration/apis/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
)

// publicHost is the first host that is one host; a wildcard names none. The
// Ingress comes first, so that a Gateway beside it replaces no pods.
func publicHost(spec *v1alpha1.RsolvDeploymentSpec) string {
	var hosts []string
	if spec.Ingress != nil {
		hosts = append(hosts, spec.Ingress.Hosts...)
	}
	if spec.Gateway != nil {
		hosts = append(hosts, spec.Gateway.Hosts...)
	}
	for _, host := range hosts {
		if !strings.HasPrefix(host, "*") {
			return host
		}
	}
	return ""
}

// trustedProxies are in order: another one is the same set, and must not
// replace the pods.
func trustedProxies(spec *v1alpha1.RsolvDeploymentSpec) []string {
	var proxies []string
	if spec.Ingress != nil {
		proxies = append(proxies, spec.Ingress.TrustedProxies...)
	}
	if spec.Gateway != nil {
		proxies = append(proxies, spec.Gateway.TrustedProxies...)
	}
	slices.Sort(proxies)
	return slices.Compact(proxies)
}

// Ingress publishes the Service under the declared hosts. Call it only when
// spec.ingress is set.
func Ingress(rd *v1alpha1.RsolvDeployment) *unstructured.Unstructured {
	declared := rd.Spec.Ingress
	spec := networkingv1ac.IngressSpec()
	if declared.ClassName != nil {
		spec.WithIngressClassName(*declared.ClassName)
	}
	if declared.TLS != nil {
		spec.WithTLS(networkingv1ac.IngressTLS().WithSecretName(declared.TLS.SecretName).WithHosts(declared.Hosts...))
	}
	for _, host := range declared.Hosts {
		spec.WithRules(networkingv1ac.IngressRule().WithHost(host).
			WithHTTP(networkingv1ac.HTTPIngressRuleValue().WithPaths(networkingv1ac.HTTPIngressPath().
				WithPath("/").
				WithPathType(networkingv1.PathTypePrefix).
				WithBackend(networkingv1ac.IngressBackend().WithService(networkingv1ac.IngressServiceBackend().
					WithName(rd.Name).
					WithPort(networkingv1ac.ServiceBackendPort().WithName(contract.PublicPortName)))))))
	}
	object := networkingv1ac.Ingress(rd.Name, rd.Namespace).WithSpec(spec)
	object.ObjectMetaApplyConfiguration = meta(rd, rd.Name, contract.ComponentServer).WithAnnotations(declared.Annotations)
	return render.Object(object)
}

// HTTPRoute publishes the Service under the declared hosts by the Gateway API.
// Call it only when spec.gateway is set.
func HTTPRoute(rd *v1alpha1.RsolvDeployment) *unstructured.Unstructured {
	declared := rd.Spec.Gateway
	spec := gatewayv1ac.HTTPRouteSpec()
	for _, parent := range declared.ParentRefs {
		// All that the API server would fill in is said, so that a reader of
		// the object sees our hand in all of it.
		ref := gatewayv1ac.ParentReference().
			WithGroup(gatewayv1.GroupName).
			WithKind("Gateway").
			WithName(gatewayv1.ObjectName(parent.Name))
		if parent.Namespace != "" {
			ref.WithNamespace(gatewayv1.Namespace(parent.Namespace))
		}
		if parent.SectionName != "" {
			ref.WithSectionName(gatewayv1.SectionName(parent.SectionName))
		}
		if parent.Port != nil {
			ref.WithPort(*parent.Port)
		}
		spec.WithParentRefs(ref)
	}
	for _, host := range declared.Hosts {
		spec.WithHostnames(gatewayv1.Hostname(host))
	}
	backend := gatewayv1ac.HTTPBackendRef().
		WithGroup("").
		WithKind("Service").
		WithName(gatewayv1.ObjectName(rd.Name)).
		WithPort(contract.ServicePort).
		WithWeight(1)
	spec.WithRules(gatewayv1ac.HTTPRouteRule().
		WithMatches(gatewayv1ac.HTTPRouteMatch().WithPath(gatewayv1ac.HTTPPathMatch().
			WithType(gatewayv1.PathMatchPathPrefix).
			WithValue("/"))).
		WithBackendRefs(backend))
	object := gatewayv1ac.HTTPRoute(rd.Name, rd.Namespace).WithSpec(spec)
	object.ObjectMetaApplyConfiguration = meta(rd, rd.Name, contract.ComponentServer).WithAnnotations(declared.Annotations)
	return render.Object(object)
}

// ServiceMonitor lets a Prometheus scrape the pods. It goes by the Service, so
// that the job is called after the app, but names the pods' port: the admin
// port is in no Service. Call it only when spec.metrics is set.
func ServiceMonitor(rd *v1alpha1.RsolvDeployment) *unstructured.Unstructured {
	metadata := meta(rd, rd.Name, contract.ComponentServer)
	// The labels that the operator needs win over those given.
	for name, value := range rd.Spec.Metrics.Labels {
		if _, ours := metadata.Labels[name]; !ours {
			metadata.Labels[name] = string(value)
		}
	}
	return render.Object(map[string]any{
		"apiVersion": ServiceMonitorKind.GroupVersion().String(),
		"kind":       ServiceMonitorKind.Kind,
		"metadata":   metadata,
		"spec": map[string]any{
			"selector": map[string]any{"matchLabels": SelectorLabels(rd.Name)},
			"endpoints": []any{map[string]any{
				"targetPort": contract.AdminPortName,
				"path":       contract.MetricsPath,
				"interval":   rd.Spec.Metrics.Interval,
			}},
		},
	})
}

// NetworkPolicy lets reach the pods who has to. Call it only when
// spec.networkPolicy is set.
func NetworkPolicy(rd *v1alpha1.RsolvDeployment) *unstructured.Unstructured {
	declared := rd.Spec.NetworkPolicy
	public := networkingv1ac.NetworkPolicyIngressRule().WithPorts(podPort(contract.PublicPort))
	if len(declared.PublicFrom) > 0 {
		public.WithFrom(
			inNamespaces(declared.PublicFrom),
			networkingv1ac.NetworkPolicyPeer().WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(map[string]string{
				contract.LabelDeployment: rd.Name,
				contract.LabelComponent:  contract.ComponentSmokeTest,
			})))
	}
	admin := networkingv1ac.NetworkPolicyIngressRule().WithPorts(podPort(contract.AdminPort)).
		WithFrom(inNamespaces([]string{declared.ManagerNamespace}).WithPodSelector(
			metav1ac.LabelSelector().WithMatchLabels(maps.Clone(contract.ManagerLabels))))
	if len(declared.MetricsFrom) > 0 {
		admin.WithFrom(inNamespaces(declared.MetricsFrom))
	}
	object := networkingv1ac.NetworkPolicy(rd.Name, rd.Namespace).WithSpec(networkingv1ac.NetworkPolicySpec().
		WithPodSelector(selector(rd.Name)).
		WithPolicyTypes(networkingv1.PolicyTypeIngress).
		WithIngress(public, admin))
	object.ObjectMetaApplyConfiguration = meta(rd, rd.Name, contract.ComponentServer)
	return render.Object(object)
}

// podPort goes by the number, for not every network plugin knows the names of
// the pods' ports.
func podPort(number int32) *networkingv1ac.NetworkPolicyPortApplyConfiguration {
	return networkingv1ac.NetworkPolicyPort().WithProtocol(corev1.ProtocolTCP).WithPort(intstr.FromInt32(number))
}

// inNamespaces goes by the label with the name that every namespace has.
func inNamespaces(names []string) *networkingv1ac.NetworkPolicyPeerApplyConfiguration {
	return networkingv1ac.NetworkPolicyPeer().WithNamespaceSelector(metav1ac.LabelSelector().WithMatchExpressions(
		metav1ac.LabelSelectorRequirement().
			WithKey("kubernetes.io/metadata.name").
			WithOperator(metav1.LabelSelectorOpIn).
			WithValues(slices.Sorted(slices.Values(names))...)))
}
