package rsolvdeployment

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rsolv-dev/rsolv-operator/internal/promclient"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// Querier is what a gate asks of a Prometheus.
type Querier interface {
	// Query evaluates an expression at an instant.
	Query(ctx context.Context, query string, at time.Time, options ...promv1.Option) (model.Value, promv1.Warnings, promv1.Infos, error)
	// QueryRange evaluates it at each step of a period.
	QueryRange(ctx context.Context, query string, period promv1.Range, options ...promv1.Option) (model.Value, promv1.Warnings, promv1.Infos, error)
}

// Prometheus connects to the server of an AlertBaseline.
type Prometheus func(baseline types.NamespacedName, config promclient.Config) (Querier, error)

// answer is what is known of one bound.
type answer struct {
	// crossed says by how much the bound is; empty when it holds.
	crossed string
	// judged tells that there was a value, present that there are metrics.
	judged, present bool
}

// ask asks about one bound.
func ask(ctx context.Context, server Querier, check *alerts.Check, at time.Time) (answer, error) {
	values, err := vector(ctx, server, check.Judged, at)
	if err != nil {
		return answer{}, err
	}
	if len(values) == 0 {
		present, err := vector(ctx, server, check.Present, at)
		return answer{present: len(present) > 0}, err
	}
	found := answer{judged: true, present: true}
	if len(outside(check, values)) == 0 {
		return found, nil
	}
	var long model.Vector
	if check.Long != "" {
		if long, err = vector(ctx, server, check.Long, at); err != nil {
			return answer{}, err
		}
	}
	found.crossed = crossed(check, values, long)
	return found, nil
}

// outside are the values outside a bound.
func outside(check *alerts.Check, values model.Vector) model.Vector {
	return slices.DeleteFunc(slices.Clone(values), func(s *model.Sample) bool { return !check.Bound.Outside(float64(s.Value)) })
}

// crossed says by how much a bound is at one moment, empty if it holds. long
// are the values over the long window, for a check that has one.
func crossed(check *alerts.Check, values, long model.Vector) string {
	found := outside(check, values)
	if check.Long != "" {
		long = outside(check, long)
		found = slices.DeleteFunc(found, func(s *model.Sample) bool {
			return !slices.ContainsFunc(long, func(l *model.Sample) bool { return l.Metric.Equal(s.Metric) })
		})
	}
	if len(found) == 0 {
		return ""
	}
	return crossedBy(check, found)
}

// finestStep and mostSteps bound what is asked about a period.
const (
	finestStep = 5 * time.Second
	mostSteps  = 500
)

// askPeriod says by how much a bound was crossed in a period, and when first;
// empty if it held.
func askPeriod(ctx context.Context, server Querier, check *alerts.Check, from, to time.Time) (string, error) {
	if !from.Before(to) {
		return "", nil
	}
	period := promv1.Range{Start: from, End: to, Step: max(finestStep, to.Sub(from)/mostSteps)}
	values, err := vectors(ctx, server, check.Judged, period)
	if err != nil {
		return "", err
	}
	var long map[model.Time]model.Vector
	if check.Long != "" && len(values) > 0 {
		if long, err = vectors(ctx, server, check.Long, period); err != nil {
			return "", err
		}
	}
	for _, at := range slices.Sorted(maps.Keys(values)) {
		if says := crossed(check, values[at], long[at]); says != "" {
			return says + ", at " + at.Time().UTC().Format(time.RFC3339), nil
		}
	}
	return "", nil
}

// vectors evaluates an expression over a period, and gives its values by time.
func vectors(ctx context.Context, server Querier, query string, period promv1.Range) (map[model.Time]model.Vector, error) {
	value, _, _, err := server.QueryRange(ctx, query, period)
	if err != nil {
		return nil, err
	}
	matrix, ok := value.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("the answer is a %T, no matrix", value)
	}
	all := map[model.Time]model.Vector{}
	for _, series := range matrix {
		for _, pair := range series.Values {
			all[pair.Timestamp] = append(all[pair.Timestamp], &model.Sample{Metric: series.Metric, Value: pair.Value, Timestamp: pair.Timestamp})
		}
	}
	return all, nil
}

// crossedBy names the worst value, its series where there are several, and the
// bound.
func crossedBy(check *alerts.Check, found model.Vector) string {
	worst := slices.MaxFunc(found, func(a, b *model.Sample) int {
		difference := a.Value - b.Value
		if check.Bound.Operator != ">" {
			difference = -difference
		}
		switch {
		case difference > 0:
			return 1
		case difference < 0:
			return -1
		default:
			return strings.Compare(b.Metric.String(), a.Metric.String())
		}
	})
	which := ""
	if len(worst.Metric) > 0 {
		which = " (" + worst.Metric.String() + ")"
	}
	return fmt.Sprintf("%s: the %s%s is %s, %s", check.Threshold, check.Subject, which, check.Unit.Format(float64(worst.Value)), check.Says())
}

// vector evaluates an expression that gives one.
func vector(ctx context.Context, server Querier, query string, at time.Time) (model.Vector, error) {
	value, _, _, err := server.Query(ctx, query, at)
	if err != nil {
		return nil, err
	}
	found, ok := value.(model.Vector)
	if !ok {
		return nil, fmt.Errorf("the answer is a %T, no vector", value)
	}
	return found, nil
}
