package promql

import (
	"slices"
	"testing"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string][]string{
		`sum(rate(b_total{x="1"}[5m])) / sum(rate({__name__="a_total"}[5m])) > on () b_total`: {"a_total", "b_total"},
		`{job="rsolv"} or {__name__=~"x.*"}`:                                                  nil,
		`time() - 1`:                                                                          nil,
		`sum(`:                                                                                nil,
	} {
		if got := Metrics(expression); !slices.Equal(got, want) {
			t.Errorf("Metrics(%s) = %v; want %v", expression, got, want)
		}
	}
}

func TestNormal(t *testing.T) {
	t.Parallel()
	same := func(a, b string, want bool) {
		t.Helper()
		if got := Normal(a, "namespace", "shop") == Normal(b, "namespace", "shop"); got != want {
			t.Errorf("%s and %s are the same: %t; want %t (%s, %s)", a, b, got, want, Normal(a, "namespace", "shop"), Normal(b, "namespace", "shop"))
		}
	}
	same("sum  by(a)(x{b='1',a=\"2\"})\n> 1 # why", `sum by (a) (x{a="2",b="1"}) > 1`, true)
	same(`(up > 1)`, `up > 1`, true)
	same(`up`, `up{namespace="shop"}`, true)
	same(`up`, `up{namespace="other"}`, false)
	same(`rate(x[5m])`, `rate(x[300s])`, true)
	same(`up > 1`, `up > 2`, false)
	same(`up{`, `up{`, true)
}

func TestReads(t *testing.T) {
	t.Parallel()
	got := Reads(`sum by (le, path) (rate(x_bucket{job="rsolv",status=~"5.."}[5m])) and on () y_total`)
	if len(got) != 2 || got[0].Metric != "x_bucket" || !slices.Equal(got[0].Labels, []string{"job", "le", "path", "status"}) ||
		got[1].Metric != "y_total" || len(got[1].Labels) != 0 {
		t.Errorf("got %v", got)
	}
}
