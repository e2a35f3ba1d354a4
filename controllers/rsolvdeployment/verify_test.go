package rsolvdeployment

import (
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// stall writes the status of a Deployment of two pods whose rollout missed its
// deadline.
func (f *fixture) stall(available int32) {
	f.t.Helper()
	deployment := f.deployment()
	deployment.Status = appsv1.DeploymentStatus{
		ObservedGeneration: deployment.Generation, Replicas: 3, UpdatedReplicas: 1, AvailableReplicas: available, ReadyReplicas: available,
		Conditions: []appsv1.DeploymentCondition{{
			Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded",
			LastUpdateTime: metav1.Now(), LastTransitionTime: metav1.Now(),
		}},
	}
	f.must(f.client.Status().Update(f.t.Context(), deployment))
}

// failSmokeTest ends the running smoke test with a problem.
func (f *fixture) failSmokeTest(problem contract.Problem) {
	f.t.Helper()
	report := contract.Report{Command: contract.CommandSmokeTest, Version: "v2", Problems: []contract.Problem{problem}}
	for _, job := range f.jobsOf(contract.ComponentSmokeTest) {
		if len(job.Status.Conditions) == 0 {
			f.must(testenv.EndPod(f.t.Context(), f.client, &job, testenv.ImageID, string(contract.EncodeReport(report, contract.TerminationLogLimit))))
			f.must(testenv.FinishJob(f.t.Context(), f.client, &job, batchv1.JobFailed, "Job has reached the specified backoff limit"))
		}
	}
}

func (f *fixture) runs() string { f.t.Helper(); return runningImage(f.deployment()) }

// wantRolledBack checks that v1 stands in for a rejected v2, and that the
// status says so.
func (f *fixture) wantRolledBack(why string) {
	f.t.Helper()
	f.wantPhase(v1alpha1.PhaseReverted)
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonRolledBack)
	message := f.want(v1alpha1.ConditionRolledBack, metav1.ConditionTrue, v1alpha1.ReasonRolledBack)
	for _, part := range []string{v2 + " (revision ", "was rejected: " + why, "but the pods run " + v1 + " (revision ", contract.AnnotationRetry} {
		if !strings.Contains(message, part) {
			f.t.Errorf("%q is not in: %s", part, message)
		}
	}
	if got := f.runs(); got != v1 {
		f.t.Errorf("the pods run %s", got)
	}
	if st := f.rd().Status; st.RejectedRevision == nil || st.RejectedRevision.Image != v2 || st.LastGood.Image != v1 || st.Image != v1 {
		f.t.Errorf("%+v", st)
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		failure failure
		want    outcome
	}{
		"nothing to go back to":              {failure{wanted: true}, leave},
		"nothing, and all are down":          {failure{wanted: true, othersDown: true}, leave},
		"not wanted":                         {failure{good: true}, leave},
		"not wanted, and all are down":       {failure{good: true, othersDown: true}, leave},
		"the revision's fault":               {failure{good: true, wanted: true}, reject},
		"old pods are down too":              {failure{good: true, wanted: true, othersDown: true}, wait},
		"old pods were down until just now":  {failure{good: true, wanted: true, recovering: true}, wait},
		"old pods are down again, meanwhile": {failure{good: true, wanted: true, othersDown: true, recovering: true}, wait},
	} {
		if got := test.failure.decide(); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestMissedDeadlineBringsTheLastGoodRevisionBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	good := f.deployment().Spec.Template
	goodEnv := f.env().Name
	// Another image, and with it another value.
	f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": "sk_live_other", "STRIPE_WEBHOOK_SECRET": webhook})
	f.image(v2)
	f.rolling()
	f.stall(2)
	told := len(f.notes.all())
	f.reconcile() // recorded first,
	if f.rd().Status.RejectedRevision == nil || f.runs() != v2 {
		t.Fatalf("the pods run %s: %+v", f.runs(), f.rd().Status)
	}
	f.reconcile() // then done
	f.rollOut()
	f.reconcile()
	f.wantRolledBack("no further new pod answered for 600 s")
	f.want(v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	if events := f.notes.all()[told:]; len(events) != 1 || !strings.HasPrefix(events[0], "Warning RevisionRejected RolledBack ") {
		t.Errorf("events: %v", events)
	}
	template := f.deployment().Spec.Template
	if f.env().Name != goodEnv || template.Spec.Containers[0].Image != good.Spec.Containers[0].Image ||
		len(template.Spec.Volumes) != len(good.Spec.Volumes) || *template.Spec.TerminationGracePeriodSeconds != *good.Spec.TerminationGracePeriodSeconds {
		t.Errorf("the template is not the good one's: %+v", template)
	}

	// It stays so, whoever looks, and when somebody deletes or edits what runs.
	f.restart(f.client)
	f.must(f.client.Delete(t.Context(), f.deployment(), client.PropagationPolicy(metav1.DeletePropagationBackground)))
	f.reconcile()
	f.wantReplicas(2)
	f.rollOut()
	f.reconcile()
	f.wantRolledBack("no further new pod")

	// Asked for, it is tried again, migrations included.
	f.retry("now")
	f.reconcile()
	f.finishJobs(batchv1.JobComplete, "")
	f.reconcile()
	if f.runs() != v2 {
		t.Fatalf("asked for another attempt, the pods run %s", f.runs())
	}
	f.ready()
	if st := f.rd().Status; st.RejectedRevision != nil || st.LastGood.Image != v2 || apimeta.FindStatusCondition(st.Conditions, v1alpha1.ConditionRolledBack) != nil {
		t.Errorf("%+v", st)
	}
	if got := f.names(workload.ControllerRevisionKind); len(got) != 1 || got[0] != workload.RevisionName("rsolv", f.rd().Status.LastGood.Hash) {
		t.Errorf("revisions kept: %v", got)
	}
}

func TestAnotherRevisionEndsARollback(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.image(v2)
	f.rolling()
	f.stall(2)
	f.reconcile()
	f.reconcile()
	f.image("ghcr.io/rsolv-dev/rsolv:v3")
	f.ready()
	if st := f.rd().Status; st.RejectedRevision != nil || st.LastGood.Image != "ghcr.io/rsolv-dev/rsolv:v3" {
		t.Errorf("%+v", st)
	}
	// And so does going back in the spec.
	f.image(v2)
	f.rolling()
	f.stall(2)
	f.reconcile()
	f.reconcile()
	f.image("ghcr.io/rsolv-dev/rsolv:v3")
	f.ready()
}

func TestWithoutALastGoodRevisionItIsLeft(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*fixture){
		"first":        func(f *fixture) { f.create() },
		"good deleted": func(f *fixture) { f.create().ready().image(v2) },
		"switched off": func(f *fixture) {
			f.create(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Rollout = &v1alpha1.Rollout{AutoRollback: new(false)} }).ready().image(v2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t).secrets()
			prepare(f)
			f.rolling()
			if name == "good deleted" {
				for _, revision := range f.names(workload.ControllerRevisionKind) {
					f.must(f.client.Delete(t.Context(), f.object(workload.ControllerRevisionKind, revision)))
				}
			}
			image := f.runs()
			f.stall(2)
			f.reconcile()
			f.reconcile()
			f.wantPhase(v1alpha1.PhaseFailed)
			f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonDeadlineExceeded)
			if f.runs() != image || f.rd().Status.RejectedRevision != nil {
				t.Errorf("%+v", f.rd().Status)
			}
		})
	}
}

func TestDependencyDownIsNotTheRevisionsFault(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.image(v2)
	f.rolling()
	f.stall(1)
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseDegraded)
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonDependencyDown)
	f.want(v1alpha1.ConditionAvailable, metav1.ConditionFalse, v1alpha1.ReasonDependencyDown)

	// The old pods are back first: the new ones are given time.
	f.stall(2)
	result, err := f.try(t.Context())
	f.must(err)
	if result.RequeueAfter != recoveryGrace {
		t.Errorf("looks again after %s", result.RequeueAfter)
	}
	f.now = f.now.Add(recoveryGrace - time.Second)
	f.restart(f.client)
	f.reconcile()
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonDependencyDown)
	if f.runs() != v2 {
		t.Fatalf("the pods run %s", f.runs())
	}
	f.now = f.now.Add(time.Second)
	f.reconcile()
	f.reconcile()
	f.wantRolledBack("no further new pod")

	// Or they come back too.
	f.retry("1")
	f.reconcile()
	f.finishJobs(batchv1.JobComplete, "")
	f.reconcile()
	f.stall(0)
	f.reconcile()
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonDependencyDown)
	f.ready()
	if st := f.rd().Status; st.DependencyBackAt != nil || st.Image != v2 {
		t.Errorf("%+v", st)
	}
}

// A Deployment that is scaled during a rollout wants more old pods and more new
// ones, so that what it counts says nothing about the old ones.
func TestScalingAStalledRolloutDoesNotHoldIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.image(v2)
	f.rolling()
	f.edit(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Replicas = new(int32(4)) })
	f.reconcile()
	f.stall(3)
	f.replicaSet("old", "1", 3, 3)
	f.replicaSet("new", "2", 2, 0)
	deployment := f.deployment()
	deployment.Annotations[revisionAnnotation] = "2"
	f.must(f.client.Update(t.Context(), deployment))
	f.stall(3)
	f.reconcile()
	f.reconcile()
	f.wantRolledBack("no further new pod answered")
}

// An old pod that does not answer holds it.
func TestAnOldPodThatIsDownHoldsAStalledRollout(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.image(v2)
	f.rolling()
	deployment := f.deployment()
	deployment.Annotations[revisionAnnotation] = "2"
	f.must(f.client.Update(t.Context(), deployment))
	f.replicaSet("old", "1", 2, 1)
	f.replicaSet("new", "2", 1, 1)
	f.stall(2)
	f.reconcile()
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonDependencyDown)
}

// replicaSet makes one of the Deployment's, as its controller would.
func (f *fixture) replicaSet(name, revision string, wanted, available int32) {
	f.t.Helper()
	deployment := f.deployment()
	set := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: f.key.Namespace, Name: "rsolv-" + name, Labels: workload.SelectorLabels("rsolv"),
			Annotations: map[string]string{revisionAnnotation: revision},
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: &wanted, Selector: deployment.Spec.Selector, Template: deployment.Spec.Template},
	}
	f.must(controllerutil.SetControllerReference(deployment, set, f.client.Scheme()))
	f.must(f.client.Create(f.t.Context(), set))
	set.Status = appsv1.ReplicaSetStatus{Replicas: wanted, ReadyReplicas: available, AvailableReplicas: available}
	f.must(f.client.Status().Update(f.t.Context(), set))
}

// A smoke test whose pod never ran says nothing about the revision, until that
// is all that it ever does.
func TestSilentSmokeTestsAreRepeated(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.image(v2)
	f.testing()
	for range silentSmokeTests - 1 {
		for _, job := range f.jobsOf(contract.ComponentSmokeTest) {
			if len(job.Status.Conditions) == 0 {
				f.must(testenv.FinishJob(t.Context(), f.client, &job, batchv1.JobFailed, "Job was active longer than specified deadline"))
			}
		}
		f.reconcile()
		if message := f.want(v1alpha1.ConditionSmokeTestPassed, metav1.ConditionFalse, v1alpha1.ReasonDependencyDown); !strings.Contains(message, "its pod never ran, or went without a word") {
			t.Errorf("%s", message)
		}
		f.now = f.now.Add(lastRetry)
		f.reconcile()
	}
	for _, job := range f.jobsOf(contract.ComponentSmokeTest) {
		if len(job.Status.Conditions) == 0 {
			f.must(testenv.FinishJob(t.Context(), f.client, &job, batchv1.JobFailed, "Job was active longer than specified deadline"))
		}
	}
	f.reconcile()
	f.reconcile()
	f.wantRolledBack("the smoke test failed")
}

// An earlier step that holds the same spec does not undo what was said of a
// rollback.
func TestARollbackStandsWhileAnEarlierStepHolds(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.image(v2)
	f.rolling()
	f.stall(2)
	f.reconcile()
	f.reconcile()
	f.rollOut()
	f.reconcile()
	f.wantRolledBack("no further new pod")
	before := apimeta.FindStatusCondition(f.rd().Status.Conditions, v1alpha1.ConditionRolledBack)
	f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": "", "STRIPE_WEBHOOK_SECRET": webhook})
	f.reconcile()
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonSecretKeyEmpty)
	after := apimeta.FindStatusCondition(f.rd().Status.Conditions, v1alpha1.ConditionRolledBack)
	if after == nil || after.Message != before.Message {
		t.Errorf("RolledBack is %+v, before %+v", after, before)
	}
}

func TestFailedSmokeTestRollsBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.image(v2)
	f.testing()
	job := f.jobsOf(contract.ComponentSmokeTest)
	container := job[len(job)-1].Spec.Template.Spec.Containers[0]
	url := container.Env[slices.IndexFunc(container.Env, func(e corev1.EnvVar) bool { return e.Name == contract.EnvSmokeTestURL })].Value
	service := &corev1.Service{}
	f.must(f.client.Get(t.Context(), f.key, service))
	if url != "http://"+service.Spec.ClusterIP || service.Spec.ClusterIP == "" {
		t.Errorf("the smoke test asks %s", url)
	}
	f.failSmokeTest(contract.Problem{Check: "SecondCall", Message: "the key " + stripeKey + " was refused"})
	f.reconcile()
	f.want(v1alpha1.ConditionSmokeTestPassed, metav1.ConditionFalse, v1alpha1.ReasonSmokeTestFailed)
	f.reconcile()
	f.rollOut()
	f.reconcile()
	f.wantRolledBack("the smoke test failed: SecondCall: the key *** was refused")
	f.want(v1alpha1.ConditionSmokeTestPassed, metav1.ConditionFalse, v1alpha1.ReasonSmokeTestFailed)
	f.deleteJobs()
	f.reconcile()
	if jobs := f.jobs(); len(jobs) != 0 {
		t.Errorf("%d Jobs nobody asked for", len(jobs))
	}

	f.retry("now")
	f.ready()
	if st := f.rd().Status; st.Image != v2 || st.RejectedRevision != nil || !st.SmokeTest.Passed {
		t.Errorf("%+v", st)
	}
}

func TestFailedSmokeTestOfTheFirstRevisionIsLeft(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create()
	f.testing()
	f.failSmokeTest(contract.Problem{Check: "Signup", Message: "500"})
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseFailed)
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonSmokeTestFailed)
	message := f.want(v1alpha1.ConditionSmokeTestPassed, metav1.ConditionFalse, v1alpha1.ReasonSmokeTestFailed)
	f.deleteJobs()
	f.reconcile()
	if got := f.want(v1alpha1.ConditionSmokeTestPassed, metav1.ConditionFalse, v1alpha1.ReasonSmokeTestFailed); got != message {
		t.Errorf("the message was lost: %s", got)
	}
	f.retry("now")
	f.ready()
}

func TestSmokeTestWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.image(v2)
	f.testing()
	f.failSmokeTest(contract.Problem{Check: contract.CheckDatabase, Message: "503"})
	result, err := f.try(t.Context())
	f.must(err)
	if result.RequeueAfter != firstRetry {
		t.Errorf("looks again after %s", result.RequeueAfter)
	}
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonDependencyDown)
	f.reconcile()
	f.want(v1alpha1.ConditionSmokeTestPassed, metav1.ConditionFalse, v1alpha1.ReasonDependencyDown)
	f.now = f.now.Add(firstRetry)
	f.ready()
	if got := f.runs(); got != v2 {
		t.Errorf("the pods run %s", got)
	}
}

func TestHeldRolloutKeepsServing(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	env := f.env().Name
	f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": "", "STRIPE_WEBHOOK_SECRET": webhook})
	f.image(v2)
	f.must(f.client.Delete(t.Context(), f.deployment(), client.PropagationPolicy(metav1.DeletePropagationBackground)))
	f.reconcile()
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonSecretKeyEmpty)
	if f.runs() != v1 || f.env().Name != env {
		t.Errorf("the pods run %s with %s", f.runs(), f.env().Name)
	}
	f.wantReplicas(2)
	f.secrets().ready()
}

func TestNoPodsProveNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Replicas = new(int32) }).ready()
	f.want(v1alpha1.ConditionSmokeTestPassed, metav1.ConditionUnknown, v1alpha1.ReasonNotEvaluated)
	if got := f.rd().Status.LastGood; got != nil {
		t.Errorf("%+v is good although it never ran", got)
	}
	f.edit(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Replicas = new(int32(2)) })
	f.ready()
	f.want(v1alpha1.ConditionSmokeTestPassed, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
}
