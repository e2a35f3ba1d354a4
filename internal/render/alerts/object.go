package alerts

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
)

// GVK of the object that holds the rules.
var GVK = schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: "PrometheusRule"}

// ruleObject is a PrometheusRule as it is applied: without status, without
// the fields that the API server sets.
type ruleObject struct {
	APIVersion string                                 `json:"apiVersion"`
	Kind       string                                 `json:"kind"`
	Metadata   *metav1ac.ObjectMetaApplyConfiguration `json:"metadata"`
	Spec       ruleSpec                               `json:"spec"`
}

type ruleSpec struct {
	Groups []Group `json:"groups"`
}

// Object holds the groups in the kind of object that the baseline asks for.
func Object(baseline *v1alpha1.AlertBaseline, groups []Group) *unstructured.Unstructured {
	if InConfigMap(baseline) {
		return ConfigMap(baseline, groups)
	}
	return PrometheusRule(baseline, groups)
}

// InConfigMap tells that the rules are asked for in a ConfigMap.
func InConfigMap(baseline *v1alpha1.AlertBaseline) bool {
	return baseline.Spec.Outputs != nil && baseline.Spec.Outputs.Rules == v1alpha1.RulesInConfigMap
}

// PrometheusRule holds the groups under the baseline's name.
func PrometheusRule(baseline *v1alpha1.AlertBaseline, groups []Group) *unstructured.Unstructured {
	metadata := Metadata(baseline, baseline.Name, contract.ComponentAlerts, outputLabels(baseline))
	return render.Object(ruleObject{
		APIVersion: GVK.GroupVersion().String(), Kind: GVK.Kind, Metadata: metadata, Spec: ruleSpec{Groups: groups},
	})
}

// ConfigMapGVK is the other kind of object that can hold the rules.
var ConfigMapGVK = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}

const configMapSuffix = "-rules"

// ConfigMapName is the ConfigMap with the rules of a baseline.
func ConfigMapName(baseline string) string { return baseline + configMapSuffix }

// ConfigMap holds the groups as a rule file of Prometheus. Files of several
// namespaces may end in one folder.
func ConfigMap(baseline *v1alpha1.AlertBaseline, groups []Group) *unstructured.Unstructured {
	text, err := yaml.Marshal(ruleSpec{Groups: groups})
	if err != nil {
		panic(fmt.Sprintf("alerts: rules do not marshal: %v", err)) // a fault in the builder
	}
	return render.Object(&corev1ac.ConfigMapApplyConfiguration{
		TypeMetaApplyConfiguration:   *(&metav1ac.TypeMetaApplyConfiguration{}).WithAPIVersion("v1").WithKind(ConfigMapGVK.Kind),
		ObjectMetaApplyConfiguration: Metadata(baseline, ConfigMapName(baseline.Name), contract.ComponentAlerts, outputLabels(baseline)),
		Data:                         map[string]string{ConfigMapKey(baseline): string(text)},
	})
}

// ConfigMapKey is the name of the rule file.
func ConfigMapKey(baseline *v1alpha1.AlertBaseline) string {
	return or(baseline.Namespace, "default") + "-" + baseline.Name + ".yaml"
}

func outputLabels(baseline *v1alpha1.AlertBaseline) map[string]string {
	labels := map[string]string{}
	if baseline.Spec.Outputs != nil {
		maps.Copy(labels, baseline.Spec.Outputs.Labels)
	}
	return labels
}

// Metadata of a child of the baseline. The labels that the operator needs win
// over those given.
func Metadata(baseline *v1alpha1.AlertBaseline, name, component string, labels map[string]string) *metav1ac.ObjectMetaApplyConfiguration {
	maps.Copy(labels, render.Labels(baseline.Spec.DeploymentRef.Name, component))
	labels[contract.LabelBaseline] = baseline.Name
	metadata := (&metav1ac.ObjectMetaApplyConfiguration{}).WithName(name).WithLabels(labels)
	if baseline.Namespace != "" {
		metadata.WithNamespace(baseline.Namespace)
	}
	if owner := render.Owner(baseline, "AlertBaseline"); owner != nil {
		metadata.WithOwnerReferences(owner)
	}
	return metadata
}

// uidLimit is Grafana's bound on a dashboard's uid.
const uidLimit = 40

// DashboardUID is the uid declared, or a stable one made from namespace and
// name.
func DashboardUID(baseline *v1alpha1.AlertBaseline) string {
	if d := baseline.Spec.Dashboard; d != nil && d.UID != "" {
		return d.UID
	}
	// Only names have dots, and neither has underscores.
	uid := or(baseline.Namespace, "default") + "_" + strings.ReplaceAll(baseline.Name, ".", "_")
	if len(uid) <= uidLimit {
		return uid
	}
	sum := sha256.Sum256([]byte(uid))
	return uid[:uidLimit-9] + "-" + hex.EncodeToString(sum[:4])
}

// DashboardURL is the address of the baseline's dashboard; empty unless the
// baseline says where Grafana is.
func DashboardURL(baseline *v1alpha1.AlertBaseline) string {
	if d := baseline.Spec.Dashboard; d != nil && d.BaseURL != "" {
		return strings.TrimRight(d.BaseURL, "/") + "/d/" + DashboardUID(baseline)
	}
	return ""
}

// RunbookURL is where the remedy for an alert of the baseline is written down.
func RunbookURL(baseline *v1alpha1.AlertBaseline, alert string) string {
	if options := baseline.Spec.Alerts; options != nil && options.RunbookURL != "" {
		if strings.Contains(options.RunbookURL, "{alert}") {
			return strings.ReplaceAll(options.RunbookURL, "{alert}", alert)
		}
		return strings.TrimRight(options.RunbookURL, "/") + "/" + alert
	}
	return "https://github.com/rsolv-dev/rsolv-operator/blob/main/docs/runbooks/" + alert + ".md"
}
