package rsolvdeployment

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
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
			return r.podsAway(ctx, s, seen, now)
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

// podsAway decides about pods that do not answer at the end of a gate.
func (r *Reconciler) podsAway(ctx context.Context, s *scope, seen *reading, now time.Time) error {
	unplaced, err := r.onlyUnplaced(ctx, s)
	switch {
	case err != nil:
		return err
	case unplaced:
		s.verdicts[v1alpha1.ConditionGatePassed] = status.False(v1alpha1.ReasonGateRunning, seen.watched(s)+", and answer all at once"+seen.notes(s))
		return s.awaitNodes()
	default:
		return r.gateBreached(ctx, s, s.podsDown(seen, now))
	}
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
