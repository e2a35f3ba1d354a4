package alerts

import (
	"maps"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/promql"
)

func (c *compiler) errorRatio(t *v1alpha1.Threshold, signal *v1alpha1.ErrorRatio) (source, *Problem) {
	known, problem := histogram(t, "signal.errorRatio.histogram", signal.Histogram)
	if problem != nil {
		return source{}, problem
	}
	failed := signal.Errors
	if len(failed) == 0 {
		failed = map[string]v1alpha1.LabelValue{contract.LabelStatus: "5.."}
	}
	patterns, problem := patterns(t, "signal.errorRatio.errors", failed)
	if problem != nil {
		return source{}, problem
	}
	described := c.describe(known)
	described.Labels = slices.Sorted(maps.Keys(failed))
	described.MinRate, problem = c.minRate(t, "", "")
	subject := "share of failed " + known.noun
	if len(failed) == 1 && failed[contract.LabelStatus] == "5.." {
		subject = "share of " + known.noun + " answered 5xx"
	}
	return c.ratio(known.metric+"_count", patterns, "", source{
		Source: described, kind: ErrorRatio, subject: subject,
	}), problem
}

func (c *compiler) failureRatio(t *v1alpha1.Threshold, signal *v1alpha1.FailureRatio) (source, *Problem) {
	known, problem := counterOf(t, "signal.failureRatio.counter", signal.Counter)
	if problem != nil {
		return source{}, problem
	}
	if len(signal.Failures) == 0 {
		return source{}, bad(t, "signal.failureRatio.failures", "no label says which attempts failed", "name one, for example status: failed")
	}
	patterns, problem := patterns(t, "signal.failureRatio.failures", signal.Failures)
	if problem != nil {
		return source{}, problem
	}
	if signal.By != "" && (!isLabelName(signal.By) || isOwnLabel(signal.By)) {
		return source{}, bad(t, "signal.failureRatio.by", "\""+signal.By+"\" is no label that tells attempts apart",
			"name a label of the counter; alertname, "+ownLabels+" are set by the operator")
	}
	if slices.Contains(c.alertLabels, signal.By) {
		return source{}, bad(t, "signal.failureRatio.by", "the alerts get a label "+signal.By+" of one value, and would be the same",
			"rename the label that is added to the alerts")
	}
	described := c.describe(known)
	described.Labels = slices.Sorted(maps.Keys(signal.Failures))
	described.MinRate, problem = c.minRate(t, "signal.failureRatio.minRate", signal.MinRate)
	subject := "share of failed " + known.noun
	if signal.By != "" {
		subject += " by " + signal.By
	}
	return c.ratio(known.metric, patterns, signal.By, source{
		Source: described, kind: FailureRatio, subject: subject,
	}), problem
}

// ratio of the increase that has the patterns to the whole. Sums come before
// the division, so that pods weigh by their traffic; without a failing series
// the ratio is 0, and without traffic there is none. by is a label to tell it
// apart by, or empty.
func (c *compiler) ratio(counter, patterns, by string, s source) source {
	all := c.rate(counter, c.matchers, by)
	s.By, s.Counter, s.Metrics = by, counter, []string{counter}
	s.unit, s.suffix, s.traffic = Ratio, "ratio", all
	s.limit, s.limitWhy = 1, "a share is at most 100%"
	s.value = "(" + c.rate(counter, join(c.matchers, patterns), by) + " or 0 * " + all + ") / (" + all + " > 0)"
	s.absent = "absent(" + counter + "{" + c.matchers + "})"
	return s
}

func (c *compiler) latency(t *v1alpha1.Threshold, signal *v1alpha1.Latency) (source, *Problem) {
	known, problem := histogram(t, "signal.latency.histogram", signal.Histogram)
	if problem != nil {
		return source{}, problem
	}
	s := source{Source: c.describe(known), kind: Latency, unit: Milliseconds}
	s.Quantile, s.Endpoint = or(signal.Quantile, "p95"), signal.Endpoint
	quantile, ok := Quantiles[s.Quantile]
	if !ok {
		return source{}, bad(t, "signal.latency.quantile", "\""+s.Quantile+"\" is none of the quantiles", "write p50, p75, p90, p95 or p99")
	}
	s.subject = s.Quantile + " of " + known.noun
	if s.Endpoint != "" {
		if !isEndpoint(s.Endpoint) {
			return source{}, bad(t, "signal.latency.endpoint", "\""+s.Endpoint+"\" is no route", "write a path that begins with /, for example /api/v1/credentials/exchange, or /api/v1/test-integration/* for all below")
		}
		s.Matchers = join(s.Matchers, endpoint(s.Endpoint))
		s.subject += " to " + s.Endpoint
	}
	s.suffix = s.Quantile + "_milliseconds"
	s.value = QuantileOf(s.Source, quantile, "")
	s.Counter = known.metric + "_count"
	s.Metrics = []string{known.metric + "_bucket", s.Counter}
	s.traffic = c.rate(known.metric+"_count", s.Matchers, "")
	s.absent = "absent(" + known.metric + "_count{" + s.Matchers + "})"
	if len(known.buckets) > 0 {
		s.limit = known.buckets[len(known.buckets)-1]
		s.limitWhy = "the last bucket of the histogram ends at " + number(s.limit) + "ms"
	}
	s.MinRate, problem = c.minRate(t, "signal.latency.minRate", signal.MinRate)
	return s, problem
}

func (c *compiler) requestRate(t *v1alpha1.Threshold, signal *v1alpha1.RequestRate) (source, *Problem) {
	known, problem := histogram(t, "signal.requestRate.histogram", signal.Histogram)
	counter := known.metric + "_count"
	if signal.Counter != "" {
		known, problem = counterOf(t, "signal.requestRate.counter", signal.Counter)
		counter, known.split = known.metric, ""
	}
	if problem != nil {
		return source{}, problem
	}
	described := c.describe(known)
	described.Counter, described.Metrics = counter, []string{counter}
	return source{
		Source: described, kind: RequestRate, unit: PerSecond, subject: "rate of " + known.noun,
		value: c.rate(counter, c.matchers, ""), suffix: "rate",
		absent: "absent(" + counter + "{" + c.matchers + "})",
	}, nil
}

func counterOf(t *v1alpha1.Threshold, field string, name v1alpha1.MetricName) (family, *Problem) {
	known := lookup(counters, string(name))
	if !isMetricName(known.metric) {
		return known, bad(t, field, "\""+known.metric+"\" is no metric name", "write webhooks, or the name of a counter")
	}
	return known, nil
}

// utilization divides sums over all pods: a full pool beside an empty one is a
// half-full service.
func (c *compiler) utilization(t *v1alpha1.Threshold, signal *v1alpha1.Utilization) (source, *Problem) {
	used, capacity := string(signal.Used), string(signal.Capacity)
	for _, gauge := range [...]struct{ field, name string }{{"used", used}, {"capacity", capacity}} {
		if !isMetricName(gauge.name) {
			return source{}, bad(t, "signal.utilization."+gauge.field, "\""+gauge.name+"\" is no metric name", "write the name of a gauge")
		}
	}
	noun := capacity
	if used == contract.MetricDBPoolUsed && capacity == contract.MetricDBPoolSize {
		noun = "the database connection pool"
	}
	described := c.describe(family{metric: used, noun: noun})
	described.Metrics = []string{used, capacity}
	return source{
		Source: described, kind: Utilization, unit: Ratio, subject: "use of " + noun,
		value:  "sum(" + used + "{" + c.matchers + "}) / (sum(" + capacity + "{" + c.matchers + "}) > 0)",
		suffix: "ratio",
		absent: "absent(" + used + "{" + c.matchers + "}) or absent(" + capacity + "{" + c.matchers + "})",
	}, nil
}

// expression keeps one series of those that would collide under the labels
// that the rules set: the one that is nearest to its bound.
func (c *compiler) expression(t *v1alpha1.Threshold, written string) (source, *Problem) {
	expr, err := c.expand(written)
	kind := promql.Vector
	if err == nil {
		kind, err = promql.Check(expr)
		err = c.unexpand(written, err)
	}
	if err != nil {
		return source{}, &Problem{
			Threshold: t.Name, Field: "signal.expr", Reason: v1alpha1.ReasonInvalidExpression,
			What: err.Position() + ": " + err.Problem, Fix: err.Fix,
		}
	}
	up, down := false, false
	for _, level := range [...]*v1alpha1.Level{t.Info, t.Warning, t.Critical} {
		if level != nil {
			up, down = up || level.Above != "", down || level.Above == ""
		}
	}
	if up && down {
		return source{}, bad(t, "signal.expr", "the levels bound the expression from both sides", "make two thresholds of it, one with above and one with below")
	}
	s := source{kind: Expression, unit: Plain, subject: t.Name, suffix: "value"}
	s.Metrics = promql.Metrics(expr)
	// The line breaks end a comment that the expression may end in.
	switch {
	case kind == promql.Scalar:
		s.value = "vector(\n" + expr + "\n)"
	case down:
		s.value = "min without (" + c.setLabels() + ") (\n" + expr + "\n)"
	default:
		s.value = "max without (" + c.setLabels() + ") (\n" + expr + "\n)"
	}
	s.absent = "absent(" + c.recorded(t.Name, s.suffix) + ")"
	return s, nil
}

// ownLabels are set by the rules, whatever the expression has there.
const ownLabels = "baseline, component, namespace, service, severity, threshold"

// setLabels are those of which every alert of the threshold has the same value.
func (c *compiler) setLabels() string {
	return strings.Join(append([]string{ownLabels}, c.alertLabels...), ", ")
}

func isOwnLabel(name string) bool {
	return name == "alertname" || slices.Contains(strings.Split(ownLabels, ", "), name)
}
