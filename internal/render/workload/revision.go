package workload

import (
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
)

// Revision is what pods are made from: the pod template, which names the image
// and the copies of settings and secrets. It holds no secret value.
type Revision struct {
	Hash     string
	template map[string]any
}

// RevisionOf reads the revision off a Deployment as this package builds it.
func RevisionOf(deployment *unstructured.Unstructured) Revision {
	template, found, err := unstructured.NestedMap(deployment.Object, "spec", "template")
	if err != nil || !found {
		panic(fmt.Sprintf("workload: a Deployment without a template: %v", err)) // a fault in the program
	}
	return Revision{Hash: shortHash(template), template: template}
}

// RevisionName is the name of the ControllerRevision of a revision.
func RevisionName(app, hash string) string { return app + "-rev-" + hash }

// ControllerRevision keeps a revision, so that it can be brought back when the
// declaration has long moved on.
func ControllerRevision(rd *v1alpha1.RsolvDeployment, revision Revision) *unstructured.Unstructured {
	raw, err := json.Marshal(map[string]any{"template": revision.template})
	if err != nil {
		panic(fmt.Sprintf("workload: a template that does not marshal: %v", err)) // it was unmarshalled
	}
	name := RevisionName(rd.Name, revision.Hash)
	object := appsv1ac.ControllerRevision(name, rd.Namespace).
		WithData(runtime.RawExtension{Raw: raw}).
		WithRevision(1)
	object.ObjectMetaApplyConfiguration = meta(rd, name, contract.ComponentServer)
	return render.Object(object)
}

// ReadRevision is the reverse of ControllerRevision.
func ReadRevision(kept *appsv1.ControllerRevision) (Revision, error) {
	var data struct {
		Template map[string]any `json:"template"`
	}
	// This one reads whole numbers as such.
	if err := utiljson.Unmarshal(kept.Data.Raw, &data); err != nil {
		return Revision{}, fmt.Errorf("reading ControllerRevision %s: %w", kept.Name, err)
	}
	if data.Template == nil {
		return Revision{}, fmt.Errorf("reading ControllerRevision %s: it has no template", kept.Name)
	}
	return Revision{Hash: shortHash(data.Template), template: data.Template}, nil
}

// Restored is the Deployment of today's declaration with the pods of an
// earlier revision.
func Restored(rd *v1alpha1.RsolvDeployment, revision Revision) *unstructured.Unstructured {
	object := Deployment(rd, Environment{})
	object.Object["spec"].(map[string]any)["template"] = runtime.DeepCopyJSON(revision.template)
	return named(object)
}

// References lists the environments that pods of the revision are given, in
// order of name.
func (r Revision) References() ([]string, error) {
	spec, _, err := unstructured.NestedMap(r.template, "spec")
	if err != nil {
		return nil, fmt.Errorf("reading a revision: %w", err)
	}
	var pod corev1.PodSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(spec, &pod); err != nil {
		return nil, fmt.Errorf("reading a revision: %w", err)
	}
	return References(&pod), nil
}
