// Package status turns what a reconciler learned into conditions, and writes
// them only when they changed.
package status

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// messageLimit is the API server's bound on a condition's message.
const messageLimit = 32768

// Verdict is one condition's outcome before it is written.
type Verdict struct {
	Status  metav1.ConditionStatus
	Reason  string
	Message string
}

// True is a verdict for a condition. The message of a verdict says what was
// seen and, unless it is true, what to do.
func True(reason, message string) Verdict {
	return Verdict{Status: metav1.ConditionTrue, Reason: reason, Message: message}
}

// False is a verdict against a condition; see True.
func False(reason, message string) Verdict {
	return Verdict{Status: metav1.ConditionFalse, Reason: reason, Message: message}
}

// Unknown is the verdict on a condition that could not be evaluated yet.
func Unknown(reason, message string) Verdict {
	return Verdict{Status: metav1.ConditionUnknown, Reason: reason, Message: message}
}

// Is tells whether the verdict is true.
func (v Verdict) Is() bool { return v.Status == metav1.ConditionTrue }

// Set writes one condition.
func Set(conditions *[]metav1.Condition, generation int64, conditionType string, v Verdict) {
	if len(v.Message) > messageLimit {
		v.Message = v.Message[:messageLimit-3] + "..."
	}
	apimeta.SetStatusCondition(conditions, metav1.Condition{
		Type: conditionType, Status: v.Status, Reason: v.Reason, Message: v.Message, ObservedGeneration: generation,
	})
}

// Progress says how far from Ready an object is, in kstatus terms.
type Progress int

const (
	// Done means that nothing is left to do.
	Done Progress = iota
	// Working means that the controller will get further by itself.
	Working
	// Stuck means that nothing moves until somebody changes something.
	Stuck
)

// Summarise writes Ready, and Reconciling or Stalled as the progress says.
// Both are present only while true, which is what kstatus expects.
func Summarise(conditions *[]metav1.Condition, generation int64, ready Verdict, progress Progress) {
	Set(conditions, generation, v1alpha1.ConditionReady, ready)
	transient := map[string]bool{
		v1alpha1.ConditionReconciling: progress == Working,
		v1alpha1.ConditionStalled:     progress == Stuck,
	}
	for _, conditionType := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if transient[conditionType] {
			Set(conditions, generation, conditionType, Verdict{metav1.ConditionTrue, ready.Reason, ready.Message})
			continue
		}
		apimeta.RemoveStatusCondition(conditions, conditionType)
	}
}

// Patch writes after's status if it differs from before's, and tells whether
// it did. The patch carries the resource version, so that a status computed
// from a stale object is refused and computed again.
func Patch(ctx context.Context, c client.Client, before, after client.Object) (bool, error) {
	if equality.Semantic.DeepEqual(before, after) {
		return false, nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := c.Status().Patch(ctx, after, patch, client.FieldOwner("rsolv-operator")); err != nil {
		return false, fmt.Errorf("writing the status of %s: %w", after.GetName(), err)
	}
	return true, nil
}

// noteLimit is the API server's bound on an event's note, in bytes.
const noteLimit = 1024

// Note cuts a message to what an event can hold.
func Note(message string) string {
	if len(message) <= noteLimit {
		return message
	}
	return strings.ToValidUTF8(message[:noteLimit-len("…")], "") + "…"
}
