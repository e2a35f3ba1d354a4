package rsolvdeployment

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// smokeTested says what is recorded of this revision's smoke test.
func (s *scope) smokeTested() {
	if s.smoke != nil && s.smoke.Revision == s.revision.Hash && s.smoke.Passed {
		s.verdicts[v1alpha1.ConditionSmokeTestPassed] = status.True(v1alpha1.ReasonSucceeded,
			"a first customer of "+s.target.Spec.Image+" got through")
	}
}

// runSmokeTest holds the rollout until a customer got through the app. It runs
// once for each revision.
func (r *Reconciler) runSmokeTest(ctx context.Context, s *scope) error {
	if s.verdicts[v1alpha1.ConditionSmokeTestPassed].Is() {
		return nil
	}
	attempt := s.attempt(s.revision.Hash)
	var earlier v1alpha1.SmokeTestRecord
	if s.smoke != nil && s.smoke.Attempt == attempt {
		earlier = *s.smoke
		if earlier.RetryAt == nil {
			return r.smokeTestFailed(ctx, s, s.previousSmokeTest())
		}
	}
	hash := workload.AttemptHash(attempt, fmt.Sprintf("%d/%d", s.rd.Generation, earlier.Failures))
	name := workload.SmokeTestJobName(s.rd.Name, hash)
	for _, reader := range []client.Reader{r.Client, r.Live} {
		jobs, err := ownJobs(ctx, reader, s.rd, contract.ComponentSmokeTest)
		if err != nil {
			return err
		}
		if err := r.replaceJobs(ctx, s, jobs, name); err != nil {
			return err
		}
		job, _ := pick(jobs, name)
		switch {
		case job != nil && finished(job, batchv1.JobComplete) != nil:
			s.smoke = &v1alpha1.SmokeTestRecord{Revision: s.revision.Hash, Passed: true}
			s.smokeTested()
			return nil
		case job != nil && finished(job, batchv1.JobFailed) != nil:
			return r.smokeTestEnded(ctx, s, earlier.Failures, job)
		case job != nil:
			return s.smokeTesting(name)
		}
	}
	if earlier.RetryAt != nil {
		if wait := earlier.RetryAt.Sub(r.Clock()); wait > 0 {
			return s.holdSmokeTest(s.previousSmokeTest(), wait)
		}
	}
	url, err := r.serviceURL(ctx, s.rd)
	if err != nil {
		return err
	}
	if err := r.Applier.Create(ctx, s.rd, workload.SmokeTestJob(s.target, s.environment, hash, url)); err != nil {
		return err
	}
	return s.smokeTesting(name)
}

// serviceURL is how pods reach the app: by the Service's address, so that the
// test is one of the app and not of the cluster's DNS.
func (r *Reconciler) serviceURL(ctx context.Context, rd *v1alpha1.RsolvDeployment) (string, error) {
	var service corev1.Service
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(rd), &service); err != nil {
		return "", fmt.Errorf("reading Service %s: %w", rd.Name, err)
	}
	host := service.Spec.ClusterIP
	if net.ParseIP(host) == nil {
		host = rd.Name + "." + rd.Namespace
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return "http://" + host, nil // contract.ServicePort is what http means
}

func (s *scope) smokeTesting(name string) error {
	verdict := status.False(v1alpha1.ReasonSmokeTestRunning, fmt.Sprintf("Job %s walks a first customer through %s", name, s.target.Spec.Image))
	s.verdicts[v1alpha1.ConditionSmokeTestPassed] = verdict
	return &held{phase: v1alpha1.PhaseTesting, verdict: verdict, progress: status.Working}
}

// silentSmokeTests is how many smoke tests may end without a word before that
// counts as a failure. The app says what was wrong well before its Job's time
// is over; silence is a pod that never ran, or that went with its node.
const silentSmokeTests = 3

// smokeTestEnded records a failed smoke test. One that found nothing amiss but
// the database says nothing about the revision, and is repeated; so is one that
// says nothing at all.
func (r *Reconciler) smokeTestEnded(ctx context.Context, s *scope, failures int32, job *batchv1.Job) error {
	e, err := r.end(ctx, job)
	if err != nil {
		return err
	}
	condition := finished(job, batchv1.JobFailed)
	message := said(e, condition.Reason+": "+condition.Message, s.env)
	s.smoke = &v1alpha1.SmokeTestRecord{Revision: s.revision.Hash, Attempt: s.attempt(s.revision.Hash)}
	silent := e == nil && failures+1 < silentSmokeTests
	if !silent && (e == nil || !only(parseReport(strings.TrimSpace(e.message)), contract.CheckDatabase)) {
		return r.smokeTestFailed(ctx, s, message)
	}
	if silent {
		message = fmt.Sprintf("its pod never ran, or went without a word (%s); it is tried again. See why with kubectl describe pods -l %s=%s,%s=%s",
			message, contract.LabelDeployment, s.rd.Name, contract.LabelComponent, contract.ComponentSmokeTest)
	}
	wait := backoff(failures)
	s.smoke.Failures = failures + 1
	s.smoke.RetryAt = new(metav1.NewTime(r.Clock().Add(wait).Truncate(time.Second)))
	return s.holdSmokeTest(message, wait)
}

// holdSmokeTest waits for a database that is away.
func (s *scope) holdSmokeTest(message string, wait time.Duration) error {
	verdict := status.False(v1alpha1.ReasonDependencyDown, message)
	s.verdicts[v1alpha1.ConditionSmokeTestPassed] = verdict
	return &held{phase: v1alpha1.PhaseTesting, verdict: verdict, progress: status.Working, after: wait}
}

// smokeTestFailed rejects the revision, or leaves it if there is none to go
// back to.
func (r *Reconciler) smokeTestFailed(ctx context.Context, s *scope, message string) error {
	good, err := r.otherGood(ctx, s)
	if err != nil {
		return err
	}
	verdict := status.False(v1alpha1.ReasonSmokeTestFailed, message)
	if (failure{good: good, wanted: autoRollback(s.rd)}).decide() == reject {
		return s.reject(v1alpha1.ReasonSmokeTestFailed, "the smoke test failed: "+message, verdict)
	}
	s.verdicts[v1alpha1.ConditionSmokeTestPassed] = verdict
	verdict.Message = fmt.Sprintf("the smoke test of %s failed: %s. The pods are left as they are; to ask for another attempt: %s",
		s.target.Spec.Image, message, s.askAgain())
	return &held{phase: v1alpha1.PhaseFailed, verdict: verdict, progress: status.Stuck}
}

// previousSmokeTest is the message with which the failure was recorded.
func (s *scope) previousSmokeTest() string {
	condition := apimeta.FindStatusCondition(s.rd.Status.Conditions, v1alpha1.ConditionSmokeTestPassed)
	if condition != nil && (condition.Reason == v1alpha1.ReasonSmokeTestFailed || condition.Reason == v1alpha1.ReasonDependencyDown) {
		return condition.Message
	}
	return "it failed before; another attempt says why"
}
