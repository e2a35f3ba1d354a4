package v1alpha1

// EnvVar is a variable that is no secret.
type EnvVar struct {
	// Name of the variable.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z_][A-Za-z0-9_]*$')",message="a variable name has letters, digits and _, and does not begin with a digit"
	// +kubebuilder:validation:XValidation:rule="self != 'DATABASE_URL' && self != 'POOL_SIZE'",message="the operator sets this variable from spec.database: remove it here"
	// +kubebuilder:validation:XValidation:rule="self != 'PUBLIC_HOST' && self != 'TRUSTED_PROXIES'",message="the operator sets this variable from spec.ingress or spec.gateway, their hosts and trustedProxies: remove it here"
	// +kubebuilder:validation:XValidation:rule="!(self in ['POD_NAME', 'POD_NAMESPACE', 'RSOLV_FLAGS_DIR', 'SMOKE_TEST_URL'])",message="the operator sets this variable by itself: remove it"
	// +kubebuilder:validation:XValidation:rule="self != 'RSOLV_PLACEHOLDERS'",message="the operator sets this variable from spec.placeholders: remove it here"
	Name string `json:"name"`

	// Value of the variable, as it is: nothing in it is expanded. What must
	// stay secret belongs into a Secret named in secrets.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Value string `json:"value,omitempty"`
}

// Toleration lets pods run on nodes with a taint.
//
// +kubebuilder:validation:XValidation:rule="has(self.key) || self.operator == 'Exists'",message="a toleration without a key tolerates every taint: say so with operator: Exists, or name the key"
// +kubebuilder:validation:XValidation:rule="!has(self.value) || self.operator == 'Equal'",message="operator Exists looks at no value: remove value, or use operator: Equal"
// +kubebuilder:validation:XValidation:rule="!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",message="tolerationSeconds is for effect: NoExecute alone: add it, or remove tolerationSeconds"
type Toleration struct {
	// Key of the taint.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:XValidation:rule="!format.qualifiedName().validate(self).hasValue()",message="the key of a taint is a name such as dedicated or example.com/dedicated"
	Key string `json:"key,omitempty"`

	// Operator is Equal to compare the value too, or Exists to take any.
	//
	// +optional
	// +kubebuilder:default=Equal
	// +kubebuilder:validation:Enum=Equal;Exists
	Operator string `json:"operator,omitempty"`

	// Value of the taint.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.labelValue().validate(self).hasValue()",message="the value of a taint has at most 63 letters, digits, -, _ and ."
	Value string `json:"value,omitempty"`

	// Effect of the taint; any when left out.
	//
	// +optional
	// +kubebuilder:validation:Enum=NoSchedule;PreferNoSchedule;NoExecute
	Effect string `json:"effect,omitempty"`

	// TolerationSeconds is how long a pod stays on a node that gets the taint;
	// for ever when left out.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	TolerationSeconds *int64 `json:"tolerationSeconds,omitempty"`
}

// TopologySpread spreads the pods over the values of a label of the nodes.
type TopologySpread struct {
	// TopologyKey is the label of the nodes, for example
	// topology.kubernetes.io/zone.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:XValidation:rule="!format.qualifiedName().validate(self).hasValue()",message="name a label of the nodes, such as topology.kubernetes.io/zone or kubernetes.io/hostname"
	TopologyKey string `json:"topologyKey"`

	// MaxSkew is how many more pods one value may have than another.
	//
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MaxSkew int32 `json:"maxSkew,omitempty"`

	// WhenUnsatisfiable is ScheduleAnyway to prefer the spread, or
	// DoNotSchedule to insist on it: a pod that would break it waits then, and
	// with it the rollout.
	//
	// +optional
	// +kubebuilder:default=ScheduleAnyway
	// +kubebuilder:validation:Enum=ScheduleAnyway;DoNotSchedule
	WhenUnsatisfiable string `json:"whenUnsatisfiable,omitempty"`
}

// ServiceAccount tunes the pods' identity, which is made for the app and has
// no token.
type ServiceAccount struct {
	// Annotations, such as those by which a cloud gives the pods a role. Pods
	// that run see a change when they are replaced.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 316 && !format.qualifiedName().validate(k.lowerAscii()).hasValue())",message="an annotation is a name such as eks.amazonaws.com/role-arn"
	Annotations map[string]string `json:"annotations,omitempty"`
}

// KubernetesLabelValue is the value of a label of a Kubernetes object.
//
// +kubebuilder:validation:MaxLength=63
type KubernetesLabelValue string
