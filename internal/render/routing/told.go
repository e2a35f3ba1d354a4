package routing

import (
	"cmp"
	"maps"
	"slices"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// Told are the routes that an alert with these labels takes, as Alertmanager
// walks them: in order, up to the first that matches and does not continue.
func (p Plan) Told(labels map[string]string) []Route {
	var taken []Route
	for i := range p.Routes {
		if !p.Routes[i].matches(labels) {
			continue
		}
		taken = append(taken, p.Routes[i])
		if !p.Routes[i].Continue {
			break
		}
	}
	return taken
}

// matches compares the labels; one that an alert lacks is empty.
func (route *Route) matches(labels map[string]string) bool {
	return !slices.ContainsFunc(route.Matchers, func(m Matcher) bool {
		value := labels[m.Name]
		if !m.Regexp {
			return value != m.Value
		}
		pattern, err := compile(m.Value)
		return err != nil || !pattern.MatchString(value) // Make refuses what is no pattern
	})
}

// Untold names the alerts of the groups that no receiver of the plan is told
// of, in order.
func (p Plan) Untold(groups []alerts.Group) []string {
	var names []string
	for _, alert := range Alerts(groups) {
		if len(p.Told(alert)) == 0 {
			names = append(names, alert["alertname"])
		}
	}
	return names
}

// Alerts are the labels of the alerts that the groups fire, in order; those of
// single series are known to Prometheus alone.
func Alerts(groups []alerts.Group) []map[string]string {
	var all []map[string]string
	for i := range groups {
		for _, rule := range groups[i].Rules {
			if rule.Alert == "" {
				continue
			}
			labels := maps.Clone(rule.Labels)
			labels["alertname"] = rule.Alert
			all = append(all, labels)
		}
	}
	return all
}

// Grouped is how the alerts of a route are grouped: its own words, and the
// plan's where it has none.
func (p Plan) Grouped(route Route) v1alpha1.Grouping { return overlay(p.Grouping, route.Grouping) }

// Receivers are the names under which Alertmanager knows those who are told of
// an alert, nobody included.
func (p Plan) Receivers(labels map[string]string) []string {
	if labels["baseline"] != p.Baseline || labels["namespace"] != p.Namespace {
		return []string{Nobody}
	}
	routes := p.Told(labels)
	if len(routes) == 0 {
		return []string{p.receiver(Nobody)}
	}
	names := make([]string, 0, len(routes))
	for i := range routes {
		names = append(names, p.receiver(routes[i].Name))
	}
	return names
}

// Ways say by what somebody is told, in words.
func (route Route) Ways() []string {
	var ways []string
	for _, mail := range route.Emails {
		ways = append(ways, mail.To)
	}
	if w := route.Webhook; w != nil {
		ways = append(ways, "webhook "+cmp.Or(w.URL, "of a secret"))
	}
	if s := route.Slack; s != nil {
		ways = append(ways, "Slack "+s.Channel)
	}
	if route.PagerDuty != nil {
		ways = append(ways, "PagerDuty")
	}
	return ways
}
