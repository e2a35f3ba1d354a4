package rsolvdeployment

import (
	"context"
	"fmt"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// runMigrations holds the rollout until the migrations of this image have run.
// They run once for each image and environment, and once more each time they
// failed and somebody asks for it: what came of them is recorded in the status,
// for a Job may be deleted, by its time to live or by anybody.
func (r *Reconciler) runMigrations(ctx context.Context, s *scope) error {
	hash := workload.MigrationHash(s.rd, s.environment)
	if record := s.rd.Status.Migrations; record != nil && (record.Hash == hash || slices.Contains(record.Earlier, hash)) {
		return s.migrated(hash)
	}
	attempt := s.attempt(hash)
	name := workload.MigrationJobName(s.rd.Name, attempt)
	// The cache answers as a rule. Before a Job is made, the API server is
	// asked: a Job made a moment ago may not be in the cache yet, and two
	// migrations must never run at a time.
	for _, reader := range []client.Reader{r.Client, r.Live} {
		jobs, err := ownJobs(ctx, reader, s.rd, contract.ComponentMigration)
		if err != nil {
			return err
		}
		job, running := pick(jobs, name)
		switch {
		case slices.ContainsFunc(jobs, func(j batchv1.Job) bool {
			return j.Labels[contract.LabelMigration] == hash && finished(&j, batchv1.JobComplete) != nil
		}):
			return s.migrated(hash) // whichever attempt it was
		case job != nil && finished(job, batchv1.JobFailed) != nil:
			return r.migrationFailed(ctx, s, attempt, job)
		case job != nil:
			return s.migrating(fmt.Sprintf("Job %s runs the migrations of %s", name, s.rd.Spec.Image))
		case running != "":
			return s.migrating(fmt.Sprintf("Job %s still runs older migrations; those of %s come after it", running, s.rd.Spec.Image))
		}
	}
	if s.failed != nil && s.failed.Hash == attempt {
		return s.holdFailed(s.failed.Message)
	}
	if err := r.Applier.Create(ctx, s.rd, workload.MigrationJob(s.target, s.environment, hash, attempt)); err != nil {
		return err
	}
	return s.migrating(fmt.Sprintf("Job %s runs the migrations of %s", name, s.rd.Spec.Image))
}

// earlierLimit bounds the remembered migrations. An image older than that many
// others is migrated to once more, which finds nothing to do.
const earlierLimit = 16

func (s *scope) migrated(hash string) error {
	s.completed = &v1alpha1.MigrationRecord{Hash: hash, Image: s.rd.Spec.Image}
	if before := s.rd.Status.Migrations; before != nil {
		earlier := slices.DeleteFunc(append([]string{before.Hash}, before.Earlier...), func(other string) bool { return other == hash })
		s.completed.Earlier = earlier[:min(earlierLimit, len(earlier))]
	}
	s.failed = nil
	s.verdicts[v1alpha1.ConditionMigrationsComplete] = status.True(v1alpha1.ReasonSucceeded,
		"the migrations of "+s.rd.Spec.Image+" have run")
	return nil
}

func (s *scope) migrating(message string) error {
	verdict := status.False(v1alpha1.ReasonMigrationRunning, message)
	s.verdicts[v1alpha1.ConditionMigrationsComplete] = verdict
	return &held{phase: v1alpha1.PhaseMigrating, verdict: verdict, progress: status.Working}
}

func (s *scope) holdFailed(message string) error {
	verdict := status.False(v1alpha1.ReasonMigrationFailed, message)
	s.verdicts[v1alpha1.ConditionMigrationsComplete] = verdict
	return &held{phase: v1alpha1.PhaseFailed, verdict: verdict, progress: status.Stuck}
}

// migrationFailed records the failed attempt with what its pod said. A failure
// that is recorded already is not looked into again: its pod may be gone.
func (r *Reconciler) migrationFailed(ctx context.Context, s *scope, attempt string, job *batchv1.Job) error {
	if s.failed != nil && s.failed.Hash == attempt {
		return s.holdFailed(s.failed.Message)
	}
	condition := finished(job, batchv1.JobFailed)
	e, err := r.end(ctx, job)
	if err != nil {
		return err
	}
	s.failed = &v1alpha1.MigrationRecord{
		Hash: attempt, Image: s.rd.Spec.Image, Retry: s.rd.Annotations[contract.AnnotationRetry],
		Message: fmt.Sprintf("the migrations of %s failed (%s): %s. %s",
			s.rd.Spec.Image, condition.Reason, said(e, condition.Message, s.env), s.failureFix()),
	}
	return s.holdFailed(s.failed.Message)
}

// failureLimit bounds in bytes what of a failed pod's output goes into a
// condition. The end is what says why.
const failureLimit = 1500

func (s *scope) failureFix() string {
	return "The pods that run are left as they are. When the cause is fixed, ask for another attempt: " + s.askAgain()
}

// ownJobs lists the app's Jobs of one component.
func ownJobs(ctx context.Context, reader client.Reader, rd *v1alpha1.RsolvDeployment, component string) ([]batchv1.Job, error) {
	var list batchv1.JobList
	err := reader.List(ctx, &list, client.InNamespace(rd.Namespace), client.MatchingLabels{
		contract.LabelDeployment: rd.Name, contract.LabelComponent: component,
	})
	if err != nil {
		return nil, fmt.Errorf("listing the %s Jobs of %s: %w", component, rd.Name, err)
	}
	var own []batchv1.Job
	for i := range list.Items {
		if metav1.IsControlledBy(&list.Items[i], rd) {
			own = append(own, list.Items[i])
		}
	}
	return own, nil
}

// pick finds the Job called name, and the name of another that still runs.
func pick(jobs []batchv1.Job, name string) (job *batchv1.Job, running string) {
	for i := range jobs {
		switch {
		case jobs[i].Name == name:
			job = &jobs[i]
		case finished(&jobs[i], batchv1.JobComplete) == nil && finished(&jobs[i], batchv1.JobFailed) == nil:
			running = jobs[i].Name
		}
	}
	return job, running
}

// finished returns the condition by which a Job ended in this way, or nil.
func finished(job *batchv1.Job, way batchv1.JobConditionType) *batchv1.JobCondition {
	for i := range job.Status.Conditions {
		if c := &job.Status.Conditions[i]; c.Type == way && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

// tail is the end of a text, at most limit bytes long.
func tail(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return "…" + strings.ToValidUTF8(text[len(text)-limit:], "")
}
