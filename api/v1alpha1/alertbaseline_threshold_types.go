package v1alpha1

// Value is a bound as people write it: 1% for a ratio, 500ms or 2s for a
// latency, 0.01/s for a rate, a bare number in quotes for an expression.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=24
// +kubebuilder:validation:Pattern=`^-?[0-9]+(\.[0-9]+)?(%|ms|s|/s)?$`
type Value string

// Threshold is one thing to watch: a signal, the target it should keep, and
// the levels at which somebody is told.
//
// +kubebuilder:validation:XValidation:rule="has(self.target) || has(self.info) || has(self.warning) || has(self.critical) || has(self.onNoData)",message="a threshold needs a target, a level (info, warning, critical) or onNoData"
// +kubebuilder:validation:XValidation:rule="!(has(self.window) || has(self.longWindow)) || !(has(self.signal.utilization) || has(self.signal.expr))",message="only a rate has a window: remove window and longWindow, and write the range into the expression, for example avg_over_time(…[1h])"
// +kubebuilder:validation:XValidation:rule="!has(self.signal.latency) || (!has(self.target) || (self.target.endsWith('s') && !self.target.endsWith('/s'))) && (!has(self.info) || (!has(self.info.above) || (self.info.above.endsWith('s') && !self.info.above.endsWith('/s'))) && (!has(self.info.below) || (self.info.below.endsWith('s') && !self.info.below.endsWith('/s'))) && (!has(self.info.atMost) || (self.info.atMost.endsWith('s') && !self.info.atMost.endsWith('/s')))) && (!has(self.warning) || (!has(self.warning.above) || (self.warning.above.endsWith('s') && !self.warning.above.endsWith('/s'))) && (!has(self.warning.below) || (self.warning.below.endsWith('s') && !self.warning.below.endsWith('/s'))) && (!has(self.warning.atMost) || (self.warning.atMost.endsWith('s') && !self.warning.atMost.endsWith('/s')))) && (!has(self.critical) || (!has(self.critical.above) || (self.critical.above.endsWith('s') && !self.critical.above.endsWith('/s'))) && (!has(self.critical.below) || (self.critical.below.endsWith('s') && !self.critical.below.endsWith('/s'))) && (!has(self.critical.atMost) || (self.critical.atMost.endsWith('s') && !self.critical.atMost.endsWith('/s'))))",message="a latency is bounded by a duration: write 500ms or 2s"
// +kubebuilder:validation:XValidation:rule="!(has(self.signal.errorRatio) || has(self.signal.failureRatio) || has(self.signal.utilization)) || (!has(self.target) || self.target.matches('^(100|[0-9]{1,2})([.][0-9]+)?%$')) && (!has(self.info) || (!has(self.info.above) || self.info.above.matches('^(100|[0-9]{1,2})([.][0-9]+)?%$')) && (!has(self.info.below) || self.info.below.matches('^(100|[0-9]{1,2})([.][0-9]+)?%$')) && (!has(self.info.atMost) || self.info.atMost.matches('^(100|[0-9]{1,2})([.][0-9]+)?%$'))) && (!has(self.warning) || (!has(self.warning.above) || self.warning.above.matches('^(100|[0-9]{1,2})([.][0-9]+)?%$')) && (!has(self.warning.below) || self.warning.below.matches('^(100|[0-9]{1,2})([.][0-9]+)?%$')) && (!has(self.warning.atMost) || self.warning.atMost.matches('^(100|[0-9]{1,2})([.][0-9]+)?%$'))) && (!has(self.critical) || (!has(self.critical.above) || self.critical.above.matches('^(100|[0-9]{1,2})([.][0-9]+)?%$')) && (!has(self.critical.below) || self.critical.below.matches('^(100|[0-9]{1,2})([.][0-9]+)?%$')) && (!has(self.critical.atMost) || self.critical.atMost.matches('^(100|[0-9]{1,2})([.][0-9]+)?%$')))",message="a ratio is bounded by a percentage from 0% to 100%: write 5% for five in a hundred"
// +kubebuilder:validation:XValidation:rule="!has(self.signal.requestRate) || (!has(self.target) || self.target.endsWith('/s')) && (!has(self.info) || (!has(self.info.above) || self.info.above.endsWith('/s')) && (!has(self.info.below) || self.info.below.endsWith('/s')) && (!has(self.info.atMost) || self.info.atMost.endsWith('/s'))) && (!has(self.warning) || (!has(self.warning.above) || self.warning.above.endsWith('/s')) && (!has(self.warning.below) || self.warning.below.endsWith('/s')) && (!has(self.warning.atMost) || self.warning.atMost.endsWith('/s'))) && (!has(self.critical) || (!has(self.critical.above) || self.critical.above.endsWith('/s')) && (!has(self.critical.below) || self.critical.below.endsWith('/s')) && (!has(self.critical.atMost) || self.critical.atMost.endsWith('/s')))",message="a request rate is bounded by a number per second: write 0.01/s"
// +kubebuilder:validation:XValidation:rule="!has(self.signal.expr) || (!has(self.target) || self.target.matches('[0-9]$')) && (!has(self.info) || (!has(self.info.above) || self.info.above.matches('[0-9]$')) && (!has(self.info.below) || self.info.below.matches('[0-9]$')) && (!has(self.info.atMost) || self.info.atMost.matches('[0-9]$'))) && (!has(self.warning) || (!has(self.warning.above) || self.warning.above.matches('[0-9]$')) && (!has(self.warning.below) || self.warning.below.matches('[0-9]$')) && (!has(self.warning.atMost) || self.warning.atMost.matches('[0-9]$'))) && (!has(self.critical) || (!has(self.critical.above) || self.critical.above.matches('[0-9]$')) && (!has(self.critical.below) || self.critical.below.matches('[0-9]$')) && (!has(self.critical.atMost) || self.critical.atMost.matches('[0-9]$')))",message="an expression is bounded by a bare number: write \"1\" or \"0.5\""
// +kubebuilder:validation:XValidation:rule="!(has(self.warning) && has(self.critical)) || has(self.warning.above) == has(self.critical.above)",message="warning and critical point in different directions: use above in both, or below (or atMost) in both"
// +kubebuilder:validation:XValidation:rule="[has(self.info) ? self.info.alert : \"-info\", has(self.warning) ? self.warning.alert : \"-warning\", has(self.critical) ? self.critical.alert : \"-critical\", has(self.onNoData) ? self.onNoData.alert : \"-nodata\"].all(a, [has(self.info) ? self.info.alert : \"-info\", has(self.warning) ? self.warning.alert : \"-warning\", has(self.critical) ? self.critical.alert : \"-critical\", has(self.onNoData) ? self.onNoData.alert : \"-nodata\"].exists_one(b, a == b))",message="two levels of this threshold share an alert name; give each alert a name of its own"
// +kubebuilder:validation:XValidation:rule="!has(self.signal.latency) || !(has(self.warning) && has(self.critical) && has(self.warning.above) && has(self.critical.above)) || !(self.warning.above.matches('^[0-9.]+m?s$') && self.critical.above.matches('^[0-9.]+m?s$')) || duration(self.warning.above) < duration(self.critical.above)",messageExpression="'warning above ' + self.warning.above + ' lies beyond critical above ' + self.critical.above + ': swap them, or raise critical'"
// +kubebuilder:validation:XValidation:rule="has(self.signal.latency) || !(has(self.warning) && has(self.critical) && has(self.warning.above) && has(self.critical.above)) || !(self.warning.above.matches('^-?[0-9]+([.][0-9]+)?(%|/s)?$') && self.critical.above.matches('^-?[0-9]+([.][0-9]+)?(%|/s)?$')) || double(self.warning.above.replace('%', \"\").replace('/s', \"\")) < double(self.critical.above.replace('%', \"\").replace('/s', \"\"))",messageExpression="'warning above ' + self.warning.above + ' lies beyond critical above ' + self.critical.above + ': swap them, or raise critical'"
// +kubebuilder:validation:XValidation:rule="!has(self.signal.latency) || !(has(self.warning) && has(self.critical) && has(self.warning.below) && has(self.critical.below)) || !(self.warning.below.matches('^[0-9.]+m?s$') && self.critical.below.matches('^[0-9.]+m?s$')) || duration(self.warning.below) > duration(self.critical.below)",messageExpression="'warning below ' + self.warning.below + ' lies beyond critical below ' + self.critical.below + ': swap them, or lower critical'"
// +kubebuilder:validation:XValidation:rule="has(self.signal.latency) || !(has(self.warning) && has(self.critical) && has(self.warning.below) && has(self.critical.below)) || !(self.warning.below.matches('^-?[0-9]+([.][0-9]+)?(%|/s)?$') && self.critical.below.matches('^-?[0-9]+([.][0-9]+)?(%|/s)?$')) || double(self.warning.below.replace('%', \"\").replace('/s', \"\")) > double(self.critical.below.replace('%', \"\").replace('/s', \"\"))",messageExpression="'warning below ' + self.warning.below + ' lies beyond critical below ' + self.critical.below + ': swap them, or lower critical'"
type Threshold struct {
	// Name of the threshold, unique in this baseline. Warning and critical
	// alerts of one threshold carry it as the label threshold.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// Component that the alerts are routed by, for example api, database or
	// webhooks.
	//
	// +optional
	// +kubebuilder:default=app
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Component string `json:"component,omitempty"`

	// Signal is what is measured.
	Signal Signal `json:"signal"`

	// Window over which the signal's rates are taken, in place of spec.window.
	// What happens a few times a day needs a long one.
	//
	// +optional
	Window PromDuration `json:"window,omitempty"`

	// LongWindow is a second, longer window. A level then alerts only while the
	// signal is outside its bound over both: the long one keeps a short burst
	// from alerting, the short one ends the alert soon after the cause has gone.
	//
	// +optional
	LongWindow PromDuration `json:"longWindow,omitempty"`

	// OnlyWhenFlag keeps the alerts of this threshold silent while a feature
	// flag is known to have another value, such as for a page that the flag
	// switches off.
	//
	// +optional
	OnlyWhenFlag *FlagGuard `json:"onlyWhenFlag,omitempty"`

	// Suspend takes the alerts of this threshold away. What is measured is still
	// recorded and drawn.
	//
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// Labels to add to the alerts of this threshold.
	//
	// +optional
	Labels AlertLabels `json:"labels,omitempty"`

	// Annotations to add to the alerts of this threshold, or to put in place of
	// summary, description, runbook_url and dashboard_url.
	//
	// +optional
	Annotations AlertAnnotations `json:"annotations,omitempty"`

	// Target is the value to keep. It is drawn on the dashboard and never
	// alerts.
	//
	// +optional
	Target Value `json:"target,omitempty"`

	// Info tells, without waking anybody.
	//
	// +optional
	Info *Level `json:"info,omitempty"`

	// Warning asks for attention during the day.
	//
	// +optional
	Warning *Level `json:"warning,omitempty"`

	// Critical asks for attention now. It silences the warning of the same
	// threshold.
	//
	// +optional
	Critical *Level `json:"critical,omitempty"`

	// OnNoData alerts when the metrics behind the signal are gone, which is
	// another thing than their being zero. Without it, nothing is said.
	//
	// +optional
	OnNoData *NoData `json:"onNoData,omitempty"`
}

// Level is a bound and the alert that tells of it.
//
// +kubebuilder:validation:XValidation:rule="[has(self.above), has(self.below), has(self.atMost)].filter(x, x).size() == 1",message="name exactly one bound: above, below or atMost"
type Level struct {
	// Above alerts while the signal is greater than this.
	//
	// +optional
	Above Value `json:"above,omitempty"`

	// Below alerts while the signal is less than this.
	//
	// +optional
	Below Value `json:"below,omitempty"`

	// AtMost alerts while the signal is this or less; 0/s means stopped.
	//
	// +optional
	AtMost Value `json:"atMost,omitempty"`

	// For is how long the bound must be crossed without a break.
	//
	// +kubebuilder:default="5m"
	For PromDuration `json:"for,omitempty"`

	// KeepFiringFor is how long the alert goes on after the signal has come
	// back, so that one that comes and goes is told of once. It needs Prometheus
	// 2.42.
	//
	// +optional
	KeepFiringFor PromDuration `json:"keepFiringFor,omitempty"`

	// Alert is the name of the alert.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	Alert string `json:"alert"`

	// During limits the alert to the baseline's business hours.
	//
	// +optional
	// +kubebuilder:default=Always
	// +kubebuilder:validation:Enum=Always;BusinessHours
	During During `json:"during,omitempty"`
}

// During says when a level alerts.
type During string

// Values of During.
const (
	DuringAlways        During = "Always"
	DuringBusinessHours During = "BusinessHours"
)

// NoData is the alert for metrics that are gone.
type NoData struct {
	// Severity of the alert.
	//
	// +kubebuilder:default=critical
	// +kubebuilder:validation:Enum=info;warning;critical
	Severity string `json:"severity,omitempty"`

	// For is how long the metrics must be gone.
	//
	// +kubebuilder:default="10m"
	For PromDuration `json:"for,omitempty"`

	// Alert is the name of the alert.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	Alert string `json:"alert"`
}

// BusinessHours are a daily span on some days of the week in one time zone,
// daylight saving time included.
//
// +kubebuilder:validation:XValidation:rule="self.from < self.to",message="from must come before to, both on the same day, for example from 09:00 to 18:00"
type BusinessHours struct {
	// Timezone is an IANA name, for example Europe/Madrid.
	//
	// +kubebuilder:default=UTC
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_+/-]*$`
	Timezone string `json:"timezone,omitempty"`

	// Days of the week.
	//
	// +listType=set
	// +kubebuilder:default={Mon,Tue,Wed,Thu,Fri}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=7
	Days []Weekday `json:"days,omitempty"`

	// From is the first minute, for example "09:00".
	//
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:Pattern=`^([01][0-9]|2[0-3]):[0-5][0-9]$`
	From string `json:"from"`

	// To is the first minute that no longer counts, for example "18:00" or
	// "24:00".
	//
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:Pattern=`^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`
	To string `json:"to"`
}

// Weekday is a day of the week.
//
// +kubebuilder:validation:Enum=Mon;Tue;Wed;Thu;Fri;Sat;Sun
type Weekday string
