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

// TestWhatSucceededIsNotRunAgain: neither on request, nor when the Jobs are
// gone, nor for an image that the app comes back to.
func TestWhatSucceededIsNotRunAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.image(v2)
	f.ready()
	f.deleteJobs()
	f.retry("now")
	f.restart(f.client)
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseReady)
	if jobs := f.jobs(); len(jobs) != 0 {
		t.Fatalf("%d Jobs although nothing had failed", len(jobs))
	}

	f.image(v1)
	f.ready()
	if jobs := f.jobsOf(contract.ComponentMigration); len(jobs) != 0 {
		t.Errorf("the migrations of an earlier image ran again: %d Jobs", len(jobs))
	}
	if got := f.rd().Status.Migrations; got.Image != v1 || len(got.Earlier) != 1 {
		t.Errorf("recorded: %+v", got)
	}
	// Another database is another matter.
	f.secret("rsolv-db", map[string]string{"database-url": goodURL + "_restored"})
	f.ready()
	if jobs := f.jobsOf(contract.ComponentMigration); len(jobs) != 1 {
		t.Errorf("%d Jobs for another database, want one", len(jobs))
	}
}

// TestMigrationsThatEndedUnseenCount: they ended while no manager ran, and when
// one does, somebody has asked for another attempt.
func TestMigrationsThatEndedUnseenCount(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create()
	f.migrating()
	f.finishJobs(batchv1.JobComplete, "")
	f.retry("now")
	f.restart(f.client)
	f.ready()
	if jobs := f.jobsOf(contract.ComponentMigration); len(jobs) != 1 {
		t.Errorf("%d Jobs, want one", len(jobs))
	}
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
