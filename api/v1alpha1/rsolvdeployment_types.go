package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RsolvDeploymentSpec declares how the app runs.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.replicas) && has(self.autoscaling))",message="replicas and autoscaling exclude each other: remove spec.replicas to let the autoscaler decide, or spec.autoscaling to fix the number"
type RsolvDeploymentSpec struct {
	// Image of the app, with a tag or a digest, for example
	// ghcr.io/rsolv-dev/rsolv:prod-20251103-184315. "latest" and untagged
	// images are refused: a rollout must be able to tell two versions apart.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[a-z0-9][a-zA-Z0-9._/:@-]*$`
	// +kubebuilder:validation:XValidation:rule="self.contains('@sha256:') || (self.matches('^.+:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$') && !self.endsWith(':latest'))",message="name one version: end the image with a tag other than latest (…/rsolv:prod-20251103-184315) or with a digest (@sha256:…)"
	Image string `json:"image"`

	// ImagePullSecrets name secrets in the same namespace with the registry's
	// credentials.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	ImagePullSecrets []LocalReference `json:"imagePullSecrets,omitempty"`

	// Replicas is the number of pods. Leave it out together with autoscaling
	// and the app starts with 2 pods and keeps whatever number it has.
	// `kubectl scale` writes this field.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Replicas *int32 `json:"replicas,omitempty"`

	// Autoscaling lets a HorizontalPodAutoscaler choose the number of pods.
	// Turning it on or off keeps the pods that run.
	//
	// +optional
	Autoscaling *Autoscaling `json:"autoscaling,omitempty"`

	// Database is the Postgres that the app uses.
	Database Database `json:"database"`

	// Secrets are checked before every rollout and reach the app as
	// environment variables. A key that is missing, empty or a placeholder
	// (changeme, REPLACE_ME, <…>, todo, …) holds the rollout; the running pods
	// keep the values they have.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Secrets []SecretSource `json:"secrets,omitempty"`

	// Placeholders says which values of secrets count as not filled in, beside
	// those that everybody writes, or instead of them.
	//
	// +optional
	Placeholders *Placeholders `json:"placeholders,omitempty"`

	// Env are further variables of the app that are no secret, for example
	// {name: PUBLIC_FLAGS, value: blog}.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Env []EnvVar `json:"env,omitempty"`

	// Ingress publishes the app. Only the public port is ever exposed.
	//
	// +optional
	Ingress *Ingress `json:"ingress,omitempty"`

	// Gateway publishes the app by an HTTPRoute of the Gateway API, instead of
	// an Ingress, or beside it while you move from one to the other.
	//
	// +optional
	Gateway *Gateway `json:"gateway,omitempty"`

	// Metrics lets the Prometheus of prometheus-operator find the pods, by a
	// ServiceMonitor. `metrics: {}` does with defaults.
	//
	// +optional
	Metrics *Metrics `json:"metrics,omitempty"`

	// NetworkPolicy closes the pods to traffic that they need not have.
	// `networkPolicy: {}` does with defaults.
	//
	// +optional
	NetworkPolicy *NetworkPolicy `json:"networkPolicy,omitempty"`

	// Resources of the app's container. The default requests 100m CPU and
	// 256Mi memory and limits memory to 512Mi.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.claims)",message="resource claims are not supported; use requests and limits"
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// NodeSelector are labels that a node must have to run pods of the app,
	// its Jobs included.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 316 && !format.qualifiedName().validate(k).hasValue() && !format.labelValue().validate(self[k]).hasValue())",message="a label is a name such as disktype or example.com/pool, and a value of at most 63 letters, digits, -, _ and ."
	NodeSelector map[string]KubernetesLabelValue `json:"nodeSelector,omitempty"`

	// Tolerations let pods of the app, its Jobs included, run on nodes with
	// these taints.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Tolerations []Toleration `json:"tolerations,omitempty"`

	// TopologySpread spreads the pods that serve. Leave it out and they are
	// spread over the nodes where that is possible.
	//
	// +optional
	// +listType=map
	// +listMapKey=topologyKey
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	TopologySpread []TopologySpread `json:"topologySpread,omitempty"`

	// ServiceAccount tunes the pods' identity.
	//
	// +optional
	ServiceAccount *ServiceAccount `json:"serviceAccount,omitempty"`

	// Flags says how the flags of this app may be named, and whether a rollout
	// waits for those that its image needs.
	//
	// +optional
	Flags *FlagsPolicy `json:"flags,omitempty"`

	// Rollout tunes the steps between a new spec and the pods that run it.
	//
	// +optional
	Rollout *Rollout `json:"rollout,omitempty"`

	// Suspend stops rollouts where they are: no Job is started, no pod gets
	// another version, and a rollout that is under way is paused. The number of
	// pods, the autoscaler, the ingress and everything else that needs no new
	// pods go on following the spec. A rollback that was decided before is done
	// all the same.
	//
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// LocalReference names an object in the same namespace.
type LocalReference struct {
	// Name of the object.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// RsolvDeployment runs the app: its pods, what they are given, and how they
// are reached.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:resource:shortName=rd,categories=rsolv
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Desired",type=integer,JSONPath=`.status.desired`
// +kubebuilder:printcolumn:name="Available",type=integer,JSONPath=`.status.available`
// +kubebuilder:printcolumn:name="Image",type=string,JSONPath=`.status.image`
// +kubebuilder:printcolumn:name="Flags",type=integer,JSONPath=`.status.flags.count`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must begin with a letter, hold only a-z, 0-9 and -, and be at most 40 characters: Services and Jobs are named after it"
type RsolvDeployment struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec RsolvDeploymentSpec `json:"spec"`
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status RsolvDeploymentStatus `json:"status,omitempty"`
}

// RsolvDeploymentList is a list of RsolvDeployments.
//
// +kubebuilder:object:root=true
type RsolvDeploymentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RsolvDeployment `json:"items"`
}
