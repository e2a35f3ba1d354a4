package alertbaseline

import (
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

func TestStandingOf(t *testing.T) {
	t.Parallel()
	plan := &alerts.Plan{Name: "errors", NoData: &alerts.Bound{Alert: "Gone"}}
	quiet := liveRule{group: "errors", alert: "Quiet", threshold: "errors", state: "inactive"}
	in := func(alert, severity, state string) liveRule {
		return liveRule{group: "errors", alert: alert, threshold: "errors", severity: severity, state: state}
	}
	for name, test := range map[string]struct {
		rules []liveRule
		want  v1alpha1.ThresholdState
		gone  bool
	}{
		"no rule runs":              {nil, v1alpha1.StateUnknown, false},
		"another's rules":           {[]liveRule{{group: "other", threshold: "other", state: "firing", severity: "critical"}}, v1alpha1.StateUnknown, false},
		"nothing to judge":          {[]liveRule{quiet}, v1alpha1.StateNoData, false},
		"pending":                   {[]liveRule{quiet, in("W", "warning", "pending")}, v1alpha1.StatePending, false},
		"info":                      {[]liveRule{quiet, in("I", "info", "firing")}, v1alpha1.StateInfo, false},
		"warning":                   {[]liveRule{in("W", "warning", "firing"), in("C", "critical", "pending")}, v1alpha1.StateWarning, false},
		"critical beats warning":    {[]liveRule{in("C", "critical", "firing"), in("W", "warning", "firing")}, v1alpha1.StateCritical, false},
		"the metrics have vanished": {[]liveRule{quiet, in("Gone", "critical", "firing")}, v1alpha1.StateNoData, true},
	} {
		if got := standingOf("errors", plan, &facts{rules: test.rules}); got.state != test.want || got.gone != test.gone {
			t.Errorf("%s: %+v, want %s", name, got, test.want)
		}
	}
}

func TestPresentVerdict(t *testing.T) {
	t.Parallel()
	baseline := small()
	baseline.Namespace = "shop"
	latency := alerts.Plan{
		Name: "slow", Kind: alerts.Latency, Unit: alerts.Milliseconds, Bounds: []alerts.Bound{{Text: "700ms", Value: 700}},
		Source: alerts.Source{Metric: "took", Metrics: []string{"took_bucket"}},
	}
	failures := alerts.Plan{
		Name: "failures", Kind: alerts.FailureRatio,
		Source: alerts.Source{Counter: "runs_total", Metrics: []string{"runs_total"}, Labels: []string{"repo"}},
	}
	for name, test := range map[string]struct {
		plan   alerts.Plan
		facts  facts
		status string
		reason string
		says   string
	}{
		"missing": {latency, facts{}, "False", v1alpha1.ReasonSeriesMissing, `no series took_bucket (for "slow") with {job="rsolv",namespace="shop"}`},
		"between": {
			latency,
			facts{buckets: map[string][]float64{"took_bucket": {500, 1000}}},
			"True", v1alpha1.ReasonBetweenBuckets, `700ms of "slow": the nearest buckets end at 500ms and 1.00s`,
		},
		"past the last": {
			latency,
			facts{buckets: map[string][]float64{"took_bucket": {100, 500}}},
			"True", v1alpha1.ReasonBetweenBuckets, `700ms of "slow" lies past the last bucket, 500ms, so that it is never exceeded`,
		},
		"on a bucket": {latency, facts{buckets: map[string][]float64{"took_bucket": {500, 700}}}, "True", v1alpha1.ReasonSucceeded, "every series"},
		"another label": {
			failures,
			facts{buckets: map[string][]float64{"runs_total": nil}, labels: map[string][]string{"runs_total": {}}},
			"False", v1alpha1.ReasonSeriesMissing, `"failures" counts by the label repo, which no series of runs_total has`,
		},
		"the label": {
			failures,
			facts{buckets: map[string][]float64{"runs_total": nil}, labels: map[string][]string{"runs_total": {"repo"}}},
			"True", v1alpha1.ReasonSucceeded, "every series",
		},
	} {
		got := presentVerdict(baseline, []alerts.Plan{test.plan}, &test.facts)
		if string(got.Status) != test.status || got.Reason != test.reason || !strings.Contains(got.Message, test.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A rule runs as it is applied only if its query, its for and its labels do.
func TestLoadedVerdict(t *testing.T) {
	t.Parallel()
	groups := []alerts.Group{{Name: "errors", Rules: []alerts.Rule{
		{Record: "rsolv:errors:ratio", Expr: "vector(1)"},
		{Alert: "Errors", Expr: "rsolv:errors:ratio > 1", For: "5m", Labels: map[string]string{"component": "api"}},
	}}}
	record := liveRule{group: "errors", record: "rsolv:errors:ratio", query: "vector(1)"}
	alert := liveRule{
		group: "errors", alert: "Errors", query: "rsolv:errors:ratio > 1", pending: 5 * time.Minute,
		labels: map[string]string{"component": "api", "namespace": "shop"},
	}
	shorter, elsewhere, other, failing := alert, alert, alert, alert
	shorter.pending = time.Minute
	elsewhere.labels = map[string]string{"component": "billing"}
	other.query = "rsolv:errors:ratio > 2"
	failing.failed, failing.lastError = true, "many-to-many matching"
	absent := func() status.Verdict { return status.False(v1alpha1.ReasonNotSelected, "not selected") }
	for name, test := range map[string]struct {
		rules    []liveRule
		settling bool
		reason   string
	}{
		"runs":              {[]liveRule{record, alert}, false, v1alpha1.ReasonSucceeded},
		"another for":       {[]liveRule{record, shorter}, false, v1alpha1.ReasonOutdated},
		"another label":     {[]liveRule{record, elsewhere}, false, v1alpha1.ReasonOutdated},
		"another query":     {[]liveRule{record, other}, false, v1alpha1.ReasonOutdated},
		"on its way":        {[]liveRule{record, shorter}, true, v1alpha1.ReasonProgressing},
		"one is not there":  {[]liveRule{record}, false, v1alpha1.ReasonOutdated},
		"none is there":     {nil, false, v1alpha1.ReasonNotSelected},
		"it cannot be read": {[]liveRule{record, failing}, false, v1alpha1.ReasonEvaluationFailed},
	} {
		if got := loadedVerdict(compare("shop", groups, test.rules), test.settling, absent); got.Reason != test.reason {
			t.Errorf("%s: %+v, want %s", name, got, test.reason)
		}
	}
}
