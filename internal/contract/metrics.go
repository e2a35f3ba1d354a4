package contract

// Names of the metric families that alerts and dashboards query. They are the
// names of the original system's monitoring contract; durations are in
// milliseconds.
const (
	// MetricHTTPDuration is a histogram with the labels method, path and
	// status. path is the route's pattern, never the raw path. Probes and
	// scrapes are not counted.
	MetricHTTPDuration = "phoenix_http_request_duration_milliseconds"
	// MetricDBQueryDuration is a histogram of whole queries, queueing for a
	// connection included.
	MetricDBQueryDuration = "rsolv_prom_ex_ecto_query_duration_milliseconds"
	// MetricDBPoolSize and MetricDBPoolUsed are gauges of one pod's pool.
	MetricDBPoolSize = "rsolv_prom_ex_ecto_connection_pool_size"
	MetricDBPoolUsed = "rsolv_prom_ex_ecto_connection_pool_used_connections"
	// MetricWebhookDuration is a histogram with the labels event_type and
	// status.
	MetricWebhookDuration = "rsolv_billing_stripe_webhook_received_duration_milliseconds"
	// MetricWebhookReceived is a counter with the labels event_type, status
	// (success, failed) and failure_reason.
	MetricWebhookReceived = "rsolv_billing_stripe_webhook_received_total"
	// MetricFlagEnabled is a gauge with the label flag for each flag of type
	// Boolean that the app knows: 1 while the pod takes it for true, else 0.
	MetricFlagEnabled = "rsolv_feature_flag_enabled"
)

// Labels of the metric families above.
const (
	LabelMethod    = "method"
	LabelPath      = "path"
	LabelStatus    = "status"
	LabelEventType = "event_type"
	LabelReason    = "failure_reason"
	LabelFlag      = "flag"
)

// Routes that have thresholds of their own, as they appear in LabelPath.
const (
	RouteCredentialsExchange     = "/api/v1/credentials/exchange" //nolint:gosec // a path, no credential
	RouteVulnerabilitiesValidate = "/api/v1/vulnerabilities/validate"
)

// HTTPBucketsMS, DBBucketsMS and WebhookBucketsMS are the upper bounds of the
// histograms. Every threshold that the shipped baselines declare is a bound,
// so that a quantile near it is measured and not interpolated, and the
// last bound lies well past the largest threshold.
var (
	HTTPBucketsMS = []float64{
		1, 2.5, 5, 10, 25, 50, 100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 10000, 30000,
	}
	DBBucketsMS      = []float64{0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 75, 100, 150, 250, 500, 750, 1000, 2500, 5000, 10000}
	WebhookBucketsMS = []float64{5, 10, 25, 50, 100, 250, 500, 750, 1000, 1500, 2500, 5000, 10000, 30000}
)
