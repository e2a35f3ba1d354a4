package rsolvdeployment

import (
	"context"
	"slices"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// pauseSuspended pauses a rollout of pods that is under way while spec.suspend
// is set, and lets it go on afterwards. A rollback is no rollout: what was
// rejected is not kept serving.
func (r *Reconciler) pauseSuspended(ctx context.Context, s *scope) error {
	if s.deployment == nil {
		return nil
	}
	back := s.rollingBack()
	stop := s.rd.Spec.Suspend && !back && !complete(s.deployment) && !onlyScaled(s.deployment, s.rd.Status.Settled)
	if stop == s.deployment.Spec.Paused {
		return nil
	}
	if stop {
		return r.Applier.Pause(ctx, s.deployment)
	}
	if s.rd.Spec.Suspend && !back {
		return nil // complete, and nothing changes what its pods run
	}
	live, err := ownDeployment(ctx, r.Live, s.rd)
	if err != nil || live == nil {
		return err
	}
	return r.Applier.Resume(ctx, live)
}

// holdSuspended holds a rollout that spec.suspend stops: it lets no Job start
// and no pod change. Where the declared revision is the last good one already,
// there is nothing to hold.
func (r *Reconciler) holdSuspended(_ context.Context, s *scope) error {
	if !s.rd.Spec.Suspend || !s.pending() {
		return nil
	}
	message := "spec.suspend stops the rollout of " + s.rd.Spec.Image + " where it is"
	if image := runningImage(s.deployment); image != "" && image != s.rd.Spec.Image {
		message += "; the pods run, or are being rolled to, " + image
	}
	return &held{
		phase: v1alpha1.PhaseSuspended, progress: status.Stuck,
		verdict: status.False(v1alpha1.ReasonSuspended, message+". Set it to false to go on"),
	}
}

// pending tells whether there is anything left to do for the declared revision.
func (s *scope) pending() bool {
	if s.lastGood == nil || s.preflight == nil || !s.preflight.Passed || s.preflight.Hash != workload.PreflightHash(s.rd, s.environment) {
		return true
	}
	migrations, hash := s.rd.Status.Migrations, workload.MigrationHash(s.rd, s.environment)
	if migrations == nil || (migrations.Hash != hash && !slices.Contains(migrations.Earlier, hash)) {
		return true
	}
	target := s.rd.DeepCopy()
	if s.preflight.Pinned != "" {
		target.Spec.Image = s.preflight.Pinned
	}
	return workload.RevisionOf(workload.Deployment(target, s.environment)).Hash != s.lastGood.Hash
}
