package alertbaseline

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/promql"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// comparison of the rules that are applied with those that Prometheus runs.
type comparison struct {
	// alerts and records that run as they are applied.
	alerts, records int
	// missing and changed are names of groups of which a rule is not there, or
	// is another; failing says what is wrong with the first rule that Prometheus
	// cannot evaluate.
	missing, changed []string
	failing          string
}

func compare(namespace string, groups []alerts.Group, rules []liveRule) comparison {
	type key struct{ group, alert, record string }
	live := make(map[key]*liveRule, len(rules))
	for i := range rules {
		live[key{rules[i].group, rules[i].alert, rules[i].record}] = &rules[i]
	}
	var c comparison
	for _, group := range groups {
		missing, changed := false, false
		for i := range group.Rules {
			rule := &group.Rules[i]
			found := live[key{group.Name, rule.Alert, rule.Record}]
			switch {
			case found == nil:
				missing = true
				continue
			case !found.is(rule, namespace):
				changed = true
				continue
			case found.failed && c.failing == "":
				c.failing = found.alert + found.record + ": " + found.lastError
			}
			if rule.Alert != "" {
				c.alerts++
			} else {
				c.records++
			}
		}
		if missing {
			c.missing = append(c.missing, group.Name)
		} else if changed {
			c.changed = append(c.changed, group.Name)
		}
	}
	return c
}

// is tells whether a rule runs as it is applied. Prometheus-operator may have
// added labels.
func (l *liveRule) is(rule *alerts.Rule, namespace string) bool {
	if promql.Normal(l.query, "namespace", namespace) != promql.Normal(rule.Expr, "namespace", namespace) {
		return false
	}
	if rule.Alert == "" {
		return true
	}
	for name, value := range rule.Labels {
		if l.labels[name] != value {
			return false
		}
	}
	pending := model.Duration(0)
	if rule.For != "" {
		var err error
		if pending, err = model.ParseDuration(rule.For); err != nil {
			return false
		}
	}
	return l.pending == time.Duration(pending)
}

const lastErrorLimit = 300

// loadedVerdict says whether Prometheus runs the rules. settling is true for a
// while after a change, in which the rules are on their way. absent explains
// why Prometheus runs none of them.
func loadedVerdict(c comparison, settling bool, absent func() status.Verdict) status.Verdict {
	switch {
	case c.failing != "":
		message := strings.TrimSpace(c.failing)
		if len(message) > lastErrorLimit {
			message = strings.ToValidUTF8(message[:lastErrorLimit], "") + "…"
		}
		return status.False(v1alpha1.ReasonEvaluationFailed, "Prometheus has the rules and cannot evaluate "+message+
			": see the page /rules of Prometheus")
	case len(c.missing) == 0 && len(c.changed) == 0:
		return status.True(v1alpha1.ReasonSucceeded, fmt.Sprintf("Prometheus runs %s and %s", plural(c.alerts, "alert"), plural(c.records, "recording rule")))
	case c.alerts+c.records == 0 && len(c.changed) == 0:
		verdict := absent()
		if settling && verdict.Reason == v1alpha1.ReasonNotRunning {
			break
		}
		return verdict
	case !settling:
		return status.False(v1alpha1.ReasonOutdated, "Prometheus still runs older rules of "+list(append(c.missing, c.changed...))+
			": what it reloads its rules by has not done so; with prometheus-operator, its log says why")
	}
	return status.Unknown(v1alpha1.ReasonProgressing, "Prometheus does not run these rules yet: it reloads them within a minute or two")
}

// list names thresholds, the first few of many.
func list(names []string) string {
	const most = 5
	quotes := make([]string, 0, most)
	for i, name := range names {
		if i == most {
			return strings.Join(quotes, ", ") + fmt.Sprintf(" and %d more", len(names)-most)
		}
		quotes = append(quotes, quoted(name))
	}
	return strings.Join(quotes, ", ")
}
