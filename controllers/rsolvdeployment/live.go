package rsolvdeployment

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// applyLive brings everything to its declared state that follows at once,
// outside any rollout. A refused one is reported and holds up nothing else,
// except for the ServiceAccount: pods must not act in a stranger's name.
func (r *Reconciler) applyLive(ctx context.Context, s *scope) error {
	if err := r.Applier.Apply(ctx, s.rd, workload.ServiceAccount(s.rd)); err != nil {
		return err
	}
	scaledByHPA, err := r.ownsAutoscaler(ctx, s.rd)
	if err != nil {
		return err
	}
	if err := r.learnKinds(ctx, s); err != nil {
		return err
	}
	var errs []error
	for _, kind := range workload.Undeclared(s.rd) {
		if s.unknown[kind] == nil {
			errs = append(errs, r.Applier.Delete(ctx, s.rd, kind, client.ObjectKeyFromObject(s.rd)))
		}
	}
	for _, object := range workload.Live(s.rd) {
		if unknown := s.unknown[object.GroupVersionKind()]; unknown != nil {
			errs = append(errs, unknown)
			continue
		}
		errs = append(errs, r.Applier.Apply(ctx, s.rd, object))
	}
	errs = append(errs, r.applyReplicas(ctx, s, scaledByHPA && s.rd.Spec.Autoscaling == nil))
	s.reached = true
	return s.report(errors.Join(errs...))
}

// report keeps refusals for the status and returns the other errors.
func (s *scope) report(err error) error {
	var others []error
	for _, each := range flatten(err) {
		if refused(each) {
			s.refused = append(s.refused, each)
			continue
		}
		others = append(others, each)
	}
	return errors.Join(others...)
}

func (r *Reconciler) ownsAutoscaler(ctx context.Context, rd *v1alpha1.RsolvDeployment) (bool, error) {
	hpa := &autoscalingv2.HorizontalPodAutoscaler{}
	err := r.Client.Get(ctx, client.ObjectKeyFromObject(rd), hpa)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading HorizontalPodAutoscaler %s: %w", rd.Name, err)
	}
	return metav1.IsControlledBy(hpa, rd), nil
}

// applyReplicas decides the number of pods and scales a Deployment that is
// there. At a hand-over the autoscaler is gone and its last word may not have
// reached the cache: the number is read from the API server then.
func (r *Reconciler) applyReplicas(ctx context.Context, s *scope, handOver bool) error {
	if handOver && s.deployment != nil {
		live, err := ownDeployment(ctx, r.Live, s.rd)
		if err != nil {
			return err
		}
		s.deployment = live
	}
	s.desired = desiredReplicas(s.rd, s.deployment, handOver)
	if s.deployment == nil {
		return nil
	}
	return r.Applier.Scale(ctx, s.deployment, s.desired)
}

// desiredReplicas is the number of pods to have. Without a declared number it
// is the one that was there: the autoscaler's while it is in charge or has
// just been dismissed, and after that the recorded one.
func desiredReplicas(rd *v1alpha1.RsolvDeployment, deployment *appsv1.Deployment, handOver bool) int32 {
	var live int32
	if deployment != nil && deployment.Spec.Replicas != nil {
		live = *deployment.Spec.Replicas
	}
	switch {
	case rd.Spec.Replicas != nil:
		return *rd.Spec.Replicas
	case rd.Spec.Autoscaling != nil && live > 0:
		return live
	case rd.Spec.Autoscaling != nil:
		// An autoscaler never touches a Deployment that is scaled to zero.
		return rd.Spec.Autoscaling.MinReplicas
	case handOver && live > 0:
		return live
	case rd.Status.Desired > 0:
		return rd.Status.Desired
	default:
		return workload.DefaultReplicas
	}
}
