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

// MigrationContainer is the container that migrates.
const MigrationContainer = "migrate"

const (
	migrationTimeout = 10 * time.Minute
	migrationRetries = 3
)

// MigrationHash names the migrations of an image in an environment. They run
// once.
func MigrationHash(rd *v1alpha1.RsolvDeployment, env Environment) string {
	return shortHash(rd.Spec.Image, contract.CommandMigrate, env.Secret, env.ConfigMap)
}

// AttemptHash names one attempt at the migrations called hash. The attempt is
// whatever somebody wrote into the retry annotation, or empty.
func AttemptHash(hash, attempt string) string {
	if attempt == "" {
		return hash
	}
	return shortHash(hash, attempt)
}

// MigrationJobName is the Job of one attempt.
func MigrationJobName(app, attemptHash string) string { return app + "-migrate-" + attemptHash }

// MigrationJob runs one attempt at the migrations called hash. It never runs two pods at a
// time, and repeats a failed one a few times, except for the exit code with
// which the app says that repeating is of no use.
func MigrationJob(rd *v1alpha1.RsolvDeployment, env Environment, hash, attemptHash string) *unstructured.Unstructured {
	name := MigrationJobName(rd.Name, attemptHash)
	labels := render.Labels(rd.Name, contract.ComponentMigration)
	object := batchv1ac.Job(name, rd.Namespace).WithSpec(batchv1ac.JobSpec().
		WithBackoffLimit(migrationRetries).
		WithActiveDeadlineSeconds(int64(migrationsTimeout(rd).Seconds())).
		WithTTLSecondsAfterFinished(jobKept).
		WithPodReplacementPolicy(batchv1.Failed).
		WithPodFailurePolicy(batchv1ac.PodFailurePolicy().WithRules(
			disrupted(),
			batchv1ac.PodFailurePolicyRule().WithAction(batchv1.PodFailurePolicyActionFailJob).
				WithOnExitCodes(batchv1ac.PodFailurePolicyOnExitCodesRequirement().
					WithContainerName(MigrationContainer).
					WithOperator(batchv1.PodFailurePolicyOnExitCodesOpIn).
					WithValues(contract.ExitUsage)))).
		WithTemplate(corev1ac.PodTemplateSpec().
			WithLabels(labels).
			WithSpec(podSpec(rd, container(rd, MigrationContainer, contract.CommandMigrate, env)).
				WithRestartPolicy(corev1.RestartPolicyNever))))
	object.ObjectMetaApplyConfiguration = meta(rd, name, contract.ComponentMigration)
	object.WithLabels(map[string]string{contract.LabelMigration: hash})
	return render.Object(object)
}

func migrationsTimeout(rd *v1alpha1.RsolvDeployment) time.Duration {
	if rd.Spec.Rollout == nil || rd.Spec.Rollout.Migrations == nil {
		return migrationTimeout
	}
	return orDefault(rd.Spec.Rollout.Migrations.Timeout.Duration, migrationTimeout)
}
