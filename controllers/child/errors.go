package child

import (
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// OwnershipConflict says that an object of the wanted name exists and is not
// ours. It is never taken over.
type OwnershipConflict struct {
	Kind    string
	Name    string
	OwnedBy string
	// Leaving says that it belonged to an owner of the same kind and name that
	// was deleted, so that it goes by itself.
	Leaving bool
	// Instead is what to do, where deleting the object is out of the question.
	Instead string
}

// Error says what to do about it.
func (e *OwnershipConflict) Error() string {
	owner := "nobody"
	if e.OwnedBy != "" {
		owner = e.OwnedBy
	}
	if e.Leaving {
		return fmt.Sprintf("%s %q belongs to the %s that was deleted and is being garbage-collected: it is created anew as soon as it is gone", e.Kind, e.Name, owner)
	}
	if e.Instead != "" {
		return fmt.Sprintf("%s %q exists and is controlled by %s: %s", e.Kind, e.Name, owner, e.Instead)
	}
	return fmt.Sprintf("%s %q exists and is controlled by %s: delete or rename it, and it will be created anew", e.Kind, e.Name, owner)
}

// Conflict is the error about an existing object of this kind that owner, of
// ownerKind, wants to have and does not control.
func Conflict(kind, ownerKind string, owner, existing client.Object) *OwnershipConflict {
	conflict := &OwnershipConflict{Kind: kind, Name: existing.GetName()}
	if ref := metav1.GetControllerOf(existing); ref != nil {
		conflict.OwnedBy = ref.Kind + " " + ref.Name
		conflict.Leaving = ref.Kind == ownerKind && ref.Name == owner.GetName() && ref.UID != owner.GetUID()
	}
	return conflict
}

// ownerKind is the kind of the owner that a child declares; empty for one that
// declares none.
func ownerKind(object *unstructured.Unstructured) string {
	if ref := metav1.GetControllerOf(object); ref != nil {
		return ref.Kind
	}
	return ""
}

// Refused tells an API server that understood a request and refused it from
// one that could not answer: trying again at once is of no use then.
func Refused(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) || apierrors.IsRequestEntityTooLargeError(err)
}

// Passing tells whether an error about a child goes by itself, so that nobody
// has to do anything: what stands in the way is being deleted, or a webhook
// is down.
func Passing(err error) bool {
	conflict, ok := errors.AsType[*OwnershipConflict](err)
	return ok && conflict.Leaving || apierrors.IsInternalError(err)
}

// precise turns the refusal of another object's UID into the conflict that it
// is: the object that the request is for was replaced since it was read.
func precise(err error) error {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || !apierrors.IsInvalid(err) || status.Status().Details == nil {
		return err
	}
	details := status.Status().Details
	if !slices.ContainsFunc(details.Causes, func(cause metav1.StatusCause) bool { return cause.Field == "metadata.uid" }) {
		return err
	}
	return apierrors.NewConflict(schema.GroupResource{Group: details.Group, Resource: details.Kind}, details.Name,
		errors.New("another object has taken the name since it was read"))
}
