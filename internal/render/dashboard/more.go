package dashboard

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// more adds a row of the panels that somebody declared besides the thresholds:
// figures first, then what shows the last values as a picture, then graphs.
func (b *builder) more(declared []v1alpha1.Panel) {
	if len(declared) == 0 {
		return
	}
	b.row("more")
	var stats, charts, graphs []panel
	for i := range declared {
		switch p := added(&declared[i]); p.Type {
		case "stat":
			stats = append(stats, p)
		case "timeseries":
			graphs = append(graphs, p)
		default:
			charts = append(charts, p)
		}
	}
	b.flow(stats, evenWidth(len(stats), statsInLine, widestStat), statHeight)
	b.flow(charts, evenWidth(len(charts), chartsInLine, widestChart), graphHeight)
	b.flow(graphs, graphWidth, graphHeight)
}

// added is a declared panel.
func added(d *v1alpha1.Panel) panel {
	queries := make([]query, 0, len(d.Queries))
	for _, q := range d.Queries {
		queries = append(queries, query{Expr: q.Expr, LegendFormat: cmp.Or(q.Legend, "__auto")})
	}
	p := panel{Datasource: &source, Targets: references(queries...)}
	switch d.Kind {
	case v1alpha1.PanelStat:
		p = stat(&alerts.Plan{})
		p.Targets = references(queries...)
	case v1alpha1.PanelGauge:
		p.Type, p.Options = "gauge", gauge
		p.now()
	case v1alpha1.PanelBars:
		p.Type, p.Options = "bargauge", bars
		p.now()
	case v1alpha1.PanelPie:
		p.Type, p.Options = "piechart", pie
		p.now()
	case v1alpha1.PanelTable:
		p.now()
		p.table(d)
	default:
		p = graph(d.Title, []*alerts.Plan{{}}, queries...)
	}
	p.Title, p.Description = d.Title, d.Description
	if p.FieldConfig == nil {
		p.FieldConfig = &fieldConfig{Defaults: fieldDefaults{NoValue: "no data"}, Overrides: []override{}}
	}
	p.colour(d)
	return p
}

// now asks for the last value alone.
func (p *panel) now() {
	for i := range p.Targets {
		p.Targets[i].Instant, p.Targets[i].Range = true, false
	}
}

// colour sets unit, steps and, for a dial and for bars, where they end.
func (p *panel) colour(d *v1alpha1.Panel) {
	defaults := &p.FieldConfig.Defaults
	defaults.Unit = cmp.Or(d.Unit, "short")
	defaults.Thresholds = thresholds{Mode: "absolute", Steps: declaredSteps(d.Steps)}
	last := defaults.Thresholds.Steps[len(defaults.Thresholds.Steps)-1].Value
	switch d.Kind {
	case v1alpha1.PanelGauge, v1alpha1.PanelBars:
		zero := 0.0
		defaults.Min = &zero
		switch {
		case defaults.Unit == "percentunit":
			defaults.Max = new(1.0)
		case defaults.Unit == "percent":
			defaults.Max = new(100.0)
		case last != nil && *last > 0:
			defaults.Max = new(*last * 4 / 3) // so that there is room past it
		}
	case v1alpha1.PanelPie:
		defaults.Color = &mode{"palette-classic"}
	case v1alpha1.PanelTable:
		if len(d.Steps) > 0 {
			p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, override{
				Matcher:    matcher{ID: "byType", Options: "number"},
				Properties: []property{{"custom.cellOptions", map[string]any{"type": "color-text"}}},
			})
		}
	case v1alpha1.PanelGraph, "":
		if last != nil {
			defaults.Custom.ThresholdsStyle.Mode = "line"
		}
	case v1alpha1.PanelStat:
	}
}

// declaredSteps are in order, and begin at the bottom.
func declaredSteps(declared []v1alpha1.PanelStep) []step {
	all := []step{{Color: "green"}}
	for _, d := range declared {
		if d.From == "" {
			all[0].Color = d.Color
		} else if from, err := strconv.ParseFloat(d.From, 64); err == nil {
			all = append(all, step{Color: d.Color, Value: &from})
		}
	}
	slices.SortStableFunc(all[1:], func(a, b step) int { return cmp.Compare(*a.Value, *b.Value) })
	return all
}

// table has a row for each set of labels, and a column for each query, called
// by its legend.
func (p *panel) table(d *v1alpha1.Panel) {
	p.Type = "table"
	names := map[string]any{}
	for i := range p.Targets {
		p.Targets[i].Format = "table"
		column := "Value"
		if len(p.Targets) > 1 {
			column += " #" + p.Targets[i].RefID
		}
		names[column] = cmp.Or(d.Queries[i].Legend, column)
	}
	p.Options = tableOptions{
		ShowHeader: true, CellHeight: "sm",
		SortBy: []sortBy{{DisplayName: cmp.Or(d.Queries[0].Legend, "Value"), Desc: true}},
	}
	p.Transformations = []transformation{
		{ID: "merge", Options: map[string]any{}},
		{ID: "organize", Options: map[string]any{"excludeByName": map[string]any{"Time": true}, "indexByName": map[string]any{}, "renameByName": names}},
	}
}

var lastValue = reduceOptions{Calcs: []string{"lastNotNull"}}

var (
	gauge = gaugeOptions{
		Orientation: "auto", ShowThresholdMarkers: true, Sizing: "auto", MinVizWidth: 75, MinVizHeight: 75, ReduceOptions: lastValue,
	}
	bars = barsOptions{
		Orientation: "horizontal", DisplayMode: "basic", ValueMode: "color", NamePlacement: "auto", ShowUnfilled: true,
		Sizing: "auto", MinVizWidth: 8, MinVizHeight: 16, MaxVizHeight: 300,
		Legend: legend{DisplayMode: "list", Placement: "bottom", Calcs: []string{}}, ReduceOptions: lastValue,
	}
	pie = pieOptions{
		Orientation: "auto", PieType: "donut", DisplayLabels: []string{"percent"},
		Legend:  pieLegend{legend{DisplayMode: "table", Placement: "right", ShowLegend: true, Calcs: []string{}}, []string{"value"}},
		Tooltip: tooltip{Mode: "single", Sort: "none"}, ReduceOptions: lastValue,
	}
)
