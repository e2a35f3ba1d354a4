package child

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// stale is a client whose reads answer what get says, as a cache does that has
// not heard the news; its writes are real.
func (f fixture) stale(get func(object client.Object) error) client.Client {
	return interceptor.NewClient(f.client, interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
			return get(object)
		},
	})
}

// replace deletes what is there and makes a stranger's object of that name.
func (f fixture) replace(t *testing.T, ours, foreign client.Object) {
	t.Helper()
	if err := f.client.Delete(t.Context(), ours); err != nil {
		t.Fatal(err)
	}
	if err := f.client.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
}

// TestStaleReaderAdoptsNothing: the cache still shows our object, and a
// stranger has made one of that name since.
func TestStaleReaderAdoptsNothing(t *testing.T) {
	f := newFixture(t)
	if err := f.applier.Apply(t.Context(), f.owner, f.child("one", "a")); err != nil {
		t.Fatal(err)
	}
	ours := f.read(t, "one")
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ours.Namespace, Name: "one"}, Data: map[string]string{"theirs": "kept"}}
	f.replace(t, ours.DeepCopy(), foreign)

	stale := f.stale(func(object client.Object) error {
		object.SetName(ours.Name)
		object.SetUID(ours.UID)
		object.SetOwnerReferences(ours.OwnerReferences)
		return nil
	})
	applier := NewApplier(stale, f.client)
	err := applier.Apply(t.Context(), f.owner, f.child("one", "b"))
	if !apierrors.IsConflict(err) {
		t.Errorf("Apply() = %v, want a conflict, to be tried again with a fresher cache", err)
	}
	if got := f.read(t, "one"); got.ResourceVersion != foreign.ResourceVersion {
		t.Errorf("the foreign object was written: %+v", got)
	}
	// Gone altogether, it is not made anew by a request meant for the old one.
	if err := f.client.Delete(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	if err := applier.Apply(t.Context(), f.owner, f.child("one", "b")); !apierrors.IsConflict(err) {
		t.Errorf("Apply() to what is gone = %v, want a conflict", err)
	}
}

// TestRacingCreatorWins: nothing was there when we looked.
func TestRacingCreatorWins(t *testing.T) {
	f := newFixture(t)
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: f.owner.Namespace, Name: "one"}}
	if err := f.client.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	blind := f.stale(func(object client.Object) error {
		return apierrors.NewNotFound(schema.GroupResource{}, object.GetName())
	})
	err := NewApplier(blind, blind).Apply(t.Context(), f.owner, f.child("one", "a"))
	if !apierrors.IsAlreadyExists(err) {
		t.Errorf("Apply() = %v, want that it exists already", err)
	}
	if got := f.read(t, "one"); got.ResourceVersion != foreign.ResourceVersion {
		t.Errorf("the racing creator's object was written: %+v", got)
	}
	conflict, ok := errors.AsType[*OwnershipConflict](f.applier.Apply(t.Context(), f.owner, f.child("one", "a")))
	if !ok || conflict.OwnedBy != "" {
		t.Errorf("the next look says %v", conflict)
	}
}

func TestScaleLeavesAStrangersDeploymentAlone(t *testing.T) {
	f := newFixture(t)
	if err := f.applier.Apply(t.Context(), f.owner, f.deploymentWith("app:1")); err != nil {
		t.Fatal(err)
	}
	ours := f.deployment(t)
	foreign := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: ours.Namespace, Name: ours.Name},
		Spec:       appsv1.DeploymentSpec{Selector: ours.Spec.Selector, Template: ours.Spec.Template},
	}
	f.replace(t, ours.DeepCopy(), foreign)
	if err := f.applier.Scale(t.Context(), ours, 7); !apierrors.IsConflict(err) {
		t.Errorf("Scale() = %v, want a conflict", err)
	}
	if got := f.deployment(t); got.ResourceVersion != foreign.ResourceVersion {
		t.Errorf("the foreign Deployment was scaled to %d", *got.Spec.Replicas)
	}
}

// TestFieldsBelongToApplyAlone: whoever created the object by another kind of
// request would own its fields twice, and those would never go again.
func TestFieldsBelongToApplyAlone(t *testing.T) {
	f := newFixture(t)
	with := func(keys ...string) *unstructured.Unstructured {
		object := f.child("one", "")
		data := map[string]any{}
		for _, key := range keys {
			data[key] = "x"
		}
		object.Object["data"] = data
		return object
	}
	managers := func() map[string]metav1.ManagedFieldsOperationType {
		found := map[string]metav1.ManagedFieldsOperationType{}
		for _, entry := range f.read(t, "one").ManagedFields {
			found[entry.Manager] = entry.Operation
		}
		return found
	}
	want := map[string]metav1.ManagedFieldsOperationType{"rsolv-operator": metav1.ManagedFieldsOperationApply}
	// Died right after the object was made.
	if err := f.client.Create(t.Context(), with("a", "b"), FieldOwner); err != nil {
		t.Fatal(err)
	}
	for _, keys := range [][]string{{"a"}, {"a", "c"}, {"c"}} {
		if err := f.applier.Apply(t.Context(), f.owner, with(keys...)); err != nil {
			t.Fatal(err)
		}
		wantData := map[string]string{}
		for _, key := range keys {
			wantData[key] = "x"
		}
		if diff := cmp.Diff(wantData, f.read(t, "one").Data); diff != "" {
			t.Errorf("data (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, managers()); diff != "" {
			t.Errorf("field managers (-want +got):\n%s", diff)
		}
	}

	// And what Apply makes itself is no different from what it changes later.
	if err := f.client.Delete(t.Context(), f.read(t, "one")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b"} {
		if err := f.applier.Apply(t.Context(), f.owner, with(key)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, managers()); diff != "" {
			t.Errorf("field managers (-want +got):\n%s", diff)
		}
	}
}

// TestNewObjectTakesTwoWrites: one makes it, one says that its fields are
// applied. An operator that starts anew then finds nothing to do.
func TestNewObjectTakesTwoWrites(t *testing.T) {
	f := newFixture(t)
	rule := f.child("rule", "")
	rule.Object["apiVersion"], rule.Object["kind"] = "monitoring.coreos.com/v1", "PrometheusRule"
	delete(rule.Object, "data")
	rule.Object["spec"] = map[string]any{"groups": []any{map[string]any{
		"name": "errors", "interval": "30s", "rules": []any{
			map[string]any{"record": "a:b", "expr": "up", "labels": map[string]any{"namespace": "x"}},
			map[string]any{"alert": "Down", "expr": "a:b == 0", "for": "5m"},
		},
	}}}
	for _, object := range []*unstructured.Unstructured{f.child("one", "a"), rule} {
		before := len(f.writes.List())
		if err := f.applier.Apply(t.Context(), f.owner, object); err != nil {
			t.Fatal(err)
		}
		if made := f.writes.List()[before:]; len(made) != 2 {
			t.Errorf("%s: %v; want two writes", object.GetKind(), made)
		}
		live := func() *unstructured.Unstructured {
			u := &unstructured.Unstructured{}
			u.SetGroupVersionKind(object.GroupVersionKind())
			if err := f.client.Get(t.Context(), client.ObjectKeyFromObject(object), u); err != nil {
				t.Fatal(err)
			}
			return u
		}
		made := live()
		if err := NewApplier(f.client, f.client).Apply(t.Context(), f.owner, object); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(made.Object, live().Object); diff != "" {
			t.Errorf("%s: a start of the operator changed it (-before +after):\n%s", object.GetKind(), diff)
		}
	}
}

// TestDefaultsBelongToNobody: a Deployment whose number of pods was filled in
// at its creation must not be kept at that number.
func TestDefaultsBelongToNobody(t *testing.T) {
	f := newFixture(t)
	if err := f.applier.Apply(t.Context(), f.owner, f.deploymentWith("app:1")); err != nil {
		t.Fatal(err)
	}
	for _, entry := range f.deployment(t).ManagedFields {
		var fields struct {
			Spec map[string]any `json:"f:spec"`
		}
		if err := jsonUnmarshal(entry.FieldsV1, &fields); err != nil {
			t.Fatal(err)
		}
		if _, owned := fields.Spec["f:replicas"]; owned {
			t.Errorf("%s owns replicas, which nobody declared", entry.Manager)
		}
	}
}

func TestPreviousIncarnationIsWaitedFor(t *testing.T) {
	f := newFixture(t)
	if err := f.applier.Apply(t.Context(), f.owner, f.child("one", "a")); err != nil {
		t.Fatal(err)
	}
	if err := f.client.Delete(t.Context(), f.owner.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	before := f.read(t, "one")
	f.owner.ResourceVersion, f.owner.UID = "", ""
	if err := f.client.Create(t.Context(), f.owner); err != nil {
		t.Fatal(err)
	}
	err := f.applier.Apply(t.Context(), f.owner, f.child("one", "b"))
	conflict, ok := errors.AsType[*OwnershipConflict](err)
	if !ok || !conflict.Leaving || !Passing(err) {
		t.Fatalf("Apply() = %v, want to wait for the garbage collector", err)
	}
	const want = `ConfigMap "one" belongs to the ConfigMap owner that was deleted and is being garbage-collected: it is created anew as soon as it is gone`
	if err.Error() != want {
		t.Errorf("it says %q, want %q", err, want)
	}
	if got := f.read(t, "one"); got.ResourceVersion != before.ResourceVersion {
		t.Error("what is being deleted was written")
	}
	// A stranger's is not waited for.
	other := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: f.owner.Namespace, Name: "two", OwnerReferences: before.OwnerReferences}}
	other.OwnerReferences[0].Name = "other"
	if err := f.client.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	err = f.applier.Apply(t.Context(), f.owner, f.child("two", "b"))
	if conflict, ok := errors.AsType[*OwnershipConflict](err); !ok || conflict.Leaving || conflict.OwnedBy != "ConfigMap other" || Passing(err) {
		t.Errorf("Apply() = %v, want a conflict with ConfigMap other", err)
	}
}
