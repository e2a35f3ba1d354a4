package rsolvdeployment

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// applyWorkload changes what the pods run, unless the declared revision was
// rejected and nobody asked for it again.
func (r *Reconciler) applyWorkload(ctx context.Context, s *scope) error {
	declared := workload.Deployment(s.target, s.environment)
	s.revision = workload.RevisionOf(declared)
	if s.rejected != nil && s.rejected.Hash == s.revision.Hash && s.lastGood != nil {
		if s.rejected.Attempt == s.attempt(s.revision.Hash) {
			return r.restore(ctx, s)
		}
		s.rejected = nil
	}
	return r.applyDeployment(ctx, s, declared)
}

// applyDeployment applies the Deployment. A new one gets its number of pods
// right after it is made, for it leaves replicas out.
func (r *Reconciler) applyDeployment(ctx context.Context, s *scope, declared *unstructured.Unstructured) error {
	if err := r.Applier.Apply(ctx, s.rd, declared); err != nil {
		return err
	}
	s.deployed = true
	if s.deployment != nil {
		return nil
	}
	made, err := ownDeployment(ctx, r.Live, s.rd)
	if err != nil {
		return err
	}
	if made == nil {
		return fmt.Errorf("scaling Deployment %s: it is gone again", s.rd.Name)
	}
	return r.Applier.Scale(ctx, made, s.desired)
}

// observe reads what runs. The Deployment comes from the API server: from the
// cache it might be the one before this reconcile changed it, and look ready.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	deployment, err := ownDeployment(ctx, r.Live, s.rd)
	if err != nil {
		return err
	}
	s.deployment = deployment
	if deployment != nil && s.rd.Spec.Autoscaling != nil && deployment.Spec.Replicas != nil {
		s.desired = *deployment.Spec.Replicas
	}
	s.verdicts[v1alpha1.ConditionAvailable], _, _ = availability(deployment, s.rd.Status.Settled)
	if _, err = r.readFlags(ctx, s); err != nil {
		if _, conflict := errors.AsType[*child.OwnershipConflict](err); conflict {
			return nil // checkFlags says so, when it is its turn
		}
	}
	return err
}

// availability judges a Deployment by its status, and by what ran when all of
// its pods last answered.
func availability(d *appsv1.Deployment, settled *v1alpha1.SettledRecord) (verdict status.Verdict, progress status.Progress, phase string) {
	if d == nil {
		return status.Unknown(v1alpha1.ReasonNotEvaluated, "there are no pods yet"), status.Working, v1alpha1.PhasePending
	}
	desired := wantedPods(d)
	st, progressing := &d.Status, progressReason(d)
	rolling := func(format string, args ...any) (status.Verdict, status.Progress, string) {
		return status.False(v1alpha1.ReasonRollingOut, fmt.Sprintf(format, args...)), status.Working, v1alpha1.PhaseRolling
	}
	switch {
	case onlyScaled(d, settled):
		return scaledAvailability(d, settled)
	case st.ObservedGeneration < d.Generation:
		return rolling("the Deployment has not taken up its change yet")
	case progressing == deadlineExceeded:
		return status.False(v1alpha1.ReasonDeadlineExceeded, fmt.Sprintf(
				"%d of %d new pods answer, and none more for %d s; the old ones keep serving. See why with "+
					"kubectl describe pods -l %s=%s, then fix it or declare another image",
				min(st.AvailableReplicas, st.UpdatedReplicas), desired, deadlineOf(d), contract.LabelDeployment, d.Name)),
			status.Stuck, v1alpha1.PhaseFailed
	case st.UpdatedReplicas < desired:
		return rolling("%d of %d pods are new", st.UpdatedReplicas, desired)
	case st.Replicas > st.UpdatedReplicas:
		return rolling("%d old pods are still to go", st.Replicas-st.UpdatedReplicas)
	case st.AvailableReplicas < desired && progressing == "NewReplicaSetAvailable":
		return unavailable(d)
	case st.AvailableReplicas < desired:
		return rolling("%d of %d pods answer", st.AvailableReplicas, desired)
	case desired == 0:
		return available("no pod runs, as declared")
	default:
		return available("%d of %d pods answer", st.AvailableReplicas, desired)
	}
}

// deadlineOf is how long a Deployment's rollout may stand still, in seconds.
func deadlineOf(d *appsv1.Deployment) int32 {
	if d.Spec.ProgressDeadlineSeconds == nil {
		return 600 // the API's default
	}
	return *d.Spec.ProgressDeadlineSeconds
}

func available(format string, args ...any) (status.Verdict, status.Progress, string) {
	return status.True(v1alpha1.ReasonSucceeded, fmt.Sprintf(format, args...)), status.Done, v1alpha1.PhaseReady
}

func unavailable(d *appsv1.Deployment) (status.Verdict, status.Progress, string) {
	return status.False(v1alpha1.ReasonPodsUnavailable, fmt.Sprintf(
		"%d of %d pods answer; see why with kubectl describe pods -l %s=%s",
		d.Status.AvailableReplicas, wantedPods(d), contract.LabelDeployment, d.Name)), status.Working, v1alpha1.PhaseDegraded
}

func progressReason(d *appsv1.Deployment) string {
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing {
			return c.Reason
		}
	}
	return ""
}

// runningImage is the image that a Deployment's pods have or are getting.
func runningImage(d *appsv1.Deployment) string {
	if d == nil {
		return ""
	}
	for i := range d.Spec.Template.Spec.Containers {
		if c := &d.Spec.Template.Spec.Containers[i]; c.Name == workload.AppContainer {
			return c.Image
		}
	}
	return ""
}
