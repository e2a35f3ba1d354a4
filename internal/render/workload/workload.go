// Package workload builds what runs one app: its pods, what they are given,
// how they are reached, and the migrations before them. Like all of render it
// is pure: declarations in, objects out.
package workload

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
)

// Kinds of the children, as the controllers look them up.
var (
	ServiceAccountKind          = schema.GroupVersionKind{Version: "v1", Kind: "ServiceAccount"}
	ConfigMapKind               = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	SecretKind                  = schema.GroupVersionKind{Version: "v1", Kind: "Secret"}
	ServiceKind                 = schema.GroupVersionKind{Version: "v1", Kind: "Service"}
	DeploymentKind              = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	ControllerRevisionKind      = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ControllerRevision"}
	JobKind                     = schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}
	PodDisruptionBudgetKind     = schema.GroupVersionKind{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"}
	HorizontalPodAutoscalerKind = schema.GroupVersionKind{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"}
	IngressKind                 = schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}
	NetworkPolicyKind           = schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"}
	HTTPRouteKind               = schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRoute"}
	ClusterKind                 = schema.GroupVersionKind{Group: "postgresql.cnpg.io", Version: "v1", Kind: "Cluster"}
	ServiceMonitorKind          = schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: "ServiceMonitor"}
)

// Optional are the kinds that a cluster may do without.
var Optional = []OptionalKind{
	{HTTPRouteKind, "httproutes.gateway.networking.k8s.io", "the Gateway API", "spec.gateway"},
	{ServiceMonitorKind, "servicemonitors.monitoring.coreos.com", "prometheus-operator", "spec.metrics"},
	{ClusterKind, "clusters.postgresql.cnpg.io", "CloudNativePG", "spec.database.cloudNativePG"},
}

// OptionalKind is a kind that somebody else defines: the
// CustomResourceDefinition by which the cluster knows it, whose it is, and the
// field that becomes an object of the kind.
type OptionalKind struct {
	schema.GroupVersionKind
	CRD, From, Field string
}

// DefaultReplicas is the number of pods that an app starts with when neither
// replicas nor autoscaling is declared.
const DefaultReplicas = 2

// Live returns the children that follow the declaration at once, outside any
// rollout: none of them decides what a pod runs. The ServiceAccount comes
// before them and apart, for pods act in its name.
func Live(rd *v1alpha1.RsolvDeployment) []*unstructured.Unstructured {
	objects := []*unstructured.Unstructured{Service(rd), PodDisruptionBudget(rd)}
	if rd.Spec.Autoscaling != nil {
		objects = append(objects, HorizontalPodAutoscaler(rd))
	}
	if rd.Spec.Ingress != nil {
		objects = append(objects, Ingress(rd))
	}
	if rd.Spec.Gateway != nil {
		objects = append(objects, HTTPRoute(rd))
	}
	if rd.Spec.Metrics != nil {
		objects = append(objects, ServiceMonitor(rd))
	}
	if rd.Spec.NetworkPolicy != nil {
		objects = append(objects, NetworkPolicy(rd))
	}
	return objects
}

// Undeclared lists the kinds of the optional children that the declaration
// does not, or no longer, ask for. They bear the app's name.
func Undeclared(rd *v1alpha1.RsolvDeployment) []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for _, optional := range []struct {
		kind     schema.GroupVersionKind
		declared bool
	}{
		{HorizontalPodAutoscalerKind, rd.Spec.Autoscaling != nil},
		{IngressKind, rd.Spec.Ingress != nil},
		{HTTPRouteKind, rd.Spec.Gateway != nil},
		{ServiceMonitorKind, rd.Spec.Metrics != nil},
		{NetworkPolicyKind, rd.Spec.NetworkPolicy != nil},
	} {
		if !optional.declared {
			kinds = append(kinds, optional.kind)
		}
	}
	return kinds
}

// SelectorLabels choose the pods that serve. A Deployment's selector can never
// change, so these two labels are forever: which app, and that it serves.
func SelectorLabels(name string) map[string]string {
	return map[string]string{
		contract.LabelDeployment: name,
		contract.LabelComponent:  contract.ComponentServer,
	}
}

// meta is the metadata of a child: named, labelled and owned.
func meta(rd *v1alpha1.RsolvDeployment, name, component string) *metav1ac.ObjectMetaApplyConfiguration {
	m := metav1ac.ObjectMeta().
		WithName(name).
		WithNamespace(rd.Namespace).
		WithLabels(render.Labels(rd.Name, component))
	if owner := render.Owner(rd, v1alpha1.KindRsolvDeployment); owner != nil {
		m.WithOwnerReferences(owner)
	}
	return m
}

func selector(name string) *metav1ac.LabelSelectorApplyConfiguration {
	return metav1ac.LabelSelector().WithMatchLabels(SelectorLabels(name))
}
