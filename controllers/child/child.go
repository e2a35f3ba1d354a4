// Package child writes the objects that a custom resource owns: by server-side
// apply with one field manager, only when something differs, and never over an
// object that belongs to somebody else.
package child

import (
	"context"
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FieldOwner is the field manager of everything that the operator applies.
const FieldOwner = client.FieldOwner("rsolv-operator")

// ReplicasOwner is the field manager of a Deployment's replicas alone. They
// live apart from the rest so that handing them to an autoscaler, or back,
// drops no field and so no pod.
const ReplicasOwner = client.FieldOwner("rsolv-replicas")

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
	return a.applyIf(ctx, owner, object, owns)
}

// applyIf applies an object unless there is one that is not ours.
func (a *Applier) applyIf(ctx context.Context, owner client.Object, object *unstructured.Unstructured, ours func(existing, owner client.Object) bool) error {
	existing, err := a.find(ctx, object.GroupVersionKind(), client.ObjectKeyFromObject(object))
	if err != nil {
		return err
	}
	if existing != nil && !ours(existing, owner) {
		return Conflict(object.GetKind(), ownerKind(object), owner, existing)
	}
	request := fingerprint(object)
	if existing != nil && a.seen.same(owner.GetUID(), object, existing, request) {
		return nil
	}
	var uid types.UID
	if existing != nil {
		uid = existing.GetUID()
	}
	state, err := a.settle(ctx, object, uid)
	if err != nil {
		return fmt.Errorf("applying %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	a.seen.remember(owner.GetUID(), state, request)
	return nil
}

// rounds bounds the requests for one object. Two are the rule: one that the API
// server filled defaults in is created and then applied, an edited one is
// applied, freed of what was added and applied again. What is there after the
// last comes back with each write, by a webhook as a rule, and is left alone.
const rounds = 3

// settle applies an object until the answer is what is declared and nothing
// else where that matters, and returns the answer. The UID is empty for an
// object that does not exist.
func (a *Applier) settle(ctx context.Context, object *unstructured.Unstructured, uid types.UID) (*unstructured.Unstructured, error) {
	var state *unstructured.Unstructured
	var refused error
	for range rounds {
		var err error
		if state, refused, err = a.request(ctx, object, uid); err != nil {
			return nil, err
		}
		exact := uid == "" && asDeclared(object, state)
		cleaned, err := a.clean(ctx, object, state, exact)
		if err != nil {
			return nil, err
		}
		if exact || !cleaned {
			break
		}
		uid = state.GetUID()
	}
	return state, refused
}

// request creates or applies an object and returns the API server's answer. An
// edit by hand may contradict what is declared, so that the two together are
// refused: the object as it is comes with the refusal then.
func (a *Applier) request(ctx context.Context, object *unstructured.Unstructured, uid types.UID) (state *unstructured.Unstructured, refused, err error) {
	state = object.DeepCopy()
	if uid == "" {
		// Applying would change, not create, what somebody made a moment ago.
		return state, nil, a.client.Create(ctx, state, FieldOwner)
	}
	// Forcing takes back fields that were edited by hand, which is meant for
	// this very object: one that took its name since may be anybody's.
	state.SetUID(uid)
	refused = precise(a.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(state), FieldOwner, client.ForceOwnership))
	if !apierrors.IsInvalid(refused) {
		return state, nil, refused
	}
	state = &unstructured.Unstructured{}
	state.SetGroupVersionKind(object.GroupVersionKind())
	if err := a.live.Get(ctx, client.ObjectKeyFromObject(object), state); err != nil || state.GetUID() != uid {
		return nil, nil, refused
	}
	return state, refused, nil
}

// clean removes from an object what somebody added to it where only what is
// declared may be, and our own ownership by any request other than applying:
// of what is owned twice, nothing would go when it is declared no more. It
// tells whether there was anything, and leaves in live what is there now. exact
// says that live is new and holds what is declared and no more: what it is made
// of then is what applying would own.
func (a *Applier) clean(ctx context.Context, declared, live *unstructured.Unstructured, exact bool) (bool, error) {
	before := live.DeepCopy()
	exclusive[declared.GroupVersionKind().GroupKind()].prune(declared.Object, live.Object)
	if slices.ContainsFunc(live.GetManagedFields(), ownedByUpdate) {
		if err := csaupgrade.UpgradeManagedFields(live, sets.New(string(FieldOwner)), string(FieldOwner)); err != nil {
			return false, fmt.Errorf("reading who owns its fields: %w", err)
		}
		if exact {
			asApplied(live)
		}
	}
	if equality.Semantic.DeepEqual(before, live) {
		return false, nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return true, a.client.Patch(ctx, live, patch, FieldOwner)
}

func ownedByUpdate(entry metav1.ManagedFieldsEntry) bool {
	return entry.Manager == string(FieldOwner) && entry.Operation == metav1.ManagedFieldsOperationUpdate && entry.Subresource == ""
}

// Scale sets the replicas of this Deployment, which is ours, under
// ReplicasOwner. It needs the UID: a Deployment that took the name since is
// left alone, and the error is a conflict.
func (a *Applier) Scale(ctx context.Context, deployment *appsv1.Deployment, replicas int32) error {
	if deployment.Spec.Replicas != nil && *deployment.Spec.Replicas == replicas {
		return nil
	}
	scale := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": deployment.Name, "namespace": deployment.Namespace, "uid": string(deployment.UID)},
		"spec":     map[string]any{"replicas": int64(replicas)},
	}}
	if err := precise(a.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(scale), ReplicasOwner, client.ForceOwnership)); err != nil {
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
			return Conflict(object.GetKind(), ownerKind(object), owner, existing)
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
// for what they observe, and where metadata does not tell a change of the
// declaration from one of the status; metadata for the rest.
func cachedForm(gvk schema.GroupVersionKind) client.Object {
	switch gvk {
	case appsv1.SchemeGroupVersion.WithKind("Deployment"):
		return &appsv1.Deployment{}
	case batchv1.SchemeGroupVersion.WithKind("Job"):
		return &batchv1.Job{}
	case autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"):
		return &autoscalingv2.HorizontalPodAutoscaler{}
	default:
		return metadataOnly(gvk)
	}
}

func metadataOnly(gvk schema.GroupVersionKind) client.Object {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(gvk)
	return object
}
