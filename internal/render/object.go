// Package render holds the pure builders that turn the three kinds into the
// objects that are applied. Builders take the declaration and facts, the clock
// included, and do no I/O: the controllers apply what they return, and
// `manager render` prints it.
package render

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// Object turns an apply configuration, or any value that marshals to a
// Kubernetes object, into the form in which it is applied and printed. It
// panics on a value that does not marshal, which only a wrong builder makes.
func Object(configuration any) *unstructured.Unstructured {
	raw, err := json.Marshal(configuration)
	if err != nil {
		panic(fmt.Sprintf("render: %T does not marshal: %v", configuration, err))
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(raw); err != nil {
		panic(fmt.Sprintf("render: %T is no Kubernetes object: %v", configuration, err))
	}
	return object
}

// Labels are the labels of every child of the app called deployment.
func Labels(deployment, component string) map[string]string {
	return map[string]string{
		contract.LabelName:       "rsolv",
		contract.LabelComponent:  component,
		contract.LabelManagedBy:  contract.ManagedBy,
		contract.LabelDeployment: deployment,
	}
}

// Owner is the owner reference that hands a child to the garbage collector.
// The owner's UID is empty when rendering without a cluster; the reference is
// then left out, for it could not be applied.
func Owner(owner metav1.Object, kind string) *metav1ac.OwnerReferenceApplyConfiguration {
	if owner.GetUID() == "" {
		return nil
	}
	return metav1ac.OwnerReference().
		WithAPIVersion(v1alpha1.GroupVersion.String()).
		WithKind(kind).
		WithName(owner.GetName()).
		WithUID(owner.GetUID()).
		WithController(true).
		WithBlockOwnerDeletion(true)
}

// FlagsName is the ConfigMap with the flags of the app called deployment: its
// FeatureFlags make it, its pods mount it.
func FlagsName(deployment string) string { return deployment + "-flags" }
