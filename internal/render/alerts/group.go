package alerts

import (
	"maps"
	"strings"
)

// group renders a plan: first what is recorded, then the alerts that read it.
func (c *compiler) group(p *Plan) Group {
	g := Group{Name: p.Name, Interval: or(string(c.baseline.Spec.EvaluationInterval), Interval), Rules: make([]Rule, 0, 8)}
	record := func(suffix, expr string) {
		g.Rules = append(g.Rules, Rule{Record: recordName(p.Name, suffix), Expr: expr, Labels: c.recordLabels})
	}
	if p.Suspended {
		record(p.source.suffix, p.source.value)
		return g
	}
	traffic := ""
	if p.source.traffic != "" && len(p.Bounds) > 0 {
		record("traffic", p.source.traffic)
		traffic = "\nand " + c.recorded(p.Name, "traffic") + " >= " + number(p.Source.MinRate)
	}
	record(p.source.suffix, p.source.value)
	if p.source.long != "" && len(p.Bounds) > 0 {
		record(p.source.suffix+"_long", p.source.long)
	}
	if p.Flag != nil {
		record("flag", c.flagValue(p.Flag.Key))
	}
	open := ""
	for i := range p.Bounds {
		if p.Bounds[i].BusinessHours {
			record("local_time", c.hours.localTime)
			record("business_hours", c.hours.open(c.recorded(p.Name, "local_time")))
			// The hours are one series; what is measured may be several, told
			// apart by labels that the hours do not have.
			open = "\nand on () " + c.recorded(p.Name, "business_hours")
			break
		}
	}
	for i := range p.Bounds {
		b := &p.Bounds[i]
		expr := outside(p, b, p.Value)
		if p.source.long != "" {
			expr += "\nand " + outside(p, b, c.recorded(p.Name, p.source.suffix+"_long"))
		}
		expr += traffic
		if b.BusinessHours {
			expr += open
		}
		expr += c.unlessFlag(p, "namespace")
		g.Rules = append(g.Rules, c.alert(p, b, expr, summary(c.service, p, b), c.description(p, b)))
	}
	if b := p.NoData; b != nil {
		expr := p.source.absent
		if p.Flag != nil {
			// A vanished series has no labels to be matched by.
			expr = "(" + expr + ")" + c.unlessFlag(p, "")
		}
		g.Rules = append(g.Rules, c.alert(p, b, expr, noDataSummary(c.service, p), c.noDataDescription(p, b)))
	}
	return g
}

// outside compares a recorded value, in the unit that the alert's text prints,
// with the bound.
func outside(p *Plan, b *Bound, expr string) string {
	scale := p.Unit.alertScale()
	if scale != 1 {
		expr += " / " + number(scale)
	}
	return expr + " " + b.Operator + " " + number(b.Value/scale)
}

// alert carries the labels that routing and inhibition go by: a critical alert
// silences the warning that has namespace, service and threshold in common.
func (c *compiler) alert(p *Plan, b *Bound, expr, summary, description string) Rule {
	annotations := map[string]string{
		"summary":     summary,
		"description": description,
		"runbook_url": b.Runbook,
	}
	if c.dashboardURL != "" {
		annotations["dashboard_url"] = c.dashboardURL
	}
	maps.Copy(annotations, p.custom.annotations)
	labels := make(map[string]string, 6+len(p.custom.labels))
	maps.Copy(labels, p.custom.labels)
	labels["severity"] = b.Severity
	labels["component"] = p.Component
	labels["service"] = c.service
	labels["namespace"] = c.namespace
	labels["threshold"] = p.Name
	labels["baseline"] = c.baseline.Name
	return Rule{Alert: b.Alert, Expr: expr, For: b.For, KeepFiring: b.KeepFiringFor, Labels: labels, Annotations: annotations}
}

// summary is one line without the value, so that it groups.
func summary(service string, p *Plan, b *Bound) string {
	if b.Operator == "<=" && b.Value == 0 && p.Unit == PerSecond {
		return service + ": no " + literal(p.Source.Noun) + " for " + b.For
	}
	return service + ": " + literal(p.Subject) + which(p) + " " + words[b.Operator] + " " + b.Text + " for " + b.For
}

// which names the one of several values that an alert speaks of.
func which(p *Plan) string {
	if p.Source.By == "" {
		return ""
	}
	return " ({{ $labels." + p.Source.By + " }})"
}

var words = map[string]string{">": "above", "<": "below", "<=": "at or below"}

func (c *compiler) description(p *Plan, b *Bound) string {
	var text strings.Builder
	text.WriteString("The " + literal(p.Subject) + which(p) + " of " + c.service + " in namespace " + c.namespace + " is " + p.Unit.template())
	if p.source.Window != "" && p.Kind != Utilization {
		text.WriteString(" over the last " + p.source.Window)
	}
	text.WriteString(", which has been " + words[b.Operator] + " " + b.Text + " for " + b.For + ".")
	if p.Source.LongWindow != "" {
		text.WriteString(" So it was over the last " + p.Source.LongWindow + ".")
	}
	if p.TargetText != "" && p.TargetText != b.Text {
		text.WriteString(" The target is " + p.TargetText + ".")
	}
	if p.source.traffic != "" {
		text.WriteString(" It is judged only while there is at least " + number(p.Source.MinRate) + "/s of traffic.")
	}
	if b.BusinessHours {
		text.WriteString(" It is judged only during business hours.")
	}
	if p.Flag != nil {
		text.WriteString(" It is not judged while the flag " + p.Flag.Key + " is known to be " + switched[!p.Flag.Is] + ".")
	}
	return text.String()
}

var switched = map[bool]string{true: "on", false: "off"}

func noDataSummary(service string, p *Plan) string {
	return service + ": no metrics for the " + literal(p.Subject)
}

func (c *compiler) noDataDescription(p *Plan, b *Bound) string {
	series := literal(p.Source.Metric)
	if series == "" {
		series = "the expression"
	}
	return "Prometheus has had no series of " + series + " from " + c.service + " in namespace " + c.namespace + " for " + b.For +
		": the app is down, is not scraped, or has counted nothing since it started. While this lasts, no other alert of the threshold " +
		p.Name + " can fire."
}

// literal keeps text that somebody wrote from being read as a template.
func literal(text string) string { return strings.ReplaceAll(text, "{{", "{{`{{`}}") }
