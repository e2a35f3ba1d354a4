package drill

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/internal/render/routing"
)

// samples are the baselines that are drilled, and which of their thresholds.
// The rest of billing speaks of money.
var samples = []struct {
	name, file string
	drilled    func(*v1alpha1.Threshold) bool
}{
	{App, "rsolv_v1alpha1_alertbaseline_api-performance.yaml", func(*v1alpha1.Threshold) bool { return true }},
	{
		App + "-billing", "rsolv_v1alpha1_alertbaseline_billing.yaml",
		func(t *v1alpha1.Threshold) bool { return t.Labels["subsystem"] == "webhook" },
	},
}

// readSamples reads the baselines that are drilled, about the drill's app.
func readSamples(root string) ([]*v1alpha1.AlertBaseline, error) {
	var baselines []*v1alpha1.AlertBaseline
	for _, sample := range samples {
		raw, err := os.ReadFile(filepath.Join(root, "config", "samples", sample.file)) //nolint:gosec // one of the two above
		if err != nil {
			return nil, fmt.Errorf("reading the sample: %w", err)
		}
		b := &v1alpha1.AlertBaseline{}
		if err := yaml.UnmarshalStrict(raw, b); err != nil {
			return nil, fmt.Errorf("reading the sample %s: %w", sample.file, err)
		}
		b.Name, b.Namespace, b.Spec.DeploymentRef.Name = sample.name, namespace, App
		b.Spec.Dashboard = nil
		b.Spec.Thresholds = slices.DeleteFunc(b.Spec.Thresholds, func(t v1alpha1.Threshold) bool { return !sample.drilled(&t) })
		baselines = append(baselines, b)
	}
	return baselines, nil
}

const (
	// longest is what longer times count as before they are divided.
	longest = 15 * time.Minute
	// shortestWindow holds seven scrapes of the drill's app.
	shortestWindow = 15 * time.Second
)

// Faster divides the times of a baseline by a factor, so that a drill does not
// last for hours; what is longer than a quarter of an hour counts as that.
// Bounds, names, components and receivers stay as they are. Hours of business
// are always.
func Faster(baseline *v1alpha1.AlertBaseline, factor int) {
	spec := &baseline.Spec
	spec.EvaluationInterval = "1s"
	spec.Window = divided(spec.Window, factor, shortestWindow)
	if hours := spec.BusinessHours; hours != nil {
		hours.Days = []v1alpha1.Weekday{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
		hours.From, hours.To = "00:00", "24:00"
	}
	for i := range spec.Thresholds {
		t := &spec.Thresholds[i]
		if t.Window != "" {
			t.Window = divided(t.Window, factor, shortestWindow)
		}
		for _, level := range []*v1alpha1.Level{t.Info, t.Warning, t.Critical} {
			if level != nil {
				level.For = divided(level.For, factor, time.Second)
			}
		}
		if t.OnNoData != nil {
			t.OnNoData.For = divided(t.OnNoData.For, factor, time.Second)
		}
	}
	if spec.Routing == nil {
		return
	}
	groupings := []*v1alpha1.Grouping{&spec.Routing.Grouping}
	for i := range spec.Routing.Receivers {
		groupings = append(groupings, &spec.Routing.Receivers[i].Grouping)
	}
	for i, g := range groupings {
		if i == 0 || g.GroupWait != "" {
			g.GroupWait = divided(or(g.GroupWait, "30s"), factor, time.Second)
		}
		if i == 0 || g.GroupInterval != "" {
			g.GroupInterval = divided(or(g.GroupInterval, "5m"), factor, 2*time.Second)
		}
	}
}

func or(d, otherwise v1alpha1.PromDuration) v1alpha1.PromDuration {
	if d == "" {
		return otherwise
	}
	return d
}

// divided is a duration by a factor, in whole seconds and not below a least.
func divided(d v1alpha1.PromDuration, factor int, least time.Duration) v1alpha1.PromDuration {
	whole, _ := alerts.ParseDuration(string(d)) // the schema has let it pass
	by := max(min(whole, longest)/time.Duration(factor), least).Round(time.Second)
	return v1alpha1.PromDuration(strconv.Itoa(int(by.Seconds())) + "s")
}

// expectation is what must become of an alert.
type expectation struct {
	severity string
	// mailTo are the addresses that the baseline's routing declares.
	mailTo []string
	// critical is the alert that keeps this warning quiet while it fires; empty
	// if none does.
	critical string
	// unit and bound of what the alert measures; bound is nil for an alert
	// about metrics that are gone.
	unit  alerts.Unit
	bound *alerts.Bound
}

// expectations of every alert of the baselines, by its name.
func expectations(baselines []*v1alpha1.AlertBaseline, now time.Time) (map[string]expectation, error) {
	all := map[string]expectation{}
	for _, b := range baselines {
		result := alerts.Rules(b, now)
		if len(result.Problems) > 0 {
			return nil, result.Problems[0]
		}
		plan, problem := routing.Make(b, nil)
		if problem != nil {
			return nil, problem
		}
		for i := range result.Plans {
			expect(all, &result.Plans[i])
		}
		for _, labels := range routing.Alerts(result.Groups) {
			e := all[labels["alertname"]]
			e.severity = labels["severity"]
			for _, route := range plan.Told(labels) {
				e.mailTo = append(e.mailTo, route.Ways()...)
			}
			all[labels["alertname"]] = e
		}
	}
	return all, nil
}

// expect enters what is measured by the alerts of a threshold, and which of
// them is kept quiet by which.
func expect(all map[string]expectation, p *alerts.Plan) {
	critical := ""
	for i := range p.Bounds {
		if p.Bounds[i].Severity == alerts.SeverityCritical {
			critical = p.Bounds[i].Alert
		}
	}
	for i := range p.Bounds {
		e := expectation{unit: p.Unit, bound: &p.Bounds[i]}
		if p.Bounds[i].Severity == alerts.SeverityWarning {
			e.critical = critical
		}
		all[p.Bounds[i].Alert] = e
	}
}
