package v1alpha1

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
