package alerts

import (
	"fmt"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// validBaselines draws baselines that are in order, of every signal and
// setting.
func validBaselines() *rapid.Generator[*v1alpha1.AlertBaseline] {
	return rapid.Custom(func(t *rapid.T) *v1alpha1.AlertBaseline {
		b := &v1alpha1.AlertBaseline{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.KindAlertBaseline},
			ObjectMeta: metav1.ObjectMeta{Name: name(t, "baseline", 63), Namespace: name(t, "namespace", 40)},
			Spec: v1alpha1.AlertBaselineSpec{
				DeploymentRef:  v1alpha1.DeploymentReference{Name: name(t, "app", 30)},
				MinRequestRate: rate(t, "minRequestRate"),
				Window:         rapid.SampledFrom([]v1alpha1.PromDuration{"1m", "5m", "90s"}).Draw(t, "window"),
				Suspend:        rapid.IntRange(0, 9).Draw(t, "suspend") == 0,
				BusinessHours:  hoursOf(t),
				Alerts:         options(t),
			},
		}
		if rapid.Bool().Draw(t, "has selector") {
			b.Spec.Selector = map[string]v1alpha1.LabelValue{"job": value(t, "job"), "cluster": value(t, "cluster")}
		}
		if rapid.Bool().Draw(t, "has output") {
			b.Spec.Outputs = &v1alpha1.Outputs{
				Rules:  rapid.SampledFrom([]v1alpha1.RulesOutput{v1alpha1.RulesInPrometheusRule, v1alpha1.RulesInConfigMap}).Draw(t, "output"),
				Labels: map[string]string{"release": "prometheus"},
			}
		}
		if rapid.Bool().Draw(t, "has dashboard") {
			b.Spec.Dashboard = &v1alpha1.Dashboard{Folder: "Some folder", BaseURL: "https://grafana.example.com/"}
		}
		for i := range rapid.IntRange(1, 12).Draw(t, "thresholds") {
			b.Spec.Thresholds = append(b.Spec.Thresholds, thresholdOf(t, i, b.Spec.BusinessHours != nil))
		}
		return b
	})
}

func name(t *rapid.T, label string, limit int) string {
	return rapid.StringMatching(`[a-z]([-a-z0-9]{0,`+strconv.Itoa(limit-2)+`}[a-z0-9])?`).Draw(t, label)
}

// value is any text that a label of Prometheus can have, quotes and all.
func value(t *rapid.T, label string) v1alpha1.LabelValue {
	return v1alpha1.LabelValue(rapid.StringMatching(`[ -~é]{1,20}`).Filter(func(s string) bool { return !strings.Contains(s, "{{") }).Draw(t, label))
}

func rate(t *rapid.T, label string) string {
	return rapid.SampledFrom([]string{"0/s", "0.001/s", "0.1/s", "25/s"}).Draw(t, label)
}

func hoursOf(t *rapid.T) *v1alpha1.BusinessHours {
	if rapid.Bool().Draw(t, "no hours") {
		return nil
	}
	from := rapid.IntRange(0, 20).Draw(t, "from")
	return &v1alpha1.BusinessHours{
		Timezone: rapid.SampledFrom([]string{"UTC", "Europe/Madrid", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"}).Draw(t, "zone"),
		Days: rapid.SliceOfNDistinct(rapid.SampledFrom([]v1alpha1.Weekday{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}), 1, 7,
			func(d v1alpha1.Weekday) v1alpha1.Weekday { return d }).Draw(t, "days"),
		From: fmt.Sprintf("%02d:%02d", from, rapid.IntRange(0, 59).Draw(t, "minute")),
		To:   fmt.Sprintf("%02d:00", rapid.IntRange(from+2, 24).Draw(t, "to")),
	}
}

func options(t *rapid.T) *v1alpha1.AlertOptions {
	if rapid.Bool().Draw(t, "no options") {
		return nil
	}
	return &v1alpha1.AlertOptions{
		Labels:      v1alpha1.AlertLabels{"team": value(t, "team")},
		Annotations: v1alpha1.AlertAnnotations{"value": "it is {{ $value | humanize }} of {{ $labels.pod }}"},
		RunbookURL:  rapid.SampledFrom([]string{"", "https://wiki.example.com/{alert}", "https://wiki.example.com/runbooks/"}).Draw(t, "runbook"),
	}
}

func thresholdOf(t *rapid.T, i int, hours bool) v1alpha1.Threshold {
	th := v1alpha1.Threshold{
		Name: fmt.Sprintf("t%d-%s", i, name(t, "threshold", 40)), Component: name(t, "component", 20),
		Suspend: rapid.IntRange(0, 9).Draw(t, "suspend") == 0,
	}
	unit, limit := signalOf(t, &th)
	if rapid.IntRange(0, 3).Draw(t, "flag") == 0 {
		th.OnlyWhenFlag = &v1alpha1.FlagGuard{Key: "some_flag", Is: rapid.Bool().Draw(t, "is")}
	}
	if th.Signal.Utilization == nil && th.Signal.Expr == "" && rapid.Bool().Draw(t, "long") {
		th.LongWindow = "1h"
	}
	// Bounds rise from info to critical, or fall.
	up, bounds := rapid.Bool().Draw(t, "up"), make([]float64, 3)
	low := rapid.Float64Range(0.01, 0.3).Draw(t, "low")
	for j := range bounds {
		bounds[j] = low * limit * float64(j+1)
		if !up {
			bounds[j] = low * limit * float64(3-j)
		}
	}
	if rapid.Bool().Draw(t, "target") {
		th.Target = unit(bounds[0])
	}
	levels := rapid.IntRange(0, 7).Draw(t, "levels")
	for j, level := range []**v1alpha1.Level{&th.Info, &th.Warning, &th.Critical} {
		if levels&(1<<j) != 0 {
			*level = levelOf(t, fmt.Sprintf("Alert%dLevel%d", i, j), unit(bounds[j]), up, hours)
		}
	}
	if levels == 0 && th.Target == "" || rapid.IntRange(0, 3).Draw(t, "no data") == 0 {
		th.OnNoData = &v1alpha1.NoData{
			Alert: fmt.Sprintf("Alert%dGone", i), For: "10m",
			Severity: rapid.SampledFrom([]string{"info", "warning", "critical"}).Draw(t, "severity"),
		}
	}
	return th
}

func levelOf(t *rapid.T, alert string, bound v1alpha1.Value, up, hours bool) *v1alpha1.Level {
	level := &v1alpha1.Level{Alert: alert, For: rapid.SampledFrom([]v1alpha1.PromDuration{"0s", "45s", "5m", "1h30m"}).Draw(t, "for")}
	switch {
	case up:
		level.Above = bound
	case rapid.Bool().Draw(t, "at most"):
		level.AtMost = bound
	default:
		level.Below = bound
	}
	if rapid.Bool().Draw(t, "keep") {
		level.KeepFiringFor = "15m"
	}
	if hours && rapid.Bool().Draw(t, "during") {
		level.During, level.For = v1alpha1.DuringBusinessHours, "30m"
	}
	return level
}

// signalOf draws a signal, how its bounds are written and below which value
// all of them are.
func signalOf(t *rapid.T, th *v1alpha1.Threshold) (unit func(float64) v1alpha1.Value, limit float64) {
	written := func(suffix string, scale float64) func(float64) v1alpha1.Value {
		return func(v float64) v1alpha1.Value {
			return v1alpha1.Value(strconv.FormatFloat(v*scale, 'f', 4, 64) + suffix)
		}
	}
	by := rapid.SampledFrom([]string{"", "repo", "pod"}).Draw(t, "by")
	switch rapid.IntRange(0, 5).Draw(t, "signal") {
	case 0:
		th.Signal.ErrorRatio = &v1alpha1.ErrorRatio{Histogram: "http", Errors: map[string]v1alpha1.LabelValue{"status": "5..|429"}}
		return written("%", 100), 1
	case 1:
		th.Signal.Latency = &v1alpha1.Latency{
			Histogram: rapid.SampledFrom([]v1alpha1.MetricName{"http", "database", "webhooks", "other:histogram"}).Draw(t, "histogram"),
			Quantile:  rapid.SampledFrom([]string{"p50", "p75", "p90", "p95", "p99"}).Draw(t, "quantile"),
			Endpoint:  rapid.SampledFrom([]string{"", "/api/v1/{id}", "/api/*"}).Draw(t, "endpoint"), MinRate: rate(t, "minRate"),
		}
		if rapid.Bool().Draw(t, "in seconds") {
			return written("s", 1), 9
		}
		return written("ms", 1), 9000
	case 2:
		th.Signal.RequestRate = &v1alpha1.RequestRate{Histogram: "http", Counter: rapid.SampledFrom([]v1alpha1.MetricName{"", "jobs_total"}).Draw(t, "counter")}
		return written("/s", 1), 1000
	case 3:
		th.Signal.Utilization = &v1alpha1.Utilization{Used: "pool_used", Capacity: "pool_size"}
		return written("%", 100), 1
	case 4:
		th.Signal.FailureRatio = &v1alpha1.FailureRatio{
			Counter: "jobs_total", Failures: map[string]v1alpha1.LabelValue{"code": value2(t)}, By: by, MinRate: rate(t, "minRate"),
		}
		return written("%", 100), 1
	default:
		th.Signal.Expr = rapid.SampledFrom([]string{
			"up{$selector}", "sum by (queue) (rate(jobs_total{$selector,code=~\"5..\"}[1h])) # comment", "time() - 3600",
			"1 - avg_over_time(probe_success{instance=~\"https://$deployment.*\"}[1d])",
		}).Draw(t, "expr")
		return written("", 1), 100
	}
}

// value2 is a text that is itself a regular expression.
func value2(t *rapid.T) v1alpha1.LabelValue {
	return rapid.SampledFrom([]v1alpha1.LabelValue{"failed", "4..|5..", `a\.b`, "with \"quotes\"", ".+"}).Draw(t, "pattern")
}
