package alertbaseline

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// ask fills the memory with what Prometheus knows now. The series are asked
// for less often: what exists changes rarely, and the answer is large.
func ask(ctx context.Context, api promv1.API, baseline *v1alpha1.AlertBaseline, plans []alerts.Plan, m *memory, now time.Time, every time.Duration) error {
	ours := `{baseline=` + strconv.Quote(baseline.Name) + `,namespace=` + strconv.Quote(baseline.Namespace) + `}`
	// Older servers answer with all rules.
	result, err := api.Rules(ctx, []string{ours})
	if err != nil {
		return err
	}
	values, err := query(ctx, api, `{__name__=~"rsolv:.+",`+ours[1:], now)
	if err != nil {
		return err
	}
	f := facts{rules: rulesOf(baseline, result.Groups), values: map[string][]float64{}, buckets: m.facts.buckets, labels: m.facts.labels}
	for _, sample := range values {
		name := string(sample.Metric[model.MetricNameLabel])
		f.values[name] = append(f.values[name], float64(sample.Value))
	}
	if m.listed.IsZero() || now.Sub(m.listed) >= every || !m.present.Is() {
		if err := listSeries(ctx, api, baseline, plans, &f, now); err != nil {
			return err
		}
		m.listed = now
	}
	m.facts = f
	return nil
}

// listSeries asks which of the metrics that are read exist, with which buckets
// and which of the labels that matter.
func listSeries(ctx context.Context, api promv1.API, baseline *v1alpha1.AlertBaseline, plans []alerts.Plan, f *facts, now time.Time) error {
	own, foreign, counters, labels := read(plans)
	f.buckets, f.labels = map[string][]float64{}, map[string][]string{}
	selector := alerts.Selector(baseline)
	matchers := selector[1 : len(selector)-1]
	for _, each := range []struct {
		metrics  []string
		matchers string
	}{{own, "," + matchers}, {foreign, ""}} {
		if len(each.metrics) == 0 {
			continue
		}
		vector, err := query(ctx, api, "count by (__name__, le) ({"+named(each.metrics)+each.matchers+"})", now)
		if err != nil {
			return err
		}
		for _, sample := range vector {
			name := string(sample.Metric[model.MetricNameLabel])
			f.buckets[name] = append(f.buckets[name], bucket(sample.Metric["le"])...)
		}
	}
	if len(counters) == 0 {
		return nil
	}
	by := strings.Join(append([]string{"__name__"}, labels...), ", ")
	vector, err := query(ctx, api, "count by ("+by+") ({"+named(counters)+","+matchers+"})", now)
	if err != nil {
		return err
	}
	for _, sample := range vector {
		name := string(sample.Metric[model.MetricNameLabel])
		if f.labels[name] == nil {
			f.labels[name] = []string{}
		}
		for _, label := range labels {
			if sample.Metric[model.LabelName(label)] != "" && !slices.Contains(f.labels[name], label) {
				f.labels[name] = append(f.labels[name], label)
			}
		}
	}
	return nil
}

// bucket is the upper bound in a label le.
func bucket(le model.LabelValue) []float64 {
	bound, err := strconv.ParseFloat(string(le), 64)
	if err != nil || bound > 1e300 {
		return nil
	}
	return []float64{bound}
}

// read are the metrics that plans read: those narrowed by the baseline's
// selector, and those in expressions; and the counters whose labels matter,
// with these labels.
func read(plans []alerts.Plan) (own, foreign, counters, labels []string) {
	for i := range plans {
		p := &plans[i]
		if p.Kind == alerts.Expression {
			foreign = append(foreign, p.Source.Metrics...)
			continue
		}
		own = append(own, p.Source.Metrics...)
		if len(p.Source.Labels) > 0 {
			counters, labels = append(counters, p.Source.Counter), append(labels, p.Source.Labels...)
		}
	}
	for _, each := range []*[]string{&own, &foreign, &counters, &labels} {
		slices.Sort(*each)
		*each = slices.Compact(*each)
	}
	return own, foreign, counters, labels
}

// named matches any of the metrics. Their names hold nothing that a regular
// expression would read as more than itself.
func named(metrics []string) string {
	return `__name__=~"` + strings.Join(metrics, "|") + `"`
}

func query(ctx context.Context, api promv1.API, expression string, at time.Time) (model.Vector, error) {
	value, _, _, err := api.Query(ctx, expression, at)
	if err != nil {
		return nil, err
	}
	vector, ok := value.(model.Vector)
	if !ok {
		return nil, fmt.Errorf("the answer is a %s, no vector", value.Type())
	}
	return vector, nil
}
