package rsolvdeployment

import (
	"context"
	"errors"
	"fmt"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// recoveryGrace is how long new pods have to answer once the old ones, which
// had stopped together with them, answer again.
const recoveryGrace = 2 * time.Minute

// verify judges the declared revision by what its pods do. One that answers
// and passes smoke test and gate is the last good one from then on; one that
// does not is rejected, if there is one to go back to.
func (r *Reconciler) verify(ctx context.Context, s *scope) error {
	available, _, _ := availability(s.deployment, s.rd.Status.Settled)
	s.smokeTested()
	s.gatePassed()
	if s.lastGood != nil && s.lastGood.Hash == s.revision.Hash {
		// Somebody may have deleted it, and the moment to need it may be near.
		if err := r.Applier.Create(ctx, s.rd, workload.ControllerRevision(s.rd, s.revision)); err != nil {
			return err
		}
	}
	proven, err := r.judge(ctx, s, available)
	if err != nil || !proven {
		return err
	}
	if err := r.Applier.Create(ctx, s.rd, workload.ControllerRevision(s.rd, s.revision)); err != nil {
		return err
	}
	s.lastGood = &v1alpha1.RevisionRecord{Hash: s.revision.Hash, Image: s.target.Spec.Image}
	s.lastGoodCatalog = s.catalog
	s.rejected = nil
	return nil
}

// judge tells whether a revision has proven itself. One that replaces another
// is judged while its pods do not answer, too: a Deployment that was complete
// once misses no deadline any more, whatever becomes of its pods.
func (r *Reconciler) judge(ctx context.Context, s *scope, available status.Verdict) (proven bool, err error) {
	before := s.rejected
	proven, err = r.prove(ctx, s, available)
	if s.rejected != before {
		if err := r.nameRejected(ctx, s); err != nil {
			return false, err
		}
	}
	return proven, err
}

func (r *Reconciler) prove(ctx context.Context, s *scope, available status.Verdict) (proven bool, err error) {
	down := available.Reason == v1alpha1.ReasonPodsUnavailable && s.lastGood != nil && s.lastGood.Hash != s.revision.Hash
	switch {
	case available.Reason == v1alpha1.ReasonDeadlineExceeded:
		return false, r.deadlineMissed(ctx, s, available)
	case !available.Is() && !down:
		return false, nil
	}
	s.backAt = nil
	if s.desired == 0 {
		return false, nil // nothing runs, so nothing is proven
	}
	for _, check := range []func(context.Context, *scope) error{r.runSmokeTest, r.runGate} {
		if err := check(ctx, s); err != nil {
			return false, s.degraded(err, available)
		}
	}
	if down {
		return false, r.stillDown(ctx, s, available)
	}
	s.smoke.DownSince = nil
	return true, nil
}

// degraded says of pods that do not answer, while there is nothing worse to
// say.
func (s *scope) degraded(err error, available status.Verdict) error {
	h, isHeld := errors.AsType[*held](err)
	if isHeld && !available.Is() && h.phase == v1alpha1.PhaseGating && s.gate.Breach == nil && h.verdict.Reason != v1alpha1.ReasonDependencyDown {
		h.phase, h.verdict = v1alpha1.PhaseDegraded, available
	}
	return err
}

// stillDown decides about a revision without a gate whose pods stopped
// answering before it had proven itself. They have as long to come back as
// they had to come up.
func (r *Reconciler) stillDown(ctx context.Context, s *scope, available status.Verdict) error {
	good, err := r.otherGood(ctx, s)
	if err != nil || (failure{good: good, wanted: autoRollback(s.rd)}).decide() == leave {
		return err
	}
	now := r.Clock()
	if s.smoke.DownSince == nil {
		s.smoke.DownSince = new(metav1.NewTime(now.Truncate(time.Second)))
	}
	left := s.smoke.DownSince.Add(workload.ProgressDeadline(s.rd)).Sub(now)
	if left > 0 {
		return &held{phase: v1alpha1.PhaseDegraded, verdict: available, progress: status.Working, after: left}
	}
	unplaced, err := r.onlyUnplaced(ctx, s)
	if err != nil {
		return err
	}
	if unplaced {
		return s.awaitNodes()
	}
	return s.reject(v1alpha1.ReasonDeadlineExceeded, fmt.Sprintf("%d of %d pods answer, and not all have for %d s",
		s.deployment.Status.AvailableReplicas, wantedPods(s.deployment), int(workload.ProgressDeadline(s.rd).Seconds())), available)
}

// outcome is what becomes of a revision that failed.
type outcome int

const (
	// leave it running: there is nothing better, or nobody wants a rollback.
	leave outcome = iota
	// reject it and bring the last good one back.
	reject
	// wait: it may not be the revision's fault.
	wait
)

// failure is what the decision about a failed revision depends on.
type failure struct {
	// good tells that there is another revision to go back to.
	good bool
	// wanted tells that rollbacks are wanted.
	wanted bool
	// othersDown tells that pods of other revisions do not answer either.
	othersDown bool
	// recovering tells that they did not until a moment ago.
	recovering bool
}

func (f failure) decide() outcome {
	switch {
	case !f.good || !f.wanted:
		return leave
	case f.othersDown || f.recovering:
		return wait
	default:
		return reject
	}
}

func autoRollback(rd *v1alpha1.RsolvDeployment) bool {
	return rd.Spec.Rollout == nil || rd.Spec.Rollout.AutoRollback == nil || *rd.Spec.Rollout.AutoRollback
}

// deadlineMissed decides about a revision whose pods do not come up.
func (r *Reconciler) deadlineMissed(ctx context.Context, s *scope, available status.Verdict) error {
	good, err := r.otherGood(ctx, s)
	if err != nil {
		return err
	}
	older, err := r.olderDown(ctx, s)
	if err != nil {
		return err
	}
	down := older > 0
	left := s.recovering(r.Clock(), down)
	switch (failure{good: good, wanted: autoRollback(s.rd), othersDown: down, recovering: left > 0}).decide() {
	case leave:
		s.backAt = nil
		return nil
	case wait:
		verdict := status.False(v1alpha1.ReasonDependencyDown, s.dependencyMessage(down))
		s.verdicts[v1alpha1.ConditionAvailable] = verdict
		return &held{phase: v1alpha1.PhaseDegraded, verdict: verdict, progress: status.Working, after: left}
	default:
		return s.reject(v1alpha1.ReasonDeadlineExceeded, fmt.Sprintf("no further new pod answered for %d s (%d of %d are new)",
			int(workload.ProgressDeadline(s.rd).Seconds()), s.deployment.Status.UpdatedReplicas, wantedPods(s.deployment)), available)
	}
}

func (s *scope) dependencyMessage(down bool) string {
	if down {
		return fmt.Sprintf("%d of %d pods answer, old ones among those that do not: something that all of them need is away, so %s is not to blame. "+
			"See why with kubectl describe pods -l %s=%s; the rollout goes on when they answer again",
			s.deployment.Status.AvailableReplicas, wantedPods(s.deployment), s.target.Spec.Image, contract.LabelDeployment, s.rd.Name)
	}
	return fmt.Sprintf("the old pods answer again since %s; the new ones have %s from then on", s.backAt.UTC().Format(time.RFC3339), recoveryGrace)
}

// recovering keeps track of a recovery, and returns how long the new pods
// still have.
func (s *scope) recovering(now time.Time, down bool) time.Duration {
	if down {
		s.backAt = nil
		return 0
	}
	was := apimeta.FindStatusCondition(s.rd.Status.Conditions, v1alpha1.ConditionAvailable)
	if s.backAt == nil && was != nil && was.Reason == v1alpha1.ReasonDependencyDown {
		s.backAt = new(metav1.NewTime(now.Truncate(time.Second)))
	}
	if s.backAt == nil {
		return 0
	}
	return s.backAt.Add(recoveryGrace).Sub(now)
}

// reject records that the revision is not to run. It is brought back in the
// next reconcile, when that is written: a manager that dies in between must
// not start it over.
func (s *scope) reject(reason, why string, condition status.Verdict) error {
	s.rejected = &v1alpha1.RejectedRecord{
		RevisionRecord: v1alpha1.RevisionRecord{Hash: s.revision.Hash, Image: s.target.Spec.Image},
		Attempt:        s.attempt(s.revision.Hash), Reason: reason, Message: why,
	}
	s.backAt = nil
	s.verdicts[failedCondition(reason)] = condition
	return s.holdRejected(staleRetry)
}

// failedCondition is the step of a rollout that fails for a reason.
func failedCondition(reason string) string {
	switch reason {
	case v1alpha1.ReasonDeadlineExceeded:
		return v1alpha1.ConditionAvailable
	case v1alpha1.ReasonSmokeTestFailed:
		return v1alpha1.ConditionSmokeTestPassed
	default:
		return v1alpha1.ConditionGatePassed
	}
}

// attempt names an attempt at something: it is another one when somebody asks
// for one.
func (s *scope) attempt(hash string) string {
	return workload.AttemptHash(hash, s.rd.Annotations[contract.AnnotationRetry])
}
