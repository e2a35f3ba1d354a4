package alertbaseline

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// presentVerdict says whether Prometheus has what the thresholds read, and
// whether their bounds lie where a histogram measures.
func presentVerdict(baseline *v1alpha1.AlertBaseline, plans []alerts.Plan, f *facts) status.Verdict {
	missing := map[string][]string{}
	var unlabelled, between []string
	for i := range plans {
		p := &plans[i]
		gone := false
		for _, metric := range p.Source.Metrics {
			if _, found := f.buckets[metric]; !found {
				missing[metric] = append(missing[metric], p.Name)
				gone = true
			}
		}
		if gone {
			continue
		}
		for _, label := range p.Source.Labels {
			if labels := f.labels[p.Source.Counter]; labels != nil && !slices.Contains(labels, label) {
				unlabelled = append(unlabelled, fmt.Sprintf("%s counts by the label %s, which no series of %s has", quoted(p.Name), label, p.Source.Counter))
			}
		}
		between = append(between, betweenBuckets(p, f.buckets[p.Source.Metric+"_bucket"])...)
	}
	switch {
	case len(missing) > 0:
		return status.False(v1alpha1.ReasonSeriesMissing, missingMessage(baseline, missing))
	case len(unlabelled) > 0:
		return status.False(v1alpha1.ReasonSeriesMissing, strings.Join(unlabelled, "; ")+": correct the label, or the threshold never sees a failure")
	case len(between) > 0:
		return status.True(v1alpha1.ReasonBetweenBuckets, "every series is there; between two buckets a quantile is a guess: "+strings.Join(between, "; "))
	default:
		return status.True(v1alpha1.ReasonSucceeded, "Prometheus has every series that the thresholds read")
	}
}

func missingMessage(baseline *v1alpha1.AlertBaseline, missing map[string][]string) string {
	parts := make([]string, 0, len(missing))
	for _, metric := range slices.Sorted(maps.Keys(missing)) {
		parts = append(parts, metric+" (for "+list(missing[metric])+")")
	}
	return "Prometheus has no series " + strings.Join(parts, ", ") + " with " + alerts.Selector(baseline) +
		": either nothing was counted yet, or the app is not scraped, or its series carry other labels, which spec.selector can name"
}

// betweenBuckets are the bounds of a latency that no bucket ends at.
func betweenBuckets(p *alerts.Plan, buckets []float64) []string {
	if p.Kind != alerts.Latency || len(buckets) == 0 {
		return nil
	}
	var all []string
	for i := range p.Bounds {
		b := &p.Bounds[i]
		below, above := 0.0, math.Inf(1)
		for _, end := range buckets {
			if end <= b.Value {
				below = max(below, end)
			}
			if end >= b.Value {
				above = min(above, end)
			}
		}
		switch {
		case below == b.Value:
		case math.IsInf(above, 1):
			all = append(all, fmt.Sprintf("%s of %s lies past the last bucket, %s, so that it is never exceeded", b.Text, quoted(p.Name), p.Unit.Format(below)))
		default:
			nearest := []string{p.Unit.Format(above)}
			if below > 0 {
				nearest = []string{p.Unit.Format(below), p.Unit.Format(above)}
			}
			all = append(all, fmt.Sprintf("%s of %s: the nearest buckets end at %s", b.Text, quoted(p.Name), strings.Join(nearest, " and ")))
		}
	}
	return all
}
