package workload

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// scheduled says on which nodes a pod of the app may run.
func scheduled(rd *v1alpha1.RsolvDeployment, spec *corev1ac.PodSpecApplyConfiguration) *corev1ac.PodSpecApplyConfiguration {
	for label, value := range rd.Spec.NodeSelector {
		spec.WithNodeSelector(map[string]string{label: string(value)})
	}
	for i := range rd.Spec.Tolerations {
		declared := &rd.Spec.Tolerations[i]
		toleration := corev1ac.Toleration().WithOperator(corev1.TolerationOperator(declared.Operator))
		if declared.Key != "" {
			toleration.WithKey(declared.Key)
		}
		if declared.Value != "" {
			toleration.WithValue(declared.Value)
		}
		if declared.Effect != "" {
			toleration.WithEffect(corev1.TaintEffect(declared.Effect))
		}
		if declared.TolerationSeconds != nil {
			toleration.WithTolerationSeconds(*declared.TolerationSeconds)
		}
		spec.WithTolerations(toleration)
	}
	return spec
}

// defaultSpread is over the nodes, and keeps no pod from running.
var defaultSpread = []v1alpha1.TopologySpread{{
	TopologyKey: corev1.LabelHostname, MaxSkew: 1, WhenUnsatisfiable: string(corev1.ScheduleAnyway),
}}

// spread keeps the pods that serve apart, those of one revision from each
// other: the old ones go anyway.
func spread(rd *v1alpha1.RsolvDeployment, spec *corev1ac.PodSpecApplyConfiguration) *corev1ac.PodSpecApplyConfiguration {
	declared := rd.Spec.TopologySpread
	if len(declared) == 0 {
		declared = defaultSpread
	}
	for _, each := range declared {
		spec.WithTopologySpreadConstraints(corev1ac.TopologySpreadConstraint().
			WithMaxSkew(each.MaxSkew).
			WithTopologyKey(each.TopologyKey).
			WithWhenUnsatisfiable(corev1.UnsatisfiableConstraintAction(each.WhenUnsatisfiable)).
			WithLabelSelector(selector(rd.Name)).
			WithMatchLabelKeys(appsv1.DefaultDeploymentUniqueLabelKey))
	}
	return spec
}
