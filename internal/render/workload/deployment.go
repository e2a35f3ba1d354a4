package workload

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
)

// AppContainer is the container that serves.
const AppContainer = "app"

const progressDeadline = 10 * time.Minute

// ProgressDeadline is how long a rollout may stand still before it counts as
// failed.
func ProgressDeadline(rd *v1alpha1.RsolvDeployment) time.Duration {
	if rd.Spec.Rollout == nil || rd.Spec.Rollout.ProgressDeadline == nil {
		return progressDeadline
	}
	return orDefault(rd.Spec.Rollout.ProgressDeadline.Duration, progressDeadline)
}

// Deployment runs the app. It leaves replicas out: they are applied apart, so
// that an autoscaler can take them over without a pod being dropped.
func Deployment(rd *v1alpha1.RsolvDeployment, env Environment) *unstructured.Unstructured {
	object := appsv1ac.Deployment(rd.Name, rd.Namespace).WithSpec(appsv1ac.DeploymentSpec().
		WithSelector(selector(rd.Name)).
		WithProgressDeadlineSeconds(int32(ProgressDeadline(rd).Seconds())).
		WithRevisionHistoryLimit(3).
		WithStrategy(appsv1ac.DeploymentStrategy().
			WithType(appsv1.RollingUpdateDeploymentStrategyType).
			WithRollingUpdate(appsv1ac.RollingUpdateDeployment().
				WithMaxSurge(intstr.FromInt32(1)).
				WithMaxUnavailable(intstr.FromInt32(0)))).
		WithTemplate(corev1ac.PodTemplateSpec().
			WithLabels(render.Labels(rd.Name, contract.ComponentServer)).
			WithAnnotations(map[string]string{"kubectl.kubernetes.io/default-container": AppContainer}).
			WithSpec(serverPod(rd, env))))
	object.ObjectMetaApplyConfiguration = meta(rd, rd.Name, contract.ComponentServer)
	return named(render.Object(object))
}

// named writes on a Deployment which revision it is of, so that whoever finds
// it knows, whatever is declared by then.
func named(deployment *unstructured.Unstructured) *unstructured.Unstructured {
	deployment.SetAnnotations(map[string]string{contract.AnnotationRevision: RevisionOf(deployment).Hash})
	return deployment
}

func serverPod(rd *v1alpha1.RsolvDeployment, env Environment) *corev1ac.PodSpecApplyConfiguration {
	app := container(rd, AppContainer, contract.CommandServe, env).
		WithPorts(
			corev1ac.ContainerPort().WithName(contract.PublicPortName).
				WithContainerPort(contract.PublicPort).WithProtocol(corev1.ProtocolTCP),
			corev1ac.ContainerPort().WithName(contract.AdminPortName).
				WithContainerPort(contract.AdminPort).WithProtocol(corev1.ProtocolTCP)).
		// A failed startup probe restarts the container, so it asks what the
		// liveness probe asks: a pod that starts while the database is away
		// waits for it, unready, and is not restarted.
		WithStartupProbe(probe(contract.LivePath, 1, 1, 60)).
		WithLivenessProbe(probe(contract.LivePath, 10, 5, 3)).
		WithReadinessProbe(probe(contract.ReadyPath, 5, 3, 2)).
		WithLifecycle(corev1ac.Lifecycle().WithPreStop(corev1ac.LifecycleHandler().
			WithSleep(corev1ac.SleepAction().WithSeconds(contract.DrainSeconds))))
	return spread(rd, withSpool(withFlags(rd, podSpec(rd, app))).
		WithTerminationGracePeriodSeconds(contract.TerminationGraceSeconds))
}
