package rsolvdeployment

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// object reads a child of some kind.
func (f *fixture) object(kind schema.GroupVersionKind, name string) *unstructured.Unstructured {
	f.t.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	f.must(f.client.Get(f.t.Context(), client.ObjectKey{Namespace: f.key.Namespace, Name: name}, object))
	return object
}

// declared is what of an object somebody declared: its labels, owners and
// content, without what the API server adds.
func declared(object *unstructured.Unstructured) map[string]any {
	content := object.DeepCopy().Object
	content["metadata"] = map[string]any{
		"name": object.GetName(), "labels": object.GetLabels(), "owners": len(object.GetOwnerReferences()), "annotations": object.GetAnnotations(),
	}
	for _, path := range [][]string{{"status"}, {"spec", "clusterIP"}, {"spec", "clusterIPs"}, {"metadata", "annotations", "deployment.kubernetes.io/revision"}} {
		unstructured.RemoveNestedField(content, path...)
	}
	return content
}

func TestDeletedChildrenComeBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create(platform).ready()
	for _, kind := range childKinds {
		for _, name := range f.names(kind) {
			if kind == workload.JobKind || (kind == workload.SecretKind && !workload.IsEnvironment("rsolv", name)) {
				continue // migrations run once; rsolv-db and its like are not ours
			}
			before := f.object(kind, name)
			f.must(f.client.Delete(t.Context(), before.DeepCopy(), client.PropagationPolicy(metav1.DeletePropagationBackground)))
			f.reconcile()
			if diff := cmp.Diff(declared(before), declared(f.object(kind, name))); diff != "" {
				t.Errorf("%s %s came back different:\n%s", kind.Kind, name, diff)
			}
		}
	}
	f.rollOut()
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseReady)

	// Without its key, the copy gets another name, and the pods follow.
	f.must(f.client.Delete(t.Context(), f.object(workload.SecretKind, "rsolv-hash-key")))
	f.ready()
	f.wantEnvironment()
}

func TestEditedChildrenAreRestored(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create(platform).ready()
	for _, test := range []struct {
		kind schema.GroupVersionKind
		name string
		edit func(map[string]any) error
	}{
		{workload.ServiceAccountKind, "rsolv", set(true, "automountServiceAccountToken")},
		{workload.ServiceKind, "rsolv", set(map[string]any{"app": "other"}, "spec", "selector")},
		{workload.ServiceKind, "rsolv", set("yes", "spec", "selector", "canary")},
		{workload.PodDisruptionBudgetKind, "rsolv", set(int64(0), "spec", "maxUnavailable")},
		{workload.HorizontalPodAutoscalerKind, "rsolv", set(int64(99), "spec", "maxReplicas")},
		{workload.NetworkPolicyKind, "rsolv", set([]any{map[string]any{}}, "spec", "ingress")},
		{workload.NetworkPolicyKind, "rsolv", set("yes", "spec", "podSelector", "matchLabels", "canary")},
		{workload.HTTPRouteKind, "rsolv", set([]any{"evil.dev"}, "spec", "hostnames")},
		{workload.ServiceMonitorKind, "rsolv", set("no", "spec", "selector", "matchLabels", "other")},
		{workload.ServiceMonitorKind, "rsolv", set("other", "metadata", "labels", "release")},
		{workload.IngressKind, "rsolv", set("other", "metadata", "labels", contract.LabelDeployment)},
		{workload.DeploymentKind, "rsolv", func(content map[string]any) error {
			containers, _, err := unstructured.NestedSlice(content, "spec", "template", "spec", "containers")
			if err != nil {
				return err
			}
			containers[0].(map[string]any)["image"] = "example.com/other:v9"
			return unstructured.SetNestedSlice(content, containers, "spec", "template", "spec", "containers")
		}},
		{workload.DeploymentKind, "rsolv", func(content map[string]any) error { // kubectl set env
			containers, _, err := unstructured.NestedSlice(content, "spec", "template", "spec", "containers")
			if err != nil {
				return err
			}
			app := containers[0].(map[string]any)
			app["env"] = append(app["env"].([]any), map[string]any{"name": "STRIPE_API_KEY", "value": "changeme"})
			return unstructured.SetNestedSlice(content, containers, "spec", "template", "spec", "containers")
		}},
		{workload.ConfigMapKind, f.configName(), set("other", "metadata", "labels", contract.LabelComponent)},
	} {
		before := f.object(test.kind, test.name)
		edited := before.DeepCopy()
		f.must(test.edit(edited.Object))
		f.must(f.client.Update(t.Context(), edited))
		if cmp.Equal(declared(before), declared(edited)) {
			t.Fatalf("%s: the edit edited nothing", test.kind.Kind)
		}
		f.reconcile()
		after := declared(f.object(test.kind, test.name))
		if diff := cmp.Diff(declared(before), after); diff != "" {
			t.Errorf("%s was not restored:\n%s", test.kind.Kind, diff)
		}
	}
}

func (f *fixture) configName() string {
	f.t.Helper()
	for _, name := range f.names(workload.ConfigMapKind) {
		if strings.HasPrefix(name, "rsolv-config-") {
			return name
		}
	}
	f.t.Fatal("there is no ConfigMap")
	return ""
}

func set(value any, path ...string) func(map[string]any) error {
	return func(content map[string]any) error { return unstructured.SetNestedField(content, value, path...) }
}

// foreign are objects of somebody else under the names of children.
func foreign(f *fixture) map[schema.GroupVersionKind]*unstructured.Unstructured {
	f.t.Helper()
	template := map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"app": "other"}},
		"spec":     map[string]any{"restartPolicy": "Always", "containers": []any{map[string]any{"name": "c", "image": "other:v1"}}},
	}
	job := runtime.DeepCopyJSON(template)
	job["spec"].(map[string]any)["restartPolicy"] = "Never"
	names := f.derivedNames()
	objects := map[schema.GroupVersionKind]*unstructured.Unstructured{}
	for kind, content := range map[schema.GroupVersionKind]map[string]any{
		workload.ServiceAccountKind:          {},
		workload.ConfigMapKind:               {"data": map[string]any{"a": "b"}},
		workload.SecretKind:                  {"stringData": map[string]any{"a": "b"}},
		workload.ServiceKind:                 {"spec": map[string]any{"ports": []any{map[string]any{"port": int64(1)}}}},
		workload.DeploymentKind:              {"spec": map[string]any{"replicas": int64(7), "selector": map[string]any{"matchLabels": map[string]any{"app": "other"}}, "template": template}},
		workload.ControllerRevisionKind:      {"revision": int64(1), "data": map[string]any{"template": map[string]any{}}},
		workload.JobKind:                     {"spec": map[string]any{"template": job}},
		workload.PodDisruptionBudgetKind:     {"spec": map[string]any{"maxUnavailable": int64(3)}},
		workload.HorizontalPodAutoscalerKind: {"spec": map[string]any{"maxReplicas": int64(3), "scaleTargetRef": map[string]any{"kind": "Deployment", "name": "other", "apiVersion": "apps/v1"}}},
		workload.NetworkPolicyKind:           {"spec": map[string]any{"podSelector": map[string]any{"matchLabels": map[string]any{"app": "other"}}}},
		workload.HTTPRouteKind:               {"spec": map[string]any{"hostnames": []any{"other.dev"}}},
		workload.ServiceMonitorKind:          {"spec": map[string]any{"selector": map[string]any{}, "endpoints": []any{}}},
		workload.IngressKind:                 {"spec": map[string]any{"defaultBackend": map[string]any{"service": map[string]any{"name": "x", "port": map[string]any{"number": int64(1)}}}}},
	} {
		object := &unstructured.Unstructured{Object: content}
		object.SetGroupVersionKind(kind)
		object.SetNamespace(f.key.Namespace)
		object.SetName("rsolv")
		if name, ok := names[kind]; ok {
			object.SetName(name)
		}
		objects[kind] = object
	}
	return objects
}

// derivedNames computes the names that the fixture's app will choose.
func (f *fixture) derivedNames() map[schema.GroupVersionKind]string {
	f.t.Helper()
	key := make([]byte, workload.HashKeySize)
	f.must(counting(key))
	rd := f.rd()
	env := workload.Environment{
		ConfigMap: workload.ConfigMapName(rd),
		Secret: workload.EnvSecretName("rsolv", key, map[string][]byte{
			"DATABASE_URL": []byte(goodURL), "STRIPE_API_KEY": []byte(stripeKey), "STRIPE_WEBHOOK_SECRET": []byte(webhook),
		}),
	}
	return map[schema.GroupVersionKind]string{
		workload.ConfigMapKind: env.ConfigMap, workload.SecretKind: env.Secret,
		workload.JobKind:                workload.MigrationJobName("rsolv", workload.MigrationHash(rd, env)),
		workload.ControllerRevisionKind: workload.RevisionName("rsolv", workload.RevisionOf(workload.Deployment(rd, env)).Hash),
	}
}

func TestForeignObjectsAreRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	for _, kind := range append(slices.DeleteFunc(slices.Clone(childKinds), func(kind schema.GroupVersionKind) bool {
		return kind == workload.ClusterKind // TestForeignClusterIsLeftAlone
	}),
		schema.GroupVersionKind{Version: "v1", Kind: "hash key"}, schema.GroupVersionKind{Version: "v1", Kind: "flags"}) {
		t.Run(kind.Kind, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t).secrets().create(platform)
			object := foreign(f)[kind]
			switch kind.Kind {
			case "hash key":
				object = foreign(f)[workload.SecretKind]
				object.SetName(workload.HashKeyName("rsolv"))
			case "flags":
				object = foreign(f)[workload.ConfigMapKind]
				object.SetName(render.FlagsName("rsolv"))
				f.must(unstructured.SetNestedField(object.Object, `{"flags":{"theirs":{}}}`, "data", contract.FlagsFile))
			}
			f.must(f.client.Create(t.Context(), object))
			before := f.versions()
			for range 5 {
				f.reconcile()
				f.play()
			}
			f.reconcile()
			f.wantPhase(v1alpha1.PhaseHeld)
			f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonOwnershipConflict)
			message := f.want(v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonOwnershipConflict)
			if want := fmt.Sprintf("%s %q exists and is controlled by nobody: delete or rename it", object.GetKind(), object.GetName()); !strings.Contains(message, want) {
				t.Errorf("%q does not say %q", message, want)
			}
			if flags := f.rd().Status.Flags; flags != nil {
				t.Errorf("a stranger's flags are counted: %+v", flags)
			}
			if kind.Kind == "flags" && f.names(workload.DeploymentKind) != nil {
				t.Error("pods were made that mount a stranger's flags")
			}
			name := object.GetKind() + " " + object.GetName()
			if f.versions()[name] != before[name] {
				t.Errorf("%s was touched", name)
			}
			// Out of the way, the rollout goes on.
			f.must(f.client.Delete(t.Context(), object, client.PropagationPolicy(metav1.DeletePropagationBackground)))
			f.ready()
		})
	}
}

// TestUndeclaredChildrenAreRemoved: what is declared no more goes, and nothing
// of anybody else's.
func TestUndeclaredChildrenAreRemoved(t *testing.T) {
	t.Parallel()
	for kind, undeclare := range map[schema.GroupVersionKind]func(*v1alpha1.RsolvDeployment){
		workload.HorizontalPodAutoscalerKind: func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Autoscaling = nil },
		workload.IngressKind:                 func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Ingress = nil },
		workload.HTTPRouteKind:               func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Gateway = nil },
		workload.ServiceMonitorKind:          func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Metrics = nil },
		workload.NetworkPolicyKind:           func(rd *v1alpha1.RsolvDeployment) { rd.Spec.NetworkPolicy = nil },
	} {
		t.Run(kind.Kind, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t).secrets().create(platform).ready()
			env := f.env().Name
			if got := f.names(kind); len(got) != 1 {
				t.Fatalf("before: %v", got)
			}
			f.edit(undeclare)
			f.reconcile()
			f.wantReady(metav1.ConditionTrue, v1alpha1.ReasonSucceeded) // at once: no rollout
			if got := f.names(kind); got != nil {
				t.Errorf("left: %v", got)
			}
			if f.env().Name != env {
				t.Error("the secrets were copied again without a change")
			}
			stranger := foreign(f)[kind]
			f.must(f.client.Create(t.Context(), stranger))
			f.reconcile()
			f.wantPhase(v1alpha1.PhaseReady)
			f.object(kind, stranger.GetName())
		})
	}
}

func TestRejectedChildIsReported(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create(func(rd *v1alpha1.RsolvDeployment) {
		rd.Spec.Ingress.Annotations = map[string]string{"no valid key": "x"}
	})
	f.migrating()
	f.finishJobs(batchv1.JobComplete, "")
	f.reconcile()
	f.rollOut()
	f.reconcile()
	f.finishJobs(batchv1.JobComplete, "")
	result, err := f.try(t.Context())
	f.must(err)
	f.wantPhase(v1alpha1.PhaseHeld)
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonApplyRejected)
	f.want(v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonSucceeded) // the rest goes on
	if result.RequeueAfter != retryRefused {
		t.Errorf("looks again after %s", result.RequeueAfter)
	}
	f.edit(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Ingress.Annotations = nil })
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseReady)
}
