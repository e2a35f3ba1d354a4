package rsolvdeployment

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// revisionAnnotation is what the Deployment controller writes on a Deployment
// and on the ReplicaSet of its newest template.
const revisionAnnotation = "deployment.kubernetes.io/revision"

// replicaSets lists those of the Deployment: the one of its newest template,
// nil when the API server has none yet, and the others.
func (r *Reconciler) replicaSets(ctx context.Context, s *scope) (newest *appsv1.ReplicaSet, older []appsv1.ReplicaSet, err error) {
	var sets appsv1.ReplicaSetList
	err = r.Live.List(ctx, &sets, client.InNamespace(s.rd.Namespace), client.MatchingLabels(workload.SelectorLabels(s.rd.Name)))
	if err != nil {
		return nil, nil, fmt.Errorf("listing the ReplicaSets of %s: %w", s.rd.Name, err)
	}
	for i := range sets.Items {
		set := &sets.Items[i]
		switch {
		case !metav1.IsControlledBy(set, s.deployment):
		case set.Annotations[revisionAnnotation] == s.deployment.Annotations[revisionAnnotation]:
			newest = set
		default:
			older = append(older, *set)
		}
	}
	return newest, older, nil
}

// rejectedLimit bounds the ReplicaSets of a RejectedRecord.
const rejectedLimit = 16

// nameRejected records whose pods a revision that was rejected just now has,
// together with those of the ones that were before it.
func (r *Reconciler) nameRejected(ctx context.Context, s *scope) error {
	newest, _, err := r.replicaSets(ctx, s)
	if err != nil || newest == nil {
		return err
	}
	pods := []string{newest.Name}
	if before := s.rd.Status.RejectedRevision; before != nil {
		pods = append(pods, slices.DeleteFunc(slices.Clone(before.Pods), func(name string) bool { return name == newest.Name })...)
	}
	s.rejected.Pods = pods[:min(rejectedLimit, len(pods))]
	return nil
}

// olderDown counts the pods of earlier templates that there should be and do
// not answer. What a Deployment counts does not tell: while it is scaled it
// wants more old pods and more new ones.
func (r *Reconciler) olderDown(ctx context.Context, s *scope) (int32, error) {
	newest, older, err := r.replicaSets(ctx, s)
	if err != nil {
		return 0, err
	}
	if newest == nil {
		// No old pod goes before its successor answers. So if fewer pods answer
		// than there should be, old ones have stopped answering.
		return max(0, wantedPods(s.deployment)-s.deployment.Status.AvailableReplicas), nil
	}
	down := int32(0)
	for i := range older {
		if wanted := older[i].Spec.Replicas; wanted != nil {
			down += max(0, *wanted-older[i].Status.AvailableReplicas)
		}
	}
	return down, nil
}

// podsOf lists the pods of a ReplicaSet.
func (r *Reconciler) podsOf(ctx context.Context, s *scope, set string) ([]corev1.Pod, error) {
	var pods corev1.PodList
	err := r.Live.List(unlogged(ctx), &pods, client.InNamespace(s.rd.Namespace), client.MatchingLabels(workload.SelectorLabels(s.rd.Name)))
	if err != nil {
		return nil, fmt.Errorf("listing the pods of %s: %w", s.rd.Name, err)
	}
	return slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool {
		owner := metav1.GetControllerOf(&pod)
		return owner == nil || owner.Name != set
	}), nil
}

// firstPod is when the oldest pod of a ReplicaSet was made. The ReplicaSet
// itself may be of an earlier attempt.
func (r *Reconciler) firstPod(ctx context.Context, s *scope, set string) (time.Time, error) {
	pods, err := r.podsOf(ctx, s, set)
	var first time.Time
	for i := range pods {
		if made := pods[i].CreationTimestamp.Time; first.IsZero() || made.Before(first) {
			first = made
		}
	}
	return first, err
}

// onlyUnplaced tells whether all pods that do not answer have no node to run
// on. That is no fault of theirs, and going back would need nodes as well.
func (r *Reconciler) onlyUnplaced(ctx context.Context, s *scope) (bool, error) {
	newest, _, err := r.replicaSets(ctx, s)
	if err != nil || newest == nil {
		return false, err
	}
	pods, err := r.podsOf(ctx, s, newest.Name)
	unplaced := int32(0)
	for i := range pods {
		if pods[i].Spec.NodeName == "" && pods[i].DeletionTimestamp.IsZero() {
			unplaced++
		}
	}
	down := wantedPods(s.deployment) - s.deployment.Status.AvailableReplicas
	return down > 0 && unplaced >= down, err
}

// awaitNodes holds a rollout for want of nodes.
func (s *scope) awaitNodes() error {
	verdict := status.False(v1alpha1.ReasonPodsUnavailable, fmt.Sprintf(
		"%d of %d pods answer, and the others have no node to run on; see why with kubectl describe pods -l %s=%s",
		s.deployment.Status.AvailableReplicas, wantedPods(s.deployment), contract.LabelDeployment, s.rd.Name))
	return &held{phase: v1alpha1.PhaseDegraded, verdict: verdict, progress: status.Working, after: longestPoll}
}
