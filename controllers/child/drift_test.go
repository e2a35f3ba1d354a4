package child

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func jsonUnmarshal(fields *metav1.FieldsV1, into any) error {
	return json.Unmarshal([]byte(fields.GetRawString()), into)
}

// deploymentWith is a Deployment called app, controlled by owner, that looks
// like the ones that are applied: all that the API server would fill in in the
// container is there.
func (f fixture) deploymentWith(image string) *unstructured.Unstructured {
	const text = `{
"apiVersion": "apps/v1", "kind": "Deployment",
"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
	"metadata": {"labels": {"a": "b"}},
	"spec": {
		"containers": [{
			"name": "app", "image": "%s", "imagePullPolicy": "IfNotPresent", "args": ["serve"],
			"env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
			"envFrom": [{"configMapRef": {"name": "settings"}}],
			"livenessProbe": {"httpGet": {"path": "/livez", "port": "public"}, "periodSeconds": 10, "timeoutSeconds": 1, "failureThreshold": 3},
			"lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
			"securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
			"ports": [{"name": "public", "containerPort": 8080, "protocol": "TCP"}],
			"resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "64Mi"}},
			"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
			"volumeMounts": [{"name": "flags", "mountPath": "/flags", "readOnly": true}]
		}],
		"volumes": [{"name": "flags", "configMap": {"name": "flags", "optional": false}}]
	}
}}}`
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(fmt.Appendf(nil, text, image)); err != nil {
		panic(err)
	}
	object.SetNamespace(f.owner.Namespace)
	object.SetName("app")
	object.SetOwnerReferences(f.child("", "").GetOwnerReferences())
	return object
}

func (f fixture) deployment(t *testing.T) *appsv1.Deployment {
	t.Helper()
	var found appsv1.Deployment
	if err := f.client.Get(t.Context(), client.ObjectKey{Namespace: f.owner.Namespace, Name: "app"}, &found); err != nil {
		t.Fatal(err)
	}
	return &found
}

// owned is an object controlled by owner, from YAML's JSON.
func (f fixture) owned(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	object.SetNamespace(f.owner.Namespace)
	object.SetName("app")
	object.SetOwnerReferences(f.child("", "").GetOwnerReferences())
	return object
}

// TestHandEditsAreUndone edits as people do with kubectl, and looks at all of
// the object but its metadata afterwards.
func TestHandEditsAreUndone(t *testing.T) {
	for name, test := range map[string]struct {
		object, patch string
		// stays is what of the edit stays, as a patch of the original.
		stays string
	}{
		"a key in a ConfigMap": {
			object: `{"apiVersion": "v1", "kind": "ConfigMap", "data": {"key": "a"}}`,
			patch:  `{"data": {"other": "b"}, "binaryData": {"more": "AAAA"}}`,
		},
		"a key in a Service's selector": {
			object: `{"apiVersion": "v1", "kind": "Service", "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}}`,
			patch:  `{"spec": {"selector": {"canary": "yes"}}}`,
		},
		"another measure in a PodDisruptionBudget": {
			object: `{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"a": "b"}}}}`,
			patch:  `{"spec": {"maxUnavailable": null, "minAvailable": 1, "selector": {"matchLabels": {"c": "d"}}}}`,
		},
		"a group, and a field of ours, in a PrometheusRule": {
			object: `{"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "spec": {"groups": [{"name": "ours", "rules": [{"record": "a", "expr": "1"}]}]}}`,
			patch:  `{"spec": {"groups": [{"name": "theirs"}, {"name": "ours", "limit": 1, "rules": [{"record": "a", "expr": "2"}, {"record": "b", "expr": "1"}]}]}}`,
		},
		"a variable": {patch: `{"spec": {"template": {"spec": {"containers": [{"name": "app", "env": [{"name": "X", "value": "y"}]}]}}}}`},
		"the value of a variable of ours": {
			patch: `{"spec": {"template": {"spec": {"containers": [{"name": "app", "env": [{"name": "POD_NAME", "value": "y", "valueFrom": null}]}]}}}}`,
		},
		"the source of a variable of ours": {
			patch: `{"spec": {"template": {"spec": {"containers": [{"name": "app", "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": null, "secretKeyRef": {"name": "live", "key": "k"}}}]}]}}}}`,
		},
		"a part of a volume of ours": {
			patch: `{"spec": {"template": {"spec": {"volumes": [{"name": "flags", "configMap": {"items": [{"key": "a", "path": "b"}]}}]}}}}`,
		},
		"command and arguments": {
			patch: `{"spec": {"template": {"spec": {"containers": [{"name": "app", "command": ["sh"], "args": ["-c", "true"], "workingDir": "/"}]}}}}`,
		},
		"image and environment": {
			patch: `{"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "other:1", "envFrom": [{"secretRef": {"name": "live"}}]}]}}}}`,
		},
		"a mount": {
			patch: `{"spec": {"template": {"spec": {
				"containers": [{"name": "app", "volumeMounts": [{"name": "theirs", "mountPath": "/app"}]}],
				"volumes": [{"name": "theirs", "emptyDir": {}}]}}}}`,
			stays: `{"spec": {"template": {"spec": {"volumes": [{"name": "theirs", "emptyDir": {}}]}}}}`,
		},
		"the source of a volume of ours": {
			patch: `{"spec": {"template": {"spec": {"volumes": [{"name": "flags", "configMap": null, "emptyDir": {}}]}}}}`,
		},
		"the node's network": {
			patch: `{"spec": {"template": {"spec": {"hostNetwork": true, "hostPID": true}}}}`,
		},
		"probe and hooks": {
			patch: `{"spec": {"template": {"spec": {"containers": [{"name": "app",
				"livenessProbe": {"httpGet": null, "exec": {"command": ["true"]}},
				"lifecycle": {"preStop": {"sleep": null, "exec": {"command": ["true"]}}, "postStart": {"exec": {"command": ["true"]}}}}]}}}}`,
		},
		"capabilities": {
			patch: `{"spec": {"template": {"spec": {"containers": [{"name": "app",
				"securityContext": {"privileged": true, "runAsUser": 0, "allowPrivilegeEscalation": null, "capabilities": {"add": ["NET_ADMIN"]}}}]}}}}`,
		},
		"resources": {
			patch: `{"spec": {"template": {"spec": {"containers": [{"name": "app", "resources": {"limits": {"cpu": "4"}, "requests": {"ephemeral-storage": "1Gi"}}}]}}}}`,
		},
		"a sidecar": {
			patch: `{"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}, "spec": {
				"containers": [{"name": "proxy", "image": "proxy:1", "env": [{"name": "X", "value": "y"}]}],
				"initContainers": [{"name": "init", "image": "proxy:1"}]}}}}`,
			stays: `{"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}, "spec": {
				"containers": [{"name": "proxy", "image": "proxy:1", "env": [{"name": "X", "value": "y"}]}],
				"initContainers": [{"name": "init", "image": "proxy:1"}]}}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			object := f.deploymentWith("app:1")
			if test.object != "" {
				object = f.owned(t, test.object)
			}
			apply := func() {
				t.Helper()
				if err := f.applier.Apply(t.Context(), f.owner, object); err != nil {
					t.Fatal(err)
				}
			}
			apply()
			if test.stays != "" { // what the API server makes of it
				f.edit(t, object, test.stays)
			}
			want := f.content(t, object)
			f.edit(t, object, test.patch)
			if test.stays != test.patch && cmp.Equal(want, f.content(t, object)) {
				t.Fatal("the edit edited nothing")
			}
			apply()
			if diff := cmp.Diff(want, f.content(t, object)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, entry := range f.live(t, object).GetManagedFields() {
				if entry.Manager == string(FieldOwner) && entry.Operation != metav1.ManagedFieldsOperationApply {
					t.Errorf("fields are owned by an %s: %v", entry.Operation, entry.FieldsV1)
				}
			}
			writes := len(f.writes.List())
			apply()
			if got := f.writes.List(); len(got) != writes {
				t.Errorf("it does not come to rest: %v", got[writes:])
			}
		})
	}
}

func (f fixture) live(t *testing.T, object *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(object.GroupVersionKind())
	if err := f.client.Get(t.Context(), client.ObjectKeyFromObject(object), live); err != nil {
		t.Fatal(err)
	}
	return live
}

func (f fixture) content(t *testing.T, object *unstructured.Unstructured) map[string]any {
	t.Helper()
	content := f.live(t, object).Object
	delete(content, "metadata")
	return content
}

// edit patches as kubectl does: strategically where the API server can.
func (f fixture) edit(t *testing.T, object *unstructured.Unstructured, patch string) {
	t.Helper()
	kind := types.StrategicMergePatchType
	if object.GetKind() == "PrometheusRule" {
		kind = types.MergePatchType
	}
	err := f.client.Patch(t.Context(), f.live(t, object), client.RawPatch(kind, []byte(patch)), client.FieldOwner("kubectl-edit"))
	if err != nil {
		t.Fatal(err)
	}
}

// TestInsistingWebhookIsNotFought: what comes back with every write, as from a
// mutating webhook, must not keep the operator writing.
func TestInsistingWebhookIsNotFought(t *testing.T) {
	f := newFixture(t)
	insisting := insist(f)
	applier := NewApplier(f.writes.Count(insisting), f.client)
	for range 3 {
		if err := applier.Apply(t.Context(), f.owner, f.child("one", "a")); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.writes.List(); len(got) > 2*rounds {
		t.Errorf("%d requests: %v", len(got), got)
	}
	if diff := cmp.Diff(map[string]string{"key": "a", "injected": "yes"}, f.read(t, "one").Data); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
}

// insist is a client behind which every write of the child called one ends
// with a key that nobody asked for.
func insist(f fixture) client.Client {
	inject := func(ctx context.Context, object client.Object, err error) error {
		if err != nil {
			return err
		}
		live := &unstructured.Unstructured{}
		live.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
		if err := f.client.Get(ctx, client.ObjectKeyFromObject(object), live); err != nil {
			return err
		}
		if err := unstructured.SetNestedField(live.Object, "yes", "data", "injected"); err != nil {
			return err
		}
		if err := f.client.Update(ctx, live, client.FieldOwner("webhook")); err != nil {
			return err
		}
		live.DeepCopyInto(object.(*unstructured.Unstructured))
		return nil
	}
	return interceptor.NewClient(f.client, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			return inject(ctx, object, c.Create(ctx, object, options...))
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return inject(ctx, object, c.Patch(ctx, object, patch, options...))
		},
		Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			applied := &unstructured.Unstructured{}
			raw, err := json.Marshal(object)
			if err == nil {
				err = applied.UnmarshalJSON(raw)
			}
			if err != nil {
				return err
			}
			if err := inject(ctx, applied, c.Apply(ctx, object, options...)); err != nil {
				return err
			}
			if raw, err = json.Marshal(applied); err != nil {
				return err
			}
			return json.Unmarshal(raw, object)
		},
	})
}
