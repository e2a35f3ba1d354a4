package dashboard

import (
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// Grafana's grid is 24 columns wide.
const (
	gridWidth   = 24
	statHeight  = 4
	graphHeight = 8
	graphWidth  = gridWidth / 2
	// At most so many panels stand in a line, and none is wider than this.
	statsInLine, widestStat   = 6, gridWidth / 4
	chartsInLine, widestChart = 4, gridWidth / 2
)

// builder lays panels out from top to bottom.
type builder struct {
	plans  []alerts.Plan
	panels []panel
	y      int
}

// component adds a row: figures first, then graphs.
func (b *builder) component(name string) {
	b.row(name)
	var stats, graphs []panel
	for i := range b.plans {
		if b.plans[i].Component == name {
			stats = append(stats, stat(&b.plans[i]))
			graphs = append(graphs, b.graphs(&b.plans[i])...)
		}
	}
	b.flow(stats, evenWidth(len(stats), statsInLine, widestStat), statHeight)
	b.flow(graphs, graphWidth, graphHeight)
}

// row adds a heading.
func (b *builder) row(title string) {
	open := false
	b.add(panel{Type: "row", Title: title, Collapsed: &open, Panels: &[]panel{}, GridPos: gridPos{H: 1, W: gridWidth, Y: b.y}})
	b.y++
}

// evenWidth spreads panels evenly over as few lines as can hold them.
func evenWidth(count, inLine, widest int) int {
	if count == 0 {
		return 0
	}
	lines := (count + inLine - 1) / inLine
	perLine := (count + lines - 1) / lines
	return min(gridWidth/perLine, widest)
}

// flow adds panels of one size, line by line. A graph that is left alone has the
// whole line.
func (b *builder) flow(panels []panel, width, height int) {
	x := 0
	for i, p := range panels {
		if x+width > gridWidth {
			x, b.y = 0, b.y+height
		}
		if x == 0 && i == len(panels)-1 && width == graphWidth {
			width = gridWidth
		}
		p.GridPos = gridPos{H: height, W: width, X: x, Y: b.y}
		b.add(p)
		x += width
	}
	if len(panels) > 0 {
		b.y += height
	}
}

func (b *builder) add(p panel) {
	p.ID = len(b.panels) + 1
	b.panels = append(b.panels, p)
}

// graphs of a threshold. Latencies of one histogram share a graph, which
// stands where the first of them does.
func (b *builder) graphs(p *alerts.Plan) []panel {
	switch p.Kind {
	case alerts.Latency:
		family := b.family(p)
		if family[0] != p {
			return nil
		}
		if p.Source.Endpoint != "" {
			return []panel{endpoints(family)}
		}
		return []panel{quantiles(family)}
	case alerts.RequestRate:
		graphs := []panel{single(p)}
		if p.Source.Split != "" {
			graphs = append(graphs, split(p))
		}
		return graphs
	default:
		return []panel{single(p)}
	}
}

// family are the latencies of the same histogram, those of single endpoints
// apart from those of the whole.
func (b *builder) family(p *alerts.Plan) []*alerts.Plan {
	var all []*alerts.Plan
	for i := range b.plans {
		q := &b.plans[i]
		if q.Kind == alerts.Latency && q.Source.Metric == p.Source.Metric &&
			(q.Source.Endpoint == "") == (p.Source.Endpoint == "") {
			all = append(all, q)
		}
	}
	return all
}
