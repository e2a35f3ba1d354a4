package dashboard

import (
	"slices"

	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// colors by severity, worst last.
var severities = []string{"", alerts.SeverityInfo, alerts.SeverityWarning, alerts.SeverityCritical}

var colors = map[string]string{
	"": "green", alerts.SeverityInfo: "blue", alerts.SeverityWarning: "yellow", alerts.SeverityCritical: "red",
}

// steps colour the values by the worst level that alerts on them. A step takes
// effect at its value, so that one that ends a bound that includes its value
// begins a little later.
func steps(bounds []alerts.Bound) []step {
	all := lines(bounds)
	return slices.CompactFunc(all, func(a, b step) bool { return a.Color == b.Color })
}

// lines are the steps of a graph, which draws one where each begins: that of a
// bound past another of the same level is one, too.
func lines(bounds []alerts.Bound) []step {
	edges := make([]float64, 0, len(bounds))
	for i := range bounds {
		edges = append(edges, edge(&bounds[i]))
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	below := 0.0
	if len(edges) > 0 {
		below = edges[0] - 1
	}
	all := []step{{Color: colorAt(bounds, below)}}
	for _, at := range edges {
		all = append(all, step{Color: colorAt(bounds, at), Value: &at})
	}
	return all
}

// edge is where a bound begins (above) or ends (below, atMost).
func edge(b *alerts.Bound) float64 {
	if b.Operator == "<=" {
		return b.Value + max(b.Value, -b.Value, 1)*1e-9
	}
	return b.Value
}

// colorAt is the colour from a value on until the next edge.
func colorAt(bounds []alerts.Bound, value float64) string {
	worst := 0
	for i := range bounds {
		b := &bounds[i]
		outside := value < edge(b)
		if b.Operator == ">" {
			outside = value >= b.Value
		}
		if outside {
			worst = max(worst, slices.Index(severities, b.Severity))
		}
	}
	return colors[severities[worst]]
}
