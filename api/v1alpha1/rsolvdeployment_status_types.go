package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

	// LastGoodCatalog is what the preflight of the last good revision said
	// about the flags of its image. Flags that it requires are not taken from
	// the pods, whatever becomes of their FeatureFlags.
	//
	// +optional
	LastGoodCatalog *CatalogRecord `json:"lastGoodCatalog,omitempty"`

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

	// Gate is the record of the gate that is being watched, or was last. A
	// manager that starts anew goes on with it.
	//
	// +optional
	Gate *GateRecord `json:"gate,omitempty"`

	// LastGood is the last revision whose pods answered and passed the smoke
	// test and the gate. A rollback returns to it.
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
	// Unmet are keys of flags that the image cannot do without and that no
	// FeatureFlag can give it: the key may not look so, or there are more than
	// 256 of them. The first 16.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=64
	Unmet []string `json:"unmet,omitempty"`
	// Known are all flags that the image knows; the first 1,024 in order of
	// key.
	//
	// +optional
	// +listType=map
	// +listMapKey=key
	// +kubebuilder:validation:MaxItems=1024
	Known []KnownFlag `json:"known,omitempty"`
}

// KnownFlag is a flag that an image knows, whether it needs it or not.
type KnownFlag struct {
	// Key by which the image asks for it.
	Key string `json:"key"`
	// Type is Boolean, String, Number or Object.
	//
	// +optional
	Type string `json:"type,omitempty"`
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
	// Earlier are the hashes of migrations that completed before, the newest
	// first.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Earlier []string `json:"earlier,omitempty"`
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
	// Pods are the ReplicaSets of this revision and of those that were rejected
	// right before it. What their metrics tell is no fault of an earlier version.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Pods []string `json:"pods,omitempty"`
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
	// DownSince is when pods stopped answering although the revision had
	// passed, before it was the last good one.
	//
	// +optional
	DownSince *metav1.Time `json:"downSince,omitempty"`
}

// GateRecord remembers a gate.
type GateRecord struct {
	// Revision that is watched.
	Revision string `json:"revision"`
	// Attempt is the revision together with the retry annotation.
	Attempt string `json:"attempt"`
	// StartedAt is when the watch began.
	StartedAt metav1.Time `json:"startedAt"`
	// Compared tells that it is known which bounds were breached before the
	// revision's first pod was made.
	//
	// +optional
	Compared bool `json:"compared,omitempty"`
	// Excluded are the thresholds whose bounds were breached before. They are
	// not held against the revision.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Excluded []string `json:"excluded,omitempty"`
	// Failures of a dependency in the time of this gate.
	//
	// +optional
	Failures int32 `json:"failures,omitempty"`
	// RetryAt is when to look again after such a failure.
	//
	// +optional
	RetryAt *metav1.Time `json:"retryAt,omitempty"`
	// JudgeFrom is when the metrics no longer tell of a dependency that was
	// away, or of an earlier attempt at this revision. The watch begins then.
	//
	// +optional
	JudgeFrom *metav1.Time `json:"judgeFrom,omitempty"`
	// DownSince is when pods were first seen not to answer, in the time of the
	// gate, that have not all answered again.
	//
	// +optional
	DownSince *metav1.Time `json:"downSince,omitempty"`
	// BackAt is when they last all answered again. The watch goes on for a
	// while from then.
	//
	// +optional
	BackAt *metav1.Time `json:"backAt,omitempty"`
	// Breach is what was seen to go wrong while it is decided whether the
	// revision is to blame. What is seen after it changes nothing about that.
	//
	// +optional
	Breach *BreachRecord `json:"breach,omitempty"`
	// Result is Passed or Failed once the gate is over.
	//
	// +optional
	Result string `json:"result,omitempty"`
	// Reason and Message of a gate that is over.
	//
	// +optional
	Reason string `json:"reason,omitempty"`
	// +optional
	Message string `json:"message,omitempty"`
}

// BreachRecord remembers what went wrong in the time of a gate.
type BreachRecord struct {
	// At is when it was seen.
	At metav1.Time `json:"at"`
	// Reason is that of the condition, should the revision be to blame.
	Reason string `json:"reason"`
	// Subject names what went wrong, such as the bounds that were crossed.
	Subject string `json:"subject"`
	// Message says it in full.
	Message string `json:"message"`
	// Window is how long the metrics go on telling of what has passed.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	Window metav1.Duration `json:"window,omitempty"`
}

// Values of GateRecord.Result.
const (
	GatePassed = "Passed"
	GateFailed = "Failed"
)

// FlagsRecord sums up the published flags.
type FlagsRecord struct {
	// Count of published flags.
	Count int32 `json:"count"`
	// Digest of the flags file.
	Digest string `json:"digest"`
}
