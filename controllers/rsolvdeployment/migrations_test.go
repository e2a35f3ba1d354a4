package rsolvdeployment

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

func TestMigrationsComeBeforeTheDeploymentChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.image("ghcr.io/rsolv-dev/rsolv:v2")
	f.migrating()
	f.wantPhase(v1alpha1.PhaseMigrating)
	f.want(v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	if got := f.rd().Status.Image; got != "ghcr.io/rsolv-dev/rsolv:v1" {
		t.Fatalf("while migrating the pods run %s", got)
	}

	// A newer spec waits for the running migrations, then has its own.
	f.image("ghcr.io/rsolv-dev/rsolv:v3")
	f.reconcile()
	f.passPreflight()
	f.reconcile()
	message := f.want(v1alpha1.ConditionMigrationsComplete, metav1.ConditionFalse, v1alpha1.ReasonMigrationRunning)
	if !strings.Contains(message, "still runs older migrations") || len(f.jobsOf(contract.ComponentMigration)) != 2 {
		t.Fatalf("%d Jobs; %s", len(f.jobsOf(contract.ComponentMigration)), message)
	}
	f.finishJobs(batchv1.JobComplete, "")
	f.reconcile()
	if jobs := f.jobsOf(contract.ComponentMigration); len(jobs) != 3 {
		t.Fatalf("%d Jobs, want one for each image", len(jobs))
	}
	f.ready()
	if got := f.rd().Status; got.Image != "ghcr.io/rsolv-dev/rsolv:v3" || got.Migrations.Image != got.Image {
		t.Errorf("%+v", got)
	}
}

func TestFailedMigrationHoldsUntilAskedForAnother(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.image("ghcr.io/rsolv-dev/rsolv:v2")
	f.migrating()
	f.failWith("relation \"customers\" exists already; connected by " + goodURL + " as " + password)
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseFailed)
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonMigrationFailed)
	message := f.want(v1alpha1.ConditionMigrationsComplete, metav1.ConditionFalse, v1alpha1.ReasonMigrationFailed)
	if !strings.Contains(message, `relation "customers" exists already; connected by *** as ***`) ||
		!strings.Contains(message, "kubectl annotate rd rsolv rsolv.dev/retry-requested-at=") {
		t.Errorf("message: %s", message)
	}
	if got := f.rd().Status.Image; got != "ghcr.io/rsolv-dev/rsolv:v1" {
		t.Errorf("after a failed migration the pods run %s", got)
	}

	// It is not repeated by itself, not even when the Job is gone.
	f.deleteJobs()
	f.restart(f.client)
	f.reconcile()
	if got := f.want(v1alpha1.ConditionMigrationsComplete, metav1.ConditionFalse, v1alpha1.ReasonMigrationFailed); got != message {
		t.Errorf("the message was lost: %s", got)
	}
	if jobs := f.jobs(); len(jobs) != 0 {
		t.Fatalf("%d Jobs nobody asked for", len(jobs))
	}

	f.retry("2025-11-03T19:00:00Z")
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseMigrating)
	f.finishJobs(batchv1.JobFailed, "again")
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseFailed)
	f.retry("2025-11-03T20:00:00Z")
	f.ready()
	if st := f.rd().Status; st.Image != "ghcr.io/rsolv-dev/rsolv:v2" || st.FailedMigrations != nil {
		t.Errorf("%+v", st)
	}

	// The annotation that stays behind repeats nothing, and neither does its removal.
	f.deleteJobs()
	f.reconcile()
	f.edit(func(rd *v1alpha1.RsolvDeployment) { rd.Annotations = nil })
	f.reconcile()
	if jobs := f.jobs(); len(jobs) != 0 {
		t.Errorf("%d Jobs after the migrations were complete", len(jobs))
	}
	f.wantPhase(v1alpha1.PhaseReady)
}

// TestAskedForAgainTheyRunAgain: after a restore, the database may be behind
// what the status remembers.
func TestAskedForAgainTheyRunAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.deleteJobs()
	f.retry("after the restore")
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseMigrating)
	if jobs := f.jobs(); len(jobs) != 1 {
		t.Fatalf("%d Jobs, want one more attempt", len(jobs))
	}
	f.finishJobs(batchv1.JobComplete, "")
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseReady)
	if got := f.rd().Status.Migrations; got == nil || got.Retry != "after the restore" {
		t.Errorf("recorded: %+v", got)
	}

	// A request is answered once: it, its removal and its return ask for nothing.
	f.deleteJobs()
	f.restart(f.client)
	f.reconcile()
	for _, annotations := range []map[string]string{nil, {contract.AnnotationRetry: "after the restore"}} {
		f.edit(func(rd *v1alpha1.RsolvDeployment) { rd.Annotations = annotations })
		f.reconcile()
		f.wantPhase(v1alpha1.PhaseReady)
	}
	if jobs := f.jobs(); len(jobs) != 0 {
		t.Errorf("%d Jobs nobody asked for", len(jobs))
	}

	// One that fails holds, and the next value is another attempt.
	f.retry("again")
	f.reconcile()
	f.failWith("no such table")
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseFailed)
	f.retry("and again")
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseMigrating)
	f.finishJobs(batchv1.JobComplete, "")
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseReady)
}

// TestFailureOutlivesASecretHold: what the migrations said is not forgotten
// while something earlier holds.
func TestFailureOutlivesASecretHold(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create()
	f.migrating()
	f.failWith("relation \"customers\" is locked by " + password)
	f.reconcile()
	said := f.want(v1alpha1.ConditionMigrationsComplete, metav1.ConditionFalse, v1alpha1.ReasonMigrationFailed)
	if !strings.Contains(said, `relation "customers" is locked by ***`) {
		t.Fatalf("message: %s", said)
	}
	f.deleteJobs()
	f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": "changeme", "STRIPE_WEBHOOK_SECRET": webhook})
	f.reconcile()
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonSecretPlaceholder)
	f.want(v1alpha1.ConditionMigrationsComplete, metav1.ConditionUnknown, v1alpha1.ReasonNotEvaluated)
	f.secrets().reconcile()
	if got := f.want(v1alpha1.ConditionMigrationsComplete, metav1.ConditionFalse, v1alpha1.ReasonMigrationFailed); got != said {
		t.Errorf("after the hold it says %q, want %q", got, said)
	}
}

// failWith fails the Job that runs, with a pod that left a message.
func (f *fixture) failWith(message string) {
	f.t.Helper()
	for _, job := range f.jobs() {
		if len(job.Status.Conditions) > 0 {
			continue
		}
		f.must(testenv.EndPod(f.t.Context(), f.client, &job, testenv.ImageID, message))
	}
	f.finishJobs(batchv1.JobFailed, "Job has reached the specified backoff limit")
}
