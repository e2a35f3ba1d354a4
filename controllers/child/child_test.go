package child

import (
	"errors"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// fixture is an owner in a namespace of its own, and an Applier whose writes
// are counted.
type fixture struct {
	client  client.WithWatch
	applier *Applier
	owner   *corev1.ConfigMap
	writes  *testenv.Writes
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	plain, err := client.NewWithWatch(testenv.Config(), client.Options{Scheme: testenv.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	writes := &testenv.Writes{}
	owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: testenv.Namespace(t), Name: "owner"}}
	if err := plain.Create(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	return fixture{client: plain, applier: NewApplier(writes.Count(plain), plain), owner: owner, writes: writes}
}

// child is a ConfigMap with one key, controlled by owner.
func (f fixture) child(name, value string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": name, "namespace": f.owner.Namespace,
			"ownerReferences": []any{map[string]any{
				"apiVersion": "v1", "kind": "ConfigMap", "name": f.owner.Name, "uid": string(f.owner.UID), "controller": true,
			}},
		},
		"data": map[string]any{"key": value},
	}}
}

func (f fixture) read(t *testing.T, name string) *corev1.ConfigMap {
	t.Helper()
	var found corev1.ConfigMap
	if err := f.client.Get(t.Context(), client.ObjectKey{Namespace: f.owner.Namespace, Name: name}, &found); err != nil {
		t.Fatal(err)
	}
	return &found
}

func TestApplyWritesOnlyDifferences(t *testing.T) {
	f := newFixture(t)
	apply := func(value string) {
		t.Helper()
		if err := f.applier.Apply(t.Context(), f.owner, f.child("one", value)); err != nil {
			t.Fatal(err)
		}
	}
	apply("a")
	before := f.writes.List()
	apply("a")
	apply("a")
	if got := f.writes.List(); len(got) != len(before) {
		t.Errorf("equal applies made requests: %v", got[len(before):])
	}
	apply("b")
	if got := f.read(t, "one").Data["key"]; got != "b" {
		t.Errorf("data.key = %q after a change, want b", got)
	}
	if got := f.writes.List(); len(got) != len(before)+1 {
		t.Errorf("a change made the requests %v, want one", got[len(before):])
	}

	drifted := f.read(t, "one")
	drifted.Data["key"] = "edited by hand"
	if err := f.client.Update(t.Context(), drifted); err != nil {
		t.Fatal(err)
	}
	apply("b")
	if got := f.read(t, "one").Data["key"]; got != "b" {
		t.Errorf("data.key = %q after an edit by hand, want b", got)
	}
}

func TestForeignObjectsAreLeftAlone(t *testing.T) {
	f := newFixture(t)
	foreign := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.owner.Namespace, Name: "taken"},
		Data:       map[string]string{"theirs": "kept"},
	}
	if err := f.client.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	err := f.applier.Apply(t.Context(), f.owner, f.child("taken", "ours"), f.child("free", "ours"))
	var conflict *OwnershipConflict
	if !errors.As(err, &conflict) || conflict.Name != "taken" || conflict.Kind != "ConfigMap" {
		t.Fatalf("Apply() = %v, want an OwnershipConflict over ConfigMap taken", err)
	}
	if got := f.read(t, "taken"); got.ResourceVersion != foreign.ResourceVersion {
		t.Errorf("the foreign object was written: %v", got.Data)
	}
	if got := f.read(t, "free").Data["key"]; got != "ours" {
		t.Errorf("the conflict kept its neighbour from being applied: data.key = %q", got)
	}
	if err := f.applier.Create(t.Context(), f.owner, f.child("taken", "ours")); !errors.As(err, &conflict) {
		t.Errorf("Create() = %v, want an OwnershipConflict", err)
	}
	gvk := f.child("taken", "").GroupVersionKind()
	if err := f.applier.Delete(t.Context(), f.owner, gvk, client.ObjectKeyFromObject(foreign)); err != nil {
		t.Errorf("Delete() of a foreign object = %v, want nil", err)
	}
	f.read(t, "taken")
}

func TestCreateNeverChanges(t *testing.T) {
	f := newFixture(t)
	for _, value := range []string{"first", "second"} {
		if err := f.applier.Create(t.Context(), f.owner, f.child("once", value)); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.read(t, "once").Data["key"]; got != "first" {
		t.Errorf("data.key = %q, want what was created first", got)
	}
	gvk := f.child("once", "").GroupVersionKind()
	key := client.ObjectKey{Namespace: f.owner.Namespace, Name: "once"}
	for range 2 { // the second delete finds nothing, and that is fine
		if err := f.applier.Delete(t.Context(), f.owner, gvk, key); err != nil {
			t.Fatal(err)
		}
	}
	var gone corev1.ConfigMap
	if err := f.client.Get(t.Context(), key, &gone); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("Get() after Delete() = %v, want NotFound", err)
	}
}

// TestScaleHandsOver shows why replicas have a field manager of their own: a
// template that never names them leaves the count alone, whoever set it.
func TestScaleHandsOver(t *testing.T) {
	f := newFixture(t)
	template := func(image string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment",
			"metadata": map[string]any{
				"name": "app", "namespace": f.owner.Namespace,
				"ownerReferences": f.child("", "").Object["metadata"].(map[string]any)["ownerReferences"],
			},
			"spec": map[string]any{
				"selector": map[string]any{"matchLabels": map[string]any{"a": "b"}},
				"template": map[string]any{
					"metadata": map[string]any{"labels": map[string]any{"a": "b"}},
					"spec":     map[string]any{"containers": []any{map[string]any{"name": "app", "image": image}}},
				},
			},
		}}
	}
	deployment := func() *appsv1.Deployment {
		t.Helper()
		var found appsv1.Deployment
		if err := f.client.Get(t.Context(), client.ObjectKey{Namespace: f.owner.Namespace, Name: "app"}, &found); err != nil {
			t.Fatal(err)
		}
		return &found
	}
	if err := f.applier.Apply(t.Context(), f.owner, template("app:1")); err != nil {
		t.Fatal(err)
	}
	if err := f.applier.Scale(t.Context(), deployment(), 3); err != nil {
		t.Fatal(err)
	}
	// An autoscaler takes over through the scale subresource.
	scaled := deployment()
	scaled.Spec.Replicas = new(int32)
	*scaled.Spec.Replicas = 5
	if err := f.client.Update(t.Context(), scaled, client.FieldOwner("autoscaler")); err != nil {
		t.Fatal(err)
	}
	if err := f.applier.Apply(t.Context(), f.owner, template("app:2")); err != nil {
		t.Fatal(err)
	}
	if got := *deployment().Spec.Replicas; got != 5 {
		t.Errorf("replicas = %d after the template changed, want the autoscaler's 5", got)
	}
	if err := f.applier.Scale(t.Context(), deployment(), 2); err != nil {
		t.Fatal(err)
	}
	if got := *deployment().Spec.Replicas; got != 2 {
		t.Errorf("replicas = %d after scaling back, want 2", got)
	}
}
