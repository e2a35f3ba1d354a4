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
	gateDuration = 5 * time.Minute
	// Prometheus is asked ten times in the course of a gate, but never more
	// often than metrics change, and often enough for the pods' users.
	shortestPoll = 5 * time.Second
	longestPoll  = 30 * time.Second
)

func gateOf(rd *v1alpha1.RsolvDeployment) *v1alpha1.Gate {
	if rd.Spec.Rollout == nil {
		return nil
	}
	return rd.Spec.Rollout.Gate
}

// gatePassed says what is known of this revision's gate without asking.
func (s *scope) gatePassed() {
	verdict := func(message string) {
		s.verdicts[v1alpha1.ConditionGatePassed] = status.True(v1alpha1.ReasonSucceeded, message)
	}
	if s.gate != nil && s.gate.Revision != s.revision.Hash {
		s.gate = nil // of another revision, which would be watched anew
	}
	switch {
	case gateOf(s.rd) == nil:
		s.gate = nil
		verdict("no gate is declared")
	case s.gate != nil && s.gate.Result == v1alpha1.GatePassed:
		verdict(s.gate.Message)
	case s.lastGood == nil || s.lastGood.Hash == s.revision.Hash:
		verdict(s.target.Spec.Image + " is not gated: it is the first version, or was good before the gate was declared")
	}
}

// runGate holds the rollout until the critical bounds of the gate's baseline
// have held over the new pods for its duration. What it has seen is recorded:
// a manager that starts anew goes on.
func (r *Reconciler) runGate(ctx context.Context, s *scope) error {
	s.gatePassed()
	if s.verdicts[v1alpha1.ConditionGatePassed].Is() {
		return nil
	}
	now := r.Clock()
	attempt := s.attempt(s.revision.Hash)
	if s.gate == nil || (s.gate.Attempt != attempt && s.gate.Result == v1alpha1.GateFailed) {
		s.gate = &v1alpha1.GateRecord{Revision: s.revision.Hash, StartedAt: metav1.NewTime(now.Truncate(time.Second))}
	}
	s.gate.Attempt = attempt // one that has not failed yet goes on, whoever asks for another
	if s.gate.Result == v1alpha1.GateFailed {
		return r.gateFailed(ctx, s, s.gate.Reason, s.gate.Message)
	}
	if again := s.gate.RetryAt; again != nil && now.Before(again.Time) {
		return s.holdDependency(s.previousGate(), again.Sub(now))
	}
	seen, err := r.askGate(ctx, s, now)
	if err != nil {
		return err
	}
	judging := s.gate.JudgeFrom == nil || !now.Before(s.gate.JudgeFrom.Time)
	if judging && len(seen.breached) > 0 {
		return r.gateBreached(ctx, s, seen, now)
	}
	if s.gate.Failures > 0 && s.gate.JudgeFrom == nil && seen.unknown == nil {
		s.gate.JudgeFrom, s.gate.RetryAt = new(metav1.NewTime(now.Truncate(time.Second))), nil // what was away is back
	}
	if left := s.gateEnds().Sub(now); left > 0 {
		return s.holdGate(seen, left)
	}
	if seen.unknown != nil {
		return r.decideWithoutData(ctx, s, seen)
	}
	s.passGate(seen.conclusion(s))
	return nil
}

// gateEnds is when the bounds have held for long enough.
func (s *scope) gateEnds() time.Time {
	duration := gateOf(s.rd).Duration.Duration
	if duration <= 0 {
		duration = gateDuration
	}
	if from := s.gate.JudgeFrom; from != nil && from.After(s.gate.StartedAt.Time) {
		return from.Add(duration)
	}
	return s.gate.StartedAt.Add(duration)
}

// holdGate waits for the end of the gate, or the next look. The message is the
// same with every look that sees the same.
func (s *scope) holdGate(seen *reading, left time.Duration) error {
	ends := s.gateEnds().UTC().Format(time.RFC3339)
	verdict := status.False(v1alpha1.ReasonGateRunning, seen.watched(s)+" until "+ends+seen.notes(s))
	after := min(left, pollEvery(gateOf(s.rd).Duration.Duration))
	if seen.unknown != nil {
		verdict = status.False(seen.unknown.reason, fmt.Sprintf("%s. %s", seen.unknown.message, s.policy(ends)))
		if seen.unknown.watched {
			after = left
		}
	}
	s.verdicts[v1alpha1.ConditionGatePassed] = verdict
	return &held{phase: v1alpha1.PhaseGating, verdict: verdict, progress: status.Working, after: after}
}

// policy says what comes of nothing being known.
func (s *scope) policy(ends string) string {
	switch gateOf(s.rd).OnNoData {
	case v1alpha1.OnNoDataPass:
		return "If it stays so until " + ends + ", " + s.target.Spec.Image + " passes, as rollout.gate.onNoData says"
	case v1alpha1.OnNoDataFail:
		return "If it stays so until " + ends + ", " + s.target.Spec.Image + " is rejected, as rollout.gate.onNoData says"
	default:
		return "The rollout waits for it, as rollout.gate.onNoData says"
	}
}

func pollEvery(duration time.Duration) time.Duration {
	return max(shortestPoll, min(longestPoll, duration/10))
}

// decideWithoutData ends a gate about which nothing is known, or waits.
func (r *Reconciler) decideWithoutData(ctx context.Context, s *scope, seen *reading) error {
	switch gateOf(s.rd).OnNoData {
	case v1alpha1.OnNoDataPass:
		s.passGate("nothing is known of " + s.target.Spec.Image + ", and it passes all the same, as rollout.gate.onNoData says: " + seen.unknown.message)
		return nil
	case v1alpha1.OnNoDataFail:
		return r.gateFailed(ctx, s, seen.unknown.reason, seen.unknown.message)
	}
	verdict := status.False(seen.unknown.reason, fmt.Sprintf("%s. %s", seen.unknown.message, s.policy("")))
	s.verdicts[v1alpha1.ConditionGatePassed] = verdict
	h := &held{phase: v1alpha1.PhaseGating, verdict: verdict, progress: status.Working}
	switch {
	case !seen.unknown.watched:
		h.after = pollEvery(gateOf(s.rd).Duration.Duration)
	case seen.unknown.reason != v1alpha1.ReasonBaselineMissing: // that one may be on its way
		h.phase, h.progress = v1alpha1.PhaseHeld, status.Stuck
	}
	return h
}

func (s *scope) passGate(message string) {
	s.gate.Result, s.gate.Reason, s.gate.Message = v1alpha1.GatePassed, v1alpha1.ReasonSucceeded, message
	s.gatePassed()
}

// gateBreached decides about a revision that crossed a bound. A database that
// is away makes any revision cross some: the image is asked whether it is.
func (r *Reconciler) gateBreached(ctx context.Context, s *scope, seen *reading, now time.Time) error {
	good, err := r.otherGood(ctx, s)
	if err != nil {
		return err
	}
	message := seen.breaches(s)
	if (failure{good: good, wanted: autoRollback(s.rd)}).decide() == leave {
		return r.gateFailed(ctx, s, v1alpha1.ReasonGateBreached, message)
	}
	said, err := r.askWitness(ctx, s)
	if err != nil {
		return err
	}
	if said.running != "" {
		return s.awaitWitness(seen, said.running)
	}
	back := s.gate.Failures > 0 && s.gate.JudgeFrom == nil
	switch (failure{good: good, wanted: true, othersDown: said.away, recovering: back}).decide() {
	case wait:
		if said.away {
			return s.dependencyAway(seen, said.message, now)
		}
		return s.dependencyBack(seen, now)
	default:
		return r.gateFailed(ctx, s, v1alpha1.ReasonGateBreached, message)
	}
}

// awaitWitness waits for the Job, which is watched.
func (s *scope) awaitWitness(seen *reading, job string) error {
	verdict := status.False(v1alpha1.ReasonGateBreached, fmt.Sprintf("%s crossed; Job %s asks whether the database is to blame",
		strings.Join(seen.crossed(), ", "), job))
	s.verdicts[v1alpha1.ConditionGatePassed] = verdict
	return &held{phase: v1alpha1.PhaseGating, verdict: verdict, progress: status.Working}
}

// dependencyAway waits for a database that is away.
func (s *scope) dependencyAway(seen *reading, message string, now time.Time) error {
	wait := backoff(s.gate.Failures)
	s.gate.Failures, s.gate.JudgeFrom = s.gate.Failures+1, nil
	s.gate.RetryAt = new(metav1.NewTime(now.Add(wait).Truncate(time.Second)))
	return s.holdDependency(fmt.Sprintf("%s. So %s is not to blame for crossing the bounds of %s; the gate begins anew when it is back",
		message, s.target.Spec.Image, strings.Join(seen.crossed(), ", ")), wait)
}

func (s *scope) holdDependency(message string, wait time.Duration) error {
	verdict := status.False(v1alpha1.ReasonDependencyDown, message)
	s.verdicts[v1alpha1.ConditionGatePassed] = verdict
	return &held{phase: v1alpha1.PhaseGating, verdict: verdict, progress: status.Working, after: wait}
}

// previousGate is the message with which the failure was recorded.
func (s *scope) previousGate() string {
	condition := apimeta.FindStatusCondition(s.rd.Status.Conditions, v1alpha1.ConditionGatePassed)
	if condition != nil && condition.Reason == v1alpha1.ReasonDependencyDown {
		return condition.Message
	}
	return "the database was away; the next look says whether it still is"
}

// dependencyBack waits until the metrics no longer tell that it was away.
func (s *scope) dependencyBack(seen *reading, now time.Time) error {
	s.gate.JudgeFrom, s.gate.RetryAt = new(metav1.NewTime(now.Add(seen.window).Truncate(time.Second))), nil
	return s.holdGate(seen, seen.window)
}

// gateFailed rejects the revision, or leaves it if there is none to go back to.
func (r *Reconciler) gateFailed(ctx context.Context, s *scope, reason, message string) error {
	good, err := r.otherGood(ctx, s)
	if err != nil {
		return err
	}
	s.gate.Result, s.gate.Reason, s.gate.Message = v1alpha1.GateFailed, reason, message
	verdict := status.False(reason, message)
	if (failure{good: good, wanted: autoRollback(s.rd)}).decide() == reject {
		return s.reject(reason, "it did not pass the gate: "+message, verdict)
	}
	s.verdicts[v1alpha1.ConditionGatePassed] = verdict
	verdict.Message = fmt.Sprintf("%s did not pass the gate: %s. The pods are left as they are; to ask for another attempt: %s",
		s.target.Spec.Image, message, s.askAgain())
	return &held{phase: v1alpha1.PhaseFailed, verdict: verdict, progress: status.Stuck}
}

// witness is what a preflight says in the middle of a gate.
type witness struct {
	// running is the Job that is being waited for; empty when it has ended.
	running string
	// away tells that the database is, and message says so.
	away    bool
	message string
}

// askWitness runs the preflight of the image once more for each time that a
// bound is crossed. One that finds nothing amiss but the database speaks for
// the revision.
func (r *Reconciler) askWitness(ctx context.Context, s *scope) (witness, error) {
	var from int64
	if s.gate.JudgeFrom != nil {
		from = s.gate.JudgeFrom.Unix()
	}
	hash := workload.AttemptHash(s.gate.Revision, fmt.Sprintf("gate/%d/%d/%d", s.gate.StartedAt.Unix(), s.gate.Failures, from))
	name := workload.PreflightJobName(s.rd.Name, hash)
	for _, reader := range []client.Reader{r.Client, r.Live} {
		jobs, err := ownJobs(ctx, reader, s.rd, contract.ComponentPreflight)
		if err != nil {
			return witness{}, err
		}
		job, _ := pick(jobs, name)
		switch {
		case job != nil && finished(job, batchv1.JobFailed) != nil:
			return r.testimony(ctx, s, job)
		case job != nil && finished(job, batchv1.JobComplete) != nil:
			return witness{}, nil
		case job != nil:
			return witness{running: name}, nil
		}
	}
	return witness{running: name}, r.Applier.Create(ctx, s.rd, workload.PreflightJob(s.target, s.environment, hash))
}

// testimony is what a failed preflight said.
func (r *Reconciler) testimony(ctx context.Context, s *scope, job *batchv1.Job) (witness, error) {
	e, err := r.end(ctx, job)
	if err != nil || e == nil || !only(parseReport(strings.TrimSpace(e.message)), contract.CheckDatabase) {
		return witness{}, err
	}
	return witness{away: true, message: said(e, "", s.env)}, nil
}
