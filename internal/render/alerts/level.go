package alerts

import (
	"slices"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// bounds understands the levels of a threshold.
func (c *compiler) bounds(t *v1alpha1.Threshold, p *Plan) *Problem {
	for _, level := range [...]struct {
		severity string
		level    *v1alpha1.Level
	}{{SeverityInfo, t.Info}, {SeverityWarning, t.Warning}, {SeverityCritical, t.Critical}} {
		if level.level == nil {
			continue
		}
		bound, problem := c.bound(t, p, level.severity, level.level)
		if problem != nil {
			return problem
		}
		p.Bounds = append(p.Bounds, bound)
	}
	return c.checkOrder(t, p)
}

func (c *compiler) bound(t *v1alpha1.Threshold, p *Plan, severity string, level *v1alpha1.Level) (Bound, *Problem) {
	b := Bound{
		Severity: severity, Alert: level.Alert, Runbook: RunbookURL(c.baseline, level.Alert),
		For: or(string(level.For), "5m"), KeepFiringFor: string(level.KeepFiringFor),
	}
	field := severity
	found := 0
	for _, candidate := range [...]struct {
		operator, field string
		value           v1alpha1.Value
	}{{">", "above", level.Above}, {"<", "below", level.Below}, {"<=", "atMost", level.AtMost}} {
		if candidate.value != "" {
			b.Operator, b.Text, field = candidate.operator, string(candidate.value), severity+"."+candidate.field
			found++
		}
	}
	if found != 1 {
		return b, bad(t, severity, "the level has not exactly one bound", "name exactly one of above, below and atMost")
	}
	var problem *Problem
	if b.Value, problem = c.value(t, field, p.Unit, v1alpha1.Value(b.Text)); problem != nil {
		return b, problem
	}
	if limit := p.source.limit; limit > 0 && b.Operator == ">" && b.Value >= limit {
		return b, bad(t, field, b.Text+" is never exceeded, for "+p.source.limitWhy, "name a smaller bound")
	}
	if problem := checkAlert(t, severity, b.Alert, b.For); problem != nil {
		return b, problem
	}
	if _, ok := ParseDuration(b.KeepFiringFor); !ok && b.KeepFiringFor != "" {
		return b, bad(t, severity+".keepFiringFor", "\""+b.KeepFiringFor+"\" is no duration", durationFix)
	}
	switch level.During {
	case "", v1alpha1.DuringAlways:
	case v1alpha1.DuringBusinessHours:
		b.BusinessHours = true
		if problem := c.needHours(t, severity); problem != nil {
			return b, problem
		}
		if wait, _ := ParseDuration(b.For); c.hours.span < 24*time.Hour && wait >= c.hours.span {
			return b, bad(t, severity+".for", "business hours are over before "+b.For+" have passed", "shorten it, or lengthen spec.businessHours")
		}
	default:
		return b, bad(t, severity+".during", "\""+string(level.During)+"\" is neither Always nor BusinessHours", "write one of them")
	}
	return b, nil
}

func checkAlert(t *v1alpha1.Threshold, field, alert, duration string) *Problem {
	if !isAlertName(alert) {
		return bad(t, field+".alert", "an alert name begins with a capital and has letters and digits", "name the alert, for example APIErrorRateHigh")
	}
	if _, ok := ParseDuration(duration); !ok {
		return bad(t, field+".for", "\""+duration+"\" is no duration", durationFix)
	}
	return nil
}

const durationFix = "write it as Prometheus does, largest unit first: 30s, 5m or 1h30m"

// checkOrder refuses a warning that comes after its critical.
func (c *compiler) checkOrder(t *v1alpha1.Threshold, p *Plan) *Problem {
	warning := slices.IndexFunc(p.Bounds, func(b Bound) bool { return b.Severity == SeverityWarning })
	critical := slices.IndexFunc(p.Bounds, func(b Bound) bool { return b.Severity == SeverityCritical })
	if warning < 0 || critical < 0 {
		return nil
	}
	w, k := p.Bounds[warning], p.Bounds[critical]
	up := w.Operator == ">"
	switch {
	case up != (k.Operator == ">"):
		return bad(t, "critical", "warning and critical point in different directions", "use above in both, or below (or atMost) in both")
	case up && w.Value >= k.Value:
		return bad(t, "warning.above", "warning above "+w.Text+" lies beyond critical above "+k.Text, "swap them, or raise critical")
	case !up && (w.Value < k.Value || w.Value == k.Value && w.Operator == k.Operator):
		return bad(t, "warning", "warning at "+w.Text+" lies beyond critical at "+k.Text, "swap them, or lower critical")
	}
	return nil
}

func (c *compiler) noData(t *v1alpha1.Threshold, p *Plan) *Problem {
	if t.OnNoData == nil {
		return nil
	}
	b := &Bound{
		Severity: or(t.OnNoData.Severity, SeverityCritical), For: or(string(t.OnNoData.For), "10m"),
		Alert: t.OnNoData.Alert, Runbook: RunbookURL(c.baseline, t.OnNoData.Alert),
	}
	if !slices.Contains([]string{SeverityInfo, SeverityWarning, SeverityCritical}, b.Severity) {
		return bad(t, "onNoData.severity", "\""+b.Severity+"\" is no severity", "write info, warning or critical")
	}
	if problem := checkAlert(t, "onNoData", b.Alert, b.For); problem != nil {
		return problem
	}
	p.NoData = b
	return nil
}

// needHours computes the business hours once for all levels that use them.
func (c *compiler) needHours(t *v1alpha1.Threshold, severity string) *Problem {
	if !c.usedHours && c.hoursErr == nil {
		c.hours, c.hoursErr = newHours(c.baseline.Spec.BusinessHours, c.now)
	}
	if c.hoursErr != nil {
		problem := *c.hoursErr
		problem.Threshold, problem.Reason = t.Name, v1alpha1.ReasonInvalidThreshold
		if problem.Field == "" {
			problem.Field = severity + ".during"
		}
		return &problem
	}
	c.usedHours = true
	return nil
}
