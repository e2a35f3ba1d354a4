package rsolvdeployment

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

func (f *fixture) suspend(suspend bool) {
	f.t.Helper()
	f.edit(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Suspend = suspend })
}

// TestSuspendStopsARolloutWhereItIs suspends in each step, changes what follows
// at once, and resumes.
func TestSuspendStopsARolloutWhereItIs(t *testing.T) {
	t.Parallel()
	for name, reach := range map[string]func(*fixture){
		"declared":  func(*fixture) {},
		"checking":  func(f *fixture) { f.reconcile() },
		"migrating": func(f *fixture) { f.migrating() },
		"rolling":   func(f *fixture) { f.rolling() },
		"testing":   func(f *fixture) { f.testing() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t).secrets().create().ready()
			f.image(v2)
			reach(f)
			f.suspend(true)
			f.reconcile()
			f.wantPhase(v1alpha1.PhaseSuspended)
			f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonSuspended)
			image, jobs := f.runs(), len(f.jobs())
			if paused := f.deployment().Spec.Paused; paused != (name == "rolling") {
				t.Errorf("the Deployment is paused: %t", paused)
			}
			f.finishJobs(batchv1.JobComplete, "")
			f.edit(func(rd *v1alpha1.RsolvDeployment) {
				rd.Spec.Replicas, rd.Spec.Ingress = new(int32(4)), nil
			})
			f.restart(f.client)
			f.reconcile()
			f.reconcile()
			f.wantPhase(v1alpha1.PhaseSuspended)
			f.wantReplicas(4)
			if f.runs() != image || len(f.jobs()) != jobs {
				t.Errorf("suspended, the pods run %s, and there are %d Jobs, not %d", f.runs(), len(f.jobs()), jobs)
			}
			quiet := len(f.writes.List())
			f.reconcile()
			if wrote := f.writes.List()[quiet:]; len(wrote) > 0 {
				t.Errorf("suspended, it wrote %v", wrote)
			}

			f.suspend(false)
			f.ready()
			if f.runs() != v2 || f.deployment().Spec.Paused {
				t.Errorf("resumed, the pods run %s, paused: %t", f.runs(), f.deployment().Spec.Paused)
			}
		})
	}
}

func TestSuspendedAppWithNothingToRollOutIsReady(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.suspend(true)
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseSuspended)
	f.wantReady(metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": "sk_live_other", "STRIPE_WEBHOOK_SECRET": webhook})
	f.reconcile()
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonSuspended)
	f.suspend(false)
	f.ready()
}

// TestSuspendLeavesAnothersPause: `kubectl rollout pause` stays in force.
func TestSuspendLeavesAnothersPause(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.image(v2)
	f.rolling()
	deployment := f.deployment()
	deployment.Spec.Paused = true
	f.must(f.client.Update(t.Context(), deployment))
	f.suspend(true)
	f.reconcile()
	f.suspend(false)
	f.reconcile()
	if !f.deployment().Spec.Paused {
		t.Error("somebody else's pause is gone")
	}
}
