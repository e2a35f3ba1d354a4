package featureflag

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/flags"
)

// report writes the status of one flag if it changed, and an event if what
// people act on did.
//
// It returns when there will be more to say, 0 for never.
func (r *Reconciler) report(ctx context.Context, s *scope, verdict flags.Verdict, now time.Time) (again time.Duration, err error) {
	before, after := verdict.Flag, verdict.Flag.DeepCopy()
	assess(after, verdict, s.hold)
	again = s.assessPropagation(after, verdict.Key, now)
	s.assessUse(after, verdict.Key, now)
	s.assessAge(after, now)
	written, err := status.Patch(ctx, r.Client, before, after)
	if err != nil || !written {
		return again, err
	}
	r.announce(before, after)
	return again, nil
}

// announce tells of a change of what people act on.
func (r *Reconciler) announce(before, after *v1alpha1.FeatureFlag) {
	if stale := apimeta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionStale); stale != nil {
		was := apimeta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionStale)
		if was == nil || was.Reason != stale.Reason {
			r.Recorder.Eventf(after, nil, corev1.EventTypeWarning, stale.Reason, "Age", "%s", status.Note(stale.Message))
		}
	}
	was, is := readiness(before), readiness(after)
	if was.Status == is.Status && was.Reason == is.Reason && before.Status.Default == after.Status.Default {
		return
	}
	eventType := corev1.EventTypeWarning
	if is.Status == metav1.ConditionTrue {
		eventType = corev1.EventTypeNormal
	}
	r.Recorder.Eventf(after, nil, eventType, is.Reason, "Publish", "%s", status.Note(is.Message))
}

func readiness(flag *v1alpha1.FeatureFlag) metav1.Condition {
	if ready := apimeta.FindStatusCondition(flag.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return *ready
	}
	return metav1.Condition{}
}

// assess turns the verdict on a flag into its status. Nothing in it depends on
// other flags, so that a change of one leaves the others' statuses alone.
func assess(flag *v1alpha1.FeatureFlag, verdict flags.Verdict, h *hold) {
	s := &flag.Status
	s.ObservedGeneration = flag.Generation
	s.Key = verdict.Key
	if h == nil {
		s.Default = verdict.Default
	} else if !h.retried {
		s.Default = ""
	}
	valid := status.True(v1alpha1.ReasonSucceeded, fmt.Sprintf("the definition is valid and the key %q is free", verdict.Key))
	if verdict.Reason != "" {
		valid = status.False(verdict.Reason, verdict.Message)
	}
	status.Set(&s.Conditions, flag.Generation, v1alpha1.ConditionValid, valid)
	status.Set(&s.Conditions, flag.Generation, v1alpha1.ConditionCatalogMatched, matchVerdict(verdict.Match))
	status.Set(&s.Conditions, flag.Generation, v1alpha1.ConditionPublished, publishedVerdict(flag, verdict, h))
	ready, progress := readyVerdict(flag, verdict, h)
	status.Summarise(&s.Conditions, flag.Generation, ready, progress)
}

func matchVerdict(match flags.Match) status.Verdict {
	switch match.Reason {
	case "":
		return status.True(v1alpha1.ReasonSucceeded, match.Message)
	case v1alpha1.ReasonCatalogUnavailable:
		return status.Unknown(match.Reason, match.Message)
	default:
		return status.False(match.Reason, match.Message)
	}
}

// assessPropagation says which pods have the flag. How many pods there are
// changes in a rollout without any meaning for the flag, so while all of them
// have it, another number is written when it has settled.
func (s *scope) assessPropagation(flag *v1alpha1.FeatureFlag, key string, now time.Time) (again time.Duration) {
	conditions, generation := &flag.Status.Conditions, flag.Generation
	if s.hold != nil {
		flag.Status.Acked = ""
		status.Set(conditions, generation, v1alpha1.ConditionPropagated, status.Unknown(v1alpha1.ReasonNotEvaluated, "not evaluated: nothing can be published, see Ready"))
		return 0
	}
	if _, published := s.plan.Entries[key]; !published {
		flag.Status.Acked = ""
		status.Set(conditions, generation, v1alpha1.ConditionPropagated, status.Unknown(v1alpha1.ReasonNotPublished, "not evaluated: nothing of this flag is published, see Published"))
		return 0
	}
	p := propagated(key, s.answers, s.seen.history)
	was := apimeta.FindStatusCondition(*conditions, v1alpha1.ConditionPropagated)
	if was != nil && was.Status == metav1.ConditionTrue && p.complete && flag.Status.Acked != p.acked {
		if left := steadyFor - now.Sub(s.seen.since); left > 0 {
			p.verdict, p.acked, again = status.True(was.Reason, was.Message), flag.Status.Acked, left
		}
	}
	flag.Status.Acked = p.acked
	status.Set(conditions, generation, v1alpha1.ConditionPropagated, p.verdict)
	return again
}

// untilExpiry is how long it is until the next of the flags expires; 0 when
// none will.
func untilExpiry(list []*v1alpha1.FeatureFlag, now time.Time) (wait time.Duration) {
	for _, flag := range list {
		if expires, ok := flags.Expires(flag); ok && now.Before(expires) {
			wait = earliest(wait, expires.Sub(now))
		}
	}
	return wait
}

func publishedVerdict(flag *v1alpha1.FeatureFlag, verdict flags.Verdict, h *hold) status.Verdict {
	switch {
	case h != nil:
		return status.False(h.reason, h.message)
	case verdict.LastGood():
		return status.False(v1alpha1.ReasonLastGoodPublished, keeps(verdict))
	case verdict.TooLarge:
		return status.False(v1alpha1.ReasonTooLarge, verdict.Message)
	case verdict.Reason != "":
		return status.False(verdict.Reason, "not published: "+verdict.Message)
	default:
		return status.True(v1alpha1.ReasonSucceeded, serves(flag, verdict))
	}
}

func readyVerdict(flag *v1alpha1.FeatureFlag, verdict flags.Verdict, h *hold) (status.Verdict, status.Progress) {
	switch {
	case h != nil && (h.retried || h.awaited):
		return status.False(h.reason, h.message), status.Working
	case h != nil:
		return status.False(h.reason, h.message), status.Stuck
	case verdict.Current() && verdict.Match.Reason == v1alpha1.ReasonTypeMismatch:
		return status.False(verdict.Match.Reason, verdict.Match.Message), status.Stuck
	case verdict.Current():
		return status.True(v1alpha1.ReasonSucceeded, serves(flag, verdict)), status.Done
	}
	reason, message := verdict.Reason, verdict.Message
	if verdict.TooLarge {
		reason = v1alpha1.ReasonTooLarge
	}
	if verdict.LastGood() {
		message += "; until then " + keeps(verdict)
	}
	return status.False(reason, message), status.Stuck
}

func serves(flag *v1alpha1.FeatureFlag, verdict flags.Verdict) string {
	switch {
	case flag.Spec.State == v1alpha1.FlagDisabled:
		return fmt.Sprintf("the pods of %q are told that %q is disabled, and use the default in their code", flag.Spec.DeploymentRef.Name, verdict.Key)
	case len(flag.Spec.Rules) > 0 || flag.Spec.Targeting != nil:
		return fmt.Sprintf("the pods of %q are given the rules of %q, and variant %q where none applies", flag.Spec.DeploymentRef.Name, verdict.Key, verdict.Default)
	}
	return fmt.Sprintf("the pods of %q are given variant %q of %q", flag.Spec.DeploymentRef.Name, verdict.Default, verdict.Key)
}

func keeps(verdict flags.Verdict) string {
	return fmt.Sprintf("the last good definition stays published, with variant %q", verdict.Default)
}
