package rsolvdeployment

import (
	"context"
	"fmt"
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
	outside := slices.DeleteFunc(slices.Clone(values), func(s *model.Sample) bool { return !check.Bound.Outside(float64(s.Value)) })
	if len(outside) == 0 {
		return found, nil
	}
	if check.Long != "" {
		long, err := vector(ctx, server, check.Long, at)
		if err != nil {
			return answer{}, err
		}
		outside = slices.DeleteFunc(outside, func(s *model.Sample) bool {
			return !slices.ContainsFunc(long, func(l *model.Sample) bool {
				return l.Metric.Equal(s.Metric) && check.Bound.Outside(float64(l.Value))
			})
		})
	}
	if len(outside) > 0 {
		found.crossed = crossedBy(check, outside)
	}
	return found, nil
}

// crossedBy names the worst value, its series where there are several, and the
// bound.
func crossedBy(check *alerts.Check, outside model.Vector) string {
	worst := slices.MaxFunc(outside, func(a, b *model.Sample) int {
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
