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
func (r *Reconciler) report(ctx context.Context, s *scope, verdict flags.Verdict) error {
	before, after := verdict.Flag, verdict.Flag.DeepCopy()
	assess(after, verdict, s.hold)
	assessAge(after, r.Clock())
	written, err := status.Patch(ctx, r.Client, before, after)
	if err != nil || !written {
		return err
	}
	if stale := apimeta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionStale); stale != nil &&
		!apimeta.IsStatusConditionTrue(before.Status.Conditions, v1alpha1.ConditionStale) {
		r.Recorder.Eventf(after, nil, corev1.EventTypeWarning, stale.Reason, "Expire", "%s", status.Note(stale.Message))
	}
	was, is := readiness(before), readiness(after)
	if was.Status == is.Status && was.Reason == is.Reason && before.Status.Default == after.Status.Default {
		return nil
	}
	eventType := corev1.EventTypeWarning
	if is.Status == metav1.ConditionTrue {
		eventType = corev1.EventTypeNormal
	}
	r.Recorder.Eventf(after, nil, eventType, is.Reason, "Publish", "%s", status.Note(is.Message))
	return nil
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
	status.Set(&s.Conditions, flag.Generation, v1alpha1.ConditionPublished, publishedVerdict(flag, verdict, h))
	ready, progress := readyVerdict(flag, verdict, h)
	status.Summarise(&s.Conditions, flag.Generation, ready, progress)
}

// assessAge says that an expired flag is to be removed. It takes nothing away
// from the flag: answers never change because a day came.
func assessAge(flag *v1alpha1.FeatureFlag, now time.Time) {
	expires, ok := flags.Expires(flag)
	if !ok || now.Before(expires) {
		apimeta.RemoveStatusCondition(&flag.Status.Conditions, v1alpha1.ConditionStale)
		return
	}
	status.Set(&flag.Status.Conditions, flag.Generation, v1alpha1.ConditionStale, status.True(v1alpha1.ReasonExpired, fmt.Sprintf(
		"the flag expired on %s and still answers as before; remove %q from the app's code and then this FeatureFlag, or set a later spec.lifecycle.expiresAt (owner: %s)",
		flag.Spec.Lifecycle.ExpiresAt, flag.Status.Key, flag.Spec.Lifecycle.Owner)))
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
