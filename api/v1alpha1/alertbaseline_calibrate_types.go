package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Calibrate asks what the alerts would have done in the past.
type Calibrate struct {
	// Window to look back over, up to 30d. The answer is in the status: how
	// often each alert would have fired, and bounds taken from what was
	// observed. It is looked at when the spec changes and then once a day, and
	// nothing is applied by itself.
	//
	// +kubebuilder:default="48h"
	// +kubebuilder:validation:MaxLength=8
	// +kubebuilder:validation:XValidation:rule="self.matches('^([1-9]|[12][0-9]|30)d$|^([1-9]|[1-9][0-9]|[1-6][0-9][0-9]|7[01][0-9]|720)h$')",message="write a window from 1h to 30d, for example 48h or 7d"
	Window string `json:"window,omitempty"`
}

// CalibrationStatus is what the alerts would have done.
type CalibrationStatus struct {
	// ObservedGeneration is the generation that was looked at.
	ObservedGeneration int64 `json:"observedGeneration"`
	// Window that was looked at.
	Window string `json:"window"`

	// Until when the window reached; absent while Prometheus has not answered.
	//
	// +optional
	Until *metav1.Time `json:"until,omitempty"`

	// Alerts, in the order of the spec.
	//
	// +optional
	// +listType=map
	// +listMapKey=alert
	// +kubebuilder:validation:MaxItems=192
	Alerts []AlertCalibration `json:"alerts,omitempty"`

	// Problems that kept something from being looked at.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Problems []string `json:"problems,omitempty"`
}

// AlertCalibration is what one alert would have done.
type AlertCalibration struct {
	// Alert by name, and its Threshold.
	Alert     string `json:"alert"`
	Threshold string `json:"threshold"`

	// WouldHaveFired is how many times it would have fired, Longest the longest
	// of them, and InAll all together.
	WouldHaveFired int32 `json:"wouldHaveFired"`
	// +optional
	Longest string `json:"longest,omitempty"`
	// +optional
	InAll string `json:"inAll,omitempty"`

	// Suggested is a bound from the observed quantiles: 0.99 for a warning,
	// 0.999 for a critical level. It is absent where there is too little history.
	//
	// +optional
	Suggested string `json:"suggested,omitempty"`

	// SuggestedFires is how often the alert would fire with it. If all was well
	// in the window, each time is a false alarm.
	//
	// +optional
	SuggestedFires string `json:"suggestedFires,omitempty"`
}
