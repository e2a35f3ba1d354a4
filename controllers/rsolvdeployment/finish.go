package rsolvdeployment

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// rolloutConditions in the order of a rollout.
var rolloutConditions = []string{
	v1alpha1.ConditionSecretsReady, v1alpha1.ConditionPreflightPassed, v1alpha1.ConditionFlagsReady,
	v1alpha1.ConditionMigrationsComplete, v1alpha1.ConditionAvailable, v1alpha1.ConditionSmokeTestPassed,
	v1alpha1.ConditionGatePassed,
	// No step, and so the last: nothing waits for it.
	v1alpha1.ConditionImagePinned,
}

// staleRetry is when to compute again a status that was computed from a stale
// object; the cache is fresh by then.
const staleRetry = 100 * time.Millisecond

// finish writes the status and decides about the next look. It is the only
// place that does either; h is the hold that stopped the rollout, or nil.
func (r *Reconciler) finish(ctx context.Context, before *v1alpha1.RsolvDeployment, s *scope, h *held) (ctrl.Result, error) {
	progress := s.writeStatus(h)
	changed, err := status.Patch(ctx, r.Client, before, s.rd)
	switch {
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: staleRetry}, nil
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil // deleted meanwhile
	case err != nil:
		return ctrl.Result{}, err
	}
	if changed {
		r.announce(before, s.rd, progress)
	}
	return s.nextLook(h), nil
}

func (s *scope) nextLook(h *held) ctrl.Result {
	after := time.Duration(0)
	if h != nil {
		after = h.after
	}
	for _, err := range s.refused {
		if wait := lookAgain(err); after == 0 || wait != 0 && wait < after {
			after = wait
		}
	}
	return ctrl.Result{RequeueAfter: after}
}

// writeStatus turns what was learned into the status of s.rd.
func (s *scope) writeStatus(h *held) status.Progress {
	st, generation := &s.rd.Status, s.rd.Generation
	for i, condition := range rolloutConditions {
		verdict, ok := s.verdicts[condition]
		if !ok {
			verdict = status.Unknown(v1alpha1.ReasonNotEvaluated, s.waitingFor(i))
		}
		status.Set(&st.Conditions, generation, condition, verdict)
	}
	switch {
	case s.rolledBack != nil:
		status.Set(&st.Conditions, generation, v1alpha1.ConditionRolledBack, status.True(s.rolledBack.Reason, s.rolledBack.Message))
	case !s.stillRolledBack(h):
		apimeta.RemoveStatusCondition(&st.Conditions, v1alpha1.ConditionRolledBack)
	}
	ready, progress, phase := s.conclude(h)
	status.Summarise(&st.Conditions, generation, ready, progress)

	st.Settled = settle(s.deployment, st.Settled)
	st.ObservedGeneration = generation
	st.Phase = phase
	st.Desired = s.desired
	st.Replicas, st.Available, st.Image = 0, 0, runningImage(s.deployment)
	if s.deployment != nil {
		st.Replicas, st.Available = s.deployment.Status.Replicas, s.deployment.Status.AvailableReplicas
	}
	st.Selector = labels.SelectorFromSet(workload.SelectorLabels(s.rd.Name)).String()
	if s.completed != nil {
		st.Migrations = s.completed
	}
	st.FailedMigrations = s.failed
	st.Preflight, st.Catalog, st.SmokeTest, st.Gate = s.preflight, s.catalog, s.smoke, s.gate
	st.LastGood, st.RejectedRevision, st.DependencyBackAt = s.lastGood, s.rejected, s.backAt
	st.LastGoodCatalog = s.lastGoodCatalog
	st.Flags = nil
	if s.published != nil { // nil where the flags are somebody else's
		st.Flags = s.published.record
	}
	return progress
}

// stillRolledBack tells that a rollback stands although this reconcile did not
// come as far as to say so: an earlier step holds the same spec, an emptied
// secret for instance.
func (s *scope) stillRolledBack(h *held) bool {
	was := apimeta.FindStatusCondition(s.rd.Status.Conditions, v1alpha1.ConditionRolledBack)
	running := runningRevision(s.deployment)
	return h != nil && s.rejected != nil && was != nil && was.ObservedGeneration == s.rd.Generation &&
		(running == "" || s.lastGood != nil && running == s.lastGood.Hash)
}

// waitingFor says which condition the i-th one, not evaluated, waits for.
func (s *scope) waitingFor(i int) string {
	for _, earlier := range rolloutConditions[:i] {
		if verdict, ok := s.verdicts[earlier]; ok && !verdict.Is() {
			return "not evaluated: " + earlier + " comes first"
		}
	}
	if s.desired == 0 {
		return "not evaluated: no pod runs"
	}
	return "not evaluated: see Ready"
}

// conclude sums up: a held rollout before refused children, and both before
// what the pods are doing.
func (s *scope) conclude(h *held) (ready status.Verdict, progress status.Progress, phase string) {
	available, progress, phase := availability(s.deployment, s.rd.Status.Settled)
	switch {
	case h != nil:
		verdict := status.False(h.verdict.Reason, h.verdict.Message)
		if len(s.refused) > 0 {
			verdict.Message += "; " + mask(refusal(s.refused).Message, s.env)
		}
		return verdict, h.progress, h.phase
	case len(s.refused) > 0:
		verdict := refusal(s.refused)
		return status.False(verdict.Reason, mask(verdict.Message, s.env)), outlook(s.refused), v1alpha1.PhaseHeld
	case !available.Is():
		return status.False(available.Reason, available.Message), progress, phase
	case s.rd.Spec.Suspend:
		return status.True(v1alpha1.ReasonSucceeded, available.Message+"; spec.suspend lets nothing else be rolled out"), status.Done, v1alpha1.PhaseSuspended
	default:
		return status.True(v1alpha1.ReasonSucceeded, available.Message), status.Done, v1alpha1.PhaseReady
	}
}

// announce tells of a change of phase, or of Ready's status or reason, and of
// nothing else.
func (r *Reconciler) announce(before, after *v1alpha1.RsolvDeployment, progress status.Progress) {
	was := apimeta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionReady)
	is := apimeta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady)
	if was != nil && was.Status == is.Status && was.Reason == is.Reason && before.Status.Phase == after.Status.Phase {
		return
	}
	kind := corev1.EventTypeNormal
	if progress == status.Stuck || after.Status.Phase == v1alpha1.PhaseHeld {
		kind = corev1.EventTypeWarning
	}
	r.Recorder.Eventf(after, nil, kind, is.Reason, after.Status.Phase, "%s", status.Note(is.Message))
}
