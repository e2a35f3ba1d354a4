package rsolvdeployment

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/promtest"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// The ReplicaSets of the old revision and of the one that is gated, and a job
// for each way in which their pods behave.
const (
	oldPods   = "rsolv-5c4d3b2a10"
	youngPods = "rsolv-7d9f8b6c5d"
	nextPods  = "rsolv-68b7c9d4f8"

	jobHealthy = "healthy" // nothing fails
	jobFailing = "failing" // a quarter of the new pods' requests fails
	jobBefore  = "before"  // a quarter of all requests failed before, too
	jobSilent  = "silent"  // the new pods are asked nothing
	jobMissing = "missing" // the new pods are not scraped
	jobSpike   = "spike"   // half of the new pods' requests fails, for two minutes in an hour's time
	jobRelapse = "relapse" // all requests of the new pods fail, and did before
	jobNext    = "next"    // and so do those of the pods after them
)

// prometheus runs one that knows all these jobs, from an hour ago to hours
// from now.
func prometheus(t *testing.T) *promtest.Server {
	t.Helper()
	const step = 30 * time.Second
	var history []promtest.Series
	add := func(job, pods, status string, perSecond float64) {
		values := make([]float64, int(4*time.Hour/step))
		for i := range values {
			values[i] = perSecond * step.Seconds() * float64(i)
		}
		history = append(history, promtest.Series{
			Name: fmt.Sprintf(`%s_count{job=%q,pod="%s-bbbbb",status=%q}`, contract.MetricHTTPDuration, job, pods, status),
			From: time.Now().Add(-time.Hour), Step: step, Values: values,
		})
	}
	for _, job := range []string{jobHealthy, jobFailing, jobBefore, jobSilent, jobMissing} {
		add(job, oldPods, "200", 100)
	}
	add(jobHealthy, youngPods, "200", 1)
	for _, job := range []string{jobFailing, jobBefore} {
		add(job, youngPods, "200", 0.75)
		add(job, youngPods, "503", 0.25)
	}
	add(jobBefore, oldPods, "500", 40)
	add(jobSilent, youngPods, "200", 0)
	add(jobSpike, oldPods, "200", 100)
	add(jobSpike, youngPods, "200", 1)
	spike := make([]float64, int(4*time.Hour/step))
	for i := range spike {
		spike[i] = step.Seconds() * float64(max(0, min(4, i-int(2*time.Hour/step))))
	}
	history = append(history, promtest.Series{
		Name: fmt.Sprintf(`%s_count{job=%q,pod="%s-bbbbb",status="503"}`, contract.MetricHTTPDuration, jobSpike, youngPods),
		From: time.Now().Add(-time.Hour), Step: step, Values: spike,
	})
	for _, job := range []string{jobRelapse, jobNext} {
		add(job, oldPods, "200", 1)
		add(job, youngPods, "503", 1)
	}
	add(jobNext, nextPods, "503", 1)
	return promtest.Start(t, promtest.Options{History: history})
}

// baseline makes the gate's AlertBaseline.
func (f *fixture) baseline(url, job string) *v1alpha1.AlertBaseline {
	f.t.Helper()
	baseline := &v1alpha1.AlertBaseline{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.key.Namespace, Name: "api-performance"},
		Spec: v1alpha1.AlertBaselineSpec{
			DeploymentRef: v1alpha1.DeploymentReference{Name: "rsolv"},
			Selector:      map[string]v1alpha1.LabelValue{"job": v1alpha1.LabelValue(job)},
			Thresholds: []v1alpha1.Threshold{{
				Name: "errors", Signal: v1alpha1.Signal{ErrorRatio: &v1alpha1.ErrorRatio{}},
				Critical: &v1alpha1.Level{Above: "5%", For: "1h", Alert: "Errors"},
			}},
		},
	}
	if url != "" {
		baseline.Spec.Prometheus = &v1alpha1.MonitoringEndpoint{URL: url}
	}
	f.must(f.client.Create(f.t.Context(), baseline))
	return baseline
}

// behave makes the new pods behave like another job.
func (f *fixture) behave(job string) {
	f.t.Helper()
	baseline := &v1alpha1.AlertBaseline{}
	f.must(f.client.Get(f.t.Context(), client.ObjectKey{Namespace: f.key.Namespace, Name: "api-performance"}, baseline))
	baseline.Spec.Selector["job"] = v1alpha1.LabelValue(job)
	f.must(f.client.Update(f.t.Context(), baseline))
}

func gated(policy v1alpha1.OnNoData) func(*v1alpha1.RsolvDeployment) {
	return func(rd *v1alpha1.RsolvDeployment) {
		rd.Spec.Rollout = &v1alpha1.Rollout{Gate: &v1alpha1.Gate{
			BaselineRef: v1alpha1.LocalReference{Name: "api-performance"},
			Duration:    metav1.Duration{Duration: 5 * time.Minute}, OnNoData: policy,
		}}
	}
}

// gating brings v1, and then v2, up to the gate.
func (f *fixture) gating(changes ...func(*v1alpha1.RsolvDeployment)) {
	f.t.Helper()
	f.now = time.Now().Truncate(time.Second)
	f.secrets().create(changes...).ready()
	f.image(v2)
	f.testing()
	f.pods()
	f.finishJobs(batchv1.JobComplete, "")
	f.reconcile()
}

// pods makes what the Deployment controller would: a ReplicaSet and a pod.
func (f *fixture) pods() { f.t.Helper(); f.podsOf(youngPods, "2") }

// podsOf makes those of a Deployment's revision.
func (f *fixture) podsOf(name, revision string) {
	f.t.Helper()
	deployment := f.deployment()
	if deployment.Annotations[revisionAnnotation] != revision {
		deployment.Annotations[revisionAnnotation] = revision
		f.must(f.client.Update(f.t.Context(), deployment))
		f.rollOut()
	}
	set := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: f.key.Namespace, Name: name, Labels: workload.SelectorLabels("rsolv"),
			Annotations: map[string]string{revisionAnnotation: revision},
		},
		Spec: appsv1.ReplicaSetSpec{Selector: deployment.Spec.Selector, Template: deployment.Spec.Template},
	}
	f.must(controllerutil.SetControllerReference(deployment, set, f.client.Scheme()))
	f.must(f.client.Create(f.t.Context(), set))
	f.pod(set, name+"-bbbbb", "node")
}

// pod makes one of a ReplicaSet, on a node or, without one, waiting for it.
func (f *fixture) pod(set *appsv1.ReplicaSet, name, node string) *corev1.Pod {
	f.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.key.Namespace, Name: name, Labels: workload.SelectorLabels("rsolv")},
		Spec:       set.Spec.Template.Spec,
	}
	pod.Spec.NodeName = node
	f.must(controllerutil.SetControllerReference(set, pod, f.client.Scheme()))
	f.must(f.client.Create(f.t.Context(), pod))
	return pod
}

// wantGating checks that the gate is open, and returns what it says.
func (f *fixture) wantGating(reason string) string {
	f.t.Helper()
	f.wantPhase(v1alpha1.PhaseGating)
	f.wantReady(metav1.ConditionFalse, reason)
	return f.want(v1alpha1.ConditionGatePassed, metav1.ConditionFalse, reason)
}

// witness ends the preflight that a gate asks for.
func (f *fixture) witness(problems ...contract.Problem) {
	f.t.Helper()
	f.reconcile() // the breach is recorded first
	for _, job := range f.jobsOf(contract.ComponentPreflight) {
		switch {
		case len(job.Status.Conditions) > 0:
		case len(problems) == 0:
			f.must(testenv.PassJob(f.t.Context(), f.client, &job))
		default:
			report := contract.Report{Command: contract.CommandPreflight, Version: "v2", Problems: problems}
			f.must(testenv.EndPod(f.t.Context(), f.client, &job, testenv.ImageID, string(contract.EncodeReport(report, contract.TerminationLogLimit))))
			f.must(testenv.FinishJob(f.t.Context(), f.client, &job, batchv1.JobFailed, "no"))
		}
	}
}

// restored lets the rollback run its course.
func (f *fixture) restored() {
	f.t.Helper()
	f.reconcile()
	f.rollOut()
	f.reconcile()
}

const breached = "it did not pass the gate: errors: the share of HTTP requests answered 5xx is 25.0%, critical above 5%"

func TestGate(t *testing.T) {
	t.Parallel()
	url := prometheus(t).URL
	for name, test := range map[string]func(t *testing.T, f *fixture, url string){
		"passes":                     gatePasses,
		"is breached":                gateIsBreached,
		"leaves out earlier faults":  gateLeavesOut,
		"waits for the database":     gateWaitsForTheDatabase,
		"begins anew with it":        gateBeginsAnew,
		"has no revision to restore": gateLeaves,
		"is not to roll back":        gateMustNotRollBack,
		"ends with its revision":     gateEndsWithItsRevision,
		"is changed meanwhile":       gateIsChanged,
		"judges no silence":          gateJudgesNoSilence,
		"is for new revisions":       gateIsForNewRevisions,
		"excuses no relapse":         gateExcusesNoRelapse,
		"sees what it missed":        gateSeesWhatItMissed,
		"forgets no breach":          gateForgetsNoBreach,
		"asks about each breach":     gateAsksAboutEachBreach,
		"ends with pods down":        gateEndsWithPodsDown,
		"waits for pods to be back":  gateWaitsForPods,
		"waits for nodes":            gateWaitsForNodes,
		"sees pods come and go":      gateSeesPodsComeAndGo,
		"is away with the database":  gateIsAwayWithTheDatabase,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newFixture(t), url)
		})
	}
}

// gatePasses looks again and again, writes nothing meanwhile, and goes on when
// the manager starts anew.
func gatePasses(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobHealthy)
	f.gating(gated(v1alpha1.OnNoDataPause))
	message := f.wantGating(v1alpha1.ReasonGateRunning)
	ends := f.now.Truncate(time.Second).Add(5 * time.Minute).UTC().Format(time.RFC3339)
	if want := `the pods ` + youngPods + `-* must keep the critical bounds of AlertBaseline "api-performance" until ` + ends; message != want {
		t.Errorf("it says %q, want %q", message, want)
	}
	f.want(v1alpha1.ConditionSmokeTestPassed, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	before, told := len(f.writes.List()), len(f.notes.all())
	for range 9 {
		f.now = f.now.Add(30 * time.Second)
		f.restart(f.client)
		// The first reconcile of a process applies everything once.
		applied := len(f.writes.List())
		f.reconcile()
		first := f.writes.List()[applied:]
		if slices.ContainsFunc(first, func(write string) bool { return strings.Contains(write, "status") }) {
			t.Fatalf("a look wrote %v", first)
		}
		quiet := len(f.writes.List())
		result, err := f.try(t.Context())
		f.must(err)
		if wrote := f.writes.List()[quiet:]; len(wrote) > 0 || result.RequeueAfter != 30*time.Second {
			t.Fatalf("a look wrote %v, and comes again after %s", wrote, result.RequeueAfter)
		}
	}
	if len(f.writes.List()) == before || len(f.notes.all()) != told {
		t.Errorf("%d writes, %d events", len(f.writes.List())-before, len(f.notes.all())-told)
	}
	if st := f.rd().Status; st.LastGood.Image != v1 {
		t.Errorf("in the gate, %s is the last good version", st.LastGood.Image)
	}
	f.now = f.now.Add(30 * time.Second)
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseReady)
	passed := f.want(v1alpha1.ConditionGatePassed, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	if !strings.Contains(passed, "kept the critical bounds") || f.rd().Status.LastGood.Image != v2 {
		t.Errorf("%s; %+v", passed, f.rd().Status.LastGood)
	}
	f.reconcile()
	if again := f.want(v1alpha1.ConditionGatePassed, metav1.ConditionTrue, v1alpha1.ReasonSucceeded); again != passed {
		t.Errorf("the message became %q", again)
	}
	// Each step of the rollout was told of, in one event.
	var phases []string
	for _, note := range f.notes.all() {
		phases = append(phases, strings.Fields(note)[2])
	}
	want := []string{
		v1alpha1.PhaseChecking, v1alpha1.PhaseMigrating, v1alpha1.PhaseRolling,
		v1alpha1.PhaseTesting, v1alpha1.PhaseGating, v1alpha1.PhaseReady,
	}
	if got := phases[max(0, len(phases)-len(want)):]; !slices.Equal(got, want) {
		t.Errorf("events tell of %v, want %v", got, want)
	}
}

func gateIsBreached(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobFailing)
	f.gating(gated(v1alpha1.OnNoDataPause))
	if message := f.wantGating(v1alpha1.ReasonGateBreached); !strings.Contains(message, "errors crossed; Job rsolv-preflight-") {
		t.Errorf("it says %s", message)
	}
	f.reconcile() // asks the witness
	if next := f.wantQuiet(); next != 0 {
		t.Errorf("the witness is watched, and looked for after %s", next)
	}
	f.witness()
	told := len(f.notes.all())
	f.reconcile()
	f.restart(f.client)
	f.restored()
	f.wantRolledBack(breached)
	f.want(v1alpha1.ConditionGatePassed, metav1.ConditionFalse, v1alpha1.ReasonGateBreached)
	if events := f.notes.all()[told:]; len(events) != 1 || !strings.HasPrefix(events[0], "Warning RevisionRejected RolledBack ") {
		t.Errorf("events: %v", events)
	}
	if f.wantQuiet(); f.runs() != v1 {
		t.Errorf("rolled back, the pods run %s", f.runs())
	}

	// Asked for, it is watched anew; better now, it passes.
	f.behave(jobHealthy)
	started := f.rd().Status.Gate.StartedAt
	f.now = f.now.Add(time.Minute)
	f.retry("now")
	f.reconcile()
	f.rollOut()
	f.reconcile()
	f.wantGating(v1alpha1.ReasonGateRunning)
	if f.runs() != v2 || !f.rd().Status.Gate.StartedAt.After(started.Time) {
		t.Errorf("the pods run %s, gated since %s", f.runs(), f.rd().Status.Gate.StartedAt)
	}
	f.now = f.now.Add(5 * time.Minute)
	f.ready()
}

func gateLeavesOut(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobBefore)
	f.gating(gated(v1alpha1.OnNoDataFail))
	if message := f.wantGating(v1alpha1.ReasonGateRunning); !strings.Contains(message, "; breached before this version, and left out: errors") {
		t.Errorf("it says %s", message)
	}
	f.now = f.now.Add(5 * time.Minute)
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseReady)
	if message := f.want(v1alpha1.ConditionGatePassed, metav1.ConditionTrue, v1alpha1.ReasonSucceeded); !strings.Contains(message, "left out: errors") {
		t.Errorf("it says %s", message)
	}
}

// gateWaitsForTheDatabase: while it is away nothing is rejected. Back again, the
// metrics are given time to forget; who still fails then is to blame.
func gateWaitsForTheDatabase(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobFailing)
	f.gating(gated(v1alpha1.OnNoDataPause))
	f.witness(contract.Problem{Check: contract.CheckDatabase, Message: "connection refused by " + password})
	result, err := f.try(t.Context())
	f.must(err)
	if message := f.wantGating(v1alpha1.ReasonDependencyDown); result.RequeueAfter != firstRetry ||
		!strings.Contains(message, "Database: connection refused by ***. So "+v2+" is not to blame") {
		t.Errorf("%s; looks again after %s", message, result.RequeueAfter)
	}
	f.restart(f.client)
	f.reconcile() // too early
	if message := f.wantGating(v1alpha1.ReasonDependencyDown); !strings.Contains(message, "is not to blame") {
		t.Errorf("it says %s", message)
	}
	f.now = f.now.Add(firstRetry)
	f.restart(f.client)
	f.reconcile()
	f.wantGating(v1alpha1.ReasonGateBreached)
	f.witness()
	result, err = f.try(t.Context())
	f.must(err)
	if message := f.wantGating(v1alpha1.ReasonGateRunning); !strings.Contains(message, " from ") || result.RequeueAfter > 5*time.Minute {
		t.Errorf("%s; looks again after %s", message, result.RequeueAfter)
	}
	f.now = f.now.Add(4 * time.Minute)
	f.reconcile()
	f.wantGating(v1alpha1.ReasonGateRunning)
	f.now = f.now.Add(time.Minute)
	f.reconcile()
	f.wantGating(v1alpha1.ReasonGateBreached)
	f.witness()
	f.reconcile()
	f.restored()
	f.wantRolledBack(breached)
}

func gateBeginsAnew(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobFailing)
	f.gating(gated(v1alpha1.OnNoDataPause))
	f.witness(contract.Problem{Check: contract.CheckDatabase, Message: "connection refused"})
	f.reconcile()
	f.behave(jobHealthy)
	f.now = f.now.Add(4 * time.Minute)
	f.reconcile()
	f.wantGating(v1alpha1.ReasonGateRunning)
	f.now = f.now.Add(4 * time.Minute)
	f.reconcile()
	f.wantGating(v1alpha1.ReasonGateRunning)
	f.now = f.now.Add(time.Minute)
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseReady)
}

func gateLeaves(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobHealthy)
	f.gating(gated(v1alpha1.OnNoDataPause))
	for _, revision := range f.names(workload.ControllerRevisionKind) {
		f.must(f.client.Delete(t.Context(), f.object(workload.ControllerRevisionKind, revision)))
	}
	f.behave(jobFailing)
	f.reconcile()
	f.wantLeft(t)
}

// wantLeft checks that v2 failed its gate and runs all the same.
func (f *fixture) wantLeft(t *testing.T) {
	t.Helper()
	f.wantPhase(v1alpha1.PhaseFailed)
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonGateBreached)
	message := f.want(v1alpha1.ConditionGatePassed, metav1.ConditionFalse, v1alpha1.ReasonGateBreached)
	f.now = f.now.Add(time.Hour)
	result, err := f.try(t.Context())
	f.must(err)
	if again := f.want(v1alpha1.ConditionGatePassed, metav1.ConditionFalse, v1alpha1.ReasonGateBreached); again != message || result.RequeueAfter != 0 {
		t.Errorf("it says %q, then %q, and looks again after %s", message, again, result.RequeueAfter)
	}
	if f.runs() != v2 || f.rd().Status.RejectedRevision != nil {
		t.Errorf("%+v", f.rd().Status)
	}
}

func gateMustNotRollBack(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobFailing)
	f.gating(gated(v1alpha1.OnNoDataPause), func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Rollout.AutoRollback = new(false) })
	f.wantLeft(t)
	// Allowed to, it does.
	f.edit(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Rollout.AutoRollback = nil })
	f.reconcile()
	f.restored()
	f.wantRolledBack(breached)
}

func gateEndsWithItsRevision(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobHealthy)
	f.gating(gated(v1alpha1.OnNoDataPause))
	first := f.rd().Status.Gate.Revision
	f.now = f.now.Add(3 * time.Minute)
	f.image("ghcr.io/rsolv-dev/rsolv:v3")
	f.testing()
	f.finishJobs(batchv1.JobComplete, "")
	f.reconcile()
	f.wantGating(v1alpha1.ReasonGateRunning)
	if gate := f.rd().Status.Gate; gate.Revision == first || gate.StartedAt.Time.Before(f.now.Truncate(time.Second)) {
		t.Errorf("%+v", gate)
	}
	// Back to the last good one there is nothing to watch.
	f.image(v1)
	f.ready()
	f.want(v1alpha1.ConditionGatePassed, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	if gate := f.rd().Status.Gate; gate != nil {
		t.Errorf("the gate of another revision is kept: %+v", gate)
	}
}

func gateIsChanged(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobHealthy)
	f.gating(gated(v1alpha1.OnNoDataPause))
	started := f.rd().Status.Gate.StartedAt
	f.now = f.now.Add(30 * time.Second)
	f.retry("now") // nothing has failed
	f.edit(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Rollout.Gate.Duration.Duration = 90 * time.Second })
	f.reconcile()
	if again := f.rd().Status.Gate.StartedAt; !again.Equal(&started) {
		t.Errorf("the gate began again at %s", again)
	}
	f.wantGating(v1alpha1.ReasonGateRunning)
	f.now = f.now.Add(time.Minute)
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseReady)
	f.edit(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Rollout = nil })
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseReady)
	if message := f.want(v1alpha1.ConditionGatePassed, metav1.ConditionTrue, v1alpha1.ReasonSucceeded); message != "no gate is declared" || f.rd().Status.Gate != nil {
		t.Errorf("%s: %+v", message, f.rd().Status.Gate)
	}
}

func gateJudgesNoSilence(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobSilent)
	f.gating(gated(v1alpha1.OnNoDataFail))
	f.wantGating(v1alpha1.ReasonGateRunning)
	f.now = f.now.Add(5 * time.Minute)
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseReady)
	if message := f.want(v1alpha1.ConditionGatePassed, metav1.ConditionTrue, v1alpha1.ReasonSucceeded); !strings.Contains(message, "too little happened in the end to judge errors") {
		t.Errorf("it says %s", message)
	}
}

func gateIsForNewRevisions(t *testing.T, f *fixture, url string) {
	t.Helper()
	f.baseline(url, jobFailing)
	f.secrets().create(gated(v1alpha1.OnNoDataFail)).ready()
	message := f.want(v1alpha1.ConditionGatePassed, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	f.reconcile()
	if again := f.want(v1alpha1.ConditionGatePassed, metav1.ConditionTrue, v1alpha1.ReasonSucceeded); again != message || !strings.Contains(message, "is not gated: it is the first version") {
		t.Errorf("it says %q, then %q", message, again)
	}
}

// TestGateWithoutData: whatever the reason that nothing is known, the policy
// decides when the duration is over.
func TestGateWithoutData(t *testing.T) {
	t.Parallel()
	url := prometheus(t).URL
	for name, test := range map[string]struct {
		prepare func(*fixture)
		reason  string
		says    string
		// poll is when to look again; zero where a change is noticed.
		poll time.Duration
	}{
		"no baseline": {
			func(*fixture) {}, v1alpha1.ReasonBaselineMissing,
			`the AlertBaseline "api-performance" of rollout.gate does not exist in this namespace: create it`, 0,
		},
		"no Prometheus": {
			func(f *fixture) { f.baseline("", jobHealthy) }, v1alpha1.ReasonNoPrometheus,
			`the AlertBaseline "api-performance" says of no Prometheus: set its spec.prometheus`, 0,
		},
		"no answer": {
			func(f *fixture) { f.baseline("http://127.0.0.1:1", jobHealthy) }, v1alpha1.ReasonPrometheusAway,
			`the Prometheus of AlertBaseline "api-performance" cannot be asked at http://127.0.0.1:1: connection refused`, 30 * time.Second,
		},
		"no credentials": {
			func(f *fixture) {
				baseline := f.baseline(url, jobHealthy)
				baseline.Spec.Prometheus.BearerTokenSecretRef = &v1alpha1.SecretKeyReference{Name: "token", Key: "token"}
				f.must(f.client.Update(f.t.Context(), baseline))
			}, v1alpha1.ReasonPrometheusAway,
			`cannot be asked: spec.prometheus.bearerTokenSecretRef: secret "token" does not exist in this namespace`, 30 * time.Second,
		},
		"no metrics": {
			func(f *fixture) { f.baseline(url, jobMissing) }, v1alpha1.ReasonGateNoData,
			"Prometheus has no metrics of the pods " + youngPods + "-*, by the label pod", 30 * time.Second,
		},
		"no bound": {
			func(f *fixture) {
				baseline := f.baseline(url, jobHealthy)
				baseline.Spec.Suspend = true
				f.must(f.client.Update(f.t.Context(), baseline))
			}, v1alpha1.ReasonGateNoData,
			`the AlertBaseline "api-performance" has no critical bound that can be asked`, 0,
		},
	} {
		for _, policy := range []v1alpha1.OnNoData{v1alpha1.OnNoDataPass, v1alpha1.OnNoDataFail, v1alpha1.OnNoDataPause} {
			t.Run(name+"/"+string(policy), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				test.prepare(f)
				f.gating(gated(policy))
				if message := f.wantGating(test.reason); !strings.Contains(message, test.says) || !strings.Contains(message, "as rollout.gate.onNoData says") {
					t.Errorf("it says %s", message)
				}
				quiet := len(f.writes.List())
				result, err := f.try(t.Context())
				f.must(err)
				left := f.rd().Status.Gate.StartedAt.Add(5 * time.Minute).Sub(f.now)
				if want := map[bool]time.Duration{true: left, false: test.poll}[test.poll == 0]; result.RequeueAfter != want {
					t.Errorf("it looks again after %s, want %s", result.RequeueAfter, want)
				}
				if wrote := f.writes.List()[quiet:]; len(wrote) > 0 {
					t.Errorf("a look wrote %v", wrote)
				}
				f.now = f.now.Add(5 * time.Minute)
				f.wantDecided(policy, test.reason, test.says, test.poll)
			})
		}
	}
}

// wantDecided reconciles at the end of a gate about which nothing is known.
func (f *fixture) wantDecided(policy v1alpha1.OnNoData, reason, says string, poll time.Duration) {
	f.t.Helper()
	result, err := f.try(f.t.Context())
	f.must(err)
	switch policy {
	case v1alpha1.OnNoDataPass:
		f.wantPhase(v1alpha1.PhaseReady)
		if message := f.want(v1alpha1.ConditionGatePassed, metav1.ConditionTrue, v1alpha1.ReasonSucceeded); !strings.Contains(message, says) {
			f.t.Errorf("it says %s", message)
		}
	case v1alpha1.OnNoDataFail:
		f.restored()
		f.wantRolledBack("it did not pass the gate: ")
		f.want(v1alpha1.ConditionGatePassed, metav1.ConditionFalse, reason)
	default:
		f.want(v1alpha1.ConditionGatePassed, metav1.ConditionFalse, reason)
		if result.RequeueAfter != poll {
			f.t.Errorf("paused, it looks again after %s, want %s", result.RequeueAfter, poll)
		}
		phase := v1alpha1.PhaseGating
		if poll == 0 && reason != v1alpha1.ReasonBaselineMissing {
			phase = v1alpha1.PhaseHeld // somebody must act
		}
		f.wantPhase(phase)
	}
}

// TestGateNoticesItsBaseline: a gate that is paused for want of a baseline goes
// on when there is one, without looking for it again and again.
func TestGateNoticesItsBaseline(t *testing.T) {
	t.Parallel()
	url := prometheus(t).URL
	f := newFixture(t)
	f.gating(gated(v1alpha1.OnNoDataPause))
	f.edit(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Rollout.Gate.Duration.Duration = 10 * time.Second })
	f.now = f.now.Add(time.Minute)
	f.reconcile()
	f.want(v1alpha1.ConditionGatePassed, metav1.ConditionFalse, v1alpha1.ReasonBaselineMissing)
	f.manage()
	f.baseline("", jobHealthy)
	f.soon(metav1.ConditionFalse, v1alpha1.ReasonNoPrometheus)
	testenv.Eventually(t, func() error {
		baseline := &v1alpha1.AlertBaseline{}
		if err := f.client.Get(t.Context(), client.ObjectKey{Namespace: f.key.Namespace, Name: "api-performance"}, baseline); err != nil {
			return err
		}
		baseline.Spec.Prometheus = &v1alpha1.MonitoringEndpoint{URL: url}
		return f.client.Update(t.Context(), baseline)
	})
	f.soon(metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
}
