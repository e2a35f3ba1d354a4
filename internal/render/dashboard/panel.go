package dashboard

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

var source = datasource{Type: "prometheus", UID: "${datasource}"}

// units are Grafana's names.
var units = map[alerts.Unit]string{
	alerts.Plain: "short", alerts.Ratio: "percentunit", alerts.Milliseconds: "ms", alerts.PerSecond: "reqps",
}

// stat shows a threshold's value now, in the colour of the level it is at.
func stat(p *alerts.Plan) panel {
	title := subject(p)
	if p.Source.Endpoint != "" {
		title = p.Source.Quantile + " " + p.Source.Endpoint
	}
	return panel{
		Type: "stat", Title: title, Description: description(p), Datasource: &source, Links: runbooks(p),
		FieldConfig: &fieldConfig{
			Defaults: fieldDefaults{
				Unit: units[p.Unit], NoValue: "no data",
				Thresholds: thresholds{Mode: "absolute", Steps: steps(p.Bounds)},
			},
			Overrides: []override{},
		},
		Options: statOptions{
			TextMode: "auto", Orientation: "auto", JustifyMode: "auto", WideLayout: true,
			ColorMode: "value", GraphMode: "area", PercentChangeColorMode: "standard",
			ReduceOptions: lastValue,
		},
		Targets: references(query{Expr: p.Value, LegendFormat: p.Name}),
	}
}

// graph draws queries, and the bounds and targets of plans as lines.
func graph(title string, plans []*alerts.Plan, queries ...query) panel {
	var bounds []alerts.Bound
	var links []link
	var descriptions []string
	for _, p := range plans {
		bounds = append(bounds, p.Bounds...)
		links = append(links, runbooks(p)...)
		descriptions = append(descriptions, description(p))
		if p.Target != nil {
			queries = append(queries, query{
				Expr:         "vector(" + strconv.FormatFloat(*p.Target, 'f', -1, 64) + ")",
				LegendFormat: targetLegend + p.Name + " " + p.TargetText,
			})
		}
	}
	zero := 0.0
	defaults := fieldDefaults{
		Unit: units[plans[0].Unit], NoValue: "no data",
		Thresholds: thresholds{Mode: "absolute", Steps: lines(bounds)},
		Custom: &custom{
			DrawStyle: "line", LineWidth: 1, FillOpacity: 5, ShowPoints: "never",
			ThresholdsStyle: mode{"off"},
		},
	}
	if plans[0].Unit != alerts.Plain {
		defaults.Min = &zero
	}
	if len(bounds) > 0 {
		defaults.Custom.ThresholdsStyle.Mode = "line"
	}
	return panel{
		Type: "timeseries", Title: capital(title), Description: strings.Join(descriptions, "\n\n"), Datasource: &source, Links: links,
		FieldConfig: &fieldConfig{Defaults: defaults, Overrides: []override{dashed()}},
		Options: timeseriesOptions{
			Legend:  legend{DisplayMode: "list", Placement: "bottom", ShowLegend: true, Calcs: []string{}},
			Tooltip: tooltip{Mode: "multi", Sort: "desc"},
		},
		Targets: references(queries...),
	}
}

const targetLegend = "target of "

// dashed draws targets apart from what is measured.
func dashed() override {
	return override{
		Matcher: matcher{ID: "byRegexp", Options: "^" + targetLegend + ".*"},
		Properties: []property{
			{"custom.lineStyle", map[string]any{"fill": "dash", "dash": []int{10, 10}}},
			{"custom.fillOpacity", 0},
			{"color", map[string]any{"mode": "fixed", "fixedColor": "green"}},
		},
	}
}

// single draws one threshold.
func single(p *alerts.Plan) panel {
	return graph(subject(p), []*alerts.Plan{p}, query{Expr: p.Value, LegendFormat: legendOf(p)})
}

func legendOf(p *alerts.Plan) string {
	if p.Kind == alerts.Expression {
		// The label sets of an expression are not known here.
		return "__auto"
	}
	if p.Source.By != "" {
		return "{{" + p.Source.By + "}}"
	}
	return p.Subject
}

// split tells a rate apart by the label that is worth it. Bounds speak of the
// sum and are left out.
func split(p *alerts.Plan) panel {
	bare := &alerts.Plan{Unit: p.Unit}
	label := p.Source.Split
	g := graph(p.Source.Noun+" by "+label, []*alerts.Plan{bare},
		query{Expr: alerts.RateBy(p.Source, label), LegendFormat: "{{" + label + "}}"})
	g.Description = "The rate of " + p.Source.Noun + ", told apart by " + label + "."
	return g
}

// quantiles draws p50, p95 and p99 of a histogram, and those that thresholds
// name besides. What a threshold records is read, the rest computed.
func quantiles(family []*alerts.Plan) panel {
	recorded := map[string]string{}
	names := []string{"p50", "p95", "p99"}
	for _, p := range family {
		recorded[p.Source.Quantile] = p.Value
		if !slices.Contains(names, p.Source.Quantile) {
			names = append(names, p.Source.Quantile)
		}
	}
	slices.Sort(names)
	s := family[0].Source
	queries := make([]query, 0, len(names)+1)
	for _, name := range names {
		expr, ok := recorded[name]
		if !ok {
			expr = alerts.QuantileOf(s, alerts.Quantiles[name], "")
		}
		queries = append(queries, query{Expr: expr, LegendFormat: name})
	}
	title := s.Noun + ": " + strings.Join(names, ", ")
	return graph(title, family, queries...)
}

// endpoints draws the latency of single routes. An endpoint that stands for
// several draws each of them besides.
func endpoints(family []*alerts.Plan) panel {
	var queries []query
	for _, p := range family {
		queries = append(queries, query{Expr: p.Value, LegendFormat: p.Source.Quantile + " " + p.Source.Endpoint})
		if strings.HasSuffix(p.Source.Endpoint, "*") {
			queries = append(queries, query{
				Expr:         alerts.QuantileOf(p.Source, alerts.Quantiles[p.Source.Quantile], "path"),
				LegendFormat: p.Source.Quantile + " {{path}}",
			})
		}
	}
	return graph(family[0].Source.Noun+": latency of endpoints", family, queries...)
}

// references numbers queries: A to Z, then A1 and on.
func references(queries ...query) []query {
	for i := range queries {
		queries[i].RefID = string(rune('A' + i%26))
		if i >= 26 {
			queries[i].RefID += strconv.Itoa(i / 26)
		}
		queries[i].Datasource, queries[i].Range = source, true
	}
	return queries
}

func runbooks(p *alerts.Plan) []link {
	var links []link
	add := func(b *alerts.Bound) {
		links = append(links, link{Title: "Runbook: " + b.Alert, Type: "link", Icon: "doc", URL: b.Runbook, Tags: []string{}, TargetBlank: true})
	}
	for i := range p.Bounds {
		add(&p.Bounds[i])
	}
	if p.NoData != nil {
		add(p.NoData)
	}
	return links
}

var operators = map[string]string{">": "above", "<": "below", "<=": "at or below"}

// description tells target, levels and alerts of a threshold.
func description(p *alerts.Plan) string {
	if p.Name == "" {
		return ""
	}
	lines := []string{"**" + p.Name + "**"}
	if p.TargetText != "" {
		lines = append(lines, "target "+p.TargetText)
	}
	for i := range p.Bounds {
		b := &p.Bounds[i]
		line := b.Severity + " " + operators[b.Operator] + " " + b.Text + " for " + b.For + " (" + b.Alert + ")"
		if b.BusinessHours {
			line += " in business hours"
		}
		lines = append(lines, line)
	}
	if p.NoData != nil {
		lines = append(lines, p.NoData.Severity+" without metrics for "+p.NoData.For+" ("+p.NoData.Alert+")")
	}
	if p.Flag != nil {
		lines = append(lines, "alerts only while the flag "+p.Flag.Key+" is "+strconv.FormatBool(p.Flag.Is))
	}
	if p.Suspended {
		lines = append(lines, "suspended: it does not alert")
	}
	return strings.Join(lines, "\n- ")
}

// subject is what a threshold measures, for a title. An expression is called by
// the name of its threshold.
func subject(p *alerts.Plan) string {
	if p.Kind == alerts.Expression {
		return capital(strings.ReplaceAll(p.Subject, "-", " "))
	}
	return capital(p.Subject)
}

// capital begins a title, but leaves p95 as it is.
func capital(text string) string {
	if len(text) < 2 || text[1] >= '0' && text[1] <= '9' {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
