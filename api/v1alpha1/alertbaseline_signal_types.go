package v1alpha1

// Signal is what a threshold measures: exactly one of its fields.
//
// +kubebuilder:validation:XValidation:rule="[has(self.errorRatio), has(self.latency), has(self.requestRate), has(self.utilization), has(self.failureRatio), has(self.expr)].filter(x, x).size() == 1",message="name exactly one signal: errorRatio, latency, requestRate, utilization, failureRatio or expr"
type Signal struct {
	// ErrorRatio is the share of requests that failed.
	//
	// +optional
	ErrorRatio *ErrorRatio `json:"errorRatio,omitempty"`

	// Latency is a quantile of a histogram of durations.
	//
	// +optional
	Latency *Latency `json:"latency,omitempty"`

	// RequestRate is the number of requests a second.
	//
	// +optional
	RequestRate *RequestRate `json:"requestRate,omitempty"`

	// Utilization is the share of a capacity that is in use.
	//
	// +optional
	Utilization *Utilization `json:"utilization,omitempty"`

	// FailureRatio is the share of a counter's increase that has certain
	// labels.
	//
	// +optional
	FailureRatio *FailureRatio `json:"failureRatio,omitempty"`

	// Expr is any PromQL expression with an instant vector as its value. The
	// selector of the baseline is not added to it; $selector stands for it, as
	// in up{$selector}. $namespace and $deployment stand for the two names.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Expr string `json:"expr,omitempty"`
}

// MetricName is the name of a metric family, or one of the short names http,
// database and webhooks for the app's own.
//
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:Pattern=`^[a-zA-Z_:][a-zA-Z0-9_:]*$`
type MetricName string

// ErrorRatio is the share of requests that failed.
type ErrorRatio struct {
	// Histogram that counts the requests: http, or the name of a histogram
	// without _count or _bucket.
	//
	// +kubebuilder:default=http
	Histogram MetricName `json:"histogram,omitempty"`

	// Errors are the label patterns of a failed request. The default is
	// status: "5..".
	//
	// +optional
	// +kubebuilder:default={status: "5.."}
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=4
	// +kubebuilder:validation:XValidation:rule="self.all(l, l.matches('^[a-zA-Z_][a-zA-Z0-9_]{0,63}$'))",message="a label name has letters, digits and _, and does not begin with a digit"
	Errors map[string]LabelValue `json:"errors,omitempty"`
}

// Latency is a quantile of durations.
type Latency struct {
	// Histogram of durations in milliseconds: http, database, webhooks, or the
	// name of a histogram without _bucket.
	//
	// +kubebuilder:default=http
	Histogram MetricName `json:"histogram,omitempty"`

	// Quantile to watch, p50 to p99.
	//
	// +kubebuilder:default=p95
	// +kubebuilder:validation:Enum=p50;p75;p90;p95;p99
	Quantile string `json:"quantile,omitempty"`

	// Endpoint narrows the histogram to one route, for example
	// /api/v1/credentials/exchange; a trailing * takes all routes below.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^/[A-Za-z0-9._~{}/-]*\*?$`
	Endpoint string `json:"endpoint,omitempty"`

	// MinRate is the rate of requests below which the latency does not alert,
	// in place of spec.minRequestRate. What happens a few times an hour needs a
	// low one.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+([.][0-9]+)?/s$')",message="a rate is a number per second, for example 0.001/s"
	MinRate string `json:"minRate,omitempty"`
}

// RequestRate is the number of requests a second.
type RequestRate struct {
	// Histogram that counts the requests: http, or the name of a histogram
	// without _count.
	//
	// +kubebuilder:default=http
	Histogram MetricName `json:"histogram,omitempty"`

	// Counter to count by, in place of the histogram: webhooks, or the name of a
	// counter.
	//
	// +optional
	Counter MetricName `json:"counter,omitempty"`
}

// Utilization is used divided by capacity, both summed over all pods.
type Utilization struct {
	// Used is a gauge of what is in use.
	Used MetricName `json:"used"`
	// Capacity is a gauge of what there is.
	Capacity MetricName `json:"capacity"`
}

// FailureRatio is the share of a counter's increase that failed.
type FailureRatio struct {
	// Counter of all attempts: webhooks, or the name of a counter.
	Counter MetricName `json:"counter"`

	// Failures are the label patterns of a failed attempt, for example
	// status: failed.
	//
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=4
	// +kubebuilder:validation:XValidation:rule="self.all(l, l.matches('^[a-zA-Z_][a-zA-Z0-9_]{0,63}$'))",message="a label name has letters, digits and _, and does not begin with a digit"
	Failures map[string]LabelValue `json:"failures"`

	// By is a label that tells the ratio apart, for example repo: each of its
	// values is judged, and alerts, by itself.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-zA-Z_][a-zA-Z0-9_]*$`
	By string `json:"by,omitempty"`

	// MinRate is the rate of attempts below which the ratio does not alert, in
	// place of spec.minRequestRate.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+([.][0-9]+)?/s$')",message="a rate is a number per second, for example 0.001/s"
	MinRate string `json:"minRate,omitempty"`
}
