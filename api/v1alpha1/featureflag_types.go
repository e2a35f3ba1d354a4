package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FlagType is the type of a flag's values.
//
// +kubebuilder:validation:Enum=Boolean;String;Number;Object
type FlagType string

// Types of flags.
const (
	FlagBoolean FlagType = "Boolean"
	FlagString  FlagType = "String"
	FlagNumber  FlagType = "Number"
	FlagObject  FlagType = "Object"
)

// Variants of a Boolean flag that declares none.
const (
	VariantEnabled  = "enabled"
	VariantDisabled = "disabled"
)

// FeatureFlagSpec declares one flag of one app.
//
// +kubebuilder:validation:XValidation:rule="has(self.key) == has(oldSelf.key) && (!has(self.key) || self.key == oldSelf.key)",message="key is immutable: the app asks for it by name; make a new FeatureFlag and delete this one"
// +kubebuilder:validation:XValidation:rule="!has(self.key) || !self.key.startsWith('rsolv_') || self.deploymentRef.name == 'rsolv'",messageExpression="'key \"' + self.key + '\" begins with the reserved prefix \"rsolv_\"; use \"' + self.key.replace('rsolv_', \"\", 1) + '\"'"
// +kubebuilder:validation:XValidation:rule="!has(self.key) || !self.key.startsWith(self.deploymentRef.name.replace('-', '_') + '_')",messageExpression="'key \"' + self.key + '\" begins with the app name; use \"' + self.key.replace(self.deploymentRef.name.replace('-', '_') + '_', \"\", 1) + '\"'"
// +kubebuilder:validation:XValidation:rule="has(self.variants) || self.type == 'Boolean'",messageExpression="'a flag of type ' + self.type + ' needs variants: list its possible values under spec.variants'"
// +kubebuilder:validation:XValidation:rule="has(self.variants) ? self.variants.exists(v, v.name == self.defaultVariant) : (self.type != 'Boolean' || self.defaultVariant in ['enabled', 'disabled'])",messageExpression="'defaultVariant \"' + self.defaultVariant + '\" is not a variant; use ' + (has(self.variants) ? 'the name of one under spec.variants' : 'enabled or disabled')"
type FeatureFlagSpec struct {
	// DeploymentRef is the RsolvDeployment in the same namespace whose pods
	// see this flag.
	//
	// +kubebuilder:validation:XValidation:rule="self.name == oldSelf.name",message="deploymentRef is immutable: make a new FeatureFlag for the other app"
	DeploymentRef DeploymentReference `json:"deploymentRef"`

	// Key is the name that the app asks for. The default is the object's name
	// with - written as _.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z][a-z0-9]*(_[a-z0-9]+)*$')",message="a key is lower_snake_case: a-z and 0-9 in words joined by single _, beginning with a letter, for example early_access"
	Key string `json:"key,omitempty"`

	// Type of the flag's values.
	//
	// +kubebuilder:default=Boolean
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="type is immutable: the app was built for it; make a new FeatureFlag"
	Type FlagType `json:"type,omitempty"`

	// Variants are the possible values by name. A Boolean flag without
	// variants has enabled (true) and disabled (false).
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Variants []Variant `json:"variants,omitempty"`

	// DefaultVariant is what everybody gets.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	DefaultVariant string `json:"defaultVariant"`

	// Description says in a sentence what the flag switches.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Description string `json:"description,omitempty"`
}

// DeploymentReference names a RsolvDeployment in the same namespace.
type DeploymentReference struct {
	// Name of the RsolvDeployment.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name"`
}

// Variant is a named value.
type Variant struct {
	// Name of the variant. Never on, off, y or n: YAML reads them as true and
	// false.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_.-]*$`
	// +kubebuilder:validation:XValidation:rule="!(self.lowerAscii() in ['on', 'off', 'y', 'n', 'yes', 'no', 'true', 'false', 'null'])",message="YAML reads this name as a boolean or as nothing; call it enabled or disabled, or anything else"
	Name string `json:"name"`

	// Value of the flag when this variant is chosen, of the flag's type.
	Value apiextensionsv1.JSON `json:"value"`
}

// FeatureFlagStatus is what the operator observed.
type FeatureFlagStatus struct {
	// ObservedGeneration is the generation that this status speaks of; -1
	// before the first look.
	//
	// +optional
	// +kubebuilder:default=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions say whether the flag is valid and published, and what to do
	// when it is not.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Key that the app asks for.
	//
	// +optional
	Key string `json:"key,omitempty"`

	// Default is the variant that the app's pods are given. While the newest
	// definition is invalid it is that of the last good one.
	//
	// +optional
	Default string `json:"default,omitempty"`
}

// FeatureFlag declares one flag of the app.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ff,categories=rsolv
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="App",type=string,JSONPath=`.spec.deploymentRef.name`
// +kubebuilder:printcolumn:name="Key",type=string,JSONPath=`.status.key`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Default",type=string,JSONPath=`.status.default`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="has(self.spec.key) || self.metadata.name.matches('^[a-z][a-z0-9]*(-[a-z0-9]+)*$') && self.metadata.name.size() <= 63",message="metadata.name becomes the flag's key with - as _, so it must begin with a letter and hold only a-z, 0-9 and single -, at most 63 characters; or set spec.key"
// +kubebuilder:validation:XValidation:rule="has(self.spec.key) || !self.metadata.name.startsWith('rsolv-') || self.spec.deploymentRef.name == 'rsolv'",messageExpression="'the name \"' + self.metadata.name + '\" makes a key with the reserved prefix \"rsolv_\"; use \"' + self.metadata.name.replace('rsolv-', \"\", 1) + '\"'"
// +kubebuilder:validation:XValidation:rule="has(self.spec.key) || !self.metadata.name.startsWith(self.spec.deploymentRef.name + '-')",messageExpression="'the name \"' + self.metadata.name + '\" begins with the app name; use \"' + self.metadata.name.replace(self.spec.deploymentRef.name + '-', \"\", 1) + '\"'"
type FeatureFlag struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec FeatureFlagSpec `json:"spec"`
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status FeatureFlagStatus `json:"status,omitempty"`
}

// FeatureFlagList is a list of FeatureFlags.
//
// +kubebuilder:object:root=true
type FeatureFlagList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []FeatureFlag `json:"items"`
}
