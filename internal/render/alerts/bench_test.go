package alerts

import (
	"testing"

	"github.com/rsolv-dev/rsolv-operator/internal/promql"
)

// BenchmarkRules13 renders the shipped baseline, whose 13 alerts are the
// original system's, and the one for vanished metrics.
func BenchmarkRules13(b *testing.B) {
	baseline := sample(b)
	b.ReportAllocs()
	for b.Loop() {
		if result := Rules(baseline, testTime); len(result.Problems) > 0 {
			b.Fatal(result.Problems)
		}
	}
}

// BenchmarkRules13Validated parses every expression besides.
func BenchmarkRules13Validated(b *testing.B) {
	baseline := sample(b)
	b.ReportAllocs()
	for b.Loop() {
		for _, group := range Rules(baseline, testTime).Groups {
			for i := range group.Rules {
				if _, err := promql.Check(group.Rules[i].Expr); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}

// BenchmarkPrometheusRule13 makes the object that is applied.
func BenchmarkPrometheusRule13(b *testing.B) {
	baseline := sample(b)
	groups := Rules(baseline, testTime).Groups
	b.ReportAllocs()
	for b.Loop() {
		if PrometheusRule(baseline, groups).GetName() == "" {
			b.Fatal("no name")
		}
	}
}
