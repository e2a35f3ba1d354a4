package ruletest

import (
	"maps"
	"math"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// phase is a time during which the signal has one value.
type phase struct {
	// steps of 30 s.
	steps int
	// value of the signal, and volume of traffic a second.
	value, volume float64
}

// input makes the series that give the signal its values; they vanish after
// the last phase.
func (s *situations) input(phases ...phase) []Series {
	switch s.plan.Kind {
	case alerts.ErrorRatio, alerts.FailureRatio:
		return s.ratio(phases)
	case alerts.Latency:
		return s.latency(phases)
	case alerts.RequestRate:
		return []Series{counter(s.plan.Source.Counter, s.labels(nil), phases, func(p phase) float64 { return p.value })}
	case alerts.Utilization:
		capacity := string(s.threshold.Signal.Utilization.Capacity)
		return []Series{
			gauge(named(s.plan.Source.Metric, s.labels(nil)), phases, func(p phase) float64 { return p.value * 1000 }),
			gauge(named(capacity, s.labels(nil)), phases, func(phase) float64 { return 1000 }),
		}
	default:
		// Most expressions keep labels of their own.
		series := strings.Replace(s.plan.Value, "{", `{pod="a",`, 1)
		return []Series{gauge(series, phases, func(p phase) float64 { return p.value })}
	}
}

func (s *situations) ratio(phases []phase) []Series {
	patterns := map[string]v1alpha1.LabelValue{contract.LabelStatus: "5.."}
	if r := s.threshold.Signal.ErrorRatio; r != nil && len(r.Errors) > 0 {
		patterns = r.Errors
	}
	if r := s.threshold.Signal.FailureRatio; r != nil {
		patterns = r.Failures
	}
	failed, others := map[string]string{}, map[string]string{}
	for label, pattern := range patterns {
		failed[label], others[label] = matching(string(pattern)), "other"
	}
	return []Series{
		counter(s.plan.Source.Counter, s.labels(failed), phases, func(p phase) float64 { return p.value * p.volume }),
		counter(s.plan.Source.Counter, s.labels(others), phases, func(p phase) float64 { return (1 - p.value) * p.volume }),
	}
}

// latency spreads observations evenly between two bounds around which the
// quantile is the value.
func (s *situations) latency(phases []phase) []Series {
	quantile, _ := strconv.ParseFloat(alerts.Quantiles[s.plan.Source.Quantile], 64)
	ends := func(p phase) (low, high float64) { return 0.9 * p.value, 0.9*p.value + 0.1*p.value/quantile }
	bounds := []float64{math.Inf(1)}
	for _, p := range phases {
		low, high := ends(p)
		bounds = append(bounds, low, high)
	}
	slices.Sort(bounds)
	var all []Series
	for _, bound := range slices.Compact(bounds) {
		labels := s.labels(map[string]string{"le": number(bound)})
		all = append(all, counter(s.plan.Source.Metric+"_bucket", labels, phases, func(p phase) float64 {
			low, high := ends(p)
			share := 1.0
			if bound < high {
				share = max(bound-low, 0) / (high - low)
			}
			return share * p.volume
		}))
	}
	return append(all, counter(s.plan.Source.Counter, s.labels(nil), phases, func(p phase) float64 { return p.volume }))
}

// labels are those that the baseline narrows its queries to, and more.
func (s *situations) labels(more map[string]string) map[string]string {
	all := map[string]string{"pod": "a"}
	if len(s.baseline.Spec.Selector) == 0 {
		all["job"], all["namespace"] = s.baseline.Spec.DeploymentRef.Name, namespaceOf(s.baseline)
	}
	for label, value := range s.baseline.Spec.Selector {
		all[label] = string(value)
	}
	if endpoint := s.plan.Source.Endpoint; endpoint != "" {
		all[contract.LabelPath] = strings.Replace(endpoint, "*", "below", 1)
	}
	maps.Copy(all, more)
	if by := s.plan.Source.By; by != "" && all[by] == "" {
		all[by] = "one"
	}
	return all
}

func named(metric string, labels map[string]string) string {
	parts := make([]string, 0, len(labels))
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, label+"="+strconv.Quote(labels[label]))
	}
	return metric + "{" + strings.Join(parts, ",") + "}"
}

// counter counts at a rate a second.
func counter(metric string, labels map[string]string, phases []phase, rate func(phase) float64) Series {
	parts, total := []string{}, 0.0
	for i, p := range phases {
		increase := rate(p) * step.Seconds()
		from, times := total+increase, p.steps-1
		if i == 0 {
			from, times = 0, p.steps // a counter begins with 0
		}
		parts = append(parts, number(from)+"+"+number(increase)+"x"+strconv.Itoa(times))
		total = from + increase*float64(times)
	}
	return Series{named(metric, labels), strings.Join(append(parts, "stale"), " ")}
}

// gauge has a value in each phase.
func gauge(series string, phases []phase, value func(phase) float64) Series {
	parts := []string{}
	for i, p := range phases {
		times := p.steps - 1
		if i == 0 {
			times = p.steps
		}
		parts = append(parts, number(value(p))+"+0x"+strconv.Itoa(times))
	}
	return Series{series, strings.Join(append(parts, "stale"), " ")}
}

func number(value float64) string {
	if math.IsInf(value, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(value, 'f', -1, 64)
}

// matching is a text that a pattern matches as a whole.
func matching(pattern string) string {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return pattern
	}
	text := example(tree.Simplify())
	if whole, err := regexp.Compile("^(?:" + pattern + ")$"); err != nil || !whole.MatchString(text) {
		return pattern
	}
	return text
}

func example(tree *syntax.Regexp) string {
	switch tree.Op {
	case syntax.OpLiteral:
		return string(tree.Rune)
	case syntax.OpCharClass:
		if len(tree.Rune) > 0 {
			return string(tree.Rune[len(tree.Rune)-2])
		}
		return ""
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "0"
	case syntax.OpCapture, syntax.OpPlus, syntax.OpAlternate:
		return example(tree.Sub[0])
	case syntax.OpConcat:
		var text strings.Builder
		for _, part := range tree.Sub {
			text.WriteString(example(part))
		}
		return text.String()
	default:
		return ""
	}
}
