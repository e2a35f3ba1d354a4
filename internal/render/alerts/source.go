package alerts

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// source is a signal in PromQL.
type source struct {
	Source
	kind    Kind
	unit    Unit
	subject string
	// value is what is recorded, under a name that ends in suffix.
	value, suffix string
	// long is the value over the long window; empty without one.
	long string
	// traffic is the rate below MinRate of which levels do not alert; empty
	// for signals that any traffic makes meaningful.
	traffic string
	// absent is true while the metrics are gone.
	absent string
	// limit is the largest value that the signal can have, and why; 0 is none.
	limit    float64
	limitWhy string
}

// family is a metric of the app that has a short name.
type family struct {
	metric, noun, split string
	buckets             []float64
}

var histograms = map[string]family{
	"http":     {contract.MetricHTTPDuration, "HTTP requests", contract.LabelStatus, contract.HTTPBucketsMS},
	"database": {contract.MetricDBQueryDuration, "database queries", "", contract.DBBucketsMS},
	"webhooks": {contract.MetricWebhookDuration, "Stripe webhooks", contract.LabelStatus, contract.WebhookBucketsMS},

	contract.MetricWebhookProcessedDuration: {contract.MetricWebhookProcessedDuration, "effects of Stripe webhooks", contract.LabelStatus, contract.WebhookBucketsMS},
	contract.MetricTestGenerationDuration:   {contract.MetricTestGenerationDuration, "test generations", contract.LabelStatus, contract.TestBucketsMS},
	contract.MetricTestExecutionDuration:    {contract.MetricTestExecutionDuration, "test executions", contract.LabelStatus, contract.TestBucketsMS},
	contract.MetricMitigationDuration:       {contract.MetricMitigationDuration, "mitigations", contract.LabelStatus, contract.MitigationBucketsMS},
}

var counters = map[string]family{
	"webhooks": {metric: contract.MetricWebhookReceived, noun: "Stripe webhooks"},

	contract.MetricWebhookProcessed:     {metric: contract.MetricWebhookProcessed, noun: "effects of Stripe webhooks"},
	contract.MetricPaymentProcessed:     {metric: contract.MetricPaymentProcessed, noun: "payments"},
	contract.MetricValidationExecutions: {metric: contract.MetricValidationExecutions, noun: "validations"},
}

// lookup finds a family by its short or its full name.
func lookup(families map[string]family, name string) family {
	if known, ok := families[name]; ok {
		return known
	}
	for _, known := range families {
		if known.metric == name {
			return known
		}
	}
	return family{metric: name, noun: name}
}

// source understands the signal of a threshold, over both its windows.
func (c *compiler) source(t *v1alpha1.Threshold) (source, *Problem) {
	c.window = or(string(t.Window), or(string(c.baseline.Spec.Window), "5m"))
	field := "window"
	if t.Window == "" {
		field = "spec.window"
	}
	short, ok := ParseDuration(c.window)
	if !ok || short <= 0 {
		return source{}, bad(t, field, "\""+c.window+"\" is no duration longer than zero", durationFix)
	}
	s, problem := c.signal(t)
	if problem != nil {
		return s, problem
	}
	if (t.Window != "" || t.LongWindow != "") && (s.kind == Utilization || s.kind == Expression) {
		return s, bad(t, "window", "only a rate has a window",
			"remove window and longWindow, and write the range into the expression, for example avg_over_time(…[1h])")
	}
	if t.LongWindow == "" {
		return s, nil
	}
	if long, ok := ParseDuration(string(t.LongWindow)); !ok || long <= short {
		return s, bad(t, "longWindow", "\""+string(t.LongWindow)+"\" is no duration longer than the window, "+c.window,
			"write a longer one, for example 1h, or remove it")
	}
	s.LongWindow = string(t.LongWindow)
	c.window = s.LongWindow
	long, problem := c.signal(t)
	s.long = long.value
	return s, problem
}

// signal understands the signal over the compiler's window.
func (c *compiler) signal(t *v1alpha1.Threshold) (source, *Problem) {
	s, found := &t.Signal, 0
	for _, named := range [...]bool{
		s.ErrorRatio != nil, s.Latency != nil, s.RequestRate != nil, s.Utilization != nil, s.FailureRatio != nil, s.Expr != "",
	} {
		if named {
			found++
		}
	}
	if found != 1 {
		return source{}, bad(t, "signal", "the threshold has not exactly one signal",
			"name exactly one of errorRatio, latency, requestRate, utilization, failureRatio and expr")
	}
	switch {
	case s.ErrorRatio != nil:
		return c.errorRatio(t, s.ErrorRatio)
	case s.Latency != nil:
		return c.latency(t, s.Latency)
	case s.RequestRate != nil:
		return c.requestRate(t, s.RequestRate)
	case s.Utilization != nil:
		return c.utilization(t, s.Utilization)
	case s.FailureRatio != nil:
		return c.failureRatio(t, s.FailureRatio)
	default:
		return c.expression(t, s.Expr)
	}
}

// describe is what the dashboard learns of a family.
func (c *compiler) describe(known family) Source {
	return Source{Metric: known.metric, Noun: known.noun, Split: known.split, Matchers: c.matchers, Window: c.window}
}

// minRate is the traffic that a level needs: the signal's own, or that of the
// baseline.
func (c *compiler) minRate(t *v1alpha1.Threshold, field, own string) (float64, *Problem) {
	text := own
	if own == "" {
		field, text = "spec.minRequestRate", or(c.baseline.Spec.MinRequestRate, "0.1/s")
	}
	rate, ok := PerSecond.parse(v1alpha1.Value(text))
	if !ok {
		return 0, bad(t, field, "\""+text+"\" is no rate", "write a number per second, for example 0.1/s")
	}
	return rate, nil
}

// histogram looks a histogram up and refuses the name of one of its series.
func histogram(t *v1alpha1.Threshold, field string, name v1alpha1.MetricName) (family, *Problem) {
	known := lookup(histograms, or(string(name), "http"))
	if !isMetricName(known.metric) {
		return known, bad(t, field, "\""+known.metric+"\" is no metric name", "write http, database, webhooks, or the name of a histogram")
	}
	for _, suffix := range [...]string{"_bucket", "_count", "_sum"} {
		if base, found := strings.CutSuffix(known.metric, suffix); found {
			return known, bad(t, field, known.metric+" is one series of a histogram", "write "+base)
		}
	}
	return known, nil
}
