package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
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

// FlagState switches a flag as a whole.
//
// +kubebuilder:validation:Enum=Enabled;Disabled
type FlagState string

// States of flags.
const (
	// FlagEnabled flags are evaluated.
	FlagEnabled FlagState = "Enabled"
	// FlagDisabled flags answer as if nobody had declared them: the default in
	// the app's code applies.
	FlagDisabled FlagState = "Disabled"
)

// FlagHash is how percentages spread their subjects.
//
// +kubebuilder:validation:Enum=flagd-murmur3;fwf-sha256-16
type FlagHash string

// Hashes of percentages.
const (
	// HashMurmur3 is flagd's own.
	HashMurmur3 FlagHash = "flagd-murmur3"
	// HashFunWithFlags is that of FunWithFlags' percentage of actors.
	HashFunWithFlags FlagHash = "fwf-sha256-16"
)

// FeatureFlagSpec declares one flag of one app.
//
// +kubebuilder:validation:XValidation:rule="has(self.key) == has(oldSelf.key) && (!has(self.key) || self.key == oldSelf.key)",message="key is immutable: the app asks for it by name; make a new FeatureFlag and delete this one"
// +kubebuilder:validation:XValidation:rule="!has(self.key) || !self.key.startsWith('rsolv_') || self.deploymentRef.name == 'rsolv'",messageExpression="'key \"' + self.key + '\" begins with the reserved prefix \"rsolv_\"; use \"' + self.key.replace('rsolv_', \"\", 1) + '\"'"
// +kubebuilder:validation:XValidation:rule="!has(self.key) || !self.key.startsWith(self.deploymentRef.name.replace('-', '_') + '_')",messageExpression="'key \"' + self.key + '\" begins with the app name; use \"' + self.key.replace(self.deploymentRef.name.replace('-', '_') + '_', \"\", 1) + '\"'"
// +kubebuilder:validation:XValidation:rule="has(self.variants) || self.type == 'Boolean'",messageExpression="'a flag of type ' + self.type + ' needs variants: list its possible values under spec.variants'"
// +kubebuilder:validation:XValidation:rule="has(self.variants) ? self.variants.exists(v, v.name == self.defaultVariant) : (self.type != 'Boolean' || self.defaultVariant in ['enabled', 'disabled'])",messageExpression="'defaultVariant \"' + self.defaultVariant + '\" is not a variant; use ' + (has(self.variants) ? 'the name of one under spec.variants' : 'enabled or disabled')"
// +kubebuilder:validation:XValidation:rule="!(has(self.rules) && has(self.targeting))",message="rules and targeting exclude each other; write all of it as targeting, or as rules"
// +kubebuilder:validation:XValidation:rule="!has(self.bucketKey) || has(self.rules) && self.rules.exists(r, has(r.rollout))",message="bucketKey is what the percentages of rules are counted by, and no rule has a rollout; remove bucketKey"
// +kubebuilder:validation:XValidation:rule="!has(self.hash) || has(self.rules) && self.rules.exists(r, has(r.rollout))",message="hash is how the percentages of rules are counted, and no rule has a rollout; remove hash"
// +kubebuilder:validation:XValidation:rule="!has(self.hash) || self.hash != 'fwf-sha256-16' || !has(self.rules) || self.rules.all(r, !has(r.rollout) || r.rollout.size() == 1)",message="with hash fwf-sha256-16 a rollout has one variant, as in FunWithFlags; whoever is beyond its percentage goes on to the next rule"
// +kubebuilder:validation:XValidation:rule="!has(self.rules) || self.rules.all(r, !has(r.variant) || (has(self.variants) ? self.variants.exists(v, v.name == r.variant) : r.variant in ['enabled', 'disabled']))",messageExpression="'a rule gives a variant that the flag does not have; use ' + (has(self.variants) ? 'the name of one under spec.variants' : 'enabled or disabled')"
// +kubebuilder:validation:XValidation:rule="!has(self.rules) || self.rules.all(r, !has(r.rollout) || r.rollout.all(s, has(self.variants) ? self.variants.exists(v, v.name == s.variant) : s.variant in ['enabled', 'disabled']))",messageExpression="'a rollout gives a variant that the flag does not have; use ' + (has(self.variants) ? 'the name of one under spec.variants' : 'enabled or disabled')"
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

	// DefaultVariant is what everybody gets for whom no rule applies.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	DefaultVariant string `json:"defaultVariant"`

	// State switches the flag as a whole. A Disabled flag answers with the
	// default in the app's code, whatever its rules say.
	//
	// +optional
	// +kubebuilder:default=Enabled
	State FlagState `json:"state,omitempty"`

	// Rules choose a variant by who asks and when. The first that applies
	// wins.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Rules []FlagRule `json:"rules,omitempty"`

	// Targeting is one rule in flagd's JSON Logic, for what rules cannot say.
	// It gives the name of a variant, or null for the default. It may refer to
	// the app's evaluators by {"$ref": name}.
	//
	// +optional
	// +kubebuilder:validation:Type=object
	Targeting *apiextensionsv1.JSON `json:"targeting,omitempty"`

	// Hash is how the percentages of rules spread their subjects. The default
	// is flagd-murmur3; fwf-sha256-16 keeps the actors of a percentage that
	// comes from FunWithFlags.
	//
	// +optional
	Hash FlagHash `json:"hash,omitempty"`

	// BucketKey is what percentages are counted by beside the subject. The
	// default is the flag's key. The old name of a flag that was renamed keeps
	// everybody where they are; one name for several flags puts the same
	// subjects into all of them.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	BucketKey string `json:"bucketKey,omitempty"`

	// Lifecycle says what the flag is for, whose it is and when it is to go.
	//
	// +optional
	Lifecycle *FlagLifecycle `json:"lifecycle,omitempty"`

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

// FlagRule is one rule. All of its conditions must hold; a rule without any
// holds always.
//
// +kubebuilder:validation:XValidation:rule="has(self.variant) != has(self.rollout)",message="a rule has either variant, for everybody it applies to, or rollout, for percentages of them"
// +kubebuilder:validation:XValidation:rule="!has(self.bucketBy) || has(self.rollout)",message="bucketBy is what a rollout counts by; remove it or write a rollout"
type FlagRule struct {
	// Variant for everybody the rule applies to.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Variant string `json:"variant,omitempty"`

	// Rollout gives variants to percentages of the subjects the rule applies
	// to. Whoever is in the first share stays in it while it grows. Whoever is
	// beyond the percentages, or cannot be counted, goes on to the next rule.
	//
	// +optional
	// +listType=map
	// +listMapKey=variant
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Rollout []RolloutShare `json:"rollout,omitempty"`

	// BucketBy names the attribute that subjects are counted by, for example
	// customer_id. The default is targetingKey.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z_][A-Za-z0-9_-]*([.][A-Za-z0-9_-]+)*$')",message="bucketBy is the name of an attribute, for example customer_id"
	BucketBy string `json:"bucketBy,omitempty"`

	// When says whom the rule applies to. The default is everybody.
	//
	// +optional
	When *FlagCondition `json:"when,omitempty"`

	// Schedule says when the rule applies. The default is always.
	//
	// +optional
	Schedule *FlagSchedule `json:"schedule,omitempty"`
}

// RolloutShare is a variant and its percentage.
type RolloutShare struct {
	// Variant for this share.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Variant string `json:"variant"`

	// Percent of the subjects, 0 to 100, with up to three decimals: 25, or
	// "12.5" in quotes.
	//
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=8
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 100 : self.matches('^(100([.]0{1,3})?|[0-9]{1,2}([.][0-9]{1,3})?)%?$')",message="percent is 0 to 100, for example 25, or \"12.5\" in quotes"
	Percent intstr.IntOrString `json:"percent"`
}

// FlagCondition applies to whoever it names, in one way or another.
//
// +kubebuilder:validation:XValidation:rule="has(self.actors) || has(self.groups)",message="when names nobody; list actors or groups, or remove when"
type FlagCondition struct {
	// Actors are targeting keys, for example customer:42.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=500
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	Actors []string `json:"actors,omitempty"`

	// Groups are what the app says the subject belongs to, for example
	// early_access. One of them is enough.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Groups []string `json:"groups,omitempty"`
}

// FlagSchedule is a span of time.
//
// +kubebuilder:validation:XValidation:rule="has(self.from) || has(self.until)",message="schedule has no time; write from or until, or remove schedule"
// +kubebuilder:validation:XValidation:rule="!has(self.from) || !has(self.until) || self.from < self.until",message="schedule ends before it begins; from must be earlier than until"
type FlagSchedule struct {
	// From is the first moment.
	//
	// +optional
	From *metav1.Time `json:"from,omitempty"`

	// Until is the first moment after the last.
	//
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// FlagKind is what a flag is for.
//
// +kubebuilder:validation:Enum=Release;Experiment;KillSwitch;Permission
type FlagKind string

// Kinds of flags. The first two are to go one day, the others stay.
const (
	FlagRelease    FlagKind = "Release"
	FlagExperiment FlagKind = "Experiment"
	FlagKillSwitch FlagKind = "KillSwitch"
	FlagPermission FlagKind = "Permission"
)

// FlagLifecycle says what the flag is for, whose it is and when it is to go.
//
// +kubebuilder:validation:XValidation:rule="has(self.expiresAt) || self.kind in ['KillSwitch', 'Permission']",messageExpression="'a flag of kind ' + self.kind + ' needs expiresAt, the day by which it is to be gone; flags that stay are of kind KillSwitch or Permission'"
type FlagLifecycle struct {
	// Kind says what the flag is for.
	Kind FlagKind `json:"kind"`

	// Owner is whom to ask about the flag, for example an e-mail address.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Owner string `json:"owner"`

	// ExpiresAt is the day, in UTC, from whose beginning the flag counts as
	// expired. Expiry changes no answers; it is reported until the flag is
	// gone.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=10
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$')",message="expiresAt is a day, for example \"2026-03-01\" in quotes"
	ExpiresAt string `json:"expiresAt,omitempty"`
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

	// Default is the default variant that the app's pods are given. While the newest
	// definition is invalid it is that of the last good one.
	//
	// +optional
	Default string `json:"default,omitempty"`

	// Acked is how many of the pods that serve run what is published of this
	// flag, for example 3/3. It is empty while none could be asked.
	//
	// +optional
	Acked string `json:"acked,omitempty"`

	// Use is what the pods have reported about how the flag is asked for.
	//
	// +optional
	Use *FlagUse `json:"use,omitempty"`
}

// FlagUse remembers how a flag is asked for, across the lives of pods. It is
// written when something happens for the first time, not each time.
type FlagUse struct {
	// FirstEvaluatedAt is when a pod first reported that it was asked for the
	// flag.
	//
	// +optional
	FirstEvaluatedAt *metav1.Time `json:"firstEvaluatedAt,omitempty"`

	// OnlyVariant is the variant that everybody has been given since OnlySince.
	// It is empty while different variants are given.
	//
	// +optional
	OnlyVariant string `json:"onlyVariant,omitempty"`

	// OnlySince is from when on nobody was given another variant.
	//
	// +optional
	OnlySince *metav1.Time `json:"onlySince,omitempty"`
}

// FeatureFlag declares one flag of the app.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ff,categories=rsolv
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="App",type=string,JSONPath=`.spec.deploymentRef.name`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.spec.state`
// +kubebuilder:printcolumn:name="Default",type=string,JSONPath=`.status.default`
// +kubebuilder:printcolumn:name="Acked",type=string,JSONPath=`.status.acked`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.spec.lifecycle.expiresAt`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Key",type=string,priority=1,JSONPath=`.status.key`
// +kubebuilder:printcolumn:name="Stale",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Stale")].reason`
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
