package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

	// Gate watches the new version by the critical bounds of an AlertBaseline
	// before it counts as good. The first version of an app, which has none to
	// go back to, is not gated.
	//
	// +optional
	Gate *Gate `json:"gate,omitempty"`

	// AutoRollback brings the last good revision back when the new one misses
	// the progress deadline, fails the smoke test or breaches the gate. Default
	// true.
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

// Gate watches a new version for a while after it took over.
type Gate struct {
	// BaselineRef is the AlertBaseline in the same namespace whose critical
	// bounds must hold. They are asked about the new version's pods alone, and a
	// bound that is crossed counts at once, whatever its `for`.
	BaselineRef LocalReference `json:"baselineRef"`

	// Duration is how long the bounds must hold, for example 5m.
	//
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(s|m|h))+$') && duration(self) >= duration('10s') && duration(self) <= duration('24h')",message="write a duration between 10s and 24h, such as 90s or 5m"
	Duration metav1.Duration `json:"duration,omitempty"`

	// OnNoData says what becomes of a version about which nothing is known when
	// the duration is over, for its metrics are not in Prometheus, Prometheus
	// does not answer, or the baseline or its spec.prometheus is missing: Pass
	// takes it for good, Fail for bad, and Pause waits until something is known.
	//
	// +optional
	// +kubebuilder:default=Pause
	// +kubebuilder:validation:Enum=Pass;Fail;Pause
	OnNoData OnNoData `json:"onNoData,omitempty"`
}

// OnNoData says what becomes of a version about which nothing is known.
type OnNoData string

// Values of OnNoData.
const (
	OnNoDataPass  OnNoData = "Pass"
	OnNoDataFail  OnNoData = "Fail"
	OnNoDataPause OnNoData = "Pause"
)
