package rsolvdeployment

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

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
