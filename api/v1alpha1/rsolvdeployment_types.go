package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
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

	// Ingress publishes the app. Only the public port is ever exposed.
	//
	// +optional
	Ingress *Ingress `json:"ingress,omitempty"`

	// Resources of the app's container. The default requests 100m CPU and
	// 256Mi memory and limits memory to 512Mi.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.claims)",message="resource claims are not supported; use requests and limits"
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// Flags says how the flags of this app may be named, and whether a rollout
	// waits for those that its image needs.
	//
	// +optional
	Flags *FlagsPolicy `json:"flags,omitempty"`

	// Rollout tunes the steps between a new spec and the pods that run it.
	//
	// +optional
	Rollout *Rollout `json:"rollout,omitempty"`
}

// LocalReference names an object in the same namespace.
type LocalReference struct {
	// Name of the object.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

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

// Rollout tunes the steps of a rollout.
type Rollout struct {
	// Preflight runs the new image once with the variables and files that its
	// pods will have, and asks it whether it can work with them.
	//
	// +optional
	Preflight *Preflight `json:"preflight,omitempty"`

	// Migrations run once for each image and database, before any pod of the
	// new version starts.
	//
	// +optional
	Migrations *Migrations `json:"migrations,omitempty"`

	// ProgressDeadline is how long a rollout may stand still, with no further
	// new pod answering, before it counts as failed. Default 10m.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(s|m|h))+$') && duration(self) >= duration('10s') && duration(self) <= duration('24h')",message="write a duration between 10s and 24h, such as 90s or 2m"
	ProgressDeadline *metav1.Duration `json:"progressDeadline,omitempty"`

	// SmokeTest walks a first customer, marked as one, through the new version
	// when its pods answer.
	//
	// +optional
	SmokeTest *SmokeTest `json:"smokeTest,omitempty"`

	// AutoRollback brings the last good revision back when the new one misses
	// the progress deadline or fails the smoke test. Default true.
	//
	// +optional
	AutoRollback *bool `json:"autoRollback,omitempty"`
}

// SmokeTest tunes the smoke test Job.
type SmokeTest struct {
	// Timeout after which a smoke test that has not finished counts as failed,
	// for example 1m.
	//
	// +kubebuilder:default="1m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(s|m|h))+$') && duration(self) >= duration('10s') && duration(self) <= duration('1h')",message="write a duration between 10s and 1h, such as 90s or 2m"
	Timeout metav1.Duration `json:"timeout,omitempty"`
}

// Preflight tunes the preflight Job.
type Preflight struct {
	// Timeout after which a preflight that has not finished is stopped and
	// counts as failed, pulling the image included, for example 2m.
	//
	// +kubebuilder:default="2m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(s|m|h))+$') && duration(self) >= duration('10s') && duration(self) <= duration('1h')",message="write a duration between 10s and 1h, such as 90s or 2m"
	Timeout metav1.Duration `json:"timeout,omitempty"`
}

// Migrations tunes the migrations Job.
type Migrations struct {
	// Timeout after which a migration that has not finished is stopped and
	// the rollout held, for example 10m.
	//
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(s|m|h))+$') && duration(self) >= duration('10s') && duration(self) <= duration('24h')",message="write a duration between 10s and 24h, such as 90s, 10m or 1h30m"
	Timeout metav1.Duration `json:"timeout,omitempty"`
}

// RsolvDeploymentStatus is what the operator observed.
type RsolvDeploymentStatus struct {
	// ObservedGeneration is the generation that this status speaks of; -1
	// before the first look.
	//
	// +optional
	// +kubebuilder:default=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions say how far the rollout has come, and what to do when it is
	// held.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Phase of the rollout in one word.
	//
	// +optional
	Phase string `json:"phase,omitempty"`

	// Desired number of pods.
	//
	// +optional
	Desired int32 `json:"desired,omitempty"`

	// Replicas is the number of pods that exist, old and new.
	//
	// +optional
	Replicas int32 `json:"replicas,omitempty"`

	// Available is the number of pods that answer.
	//
	// +optional
	Available int32 `json:"available,omitempty"`

	// Selector of the pods, for `kubectl scale` and autoscalers.
	//
	// +optional
	Selector string `json:"selector,omitempty"`

	// Image that the pods run, or are being rolled to. It differs from
	// spec.image while a rollout is held.
	//
	// +optional
	Image string `json:"image,omitempty"`

	// Preflight is the record of the last preflight that ended. It outlives
	// the Job.
	//
	// +optional
	Preflight *PreflightRecord `json:"preflight,omitempty"`

	// Catalog is what the last preflight said about the flags of its image.
	//
	// +optional
	Catalog *CatalogRecord `json:"catalog,omitempty"`

	// Migrations is the record of the last migrations that completed. It
	// outlives the Job.
	//
	// +optional
	Migrations *MigrationRecord `json:"migrations,omitempty"`

	// FailedMigrations is the record of the attempt at migrations that holds
	// the rollout. It outlives the Job, so that a failed attempt is repeated
	// only on request.
	//
	// +optional
	FailedMigrations *MigrationRecord `json:"failedMigrations,omitempty"`

	// SmokeTest is the record of the last smoke test that ended. It outlives
	// the Job.
	//
	// +optional
	SmokeTest *SmokeTestRecord `json:"smokeTest,omitempty"`

	// LastGood is the last revision whose pods answered and passed the smoke
	// test. A rollback returns to it.
	//
	// +optional
	LastGood *RevisionRecord `json:"lastGood,omitempty"`

	// RejectedRevision is the revision that is not tried again unless it is
	// asked for.
	//
	// +optional
	RejectedRevision *RejectedRecord `json:"rejectedRevision,omitempty"`

	// DependencyBackAt is when old pods answered again that had stopped
	// together with the new ones. The new ones are given time from then on.
	//
	// +optional
	DependencyBackAt *metav1.Time `json:"dependencyBackAt,omitempty"`

	// Settled is what ran when all pods last answered. On the way from there
	// to another number of pods the app stays available.
	//
	// +optional
	Settled *SettledRecord `json:"settled,omitempty"`

	// Flags that the app's pods are given.
	//
	// +optional
	Flags *FlagsRecord `json:"flags,omitempty"`
}

// PreflightRecord remembers a preflight that ended.
type PreflightRecord struct {
	// Hash of image, command and environment.
	Hash string `json:"hash"`
	// Image that ran, as declared.
	Image string `json:"image"`
	// Pinned is the same image by its digest, empty when the node knows none.
	//
	// +optional
	Pinned string `json:"pinned,omitempty"`
	// Passed tells that it found nothing amiss.
	//
	// +optional
	Passed bool `json:"passed,omitempty"`
	// Attempt is the hash together with the retry annotation that failed.
	//
	// +optional
	Attempt string `json:"attempt,omitempty"`
	// Failures of this attempt so far.
	//
	// +optional
	Failures int32 `json:"failures,omitempty"`
	// RetryAt is when a failed preflight runs again.
	//
	// +optional
	RetryAt *metav1.Time `json:"retryAt,omitempty"`
}

// CatalogRecord sums up the flags that an image knows.
type CatalogRecord struct {
	// Hash of the preflight that reported the catalogue.
	Hash string `json:"hash"`
	// Digest of the catalogue, as the image reports it.
	//
	// +optional
	Digest string `json:"digest,omitempty"`
	// Count of flags that the image knows.
	Count int32 `json:"count"`
	// Required are the flags that the image cannot do without; the first 256
	// in order of key.
	//
	// +optional
	// +listType=map
	// +listMapKey=key
	// +kubebuilder:validation:MaxItems=256
	Required []RequiredFlag `json:"required,omitempty"`
}

// RequiredFlag is a flag that an image cannot do without.
type RequiredFlag struct {
	// Key by which the image asks for it.
	Key string `json:"key"`
	// Type is Boolean, String, Number or Object.
	//
	// +optional
	Type string `json:"type,omitempty"`
}

// MigrationRecord remembers migrations that ran.
type MigrationRecord struct {
	// Hash of image, command and environment; the migrations of a hash run
	// once. For a failed attempt, the retry annotation is part of it.
	Hash string `json:"hash"`
	// Image that ran.
	Image string `json:"image"`
	// Retry is the value of the retry annotation that this attempt answers.
	//
	// +optional
	Retry string `json:"retry,omitempty"`
	// Message says why an attempt failed, and what to do.
	//
	// +optional
	Message string `json:"message,omitempty"`
}

// SettledRecord remembers a rollout that was complete.
type SettledRecord struct {
	// Template is a digest of what the pods are made from.
	Template string `json:"template"`
	// Replicas is the number of pods that were wanted, and answered.
	Replicas int32 `json:"replicas"`
}

// RevisionRecord names a revision: what pods are made from.
type RevisionRecord struct {
	// Hash of the pod template, which names the copies of settings and secrets
	// that the pods are given.
	Hash string `json:"hash"`
	// Image that the pods run.
	Image string `json:"image"`
}

// RejectedRecord remembers a revision that was rolled back.
type RejectedRecord struct {
	RevisionRecord `json:",inline"`
	// Attempt is the hash together with the retry annotation.
	Attempt string `json:"attempt"`
	// Reason is the reason of the condition that failed.
	Reason string `json:"reason"`
	// Message says what failed.
	Message string `json:"message"`
}

// SmokeTestRecord remembers a smoke test that ended.
type SmokeTestRecord struct {
	// Revision that was tested.
	Revision string `json:"revision"`
	// Passed tells that it went well.
	//
	// +optional
	Passed bool `json:"passed,omitempty"`
	// Attempt is the revision together with the retry annotation that failed.
	//
	// +optional
	Attempt string `json:"attempt,omitempty"`
	// Failures of this attempt that were not the revision's fault.
	//
	// +optional
	Failures int32 `json:"failures,omitempty"`
	// RetryAt is when the smoke test runs again after such a failure.
	//
	// +optional
	RetryAt *metav1.Time `json:"retryAt,omitempty"`
}

// FlagsRecord sums up the published flags.
type FlagsRecord struct {
	// Count of published flags.
	Count int32 `json:"count"`
	// Digest of the flags file.
	Digest string `json:"digest"`
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
