package v1alpha1

// MonitoringEndpoint is where a monitoring server answers, and what it wants
// to see from those who ask.
//
// +kubebuilder:validation:XValidation:rule="self.url.matches('^https?://[^\\\\s/?#@]+(/[^\\\\s?#@]*)?$')",message="write http:// or https://, a host and maybe a port and a path, as in http://prometheus-operated.monitoring:9090; a user and a password belong in a secret, see basicAuthSecretRef"
// +kubebuilder:validation:XValidation:rule="!(has(self.basicAuthSecretRef) && has(self.bearerTokenSecretRef))",message="basicAuthSecretRef and bearerTokenSecretRef exclude each other: a request carries one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || self.url.startsWith('https://')",message="tls is for https: begin the url with https://, or remove tls"
type MonitoringEndpoint struct {
	// URL below which the server's API lies, for example
	// http://prometheus-operated.monitoring:9090. It must be reachable from the
	// manager's pod. Redirects are not followed.
	//
	// +kubebuilder:validation:MaxLength=512
	URL string `json:"url"`

	// BasicAuthSecretRef names a secret with the keys username and password.
	//
	// +optional
	BasicAuthSecretRef *LocalReference `json:"basicAuthSecretRef,omitempty"`

	// BearerTokenSecretRef is the secret key with a token, sent as
	// `Authorization: Bearer …`.
	//
	// +optional
	BearerTokenSecretRef *SecretKeyReference `json:"bearerTokenSecretRef,omitempty"`

	// TLS tunes https. Without it, the server's certificate must be signed by an
	// authority that the manager's image knows.
	//
	// +optional
	TLS *ClientTLS `json:"tls,omitempty"`
}

// ClientTLS is what the client's side of a TLS connection needs.
type ClientTLS struct {
	// CASecretRef is the secret key with the certificates, in PEM, of the
	// authorities that may have signed the server's certificate.
	//
	// +optional
	CASecretRef *SecretKeyReference `json:"caSecretRef,omitempty"`

	// CertSecretRef names a secret of type kubernetes.io/tls, with the keys
	// tls.crt and tls.key, which is shown to a server that asks for a client
	// certificate.
	//
	// +optional
	CertSecretRef *LocalReference `json:"certSecretRef,omitempty"`

	// ServerName to find in the server's certificate, in place of the host of
	// the url.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ServerName string `json:"serverName,omitempty"`

	// InsecureSkipVerify takes any certificate. Whoever sits between the manager
	// and the server can then read the credentials and make up the answers.
	//
	// +optional
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
}
