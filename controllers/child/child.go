// Package child writes the objects that a custom resource owns: by server-side
// apply with one field manager, only when something differs, and never over an
// object that belongs to somebody else.
package child

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FieldOwner is the field manager of everything that the operator applies.
const FieldOwner = client.FieldOwner("rsolv-operator")

// ReplicasOwner is the field manager of a Deployment's replicas alone. They
// live apart from the rest so that handing them to an autoscaler, or back,
// drops no field and so no pod.
const ReplicasOwner = client.FieldOwner("rsolv-replicas")

// OwnershipConflict says that an object of the wanted name exists and is not
// ours. It is never taken over.
type OwnershipConflict struct {
	Kind    string
	Name    string
	OwnedBy string
}

// Error says what to do about it.
func (e *OwnershipConflict) Error() string {
	owner := "nobody"
	if e.OwnedBy != "" {
		owner = e.OwnedBy
	}
	return fmt.Sprintf("%s %q exists and is controlled by %s: delete or rename it, and it will be created anew", e.Kind, e.Name, owner)
}

// Applier writes children. It is safe for concurrent use.
type Applier struct {
	client client.Client
	live   client.Reader
	seen   *seen
}

// NewApplier returns an Applier that reads from the cached client and, before
// it creates, from live, so that a stale cache never hides a foreign object.
func NewApplier(cached client.Client, live client.Reader) *Applier {
	return &Applier{client: cached, live: live, seen: newSeen()}
}

// Apply brings every object to its declared state. Objects that need nothing
// cost no request. One that fails does not keep the others from being applied;
// the errors are joined, OwnershipConflict among them.
func (a *Applier) Apply(ctx context.Context, owner client.Object, objects ...*unstructured.Unstructured) error {
	var errs []error
	for _, object := range objects {
		if err := a.applyOne(ctx, owner, object); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (a *Applier) applyOne(ctx context.Context, owner client.Object, object *unstructured.Unstructured) error {
	existing, err := a.find(ctx, object.GroupVersionKind(), client.ObjectKeyFromObject(object))
	if err != nil {
		return err
	}
	if existing != nil && !metav1.IsControlledBy(existing, owner) {
		return conflictWith(object, existing)
	}
	request := fingerprint(object)
	if existing != nil && a.seen.same(owner.GetUID(), object, existing, request) {
		return nil
	}
	// Forcing takes back fields that somebody edited by hand, which is meant
	// for objects that are ours alone. Without an existing object there is
	// nothing to take back, and a racing creator must win.
	options := []client.ApplyOption{FieldOwner}
	if existing != nil {
		options = append(options, client.ForceOwnership)
	}
	applied := object.DeepCopy()
	if err := a.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), options...); err != nil {
		return fmt.Errorf("applying %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	a.seen.remember(owner.GetUID(), applied, request)
	return nil
}

// Scale sets the replicas of a Deployment that is ours, under ReplicasOwner.
func (a *Applier) Scale(ctx context.Context, deployment *appsv1.Deployment, replicas int32) error {
	if deployment.Spec.Replicas != nil && *deployment.Spec.Replicas == replicas {
		return nil
	}
	scale := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": deployment.Name, "namespace": deployment.Namespace},
		"spec":     map[string]any{"replicas": int64(replicas)},
	}}
	if err := a.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(scale), ReplicasOwner, client.ForceOwnership); err != nil {
		return fmt.Errorf("scaling Deployment %s: %w", deployment.Name, err)
	}
	return nil
}

// Create makes an object that never changes afterwards: a Job, or an immutable
// ConfigMap or Secret. One that exists and is ours is left as it is.
func (a *Applier) Create(ctx context.Context, owner client.Object, object *unstructured.Unstructured) error {
	existing, err := a.find(ctx, object.GroupVersionKind(), client.ObjectKeyFromObject(object))
	if err != nil {
		return err
	}
	if existing != nil {
		if !metav1.IsControlledBy(existing, owner) {
			return conflictWith(object, existing)
		}
		return nil
	}
	if err := a.client.Create(ctx, object.DeepCopy(), FieldOwner); err != nil {
		return fmt.Errorf("creating %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// Delete removes an object if it exists and is ours. One that is not ours is
// left alone without an error: it was never our concern.
func (a *Applier) Delete(ctx context.Context, owner client.Object, gvk schema.GroupVersionKind, key client.ObjectKey) error {
	existing, err := a.find(ctx, gvk, key)
	if err != nil || existing == nil || !metav1.IsControlledBy(existing, owner) {
		return err
	}
	uid := existing.GetUID()
	err = a.client.Delete(ctx, existing,
		client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting %s %s: %w", gvk.Kind, key.Name, err)
	}
	return nil
}

// find returns the object in the form that the cache holds it, or nil. An
// object that the cache lacks is looked up once more at the API server.
func (a *Applier) find(ctx context.Context, gvk schema.GroupVersionKind, key client.ObjectKey) (client.Object, error) {
	object := cachedForm(gvk)
	err := a.client.Get(ctx, key, object)
	if apierrors.IsNotFound(err) {
		object = metadataOnly(gvk)
		err = a.live.Get(ctx, key, object)
	}
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // absence is an answer, and callers ask for it
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", gvk.Kind, key.Name, err)
	}
	return object, nil
}

// cachedForm picks the informer that the controllers run anyway: whole objects
// for what they observe, metadata for the rest.
func cachedForm(gvk schema.GroupVersionKind) client.Object {
	switch gvk {
	case appsv1.SchemeGroupVersion.WithKind("Deployment"):
		return &appsv1.Deployment{}
	case batchv1.SchemeGroupVersion.WithKind("Job"):
		return &batchv1.Job{}
	default:
		return metadataOnly(gvk)
	}
}

func metadataOnly(gvk schema.GroupVersionKind) client.Object {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(gvk)
	return object
}

func conflictWith(wanted *unstructured.Unstructured, existing client.Object) error {
	conflict := &OwnershipConflict{Kind: wanted.GetKind(), Name: wanted.GetName()}
	if ref := metav1.GetControllerOf(existing); ref != nil {
		conflict.OwnedBy = ref.Kind + " " + ref.Name
	}
	return conflict
}
