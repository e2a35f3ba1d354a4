package v1alpha1

// Autoscaling bounds the HorizontalPodAutoscaler.
//
// +kubebuilder:validation:XValidation:rule="self.minReplicas <= self.maxReplicas",message="minReplicas must not exceed maxReplicas"
type Autoscaling struct {
	// MinReplicas is the fewest pods to run.
	//
	// +kubebuilder:default=2
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MinReplicas int32 `json:"minReplicas,omitempty"`

	// MaxReplicas is the most pods to run.
	//
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxReplicas int32 `json:"maxReplicas"`

	// TargetCPUUtilization is the average CPU use to keep, in percent of the
	// requested CPU.
	//
	// +kubebuilder:default=70
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	TargetCPUUtilization int32 `json:"targetCPUUtilization,omitempty"`
}

// SecretKeyReference names one key of a secret in the same namespace.
type SecretKeyReference struct {
	// Name of the secret.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// Key in the secret's data.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key"`
}

// SecretSource is a secret whose keys become environment variables.
//
// +kubebuilder:validation:XValidation:rule="has(self.requiredKeys) || has(self.env)",message="name at least one key, in requiredKeys or in env"
// +kubebuilder:validation:XValidation:rule="!has(self.requiredKeys) || self.requiredKeys.all(k, k.matches('^[A-Za-z_][A-Za-z0-9_]*$') || (has(self.env) && self.env.exists(v, self.env[v] == k)))",message="a key that is no valid variable name reaches the app only through env: add it there as VARIABLE: key"
type SecretSource struct {
	// Name of the secret in the same namespace.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// RequiredKeys must be in the secret. Each becomes a variable of the same
	// name, unless env maps it to another one.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[-._a-zA-Z0-9]+$`
	RequiredKeys []string `json:"requiredKeys,omitempty"`

	// Env maps variables to keys of the secret, for example
	// ANTHROPIC_API_KEY: anthropic-api-key. The keys are required.
	//
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(v, v.size() <= 128 && v.matches('^[A-Za-z_][A-Za-z0-9_]*$'))",message="a variable name has letters, digits and _, and does not begin with a digit"
	Env map[string]SecretKey `json:"env,omitempty"`
}

// SecretKey is a key in a secret's data.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
type SecretKey string
