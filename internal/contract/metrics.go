package contract

// Names of the metric families that alerts and dashboards query. They are the
// names of the original system's monitoring contract; durations are in
// milliseconds.
const (
	// MetricHTTPDuration is a histogram with the labels method, path,
	// controller, action and status. path is the route's pattern, never the raw
	// path; controller and action follow from it. Probes and scrapes are not
	// counted.
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
	// MetricWebhookProcessed is a counter with the labels event_type and status
	// (success, failed): what became of an event that was received in order,
	// told when its effects are stored or given up. MetricWebhookProcessedDuration
	// is a histogram of the time from reception until then, same labels.
	MetricWebhookProcessed         = "rsolv_billing_stripe_webhook_processed_total"
	MetricWebhookProcessedDuration = "rsolv_billing_stripe_webhook_processed_duration_milliseconds"
	// MetricPaymentProcessed is a counter with the labels status (success,
	// failed) and payment_method.
	MetricPaymentProcessed = "rsolv_billing_payment_processed_total"
	// MetricSubscriptionCreated and MetricSubscriptionCancelled are counters
	// with the label plan.
	MetricSubscriptionCreated   = "rsolv_billing_subscription_created_total"
	MetricSubscriptionCancelled = "rsolv_billing_subscription_cancelled_total"
	// MetricSubscriptions is a gauge with the label plan. Each pod tells of all.
	MetricSubscriptions = "rsolv_billing_subscriptions_active"
	// MetricCreditsAdded is a histogram of credits given at once, with the
	// label reason.
	MetricCreditsAdded = "rsolv_billing_credits_added_quantity" //nolint:gosec // a metric, no credential
	// MetricValidationExecutions is a counter with the labels repo, language,
	// framework and status (completed, failed). An execution ends once and is
	// counted once. repo has at most RepoLabelLimit values.
	MetricValidationExecutions = "rsolv_validation_executions_total"
	// MetricValidationDuration is a histogram of whole validations with the
	// labels repo, language and framework.
	MetricValidationDuration = "rsolv_validation_duration_milliseconds"
	// MetricTestGenerationDuration and MetricTestExecutionDuration are
	// histograms with the labels language and status.
	MetricTestGenerationDuration = "rsolv_validation_test_generation_duration_milliseconds"
	MetricTestExecutionDuration  = "rsolv_validation_test_execution_duration_milliseconds"
	// MetricMitigationExecutions is a counter of mitigations that ended, with the
	// labels language and status (completed, failed).
	MetricMitigationExecutions = "rsolv_mitigation_executions_total"
	// MetricMitigationDuration is a histogram of whole mitigations with the
	// labels language and status.
	MetricMitigationDuration = "rsolv_mitigation_total_duration_milliseconds"
	// MetricMitigationTrustScore is a histogram of scores from 0 to 100 with
	// the label language.
	MetricMitigationTrustScore = "rsolv_mitigation_trust_score_value"
	// MetricPullRequestsCreated is a counter with the label language.
	MetricPullRequestsCreated = "rsolv_mitigation_pr_created_total"
	// MetricFlagEnabled is a gauge with the label flag for each flag of type
	// Boolean that the app knows: 1 while the pod takes it for true, else 0.
	MetricFlagEnabled = "rsolv_feature_flag_enabled"
	// MetricFlagEvaluations is a counter with the labels flag, variant and
	// reason. Flags are those of the flags file and of the app, so the series
	// are bounded.
	MetricFlagEvaluations = "rsolv_feature_flag_evaluations_total"
	// MetricFlagUnknown is a counter of evaluations of flags that do not exist.
	MetricFlagUnknown = "rsolv_feature_flag_unknown_total"
	// MetricFunnelEvents is a counter with the labels type and outcome.
	// accepted = stored + deduplicated + dropped_* + what waits in the spool,
	// over all pods and starts; what is rejected was never accepted.
	MetricFunnelEvents = "rsolv_funnel_events_total"
	// MetricEventsRejected is a counter of what the collectors did not take, with
	// the label reason.
	MetricEventsRejected = "rsolv_funnel_rejected_total"
	// MetricFunnelQueue and MetricFunnelSpooled are gauges of events that wait to
	// be made durable, and to be stored. MetricSpoolBytes is the size of the spool
	// of this pod, of at most MetricSpoolMaxBytes.
	MetricFunnelQueue   = "rsolv_funnel_queue_length"
	MetricFunnelSpooled = "rsolv_funnel_spooled_events"
	MetricSpoolBytes    = "rsolv_funnel_spool_bytes"
	MetricSpoolMaxBytes = "rsolv_funnel_spool_max_bytes"
	// MetricFunnelStray and MetricFunnelMissing are gauges that are to be zero:
	// events outside of the months that have a partition, and accepted events that
	// nobody knows anything of. The sample baseline funnel watches both.
	MetricFunnelStray   = "rsolv_funnel_stray_events"
	MetricFunnelMissing = "rsolv_funnel_missing_events"
)

// RepoLabelLimit is how many repositories a pod tells apart in its metrics; those
// that come later are counted as other.
const RepoLabelLimit = 100

// Labels of the metric families above.
const (
	LabelMethod     = "method"
	LabelPath       = "path"
	LabelStatus     = "status"
	LabelController = "controller"
	LabelAction     = "action"
	LabelFlag       = "flag"
	// LabelVariant and LabelReason are those of flag evaluations; LabelReason also
	// tells why an event was not taken.
	LabelVariant = "variant"
	LabelReason  = "reason"
)

// The upper bounds of the histograms, durations in milliseconds. Webhooks are
// received and processed, tests generated and run, in the same bounds. Every
// threshold that the shipped baselines declare is a bound, so that a quantile
// near it is measured and not interpolated, and the last bound lies well past
// the largest threshold.
var (
	HTTPBucketsMS = []float64{
		1, 2.5, 5, 10, 25, 50, 100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 10000, 30000,
	}
	DBBucketsMS         = []float64{0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 75, 100, 150, 250, 500, 750, 1000, 2500, 5000, 10000}
	WebhookBucketsMS    = []float64{5, 10, 25, 50, 100, 250, 500, 750, 1000, 1500, 2500, 5000, 10000, 30000}
	TestBucketsMS       = []float64{1000, 2500, 5000, 10000, 20000, 30000, 45000, 60000, 90000, 120000, 300000, 600000}
	MitigationBucketsMS = []float64{
		5000, 15000, 30000, 60000, 120000, 180000, 240000, 300000, 450000, 600000, 900000, 1800000,
	}
	ValidationBucketsMS = []float64{
		1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 120000, 300000,
	}
	TestIntegrationBucketsMS = []float64{0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 5000, 10000, 30000}
	CreditBuckets            = []float64{5, 10, 60, 120, 250, 500, 1000, 2500, 5000, 10000}
	TrustScoreBuckets        = []float64{0, 25, 50, 60, 70, 80, 90, 95, 100}
)
