package rsolvdeployment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// applyWorkload changes what the pods run. A new Deployment gets its number of
// pods right after it is made, for it leaves replicas out.
func (r *Reconciler) applyWorkload(ctx context.Context, s *scope) error {
	if err := r.Applier.Apply(ctx, s.rd, workload.Deployment(s.rd, s.environment)); err != nil {
		return err
	}
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

// checkFlags holds the rollout while the flags that the pods would mount are
// somebody else's. Without any, the pods wait for them.
func (r *Reconciler) checkFlags(ctx context.Context, s *scope) error {
	var err error
	s.flags, err = r.publishedFlags(ctx, s.rd)
	return err
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
	if s.flags != nil {
		return nil
	}
	s.flags, err = r.publishedFlags(ctx, s.rd)
	if _, conflict := errors.AsType[*child.OwnershipConflict](err); conflict {
		return nil // checkFlags says so, when it is its turn
	}
	return err
}

// publishedFlags sums up the flags that the pods mount; nil while there are
// none. A ConfigMap of somebody else is an OwnershipConflict.
func (r *Reconciler) publishedFlags(ctx context.Context, rd *v1alpha1.RsolvDeployment) (*v1alpha1.FlagsRecord, error) {
	var published corev1.ConfigMap
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: rd.Namespace, Name: render.FlagsName(rd.Name)}, &published)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("reading the flags of %s: %w", rd.Name, err)
	}
	if !metav1.IsControlledBy(&published, rd) {
		return nil, child.Conflict(workload.ConfigMapKind.Kind, v1alpha1.KindRsolvDeployment, rd, &published)
	}
	return flagsRecord(published.Data), nil
}

// flagsRecord is nil for data that is no flags file.
func flagsRecord(data map[string]string) *v1alpha1.FlagsRecord {
	file, ok := data[contract.FlagsFile]
	if !ok {
		return nil
	}
	var content struct {
		Flags map[string]json.RawMessage `json:"flags"`
	}
	if err := json.Unmarshal([]byte(file), &content); err != nil {
		return nil
	}
	return &v1alpha1.FlagsRecord{Count: int32(len(content.Flags)), Digest: contract.FlagsDigest([]byte(file))} //nolint:gosec // a ConfigMap has no room for 2³¹ flags
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
				min(st.AvailableReplicas, st.UpdatedReplicas), desired, workload.ProgressDeadlineSeconds, contract.LabelDeployment, d.Name)),
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
