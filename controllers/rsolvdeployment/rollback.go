package rsolvdeployment

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// holdRejected says plainly that the spec and the pods differ.
func (s *scope) holdRejected(after time.Duration) error {
	says := "The spec says so, but the pods run %s (revision %s) again: declare another image, or ask for another attempt: " + s.askAgain()
	if !s.declaresRejected() {
		says = "The pods run %s (revision %s) again until " + s.rd.Spec.Image + " can be rolled out"
	}
	verdict := status.False(v1alpha1.ReasonRolledBack, fmt.Sprintf("%s (revision %s) was rejected: %s. "+says,
		s.rejected.Image, s.rejected.Hash, s.rejected.Message, s.lastGood.Image, s.lastGood.Hash))
	s.rolledBack = &verdict
	if failed := failedCondition(s.rejected.Reason); failed != v1alpha1.ConditionAvailable && s.verdicts[failed].Status == "" {
		s.verdicts[failed] = status.False(s.rejected.Reason, s.rejected.Image+" failed: "+s.rejected.Message)
	}
	return &held{phase: v1alpha1.PhaseReverted, verdict: verdict, progress: status.Stuck, after: after}
}

// declaresRejected tells whether the spec still has the image that was
// rejected, by its tag or by the digest that it was pinned to.
func (s *scope) declaresRejected() bool {
	image := s.rd.Spec.Image
	if s.preflight != nil && s.preflight.Image == image && s.preflight.Pinned != "" {
		return s.rejected.Image == s.preflight.Pinned || s.rejected.Image == image
	}
	return s.rejected.Image == image
}

// restore brings the last good revision back.
func (r *Reconciler) restore(ctx context.Context, s *scope) error {
	good, err := r.keptRevision(ctx, s)
	if err != nil {
		return err
	}
	if good == nil {
		return &held{phase: v1alpha1.PhaseFailed, progress: status.Stuck, verdict: status.False(v1alpha1.ReasonRolledBack, fmt.Sprintf(
			"%s was rejected: %s. The last good revision was deleted, so there is nothing to go back to: declare another image, or ask for another attempt: %s",
			s.rejected.Image, s.rejected.Message, s.askAgain()))}
	}
	if err := r.applyDeployment(ctx, s, workload.Restored(s.rd, *good)); err != nil {
		return err
	}
	return s.holdRejected(0)
}

// keepServing makes a Deployment anew that somebody deleted while the rollout
// is held, from what it last ran well.
func (r *Reconciler) keepServing(ctx context.Context, s *scope) error {
	if s.deployment != nil || s.deployed || !s.reached {
		return nil
	}
	good, err := r.keptRevision(ctx, s)
	if err != nil || good == nil {
		return err
	}
	err = r.applyDeployment(ctx, s, workload.Restored(s.rd, *good))
	if refused(err) {
		return nil // why is known already: the rollout is held for it, or will be
	}
	return err
}

// otherGood tells whether there is a revision to go back to.
func (r *Reconciler) otherGood(ctx context.Context, s *scope) (bool, error) {
	if s.lastGood == nil || s.lastGood.Hash == s.revision.Hash {
		return false, nil
	}
	good, err := r.keptRevision(ctx, s)
	return good != nil, err
}

// keptRevision reads the last good revision; nil when there is none.
func (r *Reconciler) keptRevision(ctx context.Context, s *scope) (*workload.Revision, error) {
	if s.lastGood == nil {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	var kept appsv1.ControllerRevision
	name := workload.RevisionName(s.rd.Name, s.lastGood.Hash)
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: s.rd.Namespace, Name: name}, &kept)
	if apierrors.IsNotFound(err) || (err == nil && !metav1.IsControlledBy(&kept, s.rd)) {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("reading ControllerRevision %s: %w", name, err)
	}
	revision, err := workload.ReadRevision(&kept)
	if err != nil {
		return nil, err
	}
	return &revision, nil
}
