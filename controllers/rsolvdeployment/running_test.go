package rsolvdeployment

import (
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

const v3 = "ghcr.io/rsolv-dev/rsolv:v3"

func (f *fixture) emptySecret() {
	f.t.Helper()
	f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": "", "STRIPE_WEBHOOK_SECRET": webhook})
}

// witnessJob is the preflight that the gate asked for, and that still runs.
func (f *fixture) witnessJob() *batchv1.Job {
	f.t.Helper()
	rd := f.rd()
	name := newScope(rd).witnessJob()
	for _, job := range f.jobsOf(contract.ComponentPreflight) {
		if job.Name == name && len(job.Status.Conditions) == 0 {
			return &job
		}
	}
	f.t.Fatalf("there is no Job %q: %+v", name, rd.Status.Gate)
	return nil
}

// TestADecidedRollbackIsDone: whatever comes between the decision and the
// rollback, what was rejected is not kept serving.
func TestADecidedRollbackIsDone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		comes  func(*fixture)
		reason string
		after  func(*fixture)
		says   string
	}{
		"a secret is emptied": {
			(*fixture).emptySecret, v1alpha1.ReasonSecretKeyEmpty,
			func(f *fixture) { f.secrets() }, "The spec says so, but the pods run " + v1,
		},
		"it is suspended": {
			func(f *fixture) { f.suspend(true) }, v1alpha1.ReasonSuspended,
			func(f *fixture) { f.suspend(false) }, "The spec says so, but the pods run " + v1,
		},
		"another image is declared": {
			func(f *fixture) { f.image(v3) }, v1alpha1.ReasonPreflightRunning,
			func(f *fixture) { f.image(v2) }, "The pods run " + v1 + " (revision ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t).secrets().create().ready()
			env := f.env().Name
			f.image(v2)
			f.rolling()
			f.stall(2)
			f.reconcile()
			if f.rd().Status.RejectedRevision == nil || f.runs() != v2 {
				t.Fatalf("the pods run %s: %+v", f.runs(), f.rd().Status)
			}
			test.comes(f)
			f.restart(f.client)
			f.reconcile()
			f.wantReady(metav1.ConditionFalse, test.reason)
			message := f.want(v1alpha1.ConditionRolledBack, metav1.ConditionTrue, v1alpha1.ReasonRolledBack)
			if f.runs() != v1 || f.env().Name != env || f.deployment().Spec.Paused || !strings.Contains(message, test.says) {
				t.Errorf("the pods run %s with %s, paused: %t; %s", f.runs(), f.env().Name, f.deployment().Spec.Paused, message)
			}
			f.reconcile()
			if f.deployment().Spec.Paused {
				t.Error("the rollback is paused")
			}
			f.rollOut()
			f.reconcile()
			f.wantQuiet()
			f.wantReady(metav1.ConditionFalse, test.reason)
			f.want(v1alpha1.ConditionRolledBack, metav1.ConditionTrue, v1alpha1.ReasonRolledBack)
			test.after(f)
			f.reconcile()
			if name == "another image is declared" {
				f.passPreflight()
				f.reconcile()
			}
			f.wantRolledBack("no further new pod answered")
		})
	}
}

// TestGateGoesOnWhileTheRolloutIsHeld: a version that is watched goes on being
// watched when a secret is emptied, and when the next version is declared and
// held.
func TestGateGoesOnWhileTheRolloutIsHeld(t *testing.T) {
	t.Parallel()
	url := prometheus(t).URL
	for name, test := range map[string]struct {
		hold   func(*fixture)
		reason string
		resume func(*fixture)
	}{
		"by an emptied secret": {(*fixture).emptySecret, v1alpha1.ReasonSecretKeyEmpty, func(f *fixture) { f.secrets() }},
		"by the next preflight": {
			func(f *fixture) { f.image(v3) }, v1alpha1.ReasonPreflightRunning, func(f *fixture) { f.image(v2) },
		},
	} {
		t.Run(name+", and is breached", func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.baseline(url, jobHealthy)
			f.gating(gated(v1alpha1.OnNoDataPause))
			env := f.env().Name
			test.hold(f)
			f.reconcile()
			f.wantReady(metav1.ConditionFalse, test.reason)
			if next := f.wantQuiet(); next <= 0 || next > 30*time.Second {
				t.Errorf("it looks again after %s", next)
			}
			f.behave(jobFailing)
			f.reconcile()
			f.wantReady(metav1.ConditionFalse, test.reason)
			f.want(v1alpha1.ConditionGatePassed, metav1.ConditionFalse, v1alpha1.ReasonGateBreached)
			f.reconcile()
			f.reconcile() // the preflight that holds the next image replaces older ones, and not the witness
			job := f.witnessJob()
			if c := job.Spec.Template.Spec.Containers[0]; c.Image != v2 || workload.References(&job.Spec.Template.Spec)[1] != env {
				t.Errorf("the witness is %s with %v", c.Image, workload.References(&job.Spec.Template.Spec))
			}
			told := len(f.notes.all())
			f.must(testenv.PassJob(t.Context(), f.client, job))
			f.reconcile()
			f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonRolledBack)
			f.restored()
			f.wantReady(metav1.ConditionFalse, test.reason)
			if f.runs() != v1 || f.rd().Status.LastGood.Image != v1 {
				t.Errorf("the pods run %s: %+v", f.runs(), f.rd().Status)
			}
			if events := f.notes.all()[told:]; !strings.HasPrefix(events[0], "Warning RevisionRejected RolledBack ") {
				t.Errorf("events: %v", events)
			}
			f.wantQuiet()
			test.resume(f)
			f.reconcile()
			f.passPreflight()
			f.reconcile()
			f.wantRolledBack(breached)
		})
		t.Run(name+", and passes", func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.baseline(url, jobHealthy)
			f.gating(gated(v1alpha1.OnNoDataPause))
			test.hold(f)
			f.reconcile()
			f.now = f.now.Add(5 * time.Minute)
			f.reconcile()
			f.wantReady(metav1.ConditionFalse, test.reason)
			f.want(v1alpha1.ConditionGatePassed, metav1.ConditionUnknown, v1alpha1.ReasonNotEvaluated)
			if st := f.rd().Status; f.runs() != v2 || st.Gate.Result != v1alpha1.GatePassed || st.LastGood.Image != v1 {
				t.Errorf("the pods run %s: %+v", f.runs(), st)
			}
			f.wantQuiet()
			test.resume(f)
			f.ready()
			if st := f.rd().Status; f.runs() != v2 || st.LastGood.Image != v2 {
				t.Errorf("the pods run %s: %+v", f.runs(), st)
			}
		})
	}
}

// TestASuspendedGateAsksNothing: suspended, no Job starts, not even one that a
// gate would ask for.
func TestASuspendedGateAsksNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.baseline(prometheus(t).URL, jobHealthy)
	f.gating(gated(v1alpha1.OnNoDataPause))
	f.suspend(true)
	f.reconcile()
	f.behave(jobFailing)
	jobs := len(f.jobs())
	for range 3 {
		f.reconcile()
	}
	f.wantPhase(v1alpha1.PhaseSuspended)
	if got := len(f.jobs()); got != jobs {
		t.Errorf("%d Jobs became %d", jobs, got)
	}
	f.suspend(false)
	f.reconcile()
	f.wantGating(v1alpha1.ReasonGateBreached)
}

// TestAWitnessOfARunningRevisionTellsNoSecret: what it says may hold a value
// that the live secret has no more.
func TestAWitnessOfARunningRevisionTellsNoSecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.baseline(prometheus(t).URL, jobFailing)
	f.gating(gated(v1alpha1.OnNoDataPause))
	f.emptySecret()
	f.witness(contract.Problem{Check: contract.CheckDatabase, Message: "refused " + stripeKey})
	f.reconcile()
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonSecretKeyEmpty)
	if message := f.want(v1alpha1.ConditionGatePassed, metav1.ConditionFalse, v1alpha1.ReasonDependencyDown); !strings.Contains(message, "refused ***") {
		t.Errorf("it says %s", message)
	}
}

// TestTheFirstVersionIsNotGuarded: there is nothing to go back to.
func TestTheFirstVersionIsNotGuarded(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create()
	f.testing()
	f.emptySecret()
	f.reconcile()
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonSecretKeyEmpty)
	if condition := apimeta.FindStatusCondition(f.rd().Status.Conditions, v1alpha1.ConditionSmokeTestPassed); condition.Status != metav1.ConditionUnknown {
		t.Errorf("%+v", condition)
	}
}
