package featureflag

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

const (
	// settleAfter is when a pod is touched for the second time: the first
	// touch may reach a kubelet before the ConfigMap does, which then would
	// refresh the mount with what it had.
	settleAfter = time.Second
	// longestPause bounds the time between two nudges of a pod that says that
	// it is behind.
	longestPause = 30 * time.Second
	// freshAfter is how much later than the flags a pod must have been created
	// to have started with them for certain. It covers the whole seconds of
	// the two times and a kubelet whose view of the ConfigMap lags behind.
	freshAfter = 5 * time.Second
)

// nudge touches the pods that may run older flags, so that their kubelets
// refresh the mounted ConfigMap at once, and a second time those that have not
// said by then that they run the newest. What was done stands in the pods'
// annotations alone. It returns when to look again, 0 for never.
func (r *Reconciler) nudge(ctx context.Context, s *scope) (wait time.Duration, err error) {
	acked, behind := map[string]bool{}, map[string]bool{}
	for _, a := range s.answers {
		acked[a.pod] = a.err == nil && a.status.Digest == s.plan.Digest
		// One that refuses the file has it.
		behind[a.pod] = a.err == nil && a.status.Digest != s.plan.Digest && a.status.Error == ""
	}
	var errs []error
	for i := range s.pods {
		pod := &s.pods[i]
		if acked[pod.Name] {
			continue
		}
		touch, again := touchFor(pod, s.plan.Digest, s.published.since, r.Clock(), behind[pod.Name])
		if len(touch) > 0 {
			switch err := r.annotate(ctx, pod, touch); {
			case apierrors.IsConflict(err):
				again = soon
			case apierrors.IsNotFound(err):
				again = 0
			case err != nil:
				errs = append(errs, err)
			}
		}
		wait = earliest(wait, again)
	}
	return wait, errors.Join(errs...)
}

// touchFor is the nudge that a pod needs now, if any, and when to look at it
// again, 0 for never. Since is when the flags with this digest were published.
// A pod that says that it is behind is nudged again and again, later and later:
// in a cluster under load a ConfigMap may reach its kubelet long after two
// nudges have.
func touchFor(pod metav1.Object, digest string, since, now time.Time, behind bool) (touch map[string]string, again time.Duration) {
	annotations := pod.GetAnnotations()
	nudged, settled := annotations[contract.AnnotationFlagsDigest], annotations[contract.AnnotationFlagsSettled]
	nudgedNow := strconv.FormatInt(now.UnixMilli(), 10)
	switch {
	case pod.GetDeletionTimestamp() != nil:
		return nil, 0
	case nudged == "" && pod.GetCreationTimestamp().After(since.Add(freshAfter)) && !behind:
		return nil, 0
	case nudged != digest:
		return map[string]string{contract.AnnotationFlagsDigest: digest, contract.AnnotationFlagsNudgedAt: nudgedNow}, settleAfter
	case settled == digest && !behind:
		return nil, 0
	}
	// An unreadable time, or one in the future by another clock, is as good as
	// past.
	millis, err := strconv.ParseInt(annotations[contract.AnnotationFlagsNudgedAt], 10, 64)
	last, pause := time.UnixMilli(millis), settleAfter
	if settled == digest {
		pause = min(max(last.Sub(since), settleAfter), longestPause)
	}
	if left := last.Add(pause).Sub(now); err == nil && 0 < left && left <= pause {
		return nil, left
	}
	return map[string]string{contract.AnnotationFlagsSettled: digest, contract.AnnotationFlagsNudgedAt: nudgedNow}, 0
}

// annotate refuses to write over a newer pod, so that a pod which the cache
// shows as it was before is not nudged twice.
func (r *Reconciler) annotate(ctx context.Context, pod *corev1.Pod, touch map[string]string) error {
	before := pod.DeepCopy()
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	maps.Copy(pod.Annotations, touch)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, pod, patch, child.FieldOwner); err != nil {
		return fmt.Errorf("nudging pod %s: %w", pod.Name, err)
	}
	return nil
}
