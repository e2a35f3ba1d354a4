// Package routing turns the routing of an AlertBaseline into what Alertmanager
// reads: an AlertmanagerConfig for prometheus-operator, or a whole
// alertmanager.yml. Both say the same. It is pure: which secrets exist comes as
// an argument, and their values never come here.
package routing

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// Nobody is the receiver of alerts that match no other: it has no address.
const Nobody = "nobody"

// Defaults of the grouping, as Alertmanager has them, but for the labels that
// alerts of one notification share: alertname alone would put several
// namespaces into one mail.
var (
	defaultGroupBy   = []v1alpha1.LabelName{"alertname", "namespace", "service"}
	defaultGrouping  = v1alpha1.Grouping{GroupBy: defaultGroupBy, GroupWait: "30s", GroupInterval: "5m", RepeatEvery: "4h"}
	inhibitionEquals = []string{"namespace", "service", "threshold"}
)

// Problem says why routing cannot be rendered, and how to mend it.
type Problem struct{ Field, What, Fix string }

func (p *Problem) Error() string { return p.Field + ": " + p.What + ": " + p.Fix }

// Plan is the routing of one baseline in the terms of Alertmanager.
type Plan struct {
	// Namespace and Baseline are the label values of the alerts concerned.
	Namespace, Baseline string
	// Grouping where a route says nothing else.
	Grouping v1alpha1.Grouping
	// Routes in order; the first that matches wins, unless it continues.
	Routes []Route
}

// Route leads some alerts to a receiver of the same name.
type Route struct {
	Name     string
	Matchers []Matcher
	Continue bool
	// Grouping holds what differs from the plan's.
	Grouping v1alpha1.Grouping

	SendResolved bool
	Emails       []Email
	Webhook      *v1alpha1.Webhook
	Slack        *v1alpha1.Slack
	PagerDuty    *v1alpha1.PagerDuty
}

// Email is one address and the way to it. SMTP is nil where Alertmanager's
// global configuration has the way.
type Email struct {
	To   string
	SMTP *v1alpha1.SMTP
}

// Matcher compares one label of an alert.
type Matcher struct {
	Name, Value string
	Regexp      bool
}

// operator of Alertmanager's language.
func (m Matcher) operator() string {
	if m.Regexp {
		return "=~"
	}
	return "="
}

// Make plans the routing of a baseline, which must have one. What refers to a
// missing secret is left out, so that Alertmanager, which refuses a
// configuration with a missing secret as a whole, runs the rest.
func Make(baseline *v1alpha1.AlertBaseline, missing []Secret) (Plan, *Problem) {
	spec := baseline.Spec.Routing
	plan := Plan{
		Namespace: baseline.Namespace, Baseline: baseline.Name, Grouping: overlay(defaultGrouping, spec.Grouping),
		Routes: make([]Route, 0, len(spec.Receivers)),
	}
	for i := range spec.Receivers {
		r := &spec.Receivers[i]
		matchers, problem := matchersOf(r)
		if problem != nil {
			return Plan{}, problem
		}
		route := Route{
			Name: r.Name, Matchers: matchers, Continue: r.Continue, Grouping: r.Grouping,
			SendResolved: r.SendResolved == nil || *r.SendResolved,
		}
		route.address(r, spec.SMTP, missing)
		plan.Routes = append(plan.Routes, route)
	}
	return plan, nil
}

// address adds to the route the ways by which its receiver can be told.
func (route *Route) address(r *v1alpha1.Receiver, smtp *v1alpha1.SMTP, missing []Secret) {
	absent := func(name, key string) bool {
		return slices.ContainsFunc(missing, func(s Secret) bool { return s.Name == name && s.Key == key })
	}
	if smtp != nil && (smtp.AuthSecretRef == nil || !absent(smtp.AuthSecretRef.Name, passwordKey(smtp.AuthSecretRef))) {
		way := smtp
		if smtp.UseGlobal {
			way = nil
		}
		for _, to := range r.Email {
			route.Emails = append(route.Emails, Email{To: string(to), SMTP: way})
		}
	}
	if w := r.Webhook; w != nil && (w.URLSecretRef == nil || !absent(w.URLSecretRef.Name, w.URLSecretRef.Key)) {
		route.Webhook = w
	}
	if s := r.Slack; s != nil && !absent(s.APIURLSecretRef.Name, s.APIURLSecretRef.Key) {
		route.Slack = s
	}
	if p := r.PagerDuty; p != nil && !absent(p.RoutingKeySecretRef.Name, p.RoutingKeySecretRef.Key) {
		route.PagerDuty = p
	}
}

func matchersOf(r *v1alpha1.Receiver) ([]Matcher, *Problem) {
	matchers := make([]Matcher, 0, len(r.Match)+len(r.MatchRegexp))
	for name, value := range r.Match {
		matchers = append(matchers, Matcher{Name: name, Value: string(value)})
	}
	for _, name := range slices.Sorted(maps.Keys(r.MatchRegexp)) {
		value := string(r.MatchRegexp[name])
		if _, err := compile(value); err != nil {
			return nil, &Problem{
				Field: fmt.Sprintf("spec.routing.receivers[%s].matchRegexp.%s", r.Name, name),
				What:  fmt.Sprintf("%q is no pattern: %v", value, err),
				Fix:   "write a regular expression, for example warning|critical",
			}
		}
		matchers = append(matchers, Matcher{Name: name, Value: value, Regexp: true})
	}
	slices.SortFunc(matchers, func(a, b Matcher) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.operator(), b.operator()))
	})
	return matchers, nil
}

// compile reads a pattern as Alertmanager does, which wants the whole value to
// match.
func compile(pattern string) (*regexp.Regexp, error) { return regexp.Compile("^(?:" + pattern + ")$") }

// overlay is base with what top says in place of it.
func overlay(base, top v1alpha1.Grouping) v1alpha1.Grouping {
	if len(top.GroupBy) > 0 {
		base.GroupBy = top.GroupBy
	}
	base.GroupWait = cmp.Or(top.GroupWait, base.GroupWait)
	base.GroupInterval = cmp.Or(top.GroupInterval, base.GroupInterval)
	base.RepeatEvery = cmp.Or(top.RepeatEvery, base.RepeatEvery)
	return base
}

func passwordKey(ref *v1alpha1.PasswordReference) string { return cmp.Or(ref.Key, "password") }

// username at the SMTP server.
func username(smtp *v1alpha1.SMTP) string { return cmp.Or(smtp.Username, string(smtp.From)) }
