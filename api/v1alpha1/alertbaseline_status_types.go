package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AlertBaselineStatus is what the operator observed.
type AlertBaselineStatus struct {
	// ObservedGeneration is the generation that this status speaks of; -1
	// before the first look.
	//
	// +optional
	// +kubebuilder:default=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions say whether rules and dashboard are in place, and what to do
	// when they are not.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Thresholds in the spec.
	//
	// +optional
	Thresholds int32 `json:"thresholds,omitempty"`

	// Alerts in the object that holds the rules.
	//
	// +optional
	Alerts int32 `json:"alerts,omitempty"`

	// Firing is how many alerts of this baseline fire; absent while unknown.
	//
	// +optional
	Firing *int32 `json:"firing,omitempty"`

	// States of the thresholds, in the order of the spec. They are written when
	// a state changes, and absent without spec.prometheus.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	States []ThresholdStatus `json:"states,omitempty"`

	// Calibration is what the alerts would have done in the past.
	//
	// +optional
	Calibration *CalibrationStatus `json:"calibration,omitempty"`
}
