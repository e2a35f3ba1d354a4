package rsolvdeployment

import (
	"context"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

const (
	// firstRetry is the wait after the first failed preflight; it doubles up
	// to lastRetry.
	firstRetry = 10 * time.Second
	lastRetry  = 10 * time.Minute
	// patience is how many failures count as getting further by itself: a
	// database that is made together with the app takes its time. After that
	// the rollout is stalled, and goes on being tried all the same.
	patience = 4
	// podLook is how often the pod of a running preflight is looked at: pods
	// are not watched.
	podLook = 10 * time.Second
)

// runPreflight holds the rollout until the image has said that it can work
// with what its pods will be given. It is asked once for each image and
// environment; a failure is tried again, later and later.
func (r *Reconciler) runPreflight(ctx context.Context, s *scope) error {
	hash := workload.PreflightHash(s.rd, s.environment)
	if s.preflight != nil && s.preflight.Hash == hash && s.preflight.Passed {
		return s.preflightPassed()
	}
	attempt := s.attempt(hash)
	var failed v1alpha1.PreflightRecord
	if s.preflight != nil && s.preflight.Attempt == attempt {
		failed = *s.preflight
	}
	// The generation is in the name so that coming back to an image asks it
	// again: the schema may have moved on meanwhile.
	name := workload.PreflightJobName(s.rd.Name,
		workload.AttemptHash(attempt, fmt.Sprintf("%d/%d", s.rd.Generation, failed.Failures)))
	for _, reader := range []client.Reader{r.Client, r.Live} {
		jobs, err := ownJobs(ctx, reader, s.rd, contract.ComponentPreflight)
		if err != nil {
			return err
		}
		if err := r.replaceJobs(ctx, s, jobs, name); err != nil {
			return err
		}
		job, _ := pick(jobs, name)
		switch {
		case job != nil && (finished(job, batchv1.JobComplete) != nil || finished(job, batchv1.JobFailed) != nil):
			return r.preflightEnded(ctx, s, hash, attempt, failed.Failures, job)
		case job != nil:
			waits, err := r.obstacle(ctx, job)
			if err != nil {
				return err
			}
			return s.checking(name, waits)
		}
	}
	if failed.RetryAt != nil {
		if wait := failed.RetryAt.Sub(r.Clock()); wait > 0 {
			return r.holdPreflight(ctx, s, s.previousPreflight(), wait)
		}
	}
	if err := r.Applier.Create(ctx, s.rd, workload.PreflightJob(s.rd, s.environment, strings.TrimPrefix(name, workload.PreflightJobName(s.rd.Name, "")))); err != nil {
		return err
	}
	return s.checking(name, "")
}

// replaceJobs deletes Jobs of older attempts that still run. A preflight that a
// gate asked for is none.
func (r *Reconciler) replaceJobs(ctx context.Context, s *scope, jobs []batchv1.Job, current string) error {
	for i := range jobs {
		if jobs[i].Name == current || jobs[i].Name == s.witnessJob() || finished(&jobs[i], batchv1.JobComplete) != nil || finished(&jobs[i], batchv1.JobFailed) != nil {
			continue
		}
		if err := r.Applier.Delete(ctx, s.rd, workload.JobKind, client.ObjectKeyFromObject(&jobs[i])); err != nil {
			return err
		}
	}
	return nil
}

// obstacles is what stands before what a Job's pod waits for, in messages.
const obstacles = "; its pod waits: "

// checking holds the rollout while a preflight runs. What its pod waits for is
// not announced by anything that is watched.
func (s *scope) checking(name, waits string) error {
	verdict := status.False(v1alpha1.ReasonPreflightRunning, fmt.Sprintf("Job %s asks %s whether it can work with what it is given", name, s.rd.Spec.Image))
	if s.preflight != nil && s.preflight.Failures > 0 && s.preflight.Hash == workload.PreflightHash(s.rd, s.environment) {
		verdict.Message += fmt.Sprintf("; it failed %d times before", s.preflight.Failures)
	}
	if waits != "" {
		verdict.Message += obstacles + waits
	}
	s.verdicts[v1alpha1.ConditionPreflightPassed] = verdict
	return &held{phase: v1alpha1.PhaseChecking, verdict: verdict, progress: status.Working, after: podLook}
}

// obstacle is what the pod of the newest preflight was seen waiting for; the
// pod goes when its Job's time is over.
func (s *scope) obstacle() string {
	condition := apimeta.FindStatusCondition(s.rd.Status.Conditions, v1alpha1.ConditionPreflightPassed)
	if condition == nil || condition.Reason != v1alpha1.ReasonPreflightRunning {
		return ""
	}
	if _, waits, found := strings.Cut(condition.Message, obstacles); found {
		return obstacles + waits
	}
	return ""
}

// preflightPassed goes on with the image as the preflight ran it.
func (s *scope) preflightPassed() error {
	s.verdicts[v1alpha1.ConditionPreflightPassed] = status.True(v1alpha1.ReasonSucceeded,
		s.rd.Spec.Image+" can work with what it is given")
	pinned := s.preflight.Pinned
	if pinned == "" {
		s.verdicts[v1alpha1.ConditionImagePinned] = status.False(v1alpha1.ReasonNoDigest,
			"the node knows no digest of "+s.rd.Spec.Image+" in its repository, so the pods run the tag; declare the image by its digest to be sure that it stays the same")
		return nil
	}
	s.verdicts[v1alpha1.ConditionImagePinned] = status.True(v1alpha1.ReasonSucceeded, "the pods run "+pinned)
	s.target.Spec.Image = pinned
	return nil
}

// preflightEnded judges a preflight and records it.
func (r *Reconciler) preflightEnded(ctx context.Context, s *scope, hash, attempt string, failures int32, job *batchv1.Job) error {
	e, err := r.end(ctx, job)
	if err != nil {
		return err
	}
	known, err := r.catalog(ctx, e, workload.PreflightContainer)
	if err != nil {
		return err
	}
	var report *contract.Report
	if e != nil {
		report = parseReport(e.message)
	}
	if known != nil {
		s.catalog = catalogRecord(hash, report, known)
	}
	problem := s.preflightProblem(job, e, report, known != nil)
	s.preflight = &v1alpha1.PreflightRecord{Hash: hash, Image: s.rd.Spec.Image}
	if problem == "" {
		s.preflight.Passed, s.preflight.Pinned = true, workload.Pin(s.rd.Spec.Image, e.imageID)
		return s.preflightPassed()
	}
	wait := backoff(failures)
	s.preflight.Attempt, s.preflight.Failures = attempt, failures+1
	s.preflight.RetryAt = new(metav1.NewTime(r.Clock().Add(wait).Truncate(time.Second)))
	return r.holdPreflight(ctx, s, fmt.Sprintf("%s cannot work with what it is given: %s. It is asked again by itself; to ask at once: %s",
		s.rd.Spec.Image, problem, s.askAgain()), wait)
}

// preflightProblem says why a preflight failed, empty if it did not.
func (s *scope) preflightProblem(job *batchv1.Job, e *ending, report *contract.Report, cataloged bool) string {
	if condition := finished(job, batchv1.JobFailed); condition != nil {
		if cataloged && only(report, contract.CheckFlags) {
			return "" // FlagsReady says so, by the policy, and sees it change
		}
		return said(e, condition.Reason+": "+condition.Message+s.obstacle(), s.env)
	}
	switch {
	case e == nil:
		return "the pod that ran the preflight is gone, and with it its report"
	case report == nil:
		return "the preflight left no report: is " + s.rd.Spec.Image + " an image of the app?"
	case len(report.Problems) > 0 && (!cataloged || !only(report, contract.CheckFlags)):
		return said(e, "", s.env)
	case !cataloged:
		return "the preflight's log has no catalogue of flags, or could not be read"
	default:
		return ""
	}
}

// backoff is the wait after a number of earlier failures.
func backoff(failures int32) time.Duration {
	wait := firstRetry
	for range failures {
		if wait *= 2; wait >= lastRetry {
			return lastRetry
		}
	}
	return wait
}

// holdPreflight holds a rollout whose preflight failed. Flags that are missing
// too are named at once, not one release later.
func (r *Reconciler) holdPreflight(ctx context.Context, s *scope, message string, wait time.Duration) error {
	verdict := status.False(v1alpha1.ReasonPreflightFailed, message)
	s.verdicts[v1alpha1.ConditionPreflightPassed] = verdict
	if s.catalog != nil && s.catalog.Hash == s.preflight.Hash {
		if err := r.judgeFlags(ctx, s); err != nil {
			return err
		}
	}
	h := &held{phase: v1alpha1.PhaseChecking, verdict: verdict, progress: status.Working, after: wait}
	if s.preflight.Failures > patience {
		h.phase, h.progress = v1alpha1.PhaseHeld, status.Stuck
	}
	return h
}

// previousPreflight is the message with which the failure was recorded.
func (s *scope) previousPreflight() string {
	condition := apimeta.FindStatusCondition(s.rd.Status.Conditions, v1alpha1.ConditionPreflightPassed)
	if condition != nil && condition.Reason == v1alpha1.ReasonPreflightFailed {
		return condition.Message
	}
	return fmt.Sprintf("%s cannot work with what it is given; the next attempt says why", s.preflight.Image)
}

// askAgain is the command that asks for another attempt at what failed.
func (s *scope) askAgain() string {
	return fmt.Sprintf(`kubectl annotate rd %s %s="$(date -Is)" --overwrite`, s.rd.Name, contract.AnnotationRetry)
}
