package rsolvdeployment

import (
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// answering lets so many of a complete Deployment's pods answer.
func (f *fixture) answering(pods int32) {
	f.t.Helper()
	deployment := f.deployment()
	deployment.Status.AvailableReplicas, deployment.Status.ReadyReplicas = pods, pods
	f.must(f.client.Status().Update(f.t.Context(), deployment))
}

// wantQuiet reconciles once more, wants nothing written, and returns when the
// next look is.
func (f *fixture) wantQuiet() time.Duration {
	f.t.Helper()
	quiet := len(f.writes.List())
	result, err := f.try(f.t.Context())
	f.must(err)
	if wrote := f.writes.List()[quiet:]; len(wrote) > 0 {
		f.t.Errorf("a look that sees the same wrote %v", wrote)
	}
	return result.RequeueAfter
}

// witnesses are the preflights that gates asked for.
func (f *fixture) witnesses() int {
	f.t.Helper()
	return len(f.jobsOf(contract.ComponentPreflight)) - 2 // one for each image
}

// gateExcusesNoRelapse: what a rejected version did excuses neither itself, asked
// for again, nor the next one with the same fault.
func gateExcusesNoRelapse(t *testing.T, f *fixture, url string) {
	t.Helper()
	const says = "it did not pass the gate: errors: the share of HTTP requests answered 5xx is 100.0%, critical above 5%"
	reject := func() {
		t.Helper()
		f.wantGating(v1alpha1.ReasonGateBreached)
		if gate := f.rd().Status.Gate; !gate.Compared || len(gate.Excluded) > 0 {
			t.Fatalf("left out: %v", gate.Excluded)
		}
		f.witness()
		f.reconcile()
		f.restored()
	}
	f.baseline(url, jobRelapse)
	f.gating(gated(v1alpha1.OnNoDataPause))
	reject()
	f.wantRolledBack(says)
	if got := f.rd().Status.RejectedRevision.Pods; !slices.Equal(got, []string{youngPods}) {
		t.Errorf("rejected are the pods of %v", got)
	}

	f.now = f.now.Add(time.Minute)
	f.retry("now")
	f.reconcile()
	f.rollOut()
	f.reconcile()
	reject()
	f.wantRolledBack(says)

	f.now = f.now.Add(time.Minute)
	f.behave(jobNext)
	f.image(v3)
	f.testing()
	f.podsOf(nextPods, "3")
	f.finishJobs(batchv1.JobComplete, "")
	f.reconcile()
	reject()
	if st := f.rd().Status; f.runs() != v1 || !slices.Equal(st.RejectedRevision.Pods, []string{nextPods, youngPods}) {
		t.Errorf("the pods run %s: %+v", f.runs(), st.RejectedRevision)
	}
}

// gateSeesWhatItMissed: what happened while nobody looked, by a manager that was
// away for two hours, is judged when it is back.
func gateSeesWhatItMissed(t *testing.T, f *fixture, url string) {
	t.Helper()
	baseline := f.baseline(url, jobSpike)
	baseline.Spec.Window = "1m"
	f.must(f.client.Update(t.Context(), baseline))
	f.gating(gated(v1alpha1.OnNoDataPause))
	f.wantGating(v1alpha1.ReasonGateRunning)
	f.now = f.now.Add(2 * time.Hour)
	f.restart(f.client)
	f.reconcile()
	f.wantGating(v1alpha1.ReasonGateBreached)
	f.witness()
	f.reconcile()
	f.restored()
	f.wantRolledBack("it did not pass the gate: errors: the share of HTTP requests answered 5xx is ")
	if message := f.want(v1alpha1.ConditionGatePassed, metav1.ConditionFalse, v1alpha1.ReasonGateBreached); !strings.Contains(message, ", critical above 5%, at ") {
		t.Errorf("it does not say when: %s", message)
	}
}

// gateForgetsNoBreach: the bound holds again when the witness has spoken, and
// was crossed all the same.
func gateForgetsNoBreach(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobFailing)
	f.gating(gated(v1alpha1.OnNoDataPause))
	message := f.wantGating(v1alpha1.ReasonGateBreached)
	f.behave(jobHealthy)
	f.restart(f.client)
	f.reconcile()
	if again := f.wantGating(v1alpha1.ReasonGateBreached); again != message {
		t.Errorf("it says %q, then %q", message, again)
	}
	f.witness()
	f.reconcile()
	f.restored()
	f.wantRolledBack(breached)
	if gate := f.rd().Status.Gate; gate.Breach != nil || gate.Result != v1alpha1.GateFailed {
		t.Errorf("%+v", gate)
	}
}

// gateAsksAboutEachBreach: what the witness of one breach said is no answer to
// the next, which the database may be to blame for.
func gateAsksAboutEachBreach(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobFailing)
	f.gating(gated(v1alpha1.OnNoDataPause))
	away := contract.Problem{Check: contract.CheckDatabase, Message: "connection refused"}
	f.witness(away)
	f.reconcile()
	f.wantGating(v1alpha1.ReasonDependencyDown)
	if gate := f.rd().Status.Gate; gate.Breach != nil {
		t.Errorf("a breach that was excused is kept: %+v", gate.Breach)
	}
	f.behave(jobHealthy)
	f.now = f.now.Add(firstRetry)
	f.reconcile()
	f.wantGating(v1alpha1.ReasonGateRunning)
	for n := 2; n < 4; n++ {
		f.behave(jobFailing)
		f.now = f.now.Add(time.Minute)
		f.reconcile()
		f.wantGating(v1alpha1.ReasonGateBreached)
		f.reconcile()
		if got := f.witnesses(); got != n {
			t.Fatalf("at breach %d there were %d witnesses", n, got)
		}
		f.witness(away)
		f.reconcile()
		f.wantGating(v1alpha1.ReasonDependencyDown)
		f.behave(jobHealthy)
		f.now = f.now.Add(time.Hour)
		f.reconcile()
		f.wantGating(v1alpha1.ReasonGateRunning)
	}
}

// gateEndsWithPodsDown: pods that answered once and then crash miss no deadline
// of their Deployment. The gate is where they are found out.
func gateEndsWithPodsDown(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobHealthy)
	f.gating(gated(v1alpha1.OnNoDataPause))
	f.answering(0)
	f.now = f.now.Add(time.Minute)
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseDegraded)
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonPodsUnavailable)
	f.want(v1alpha1.ConditionGatePassed, metav1.ConditionFalse, v1alpha1.ReasonGateRunning)
	if next := f.wantQuiet(); next != 30*time.Second {
		t.Errorf("it looks again after %s", next)
	}
	f.now = f.now.Add(4 * time.Minute)
	f.reconcile()
	message := f.want(v1alpha1.ConditionGatePassed, metav1.ConditionFalse, v1alpha1.ReasonPodsUnavailable)
	if !strings.Contains(message, "0 of 2 pods answer; Job rsolv-preflight-") || f.runs() != v2 {
		t.Errorf("the pods run %s: %s", f.runs(), message)
	}
	f.witness()
	f.reconcile()
	f.restored()
	f.wantRolledBack("it did not pass the gate: 0 of 2 pods answer, and not all have since ")
	f.want(v1alpha1.ConditionGatePassed, metav1.ConditionFalse, v1alpha1.ReasonPodsUnavailable)
}

// gateWaitsForPods: a pod that is replaced at the end of the gate is given its
// time, and is watched when it is back.
func gateWaitsForPods(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobHealthy)
	f.gating(gated(v1alpha1.OnNoDataPause))
	f.now = f.now.Add(5*time.Minute - 10*time.Second)
	f.answering(1)
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseDegraded)
	f.now = f.now.Add(time.Minute)
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseDegraded)
	f.answering(2)
	f.reconcile()
	f.wantGating(v1alpha1.ReasonGateRunning)
	f.wantQuiet()
	f.now = f.now.Add(recoveryGrace - time.Second)
	f.reconcile()
	f.wantGating(v1alpha1.ReasonGateRunning)
	f.now = f.now.Add(time.Second)
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseReady)
	if got := f.rd().Status.LastGood.Image; got != v2 {
		t.Errorf("%s is the last good version", got)
	}
}

// gateWaitsForNodes: a pod that has no node to run on is not the revision's
// fault, and the version before it would have none either.
func gateWaitsForNodes(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobHealthy)
	f.gating(gated(v1alpha1.OnNoDataPause))
	set := &appsv1.ReplicaSet{}
	f.must(f.client.Get(t.Context(), client.ObjectKey{Namespace: f.key.Namespace, Name: youngPods}, set))
	waiting := f.pod(set, youngPods+"-ccccc", "")
	f.answering(1)
	f.reconcile()
	f.now = f.now.Add(20 * time.Minute)
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseDegraded)
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonPodsUnavailable)
	message := f.want(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPodsUnavailable)
	if next := f.wantQuiet(); next <= 0 || !strings.Contains(message, "1 of 2 pods answer, and the others have no node to run on") {
		t.Errorf("it says %s, and looks again after %s", message, next)
	}
	// On a node it answers no more than before.
	f.must(f.client.Delete(t.Context(), waiting, client.GracePeriodSeconds(0)))
	f.pod(set, youngPods+"-ddddd", "node")
	f.reconcile()
	f.want(v1alpha1.ConditionGatePassed, metav1.ConditionFalse, v1alpha1.ReasonPodsUnavailable)
}

// gateSeesPodsComeAndGo: pods that answer now and then do not wear the gate
// out.
func gateSeesPodsComeAndGo(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobHealthy)
	f.gating(gated(v1alpha1.OnNoDataPause))
	for range 10 {
		for _, pods := range []int32{0, 2} {
			f.answering(pods)
			f.now = f.now.Add(time.Minute)
			f.reconcile()
			if f.rd().Status.Gate.Breach != nil {
				f.witness()
				f.reconcile()
				f.restored()
				f.wantRolledBack("it did not pass the gate: 0 of 2 pods answer")
				return
			}
		}
	}
	t.Errorf("after 20 minutes: %+v", f.rd().Status)
}

// gateIsAwayWithTheDatabase: pods that cannot come back without a database are
// not the revision's fault.
func gateIsAwayWithTheDatabase(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobHealthy)
	f.gating(gated(v1alpha1.OnNoDataPause))
	f.answering(0)
	f.reconcile()
	f.now = f.now.Add(5 * time.Minute)
	f.reconcile()
	f.witness(contract.Problem{Check: contract.CheckDatabase, Message: "connection refused"})
	f.reconcile()
	message := f.want(v1alpha1.ConditionGatePassed, metav1.ConditionFalse, v1alpha1.ReasonDependencyDown)
	if !strings.Contains(message, "So "+v2+" is not to blame (0 of 2 pods answer)") || f.runs() != v2 {
		t.Errorf("the pods run %s: %s", f.runs(), message)
	}
	f.answering(2)
	f.now = f.now.Add(time.Minute)
	f.reconcile()
	f.wantGating(v1alpha1.ReasonGateRunning)
	f.now = f.now.Add(10 * time.Minute)
	f.ready()
}

// TestPodsThatStopAnsweringBeforeTheyAreProven: without a gate, too, a version
// is not left to crash for ever.
func TestPodsThatStopAnsweringBeforeTheyAreProven(t *testing.T) {
	t.Parallel()
	t.Run("their smoke test fails", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t).secrets().create().ready()
		f.image(v2)
		f.testing()
		f.answering(0)
		f.reconcile()
		f.failSmokeTest(contract.Problem{Check: "Signup", Message: "connection refused"})
		f.reconcile()
		f.restored()
		f.wantRolledBack("the smoke test failed: Signup: connection refused")
	})
	t.Run("their smoke test passed", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t).secrets().create().ready()
		f.image(v2)
		f.testing()
		f.finishJobs(batchv1.JobComplete, "")
		f.answering(1)
		f.reconcile()
		f.wantPhase(v1alpha1.PhaseDegraded)
		f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonPodsUnavailable)
		if next := f.wantQuiet(); next <= 0 || next > 10*time.Minute {
			t.Errorf("it looks again after %s", next)
		}
		f.now = f.now.Add(10 * time.Minute)
		f.reconcile()
		f.restored()
		f.wantRolledBack("1 of 2 pods answer, and not all have for 600 s")
	})
	t.Run("they are back in time", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t).secrets().create().ready()
		f.image(v2)
		f.testing()
		f.finishJobs(batchv1.JobComplete, "")
		f.answering(1)
		f.reconcile()
		f.now = f.now.Add(9 * time.Minute)
		f.answering(2)
		f.reconcile()
		f.wantPhase(v1alpha1.PhaseReady)
		if st := f.rd().Status; st.LastGood.Image != v2 || st.SmokeTest.DownSince != nil {
			t.Errorf("%+v", st)
		}
	})
	t.Run("the first version is left", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t).secrets().create()
		f.testing()
		f.answering(0)
		f.finishJobs(batchv1.JobComplete, "")
		f.reconcile()
		f.now = f.now.Add(time.Hour)
		f.reconcile()
		f.wantPhase(v1alpha1.PhaseDegraded)
	})
}
