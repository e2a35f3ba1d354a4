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
	s.openGate(now)
	s.noteAnswers(now)
	if s.gate.Result == v1alpha1.GateFailed {
		return r.gateFailed(ctx, s, s.gate.Reason, s.gate.Message)
	}
	if again := s.gate.RetryAt; again != nil && now.Before(again.Time) {
		return s.holdDependency(s.previousGate(), again.Sub(now))
	}
	if s.gate.Breach != nil {
		if err := r.decideBreach(ctx, s, now); err != nil {
			return err
		}
	}
	seen, err := r.askGate(ctx, s, now)
	if err != nil {
		return err
	}
	judging := s.gate.JudgeFrom == nil || !now.Before(s.gate.JudgeFrom.Time)
	if judging && len(seen.breached) > 0 {
		return r.gateBreached(ctx, s, seen.breach(s, now))
	}
	if s.gate.Failures > 0 && s.gate.JudgeFrom == nil && seen.unknown == nil {
		s.gate.JudgeFrom, s.gate.RetryAt = new(metav1.NewTime(now.Truncate(time.Second))), nil // what was away is back
	}
	left := s.gateEnds().Sub(now)
	if s.gate.DownSince != nil {
		if left = s.patienceEnds().Sub(now); left <= 0 {
			return r.gateBreached(ctx, s, s.podsDown(seen, now))
		}
	}
	if left > 0 {
		return s.holdGate(seen, left)
	}
	if seen.unknown != nil {
		return r.decideWithoutData(ctx, s, seen)
	}
	s.passGate(seen.conclusion(s))
	return nil
}

// openGate begins the watch of a revision, or goes on with it. One that has
// failed begins again for whoever asks for another attempt.
func (s *scope) openGate(now time.Time) {
	attempt := s.attempt(s.revision.Hash)
	if s.gate == nil || (s.gate.Attempt != attempt && s.gate.Result == v1alpha1.GateFailed) {
		s.gate = &v1alpha1.GateRecord{Revision: s.revision.Hash, StartedAt: metav1.NewTime(now.Truncate(time.Second))}
	}
	s.gate.Attempt = attempt
}

// noteAnswers keeps track of whether the pods answer.
func (s *scope) noteAnswers(now time.Time) {
	answer := s.verdicts[v1alpha1.ConditionAvailable].Is()
	switch {
	case !answer && s.gate.DownSince == nil:
		s.gate.DownSince = new(metav1.NewTime(now.Truncate(time.Second)))
	case answer && s.gate.DownSince != nil:
		s.gate.DownSince, s.gate.BackAt = nil, new(metav1.NewTime(now.Truncate(time.Second)))
	}
}

func durationOf(gate *v1alpha1.Gate) time.Duration {
	if gate.Duration.Duration <= 0 {
		return gateDuration
	}
	return gate.Duration.Duration
}

// judgedFrom is when the watch began, or began anew.
func (s *scope) judgedFrom() time.Time {
	if from := s.gate.JudgeFrom; from != nil && from.After(s.gate.StartedAt.Time) {
		return from.Time
	}
	return s.gate.StartedAt.Time
}

// watchEnds is when the duration of the gate is over.
func (s *scope) watchEnds() time.Time { return s.judgedFrom().Add(durationOf(gateOf(s.rd))) }

// gateIsOver tells whether it is time to decide.
func (s *scope) gateIsOver(now time.Time) bool {
	awaited := s.gate.Failures > 0 && s.gate.JudgeFrom == nil // it begins anew when what is away is back
	return !awaited && s.gate.DownSince == nil && !now.Before(s.gateEnds())
}

// gateEnds is when the bounds have held for long enough, over pods that
// answer: those that did not for a while are watched for a little longer.
func (s *scope) gateEnds() time.Time {
	ends := s.watchEnds()
	if back := s.gate.BackAt; back != nil && back.Add(s.grace()).After(ends) {
		return back.Add(s.grace())
	}
	return ends
}

// patienceEnds is when pods that do not answer must do so again: by the end of
// the gate, but a pod that is replaced near the end of it, by a drain or an
// eviction, has its time, and pods that come and go have it once.
func (s *scope) patienceEnds() time.Time {
	ends := s.watchEnds()
	if last := s.gate.DownSince.Add(s.grace()); last.After(ends) {
		return earlier(last, ends.Add(s.grace()))
	}
	return ends
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// grace is how long pods may be away at the end of a gate.
func (s *scope) grace() time.Duration { return min(recoveryGrace, durationOf(gateOf(s.rd))) }

// podsDown is the record of pods that do not answer.
func (s *scope) podsDown(seen *reading, now time.Time) *v1alpha1.BreachRecord {
	says := fmt.Sprintf("%d of %d pods answer", s.deployment.Status.AvailableReplicas, wantedPods(s.deployment))
	return &v1alpha1.BreachRecord{
		At: metav1.NewTime(now.Truncate(time.Second)), Reason: v1alpha1.ReasonPodsUnavailable, Subject: says,
		Message: says + ", and not all have since " + s.gate.DownSince.UTC().Format(time.RFC3339) + seen.notes(s),
		Window:  metav1.Duration{Duration: seen.window},
	}
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

// gateBreached records what went wrong. It is decided about in the next
// reconcile, when that is written, and from the record alone: a bound that is
// crossed in one look and not in the next was crossed all the same.
func (r *Reconciler) gateBreached(ctx context.Context, s *scope, breach *v1alpha1.BreachRecord) error {
	good, err := r.otherGood(ctx, s)
	if err != nil {
		return err
	}
	if (failure{good: good, wanted: autoRollback(s.rd)}).decide() == leave {
		return r.gateFailed(ctx, s, breach.Reason, breach.Message)
	}
	s.gate.Breach = breach
	return s.awaitWitness(staleRetry)
}

// decideBreach decides about a revision of which a breach is recorded. A
// database that is away makes any revision fail: the image is asked whether it
// is. Without an error the watch goes on.
func (r *Reconciler) decideBreach(ctx context.Context, s *scope, now time.Time) error {
	good, err := r.otherGood(ctx, s)
	if err != nil {
		return err
	}
	breach := s.gate.Breach
	if (failure{good: good, wanted: autoRollback(s.rd)}).decide() == leave {
		return r.gateFailed(ctx, s, breach.Reason, breach.Message)
	}
	said, err := r.askWitness(ctx, s)
	if err != nil {
		return err
	}
	if said.running {
		return s.awaitWitness(0)
	}
	back := s.gate.Failures > 0 && s.gate.JudgeFrom == nil
	switch (failure{good: good, wanted: true, othersDown: said.away, recovering: back}).decide() {
	case wait:
		if said.away {
			return s.dependencyAway(said.message, now)
		}
		// Back it is: wait until the metrics no longer tell that it was away.
		s.gate.JudgeFrom, s.gate.RetryAt = new(metav1.NewTime(now.Add(breach.Window.Duration).Truncate(time.Second))), nil
		s.gate.Breach = nil
		return nil
	default:
		return r.gateFailed(ctx, s, breach.Reason, breach.Message)
	}
}

// awaitWitness waits for the Job, which is watched, or for the record of what
// it is asked about.
func (s *scope) awaitWitness(after time.Duration) error {
	verdict := status.False(s.gate.Breach.Reason, fmt.Sprintf("%s; Job %s asks whether the database is to blame",
		s.gate.Breach.Subject, s.witnessJob()))
	s.verdicts[v1alpha1.ConditionGatePassed] = verdict
	return &held{phase: v1alpha1.PhaseGating, verdict: verdict, progress: status.Working, after: after}
}

// dependencyAway waits for a database that is away.
func (s *scope) dependencyAway(message string, now time.Time) error {
	wait := backoff(s.gate.Failures)
	message = fmt.Sprintf("%s. So %s is not to blame (%s); the gate begins anew when it is back",
		message, s.target.Spec.Image, s.gate.Breach.Subject)
	s.gate.Failures, s.gate.JudgeFrom, s.gate.Breach = s.gate.Failures+1, nil, nil
	s.gate.RetryAt = new(metav1.NewTime(now.Add(wait).Truncate(time.Second)))
	return s.holdDependency(message, wait)
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

// gateFailed rejects the revision, or leaves it if there is none to go back to.
func (r *Reconciler) gateFailed(ctx context.Context, s *scope, reason, message string) error {
	good, err := r.otherGood(ctx, s)
	if err != nil {
		return err
	}
	s.gate.Result, s.gate.Reason, s.gate.Message, s.gate.Breach = v1alpha1.GateFailed, reason, message, nil
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
	// running tells that it has not ended.
	running bool
	// away tells that the database is, and message says so.
	away    bool
	message string
}

// witnessHash tells the preflights that gates ask for apart: each breach has
// its own, so that none is judged by what was true at another.
func (s *scope) witnessHash() string {
	return workload.AttemptHash(s.gate.Revision, fmt.Sprintf("gate/%d/%d/%d", s.gate.StartedAt.Unix(), s.gate.Failures, s.gate.Breach.At.Unix()))
}

// witnessJob is the preflight that a breach is waiting for; empty without one.
func (s *scope) witnessJob() string {
	if s.gate == nil || s.gate.Breach == nil {
		return ""
	}
	return workload.PreflightJobName(s.rd.Name, s.witnessHash())
}

// askWitness runs the preflight of the image once more for each breach. One
// that finds nothing amiss but the database speaks for the revision.
func (r *Reconciler) askWitness(ctx context.Context, s *scope) (witness, error) {
	name := s.witnessJob()
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
			return witness{running: true}, nil
		}
	}
	return witness{running: true}, r.Applier.Create(ctx, s.rd, workload.PreflightJob(s.target, s.environment, s.witnessHash()))
}

// testimony is what a failed preflight said.
func (r *Reconciler) testimony(ctx context.Context, s *scope, job *batchv1.Job) (witness, error) {
	e, err := r.end(ctx, job)
	if err != nil || e == nil || !only(parseReport(strings.TrimSpace(e.message)), contract.CheckDatabase) {
		return witness{}, err
	}
	return witness{away: true, message: said(e, "", s.env)}, nil
}
