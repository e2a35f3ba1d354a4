package rsolvdeployment

import (
	"context"
	"errors"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// runningRevision is the revision that a Deployment's pods have or are getting,
// empty when it does not say.
func runningRevision(d *appsv1.Deployment) string {
	if d == nil {
		return ""
	}
	return d.Annotations[contract.AnnotationRevision]
}

// rollingBack tells whether the pods run what was rejected, or are on the way
// from there to what was good.
func (s *scope) rollingBack() bool {
	running := runningRevision(s.deployment)
	return s.rejected != nil && s.lastGood != nil && (running == s.rejected.Hash || running == s.lastGood.Hash)
}

// guardRunning looks after the revision that runs while the declared one is
// held. Whatever holds it, an emptied secret or a preflight that fails, a
// rollback that was decided is done, and a revision that has not proven itself
// is judged. Nothing is promoted meanwhile, and Ready says what holds.
func (r *Reconciler) guardRunning(ctx context.Context, s *scope, stop *held) error {
	running := runningRevision(s.deployment)
	switch {
	case s.deployed || running == "" || s.lastGood == nil || running == s.lastGood.Hash:
		return stop
	case s.rejected != nil && s.rejected.Hash == running:
		return r.finishRollback(ctx, s, stop)
	case s.rd.Spec.Suspend:
		return stop // no Job may start, and the gate looks when it is over
	}
	of, err := r.runningScope(ctx, s, running)
	if err != nil {
		return err
	}
	available, _, _ := availability(s.deployment, s.rd.Status.Settled)
	of.smokeTested()
	of.gatePassed()
	_, err = r.judge(ctx, of, available)
	err = asHeld(err, of)
	h, isHeld := errors.AsType[*held](err)
	if err != nil && !isHeld {
		return err
	}
	rejected := of.rejected != s.rejected
	s.smoke, s.gate, s.rejected, s.rolledBack, s.backAt = of.smoke, of.gate, of.rejected, of.rolledBack, of.backAt
	for _, step := range []string{v1alpha1.ConditionSmokeTestPassed, v1alpha1.ConditionGatePassed} {
		if s.verdicts[step].Is() {
			delete(s.verdicts, step) // it is not the declared revision that passed
		}
	}
	switch {
	case rejected:
		return h
	case isHeld && h.after > 0 && (stop.after == 0 || h.after < stop.after):
		stop.after = h.after
	}
	return stop
}

// runningScope is the scope as it would be were the running revision declared:
// its image, with the copies of settings and secrets that its pods are given.
func (r *Reconciler) runningScope(ctx context.Context, s *scope, running string) (*scope, error) {
	of := *s
	of.revision = workload.Revision{Hash: running}
	of.target = s.target.DeepCopy()
	of.target.Spec.Image = runningImage(s.deployment)
	of.environment = workload.EnvironmentOf(&s.deployment.Spec.Template.Spec)
	given, err := r.secret(ctx, s.rd.Namespace, of.environment.Secret)
	if err != nil {
		return nil, err
	}
	if given != nil {
		of.env = given.Data // to be masked in what its pods say
	}
	return &of, nil
}

// finishRollback brings the last good revision back although the declared one
// is held. It has the values that it was good with, whatever the live ones are.
func (r *Reconciler) finishRollback(ctx context.Context, s *scope, stop *held) error {
	good, err := r.keptRevision(ctx, s)
	if err != nil {
		return err
	}
	if good == nil {
		return stop
	}
	err = r.applyDeployment(ctx, s, workload.Restored(s.rd, *good))
	if refused(err) {
		return stop // why is known already: the rollout is held for it, or will be
	}
	if err != nil {
		return err
	}
	_ = s.holdRejected(0) // for what it says of the rollback; stop says what holds
	if err := r.observe(ctx, s); err != nil {
		return err
	}
	return stop
}
