package rsolvdeployment

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

func TestNewAppBecomesReadyStepByStep(t *testing.T) {
	t.Parallel()
	f := newFixture(t).create()

	f.reconcile()
	f.wantPhase(v1alpha1.PhaseHeld)
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	f.want(v1alpha1.ConditionMigrationsComplete, metav1.ConditionUnknown, v1alpha1.ReasonNotEvaluated)
	f.want(v1alpha1.ConditionAvailable, metav1.ConditionUnknown, v1alpha1.ReasonNotEvaluated)
	if got := f.names(workload.ServiceKind); !slices.Equal(got, []string{"rsolv"}) {
		t.Errorf("a held rollout holds up the Service: %v", got)
	}

	f.secrets().reconcile()
	f.wantPhase(v1alpha1.PhaseChecking)
	f.want(v1alpha1.ConditionSecretsReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	f.want(v1alpha1.ConditionPreflightPassed, metav1.ConditionFalse, v1alpha1.ReasonPreflightRunning)

	f.finishJobs(batchv1.JobComplete, "")
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseMigrating)
	f.want(v1alpha1.ConditionPreflightPassed, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	f.want(v1alpha1.ConditionFlagsReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	f.want(v1alpha1.ConditionImagePinned, metav1.ConditionFalse, v1alpha1.ReasonNoDigest)
	f.want(v1alpha1.ConditionMigrationsComplete, metav1.ConditionFalse, v1alpha1.ReasonMigrationRunning)
	if got := f.names(workload.DeploymentKind); got != nil {
		t.Fatalf("Deployments before the migrations have run: %v", got)
	}

	f.finishJobs(batchv1.JobComplete, "")
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseRolling)
	f.want(v1alpha1.ConditionMigrationsComplete, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	f.want(v1alpha1.ConditionAvailable, metav1.ConditionFalse, v1alpha1.ReasonRollingOut)
	if replicas := f.deployment().Spec.Replicas; *replicas != 2 {
		t.Errorf("the new Deployment is left with %d pods", *replicas)
	}

	f.want(v1alpha1.ConditionSmokeTestPassed, metav1.ConditionUnknown, v1alpha1.ReasonNotEvaluated)

	f.rollOut()
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseTesting)
	f.want(v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	f.want(v1alpha1.ConditionSmokeTestPassed, metav1.ConditionFalse, v1alpha1.ReasonSmokeTestRunning)

	f.finishJobs(batchv1.JobComplete, "")
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseReady)
	f.wantReady(metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	f.want(v1alpha1.ConditionSmokeTestPassed, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	f.wantStatusOfReadyApp()
	f.wantEnvironment()
	want := []string{
		"Warning SecretNotFound Held", "Normal PreflightRunning Checking", "Normal MigrationRunning Migrating", "Normal RollingOut RollingOut",
		"Normal SmokeTestRunning SmokeTesting", "Normal Succeeded Ready",
	}
	for i, note := range f.notes.all() {
		if i >= len(want) || !strings.HasPrefix(note, want[i]+" ") {
			t.Errorf("event %d: %s", i, note)
		}
	}
	if len(f.notes.all()) != len(want) {
		t.Errorf("%d events, want one for each transition: %v", len(f.notes.all()), f.notes.all())
	}
}

func (f *fixture) wantStatusOfReadyApp() {
	f.t.Helper()
	st := f.rd().Status
	st.Conditions = nil
	if st.Migrations == nil || st.Migrations.Hash == "" {
		f.t.Error("the migrations are not recorded")
	}
	if st.Preflight == nil || !st.Preflight.Passed || st.Catalog == nil || st.Catalog.Hash != st.Preflight.Hash {
		f.t.Error("the preflight is not recorded")
	}
	if st.LastGood == nil || st.SmokeTest == nil || !st.SmokeTest.Passed || st.LastGood.Hash != st.SmokeTest.Revision {
		f.t.Error("the revision is not recorded as good")
	}
	if diff := cmp.Diff(st.Catalog, st.LastGoodCatalog); diff != "" {
		f.t.Errorf("the catalogue is not recorded as that of the good revision (-want +got):\n%s", diff)
	}
	st.Migrations, st.Preflight, st.Catalog, st.LastGoodCatalog, st.LastGood, st.SmokeTest = nil, nil, nil, nil, nil, nil
	if st.Settled == nil || st.Settled.Replicas != 2 || st.Settled.Template != workload.TemplateHash(&f.deployment().Spec.Template) {
		f.t.Errorf("settled at %+v", st.Settled)
	}
	st.Settled = nil
	want := v1alpha1.RsolvDeploymentStatus{
		ObservedGeneration: f.rd().Generation, Phase: v1alpha1.PhaseReady, Desired: 2, Replicas: 2, Available: 2,
		Selector: "app.kubernetes.io/component=server,rsolv.dev/deployment=rsolv", Image: "ghcr.io/rsolv-dev/rsolv:v1",
	}
	if diff := cmp.Diff(want, st); diff != "" {
		f.t.Errorf("status (-want +got):\n%s", diff)
	}
}

// wantEnvironment checks that the pods are given exactly the checked values.
func (f *fixture) wantEnvironment() {
	f.t.Helper()
	want := map[string][]byte{"DATABASE_URL": []byte(goodURL), "STRIPE_API_KEY": []byte(stripeKey), "STRIPE_WEBHOOK_SECRET": []byte(webhook)}
	env := f.env()
	if diff := cmp.Diff(want, env.Data); diff != "" {
		f.t.Errorf("variables (-want +got):\n%s", diff)
	}
	if env.Immutable == nil || !*env.Immutable {
		f.t.Error("the copy of the secrets can be changed")
	}
	for _, job := range f.jobs() {
		if diff := cmp.Diff(f.deployment().Spec.Template.Spec.Containers[0].EnvFrom, job.Spec.Template.Spec.Containers[0].EnvFrom); diff != "" {
			f.t.Errorf("%s ran in another environment:\n%s", job.Name, diff)
		}
	}
}

func TestPodsThatStopAnswering(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	for _, step := range []struct {
		available     int32
		progressing   string
		phase, reason string
		status        metav1.ConditionStatus
	}{
		{1, "NewReplicaSetAvailable", v1alpha1.PhaseDegraded, v1alpha1.ReasonPodsUnavailable, metav1.ConditionFalse},
		{2, "NewReplicaSetAvailable", v1alpha1.PhaseReady, v1alpha1.ReasonSucceeded, metav1.ConditionTrue},
		{1, "ProgressDeadlineExceeded", v1alpha1.PhaseFailed, v1alpha1.ReasonDeadlineExceeded, metav1.ConditionFalse},
		{2, "NewReplicaSetAvailable", v1alpha1.PhaseReady, v1alpha1.ReasonSucceeded, metav1.ConditionTrue},
	} {
		deployment := f.deployment()
		deployment.Status.AvailableReplicas = step.available
		for i := range deployment.Status.Conditions {
			if deployment.Status.Conditions[i].Type == appsv1.DeploymentProgressing {
				deployment.Status.Conditions[i].Reason = step.progressing
			}
		}
		f.must(f.client.Status().Update(t.Context(), deployment))
		f.reconcile()
		f.wantPhase(step.phase)
		f.wantReady(step.status, step.reason)
		f.want(v1alpha1.ConditionAvailable, step.status, step.reason)
	}
}

func TestOldCopiesGoWhenNothingNeedsThem(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	copies := func() []string {
		return slices.DeleteFunc(f.names(workload.SecretKind), func(name string) bool { return !workload.IsEnvironment("rsolv", name) })
	}
	first := f.env().Name
	// A ReplicaSet of the first revision, which a rollback would scale up.
	template := f.deployment().Spec.Template
	set := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.key.Namespace, Name: "rsolv-1", Labels: template.Labels},
		Spec:       appsv1.ReplicaSetSpec{Selector: &metav1.LabelSelector{MatchLabels: template.Labels}, Template: template},
	}
	f.must(f.client.Create(t.Context(), set))
	var names []string
	for _, rotated := range []string{"sk_live_2", "sk_live_3", "sk_live_4"} {
		f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": rotated, "STRIPE_WEBHOOK_SECRET": webhook})
		f.edit(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Database.PoolSize++ })
		f.migrating()
		if got := copies(); !slices.Contains(got, f.env().Name) {
			t.Fatalf("in the middle of a rollout, %v lacks what the pods use, %s", got, f.env().Name)
		}
		f.ready()
		names = append(names, f.env().Name)
	}
	keep := []string{first, names[2]}
	for _, name := range keep {
		if !slices.Contains(copies(), name) {
			t.Errorf("%s is gone; left are %v", name, copies())
		}
	}
	if got := copies(); len(got) != 3 {
		t.Errorf("%d copies are left, want the current, the previous and the ReplicaSet's: %v", len(got), got)
	}
	f.must(f.client.Delete(t.Context(), set))
	f.reconcile()
	if got := copies(); slices.Contains(got, first) || len(got) != 2 {
		t.Errorf("left are %v", got)
	}
	configs := slices.DeleteFunc(f.names(workload.ConfigMapKind), func(name string) bool { return !strings.HasPrefix(name, "rsolv-config-") })
	if len(configs) != 2 {
		t.Errorf("ConfigMaps left: %v", configs)
	}
}

func TestFlagsAreReported(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	generation := f.deployment().Generation
	const file = `{"flags":{"blog":{},"beta":{}}}`
	flags := f.flags(file)
	f.must(f.client.Create(t.Context(), flags))
	f.reconcile()
	if diff := cmp.Diff(&v1alpha1.FlagsRecord{Count: 2, Digest: contract.FlagsDigest([]byte(file))}, f.rd().Status.Flags); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
	if f.deployment().Generation != generation {
		t.Error("flags rolled the pods")
	}
	f.must(f.client.Delete(t.Context(), flags))
	f.reconcile()
	if got := f.rd().Status.Flags; got != nil {
		t.Errorf("flags that are gone: %+v", got)
	}
}

func TestDeletedAppIsLeftToTheGarbageCollector(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.must(f.client.Delete(t.Context(), f.rd(), client.PropagationPolicy(metav1.DeletePropagationForeground)))
	f.must(f.client.Delete(t.Context(), f.deployment(), client.PropagationPolicy(metav1.DeletePropagationBackground)))
	f.reconcile()
	if got := f.names(workload.DeploymentKind); got != nil {
		t.Errorf("a deleted app's Deployment was made again: %v", got)
	}
	for _, object := range f.objects() {
		if slices.Contains(childKinds, object.GroupVersionKind()) && object.GetLabels()[contract.LabelDeployment] == "rsolv" &&
			!metav1.IsControlledBy(&object, f.rd()) {
			t.Errorf("%s %s would outlive the app", object.GetKind(), object.GetName())
		}
	}
	f.key.Name = "no-such-app"
	f.reconcile()
}
