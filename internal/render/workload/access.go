package workload

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	autoscalingv2ac "k8s.io/client-go/applyconfigurations/autoscaling/v2"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
)

// ServiceAccount is whom the pods act as: nobody in particular, and without a
// token.
func ServiceAccount(rd *v1alpha1.RsolvDeployment) *unstructured.Unstructured {
	object := corev1ac.ServiceAccount(rd.Name, rd.Namespace).WithAutomountServiceAccountToken(false)
	object.ObjectMetaApplyConfiguration = meta(rd, rd.Name, contract.ComponentServer)
	if rd.Spec.ServiceAccount != nil {
		object.WithAnnotations(rd.Spec.ServiceAccount.Annotations)
	}
	return render.Object(object)
}

// Service reaches the public port of the pods. The admin port is in no
// Service: the kubelet and Prometheus find it at the pods.
func Service(rd *v1alpha1.RsolvDeployment) *unstructured.Unstructured {
	object := corev1ac.Service(rd.Name, rd.Namespace).WithSpec(corev1ac.ServiceSpec().
		WithType(corev1.ServiceTypeClusterIP).
		WithSelector(SelectorLabels(rd.Name)).
		WithPorts(corev1ac.ServicePort().
			WithName(contract.PublicPortName).
			WithPort(contract.ServicePort).
			WithProtocol(corev1.ProtocolTCP).
			WithTargetPort(intstr.FromString(contract.PublicPortName))))
	object.ObjectMetaApplyConfiguration = meta(rd, rd.Name, contract.ComponentServer)
	return render.Object(object)
}

// PodDisruptionBudget lets a drain take one pod at a time, and unready ones
// always: a broken app must not keep a node from being drained.
func PodDisruptionBudget(rd *v1alpha1.RsolvDeployment) *unstructured.Unstructured {
	object := policyv1ac.PodDisruptionBudget(rd.Name, rd.Namespace).WithSpec(policyv1ac.PodDisruptionBudgetSpec().
		WithMaxUnavailable(intstr.FromInt32(1)).
		WithUnhealthyPodEvictionPolicy(policyv1.AlwaysAllow).
		WithSelector(selector(rd.Name)))
	object.ObjectMetaApplyConfiguration = meta(rd, rd.Name, contract.ComponentServer)
	return render.Object(object)
}

// HorizontalPodAutoscaler scales by CPU. Call it only when spec.autoscaling is
// set.
func HorizontalPodAutoscaler(rd *v1alpha1.RsolvDeployment) *unstructured.Unstructured {
	autoscaling := rd.Spec.Autoscaling
	object := autoscalingv2ac.HorizontalPodAutoscaler(rd.Name, rd.Namespace).
		WithSpec(autoscalingv2ac.HorizontalPodAutoscalerSpec().
			WithScaleTargetRef(autoscalingv2ac.CrossVersionObjectReference().
				WithAPIVersion(DeploymentKind.GroupVersion().String()).
				WithKind(DeploymentKind.Kind).
				WithName(rd.Name)).
			WithMinReplicas(autoscaling.MinReplicas).
			WithMaxReplicas(autoscaling.MaxReplicas).
			WithMetrics(autoscalingv2ac.MetricSpec().
				WithType(autoscalingv2.ResourceMetricSourceType).
				WithResource(autoscalingv2ac.ResourceMetricSource().
					WithName(corev1.ResourceCPU).
					WithTarget(autoscalingv2ac.MetricTarget().
						WithType(autoscalingv2.UtilizationMetricType).
						WithAverageUtilization(autoscaling.TargetCPUUtilization)))))
	object.ObjectMetaApplyConfiguration = meta(rd, rd.Name, contract.ComponentServer)
	return render.Object(object)
}
