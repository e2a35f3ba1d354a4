package alerts

import (
	"fmt"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/promql"
)

// PanelProblem says why a panel that somebody added is not drawn.
type PanelProblem struct{ Title, What, Fix string }

// Error names panel, problem and remedy.
func (p PanelProblem) Error() string { return fmt.Sprintf("panel %q: %s: %s", p.Title, p.What, p.Fix) }

// Panels are those that were added to the dashboard, with their queries
// expanded; one with a problem is left out.
func Panels(baseline *v1alpha1.AlertBaseline) ([]v1alpha1.Panel, []PanelProblem) {
	if baseline.Spec.Dashboard == nil {
		return nil, nil
	}
	c := compiler{baseline: baseline, namespace: or(baseline.Namespace, "default"), service: baseline.Spec.DeploymentRef.Name}
	c.matchers = c.selector()
	var good []v1alpha1.Panel
	var problems []PanelProblem
	for i := range baseline.Spec.Dashboard.Panels {
		panel := baseline.Spec.Dashboard.Panels[i].DeepCopy()
		problem := ""
		fix := ""
		for j := range panel.Queries {
			written := panel.Queries[j].Expr
			expr, err := c.expand(written)
			if err == nil {
				_, err = promql.Check(expr)
				err = c.unexpand(written, err)
			}
			if err != nil {
				problem, fix = fmt.Sprintf("queries[%d].expr: %s: %s", j, err.Position(), err.Problem), err.Fix
				break
			}
			panel.Queries[j].Expr = expr
		}
		if problem != "" {
			problems = append(problems, PanelProblem{panel.Title, problem, fix})
			continue
		}
		good = append(good, *panel)
	}
	return good, problems
}
