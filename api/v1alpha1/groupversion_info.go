// Package v1alpha1 holds the three kinds of the rsolv.dev API: RsolvDeployment,
// FeatureFlag and AlertBaseline, their conditions and their reasons.
//
// The comments on fields are what `kubectl explain` prints, so they are written
// for the person who types the YAML.
//
// +kubebuilder:object:generate=true
// +groupName=rsolv.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion identifies this version of the API.
var GroupVersion = schema.GroupVersion{Group: "rsolv.dev", Version: "v1alpha1"}

var (
	schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)
	// AddToScheme registers the three kinds.
	AddToScheme = schemeBuilder.AddToScheme
)

// Kinds of this API.
const (
	KindRsolvDeployment = "RsolvDeployment"
	KindFeatureFlag     = "FeatureFlag"
	KindAlertBaseline   = "AlertBaseline"
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&RsolvDeployment{}, &RsolvDeploymentList{},
		&FeatureFlag{}, &FeatureFlagList{},
		&AlertBaseline{}, &AlertBaselineList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
