package v1alpha1

import apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

// FlagsEnforcement says what a flag does to a rollout that the image needs and
// nobody declared.
//
// +kubebuilder:validation:Enum=Enforce;Warn
type FlagsEnforcement string

const (
	// FlagsEnforce holds the rollout.
	FlagsEnforce FlagsEnforcement = "Enforce"
	// FlagsWarn reports it in a condition and goes on.
	FlagsWarn FlagsEnforcement = "Warn"
)

// FlagsPolicy bounds the names of the app's flags, and says what becomes of a
// rollout whose flags are not declared.
type FlagsPolicy struct {
	// Policy is Enforce to hold a rollout while a flag that the image needs is
	// not declared, or declared with another type, and Warn to go on and say
	// so in the condition FlagsReady.
	//
	// +optional
	// +kubebuilder:default=Enforce
	Policy FlagsEnforcement `json:"policy,omitempty"`

	// ReservedPrefixes are refused at the front of a flag's key, in addition to
	// the app's own name. Use it for prefixes that other systems add by
	// themselves.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[a-z][a-z0-9_]*$`
	ReservedPrefixes []string `json:"reservedPrefixes,omitempty"`

	// Evaluators are rules in flagd's JSON Logic that the targeting of several
	// flags refers to by {"$ref": name}. They are put into each flag, so that
	// a mistake in one leaves the flags that refer to it as they were.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Evaluators []FlagEvaluator `json:"evaluators,omitempty"`
}

// FlagEvaluator is a rule with a name.
type FlagEvaluator struct {
	// Name that targeting refers to.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_-]*$`
	Name string `json:"name"`

	// Rule in JSON Logic, for example {in: [{var: plan}, [gold, silver]]}.
	//
	// +kubebuilder:validation:Type=object
	Rule apiextensionsv1.JSON `json:"rule"`
}
