package rsolvdeployment

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

const v1, v2 = "ghcr.io/rsolv-dev/rsolv:v1", "ghcr.io/rsolv-dev/rsolv:v2"

// needs makes every image of the tests need boolean flags.
func (f *fixture) needs(keys ...string) {
	f.t.Helper()
	known := []contract.CatalogFlag{{Key: "optional", Type: "Boolean"}}
	for _, key := range keys {
		known = append(known, contract.CatalogFlag{Key: key, Type: "Boolean", Required: true})
	}
	raw, err := json.Marshal(known)
	f.must(err)
	for _, image := range []string{v1, v2} {
		f.logs.Print(image, "starting\n"+contract.CatalogLine+string(raw)+"\ndone\n")
	}
}

// publish replaces the flags that the pods mount.
func (f *fixture) publish(file string) {
	f.t.Helper()
	flags := f.flags(file)
	if err := f.client.Create(f.t.Context(), flags); err != nil {
		f.must(f.client.Update(f.t.Context(), flags))
	}
}

// failPreflight ends the running preflight with a report of problems.
func (f *fixture) failPreflight(problems ...contract.Problem) {
	f.t.Helper()
	report := contract.Report{Command: contract.CommandPreflight, Version: "v2", Problems: problems}
	for _, job := range f.jobsOf(contract.ComponentPreflight) {
		if len(job.Status.Conditions) > 0 {
			continue
		}
		f.must(testenv.EndPod(f.t.Context(), f.client, &job, testenv.ImageID, string(contract.EncodeReport(report, contract.TerminationLogLimit))))
		f.must(testenv.FinishJob(f.t.Context(), f.client, &job, batchv1.JobFailed, "Job has reached the specified backoff limit"))
	}
}

// A pod that cannot start is the usual reason of a preflight that never ends.
func TestPreflightSaysWhatItsPodWaitsFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create()
	f.reconcile()
	job := f.jobsOf(contract.ComponentPreflight)[0]
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.key.Namespace, Name: "waiting", Labels: map[string]string{batchv1.JobNameLabel: job.Name}},
		Spec:       job.Spec.Template.Spec,
	}
	f.must(f.client.Create(t.Context(), pod))
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: pod.Spec.Containers[0].Name, Image: v1,
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "Back-off 20s pulling image"}},
	}}
	f.must(f.client.Status().Update(t.Context(), pod))
	result, err := f.try(t.Context())
	f.must(err)
	if result.RequeueAfter != podLook {
		t.Errorf("looks again after %s", result.RequeueAfter)
	}
	const waits = "the node cannot pull " + v1 + ": does the tag exist, and does spec.imagePullSecrets let the node in?"
	if message := f.want(v1alpha1.ConditionPreflightPassed, metav1.ConditionFalse, v1alpha1.ReasonPreflightRunning); !strings.Contains(message, waits) {
		t.Errorf("%s", message)
	}

	// The Job's time is over, and the pod is gone with it.
	f.must(f.client.Delete(t.Context(), pod, client.GracePeriodSeconds(0)))
	f.must(testenv.FinishJob(t.Context(), f.client, &job, batchv1.JobFailed, "Job was active longer than specified deadline"))
	f.reconcile()
	if message := f.want(v1alpha1.ConditionPreflightPassed, metav1.ConditionFalse, v1alpha1.ReasonPreflightFailed); !strings.Contains(message, waits) {
		t.Errorf("%s", message)
	}
}

// A flag that nobody can declare is not passed over.
func TestFlagsThatNoFeatureFlagCanGive(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create()
	f.needs("darkMode")
	f.reconcile()
	f.passPreflight()
	f.reconcile()
	if message := f.want(v1alpha1.ConditionFlagsReady, metav1.ConditionFalse, v1alpha1.ReasonFlagMissing); !strings.Contains(message, `image needs flag "darkMode", which no FeatureFlag can give it`) {
		t.Errorf("%s", message)
	}
	known := make([]contract.CatalogFlag, requiredLimit+1)
	for i := range known {
		known[i] = contract.CatalogFlag{Key: fmt.Sprintf("flag_%04d", i), Type: "Boolean", Required: true}
	}
	if record := catalogRecord("h", nil, known); len(record.Required) != requiredLimit || !slices.Equal(record.Unmet, []string{"flag_0256"}) {
		t.Errorf("%d required, unmet: %v", len(record.Required), record.Unmet)
	}
}

func TestPreflightListsEverythingAndTriesAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.needs("blog")
	before := f.versions()["Deployment rsolv"]
	f.image(v2)
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseChecking)
	f.failPreflight(
		contract.Problem{Check: contract.CheckDatabase, Message: "no answer from " + goodURL + " as " + password + "."},
		contract.Problem{Check: contract.CheckSecrets, Message: "STRIPE_API_KEY " + stripeKey + " is a test key"})
	result, err := f.try(t.Context())
	f.must(err)
	if result.RequeueAfter != firstRetry {
		t.Errorf("looks again after %s", result.RequeueAfter)
	}
	message := f.want(v1alpha1.ConditionPreflightPassed, metav1.ConditionFalse, v1alpha1.ReasonPreflightFailed)
	for _, part := range []string{"Database: no answer from *** as ***; Secrets: STRIPE_API_KEY *** is a test key.", contract.AnnotationRetry} {
		if !strings.Contains(message, part) {
			t.Errorf("%q is not in: %s", part, message)
		}
	}
	// The flags that are missing too are named at the same time.
	f.want(v1alpha1.ConditionFlagsReady, metav1.ConditionFalse, v1alpha1.ReasonFlagMissing)
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonPreflightFailed)
	f.want(v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	if f.versions()["Deployment rsolv"] != before {
		t.Error("the Deployment was touched")
	}

	// Not before its time, whoever looks and whatever became of the Job.
	f.deleteJobs()
	f.now = f.now.Add(firstRetry - time.Second)
	f.restart(f.client)
	f.reconcile()
	if got := f.want(v1alpha1.ConditionPreflightPassed, metav1.ConditionFalse, v1alpha1.ReasonPreflightFailed); got != message {
		t.Errorf("the message was lost: %s", got)
	}
	if jobs := f.jobs(); len(jobs) != 0 {
		t.Fatalf("%d Jobs before their time", len(jobs))
	}
	var waits []time.Duration
	for range 8 {
		f.now = f.rd().Status.Preflight.RetryAt.Time
		f.reconcile()
		f.want(v1alpha1.ConditionPreflightPassed, metav1.ConditionFalse, v1alpha1.ReasonPreflightRunning)
		f.failPreflight(contract.Problem{Check: contract.CheckDatabase, Message: "no answer"})
		result, err := f.try(t.Context())
		f.must(err)
		waits = append(waits, result.RequeueAfter/time.Second)
	}
	if diff := cmp.Diff([]time.Duration{20, 40, 80, 160, 320, 600, 600, 600}, waits); diff != "" {
		t.Errorf("waits in seconds (-want +got):\n%s", diff)
	}
	f.wantPhase(v1alpha1.PhaseHeld)

	// Asked for, it runs at once, and the flag's turn comes.
	f.retry("now")
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseChecking)
	f.finishJobs(batchv1.JobComplete, "")
	f.reconcile()
	f.want(v1alpha1.ConditionPreflightPassed, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	f.publish(`{"flags":{"blog":{"variants":{"enabled":true,"disabled":false}}}}`)
	f.ready()
	if got := f.rd().Status; got.Image != v2 || got.Preflight.Failures != 0 {
		t.Errorf("%+v", got)
	}
}

func TestNewerSpecReplacesThePreflight(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create()
	f.reconcile()
	first := f.jobsOf(contract.ComponentPreflight)
	f.image(v2)
	f.reconcile()
	second := f.jobsOf(contract.ComponentPreflight)
	if len(first) != 1 || len(second) != 1 || first[0].Name == second[0].Name {
		t.Fatalf("%d Jobs, then %d", len(first), len(second))
	}
	if got := second[0].Spec.Template.Spec.Containers[0].Image; got != v2 {
		t.Errorf("%s is asked", got)
	}
	f.ready()
	// Back again, the first image is asked anew: the schema has moved on.
	f.image(v1)
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseChecking)
	f.ready()
	f.deleteJobs()
	f.reconcile()
	if jobs := f.jobs(); len(jobs) != 0 {
		t.Errorf("%d Jobs after all was done", len(jobs))
	}
}

func TestPreflightWithoutAReport(t *testing.T) {
	t.Parallel()
	report := string(contract.EncodeReport(contract.Report{Command: contract.CommandPreflight}, contract.TerminationLogLimit))
	for name, test := range map[string]struct {
		end  func(*fixture, *batchv1.Job)
		want string
	}{
		"timed out": {func(f *fixture, job *batchv1.Job) {
			f.must(testenv.FinishJob(f.t.Context(), f.client, job, batchv1.JobFailed, "Job was active longer than specified deadline"))
		}, "Simulated: Job was active longer than specified deadline"},
		"pod gone": {func(f *fixture, job *batchv1.Job) {
			f.must(testenv.FinishJob(f.t.Context(), f.client, job, batchv1.JobComplete, ""))
		}, "is gone, and with it its report"},
		"another image": {func(f *fixture, job *batchv1.Job) {
			f.must(testenv.EndPod(f.t.Context(), f.client, job, testenv.ImageID, "hello "+password))
			f.must(testenv.FinishJob(f.t.Context(), f.client, job, batchv1.JobComplete, ""))
		}, "left no report"},
		"no catalogue": {func(f *fixture, job *batchv1.Job) {
			f.logs.Print(v1, "catalog: {not a list\n")
			f.must(testenv.EndPod(f.t.Context(), f.client, job, testenv.ImageID, report))
			f.must(testenv.FinishJob(f.t.Context(), f.client, job, batchv1.JobComplete, ""))
		}, "no catalogue of flags"},
		"panic": {func(f *fixture, job *batchv1.Job) {
			f.must(testenv.EndPod(f.t.Context(), f.client, job, testenv.ImageID, "panic: "+password))
			f.must(testenv.FinishJob(f.t.Context(), f.client, job, batchv1.JobFailed, "x"))
		}, "what it is given: panic: ***."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t).secrets().create()
			f.reconcile()
			test.end(f, &f.jobs()[0])
			f.reconcile()
			message := f.want(v1alpha1.ConditionPreflightPassed, metav1.ConditionFalse, v1alpha1.ReasonPreflightFailed)
			if !strings.Contains(message, test.want) || strings.Contains(message, password) {
				t.Errorf("%q is not in: %s", test.want, message)
			}
			if jobs := f.jobsOf(contract.ComponentMigration); len(jobs) != 0 {
				t.Error("migrations run all the same")
			}
		})
	}
}

func TestPodsRunTheImageThatWasChecked(t *testing.T) {
	t.Parallel()
	const pinned = "ghcr.io/rsolv-dev/rsolv@" + testenv.ImageID
	f := newFixture(t).secrets().create()
	f.reconcile()
	job := f.jobs()[0]
	report := contract.EncodeReport(contract.Report{Command: contract.CommandPreflight, CatalogDigest: "sha256:77"}, contract.TerminationLogLimit)
	f.must(testenv.EndPod(t.Context(), f.client, &job, pinned, string(report)))
	f.must(testenv.FinishJob(t.Context(), f.client, &job, batchv1.JobComplete, ""))
	f.ready()
	f.want(v1alpha1.ConditionImagePinned, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	st := f.rd().Status
	migrated := f.jobsOf(contract.ComponentMigration)[0].Spec.Template.Spec.Containers[0].Image
	if st.Image != pinned || st.Preflight.Pinned != pinned || migrated != pinned {
		t.Errorf("the pods run %s, the migrations %s; recorded: %+v", st.Image, migrated, st.Preflight)
	}
	if diff := cmp.Diff(&v1alpha1.CatalogRecord{Hash: st.Preflight.Hash, Digest: "sha256:77"}, st.Catalog); diff != "" {
		t.Errorf("catalogue (-want +got):\n%s", diff)
	}
}

func TestFlagsHoldAndReleaseARollout(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.needs("blog", "core_features")
	before := f.versions()["Deployment rsolv"]
	f.publish(`{"flags":{"blog_enabled":{"variants":{"a":true}},"core_features":{"variants":{"a":"text"}}}}`)
	f.image(v2)
	f.migrating()
	f.wantPhase(v1alpha1.PhaseHeld)
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonFlagMissing)
	message := f.want(v1alpha1.ConditionFlagsReady, metav1.ConditionFalse, v1alpha1.ReasonFlagMissing)
	for _, part := range []string{
		`image needs flag "blog"; declared: "blog_enabled"`, `image needs flag "core_features" of type Boolean; it is declared as String`,
	} {
		if !strings.Contains(message, part) {
			t.Errorf("%s is not in: %s", part, message)
		}
	}
	f.want(v1alpha1.ConditionMigrationsComplete, metav1.ConditionUnknown, v1alpha1.ReasonNotEvaluated)
	f.want(v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	if f.versions()["Deployment rsolv"] != before || f.rd().Status.Image != v1 {
		t.Error("the pods were touched")
	}

	// Declared rightly, it goes on without another preflight.
	const good = `{"flags":{"blog":{"variants":{"a":true}},"core_features":{"variants":{"a":true}}}}`
	asked := len(f.jobsOf(contract.ComponentPreflight))
	f.publish(good)
	f.ready()
	if got := len(f.jobsOf(contract.ComponentPreflight)); got != asked {
		t.Errorf("the image was asked %d times more", got-asked)
	}

	// Deleted, it is missed although nothing is to be rolled out.
	f.publish(`{"flags":{"core_features":{"variants":{"a":true}}}}`)
	f.reconcile()
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonFlagDeleted)
	f.publish(good)
	f.reconcile()
	f.wantReady(metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
}

// TestFlagsAreJudgedOutsideThePreflight: an image that complains of its flags
// alone is not asked again until they are right; the recorded catalogue tells.
func TestFlagsAreJudgedOutsideThePreflight(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create()
	f.needs("blog")
	f.publish(`{"flags":{"blog":{"variants":{"a":"text"}}}}`)
	f.reconcile()
	f.failPreflight(contract.Problem{Check: contract.CheckFlags, Message: "blog is a String"})
	f.reconcile()
	f.want(v1alpha1.ConditionPreflightPassed, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonFlagMismatch)
	f.publish(`{"flags":{"blog":{"variants":{"a":true}}}}`)
	f.ready()
	if got := len(f.jobsOf(contract.ComponentPreflight)); got != 1 {
		t.Errorf("the image was asked %d times", got)
	}
}

func TestFlagsWarnOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.needs("blog")
	f.secrets().create(func(rd *v1alpha1.RsolvDeployment) {
		rd.Spec.Flags = &v1alpha1.FlagsPolicy{Policy: v1alpha1.FlagsWarn}
	}).ready()
	message := f.want(v1alpha1.ConditionFlagsReady, metav1.ConditionFalse, v1alpha1.ReasonFlagDeleted)
	if !strings.Contains(message, `image needs flag "blog"`) || !strings.Contains(message, "policy is Warn") {
		t.Error(message)
	}
}
