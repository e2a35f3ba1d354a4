package backtest

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// quantiles of what is normal that each level lets pass.
var quantiles = map[string]float64{alerts.SeverityInfo: 0.95, alerts.SeverityWarning: 0.99, alerts.SeverityCritical: 0.999}

// suggest takes bounds from the values that were observed: warning above the
// 0.99 quantile, critical above the 0.999, or below their mirror images. A
// bound that nothing would ever have come near is left as it is declared.
func (t *track) suggest(r *Report) {
	covered := time.Duration(r.Points) * t.step
	if r.Points < minPoints || covered <= 0 {
		return
	}
	for i := range r.Levels {
		l := &r.Levels[i]
		pool := t.pool(&l.Bound)
		if len(pool) < minPoints {
			continue
		}
		q := quantiles[l.Bound.Severity]
		up := l.Bound.Operator == ">"
		if !up {
			q = 1 - q
		}
		value := t.round(quantile(pool, q), up)
		if value <= 0 {
			continue // a bound of nothing would tell of everything, or never
		}
		bound := l.Bound
		bound.Value = value
		l.Suggestion = &Suggestion{
			Value: value, Text: written(r.Unit, value), Quantile: q,
			PerWeek: float64(len(t.firings(&bound))) * float64(7*24*time.Hour) / float64(covered),
		}
	}
}

// quantile of sorted values.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (sorted[high]-sorted[low])*(at-float64(low))
}

// round moves a bound away from what is normal: to the end of a bucket, which
// a quantile can be told from, or else to two digits.
func (t *track) round(value float64, up bool) float64 {
	if buckets := t.history.Buckets; up && len(buckets) > 0 {
		if at := slices.IndexFunc(buckets, func(end float64) bool { return end >= value }); at >= 0 {
			return buckets[at]
		}
	}
	if value <= 0 {
		return value
	}
	unit := math.Pow(10, math.Floor(math.Log10(value))-1)
	if up {
		return tidy(math.Ceil(value/unit-1e-9) * unit)
	}
	return tidy(math.Floor(value/unit+1e-9) * unit)
}

// tidy takes away what binary fractions leave behind.
func tidy(value float64) float64 {
	parsed, err := strconv.ParseFloat(strconv.FormatFloat(value, 'g', 6, 64), 64)
	if err != nil {
		return value
	}
	return parsed
}

// written is a bound as it can be put into a spec.
func written(unit alerts.Unit, value float64) string {
	text := func(v float64) string { return strconv.FormatFloat(tidy(v), 'f', -1, 64) }
	switch unit {
	case alerts.Ratio:
		return text(value*100) + "%"
	case alerts.Milliseconds:
		return text(value) + "ms"
	case alerts.PerSecond:
		return text(value) + "/s"
	default:
		return text(value)
	}
}
