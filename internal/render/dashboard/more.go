package dashboard

import (
	"cmp"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// more adds a row of the panels that somebody declared besides the thresholds.
func (b *builder) more(declared []v1alpha1.Panel) {
	if len(declared) == 0 {
		return
	}
	open := false
	b.add(panel{Type: "row", Title: "more", Collapsed: &open, Panels: &[]panel{}, GridPos: gridPos{H: 1, W: gridWidth, Y: b.y}})
	b.y++
	var stats, graphs []panel
	for i := range declared {
		d := &declared[i]
		queries := make([]query, 0, len(d.Queries))
		for _, q := range d.Queries {
			queries = append(queries, query{Expr: q.Expr, LegendFormat: cmp.Or(q.Legend, "__auto")})
		}
		unit := cmp.Or(d.Unit, "short")
		if d.Kind == "Stat" {
			p := stat(&alerts.Plan{})
			p.Title, p.FieldConfig.Defaults.Unit, p.Targets = d.Title, unit, references(queries...)
			stats = append(stats, p)
			continue
		}
		p := graph(d.Title, []*alerts.Plan{{}}, queries...)
		p.Title, p.Description, p.FieldConfig.Defaults.Unit = d.Title, "", unit
		graphs = append(graphs, p)
	}
	if len(stats) > 0 {
		b.flow(stats, statWidth(len(stats)), statHeight)
	}
	b.flow(graphs, graphWidth, graphHeight)
}
