package rsolvdeployment

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// revisionAnnotation is what the Deployment controller writes on a Deployment
// and on the ReplicaSet of its newest template.
const revisionAnnotation = "deployment.kubernetes.io/revision"

// replicaSet finds the ReplicaSet of the Deployment's newest template; nil when
// the API server has none yet.
func (r *Reconciler) replicaSet(ctx context.Context, s *scope) (*appsv1.ReplicaSet, error) {
	var sets appsv1.ReplicaSetList
	err := r.Live.List(ctx, &sets, client.InNamespace(s.rd.Namespace), client.MatchingLabels(workload.SelectorLabels(s.rd.Name)))
	if err != nil {
		return nil, fmt.Errorf("listing the ReplicaSets of %s: %w", s.rd.Name, err)
	}
	for i := range sets.Items {
		set := &sets.Items[i]
		if metav1.IsControlledBy(set, s.deployment) && set.Annotations[revisionAnnotation] == s.deployment.Annotations[revisionAnnotation] {
			return set, nil
		}
	}
	return nil, nil //nolint:nilnil // absence is an answer
}

// firstPod is when the oldest pod of a ReplicaSet was made. The ReplicaSet
// itself may be of an earlier attempt.
func (r *Reconciler) firstPod(ctx context.Context, s *scope, set string) (time.Time, error) {
	var pods corev1.PodList
	err := r.Live.List(unlogged(ctx), &pods, client.InNamespace(s.rd.Namespace), client.MatchingLabels(workload.SelectorLabels(s.rd.Name)))
	if err != nil {
		return time.Time{}, fmt.Errorf("listing the pods of %s: %w", s.rd.Name, err)
	}
	var first time.Time
	for i := range pods.Items {
		made := pods.Items[i].CreationTimestamp.Time
		if owner := metav1.GetControllerOf(&pods.Items[i]); owner != nil && owner.Name == set && (first.IsZero() || made.Before(first)) {
			first = made
		}
	}
	return first, nil
}
