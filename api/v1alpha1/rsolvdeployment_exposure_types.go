package v1alpha1

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

// Gateway publishes the app through the Gateway API.
type Gateway struct {
	// ParentRefs are the Gateways that the route is attached to. They must
	// allow routes from this namespace.
	//
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	ParentRefs []ParentReference `json:"parentRefs"`

	// Hosts that lead to the app. The first is its public host.
	//
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.all(h, h.matches('^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'))",message="a host is a name in lower case such as rsolv.dev or *.rsolv.dev, without a scheme, a port or a path"
	Hosts []string `json:"hosts"`

	// Annotations for the route, such as those of external-dns.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Annotations map[string]string `json:"annotations,omitempty"`

	// TrustedProxies are the networks that the gateway's pods connect from,
	// for example 10.0.0.0/8. The app believes what they say of the visitor's
	// address and of https; without them it takes the gateway for every
	// visitor, and its cookies are not Secure.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=43
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self)",message="write a network such as 10.0.0.0/8 or fd00::/8; a single address ends in /32, or in /128 for IPv6"
	TrustedProxies []string `json:"trustedProxies,omitempty"`
}

// ParentReference names a Gateway, or one of its listeners.
type ParentReference struct {
	// Name of the Gateway.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// Namespace of the Gateway; the app's own when empty.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace,omitempty"`

	// SectionName is the listener of the Gateway; all that allow the hosts
	// when empty.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	SectionName string `json:"sectionName,omitempty"`

	// Port of the Gateway; all of its ports when left out.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port *int32 `json:"port,omitempty"`
}

// Metrics makes a ServiceMonitor, by which prometheus-operator finds the pods.
type Metrics struct {
	// Interval between two scrapes, for example 30s.
	//
	// +kubebuilder:default="30s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+(s|m)$') && duration(self) >= duration('1s') && duration(self) <= duration('10m')",message="write a number of seconds or minutes between 1s and 10m, such as 30s"
	Interval string `json:"interval,omitempty"`

	// Labels of the ServiceMonitor, by which a Prometheus selects it, for
	// example {release: kube-prometheus-stack}.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 316 && !format.qualifiedName().validate(k).hasValue() && !format.labelValue().validate(self[k]).hasValue())",message="a label is a name such as release or example.com/team, and a value of at most 63 letters, digits, -, _ and ."
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('rsolv.dev/') && !k.startsWith('app.kubernetes.io/'))",message="labels under rsolv.dev/ and app.kubernetes.io/ are set by the operator: use another name"
	Labels map[string]KubernetesLabelValue `json:"labels,omitempty"`
}

// NetworkPolicy closes the pods to all traffic but the one that is named. The
// smoke test, which is part of a rollout, and the probes of the node always
// reach them. What the pods themselves connect to is not limited.
type NetworkPolicy struct {
	// PublicFrom names the namespaces from which the public port may be
	// reached, such as that of the ingress controller. Leave it out and
	// everybody may, also from outside the cluster.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="write the name of a namespace, such as ingress-nginx"
	PublicFrom []string `json:"publicFrom,omitempty"`

	// MetricsFrom names the namespaces from which the metrics on port 9090
	// may be read: where Prometheus runs.
	//
	// +optional
	// +listType=set
	// +kubebuilder:default={"monitoring"}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="write the name of a namespace, such as ingress-nginx"
	MetricsFrom []string `json:"metricsFrom,omitempty"`

	// ManagerNamespace is where this operator runs. It asks the pods on port
	// 9090 which flags they have.
	//
	// +optional
	// +kubebuilder:default=rsolv-system
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	ManagerNamespace string `json:"managerNamespace,omitempty"`
}
