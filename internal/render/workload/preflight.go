package workload

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	batchv1ac "k8s.io/client-go/applyconfigurations/batch/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
)

// PreflightContainer is the container that checks.
const PreflightContainer = "preflight"

const preflightTimeout = 2 * time.Minute

// PreflightHash names the preflight of an image in an environment.
func PreflightHash(rd *v1alpha1.RsolvDeployment, env Environment) string {
	return shortHash(rd.Spec.Image, contract.CommandPreflight, env.Secret, env.ConfigMap)
}

// PreflightJobName is the Job of one attempt.
func PreflightJobName(app, attemptHash string) string { return app + "-preflight-" + attemptHash }

// PreflightJob asks an image whether it can work with what its pods will be
// given. A failed pod is not tried again by the Job: the controller decides
// when, for a database that is away may take a while to come back.
func PreflightJob(rd *v1alpha1.RsolvDeployment, env Environment, attemptHash string) *unstructured.Unstructured {
	var declared time.Duration
	if rd.Spec.Rollout != nil && rd.Spec.Rollout.Preflight != nil {
		declared = rd.Spec.Rollout.Preflight.Timeout.Duration
	}
	return job(rd, oneShot{
		name: PreflightJobName(rd.Name, attemptHash), component: contract.ComponentPreflight,
		timeout: orDefault(declared, preflightTimeout), retries: 0,
	}, withFlags(rd, podSpec(rd, container(rd, PreflightContainer, contract.CommandPreflight, env))))
}

// oneShot is what one Job differs in from another.
type oneShot struct {
	name, component string
	// timeout of the whole Job, and how often a failed pod is repeated in it.
	timeout time.Duration
	retries int32
}

// jobKept is how long a finished Job stays for people to look at, in seconds.
// What came of it is in the status for good.
const jobKept = 3600

// job runs a pod once.
func job(rd *v1alpha1.RsolvDeployment, o oneShot, pod *corev1ac.PodSpecApplyConfiguration) *unstructured.Unstructured {
	object := batchv1ac.Job(o.name, rd.Namespace).WithSpec(batchv1ac.JobSpec().
		WithBackoffLimit(o.retries).
		WithActiveDeadlineSeconds(int64(o.timeout.Seconds())).
		WithTTLSecondsAfterFinished(jobKept).
		WithPodFailurePolicy(batchv1ac.PodFailurePolicy().WithRules(disrupted())).
		WithTemplate(corev1ac.PodTemplateSpec().
			WithLabels(render.Labels(rd.Name, o.component)).
			WithSpec(pod.WithRestartPolicy(corev1.RestartPolicyNever))))
	object.ObjectMetaApplyConfiguration = meta(rd, o.name, o.component)
	return render.Object(object)
}

// disrupted says that a pod of a drained or lost node is no failed attempt.
func disrupted() *batchv1ac.PodFailurePolicyRuleApplyConfiguration {
	return batchv1ac.PodFailurePolicyRule().WithAction(batchv1.PodFailurePolicyActionIgnore).
		WithOnPodConditions(batchv1ac.PodFailurePolicyOnPodConditionsPattern().
			WithType(corev1.DisruptionTarget).WithStatus(corev1.ConditionTrue))
}

// orDefault is the declared duration. The schema allows no zero; zero is an
// object that was never admitted, or one that leaves the setting out.
func orDefault(declared, otherwise time.Duration) time.Duration {
	if declared == 0 {
		return otherwise
	}
	return declared
}
