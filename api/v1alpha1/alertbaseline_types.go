package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AlertBaselineSpec declares what is normal, and when to tell somebody.
//
// +kubebuilder:validation:XValidation:rule="!has(self.calibrate) || has(self.prometheus)",message="calibrate asks a Prometheus about the past: set spec.prometheus.url"
type AlertBaselineSpec struct {
	// DeploymentRef is the RsolvDeployment in the same namespace that the
	// thresholds speak of.
	//
	// +kubebuilder:validation:XValidation:rule="self.name == oldSelf.name",message="deploymentRef is immutable: make a new AlertBaseline for the other app"
	DeploymentRef DeploymentReference `json:"deploymentRef"`

	// Selector is the set of label values that every query is narrowed to. The
	// default is the namespace of this object and job=<deploymentRef.name>.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=8
	// +kubebuilder:validation:XValidation:rule="self.all(l, l.size() <= 128 && l.matches('^[a-zA-Z_][a-zA-Z0-9_]*$'))",message="a label name has letters, digits and _, and does not begin with a digit"
	Selector map[string]LabelValue `json:"selector,omitempty"`

	// MinRequestRate is the traffic below which a ratio or a latency does not
	// alert, for example 0.1/s: one failure among three requests is no outage.
	//
	// +optional
	// +kubebuilder:default="0.1/s"
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+([.][0-9]+)?/s$')",message="a rate is a number per second, for example 0.1/s"
	MinRequestRate string `json:"minRequestRate,omitempty"`

	// Window over which rates are taken, unless a threshold has its own. It
	// should hold at least four scrapes.
	//
	// +optional
	// +kubebuilder:default="5m"
	Window PromDuration `json:"window,omitempty"`

	// EvaluationInterval is the time between two evaluations of a rule, between
	// 1s and 2m. A level's for counts from one evaluation to the next.
	//
	// +optional
	// +kubebuilder:default="30s"
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+(s|m)$') && duration(self) >= duration('1s') && duration(self) <= duration('2m')",message="write a time between 1s and 2m, such as 30s"
	EvaluationInterval PromDuration `json:"evaluationInterval,omitempty"`

	// Suspend takes every alert of this baseline away. What is measured is still
	// recorded, and the dashboard stays.
	//
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// Thresholds, each with one signal and up to three levels.
	//
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(t, !has(t.info) || self.exists_one(u, (has(u.info) && u.info.alert == t.info.alert) || (has(u.warning) && u.warning.alert == t.info.alert) || (has(u.critical) && u.critical.alert == t.info.alert) || (has(u.onNoData) && u.onNoData.alert == t.info.alert))) && self.all(t, !has(t.warning) || self.exists_one(u, (has(u.info) && u.info.alert == t.warning.alert) || (has(u.warning) && u.warning.alert == t.warning.alert) || (has(u.critical) && u.critical.alert == t.warning.alert) || (has(u.onNoData) && u.onNoData.alert == t.warning.alert))) && self.all(t, !has(t.critical) || self.exists_one(u, (has(u.info) && u.info.alert == t.critical.alert) || (has(u.warning) && u.warning.alert == t.critical.alert) || (has(u.critical) && u.critical.alert == t.critical.alert) || (has(u.onNoData) && u.onNoData.alert == t.critical.alert))) && self.all(t, !has(t.onNoData) || self.exists_one(u, (has(u.info) && u.info.alert == t.onNoData.alert) || (has(u.warning) && u.warning.alert == t.onNoData.alert) || (has(u.critical) && u.critical.alert == t.onNoData.alert) || (has(u.onNoData) && u.onNoData.alert == t.onNoData.alert)))",message="two thresholds share an alert name; give each alert a name of its own"
	Thresholds []Threshold `json:"thresholds"`

	// BusinessHours are when levels with `during: BusinessHours` alert.
	//
	// +optional
	BusinessHours *BusinessHours `json:"businessHours,omitempty"`

	// Alerts adds to every alert of this baseline.
	//
	// +optional
	Alerts *AlertOptions `json:"alerts,omitempty"`

	// Routing says who is told of the alerts. Without it, that is left to
	// Alertmanager's own configuration.
	//
	// +optional
	Routing *Routing `json:"routing,omitempty"`

	// Dashboard tunes the generated Grafana dashboard.
	//
	// +optional
	Dashboard *Dashboard `json:"dashboard,omitempty"`

	// Outputs tunes the object that holds the generated rules.
	//
	// +optional
	Outputs *Outputs `json:"outputs,omitempty"`

	// Prometheus is the server that evaluates the rules of this baseline. With
	// it, the gate of a rollout (spec.rollout.gate of a RsolvDeployment) can ask
	// for the values of the thresholds.
	//
	// +optional
	Prometheus *MonitoringEndpoint `json:"prometheus,omitempty"`

	// Alertmanager is the server that tells people of the alerts. With it, the
	// condition RoutingLoaded says whether it runs the routes of spec.routing.
	//
	// +optional
	Alertmanager *MonitoringEndpoint `json:"alertmanager,omitempty"`

	// Calibrate asks the Prometheus of spec.prometheus what the alerts would
	// have done in the past.
	//
	// +optional
	Calibrate *Calibrate `json:"calibrate,omitempty"`
}

// LabelValue is the value of a Prometheus label.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
type LabelValue string

// PromDuration is a duration as Prometheus writes it, for example 30s, 5m or
// 1d.
//
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=16
// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$')",message="write a duration as Prometheus does, largest unit first: 30s, 5m, 1h30m or 1d"
type PromDuration string

// AlertBaseline declares the normal behaviour of the app and becomes alert
// rules and a dashboard.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ab,categories=rsolv
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Thresholds",type=integer,JSONPath=`.status.thresholds`
// +kubebuilder:printcolumn:name="Firing",type=integer,JSONPath=`.status.firing`
// +kubebuilder:printcolumn:name="Loaded",type=string,JSONPath=`.status.conditions[?(@.type=="RulesLoaded")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="App",type=string,priority=1,JSONPath=`.spec.deploymentRef.name`
// +kubebuilder:printcolumn:name="Alerts",type=integer,priority=1,JSONPath=`.status.alerts`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="metadata.name must be at most 63 characters: it is a label of every alert"
// +kubebuilder:validation:XValidation:rule="has(self.spec.businessHours) || self.spec.thresholds.all(t, (!has(t.info) || !has(t.info.during) || t.info.during == 'Always') && (!has(t.warning) || !has(t.warning.during) || t.warning.during == 'Always') && (!has(t.critical) || !has(t.critical.during) || t.critical.during == 'Always'))",message="a level says `during: BusinessHours`, but the baseline has none: set spec.businessHours"
type AlertBaseline struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec AlertBaselineSpec `json:"spec"`
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status AlertBaselineStatus `json:"status,omitempty"`
}

// AlertBaselineList is a list of AlertBaselines.
//
// +kubebuilder:object:root=true
type AlertBaselineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AlertBaseline `json:"items"`
}
