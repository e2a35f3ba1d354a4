package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ThresholdState is how a threshold stands, as its Prometheus sees it.
//
// +kubebuilder:validation:Enum=OK;Pending;Info;Warning;Critical;NoData;Unknown
type ThresholdState string

// States of a threshold.
const (
	// StateOK: no alert of the threshold is pending or fires.
	StateOK ThresholdState = "OK"
	// StatePending: a bound is crossed, and `for` has not passed yet.
	StatePending ThresholdState = "Pending"
	// StateInfo, StateWarning and StateCritical: the alert of that level fires;
	// the worst one counts.
	StateInfo     ThresholdState = "Info"
	StateWarning  ThresholdState = "Warning"
	StateCritical ThresholdState = "Critical"
	// StateNoData: the signal has no value. A ratio or a latency has none while
	// there is no traffic; for metrics that are gone there is onNoData.
	StateNoData ThresholdState = "NoData"
	// StateUnknown: Prometheus does not run the rules, or does not answer.
	StateUnknown ThresholdState = "Unknown"
)

// ThresholdStatus is how one threshold stands.
type ThresholdStatus struct {
	// Name of the threshold.
	Name string `json:"name"`

	// State of the threshold.
	State ThresholdState `json:"state"`

	// Value of the signal when the state was entered, in the unit of the bounds.
	// It is not followed: what it is now, the dashboard shows.
	//
	// +optional
	Value string `json:"value,omitempty"`

	// Since when the threshold is in this state.
	Since metav1.Time `json:"since"`
}
