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

// Database says where the connection URL is.
type Database struct {
	// SecretRef is the secret key that holds the connection URL
	// (postgres://user:password@host:5432/name).
	SecretRef SecretKeyReference `json:"secretRef"`

	// PoolSize is the number of connections that one pod may hold.
	//
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=500
	PoolSize int32 `json:"poolSize,omitempty"`
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

// Ingress publishes the app under one or more hosts.
type Ingress struct {
	// ClassName of the ingress controller; the cluster's default when empty.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClassName *string `json:"className,omitempty"`

	// Hosts that lead to the app. The first is its public host.
	//
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.all(h, h.matches('^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'))",message="a host is a name in lower case such as rsolv.dev or *.rsolv.dev, without a scheme, a port or a path"
	Hosts []string `json:"hosts"`

	// TLS names the secret with the certificate for all hosts.
	//
	// +optional
	TLS *IngressTLS `json:"tls,omitempty"`

	// Annotations for the ingress controller.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Annotations map[string]string `json:"annotations,omitempty"`

	// TrustedProxies are the networks that the ingress controller's pods
	// connect from, for example 10.0.0.0/8. The app believes what they say of
	// the visitor's address and of https; without them it takes the controller
	// for every visitor, and its cookies are not Secure.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=43
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self)",message="write a network such as 10.0.0.0/8 or fd00::/8; a single address ends in /32, or in /128 for IPv6"
	TrustedProxies []string `json:"trustedProxies,omitempty"`
}

// IngressTLS names a certificate.
type IngressTLS struct {
	// SecretName of type kubernetes.io/tls in the same namespace.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`
}
