package routing

import (
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// GVK of the object that holds the routing. Version v1beta1 is not in the
// CustomResourceDefinitions that prometheus-operator installs by default.
var GVK = schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1alpha1", Kind: "AlertmanagerConfig"}

// object is an AlertmanagerConfig as it is applied: without status, without
// the fields that the API server sets.
type object struct {
	APIVersion string                                 `json:"apiVersion"`
	Kind       string                                 `json:"kind"`
	Metadata   *metav1ac.ObjectMetaApplyConfiguration `json:"metadata"`
	Spec       objectSpec                             `json:"spec"`
}

type objectSpec struct {
	Route        objectRoute      `json:"route"`
	Receivers    []objectReceiver `json:"receivers"`
	InhibitRules []objectInhibit  `json:"inhibitRules"`
}

type objectRoute struct {
	Receiver       string          `json:"receiver"`
	Matchers       []objectMatcher `json:"matchers,omitempty"`
	Continue       bool            `json:"continue,omitempty"`
	GroupBy        []string        `json:"groupBy,omitempty"`
	GroupWait      string          `json:"groupWait,omitempty"`
	GroupInterval  string          `json:"groupInterval,omitempty"`
	RepeatInterval string          `json:"repeatInterval,omitempty"`
	Routes         []objectRoute   `json:"routes,omitempty"`
}

type objectMatcher struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	MatchType string `json:"matchType"`
}

type objectReceiver struct {
	Name      string            `json:"name"`
	Email     []objectEmail     `json:"emailConfigs,omitempty"`
	Webhook   []objectWebhook   `json:"webhookConfigs,omitempty"`
	Slack     []objectSlack     `json:"slackConfigs,omitempty"`
	PagerDuty []objectPagerDuty `json:"pagerdutyConfigs,omitempty"`
}

type objectEmail struct {
	To           string      `json:"to"`
	From         string      `json:"from,omitempty"`
	Smarthost    string      `json:"smarthost,omitempty"`
	AuthUsername string      `json:"authUsername,omitempty"`
	AuthPassword *secretKey  `json:"authPassword,omitempty"`
	RequireTLS   *bool       `json:"requireTLS,omitempty"`
	SendResolved bool        `json:"sendResolved"`
	Headers      []headerRow `json:"headers,omitempty"`
	Text         string      `json:"text,omitempty"`
}

type headerRow struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type secretKey struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

type objectWebhook struct {
	URL          string     `json:"url,omitempty"`
	URLSecret    *secretKey `json:"urlSecret,omitempty"`
	SendResolved bool       `json:"sendResolved"`
}

type objectSlack struct {
	APIURL       secretKey `json:"apiURL"`
	Channel      string    `json:"channel"`
	SendResolved bool      `json:"sendResolved"`
	Title        string    `json:"title"`
	Text         string    `json:"text"`
}

type objectPagerDuty struct {
	RoutingKey   secretKey `json:"routingKey"`
	SendResolved bool      `json:"sendResolved"`
	Severity     string    `json:"severity"`
}

type objectInhibit struct {
	SourceMatch []objectMatcher `json:"sourceMatch"`
	TargetMatch []objectMatcher `json:"targetMatch"`
	Equal       []string        `json:"equal"`
}

// AlertmanagerConfig holds the plan for prometheus-operator under the
// baseline's name. The operator adds the namespace to every matcher and the
// namespace and this name to every receiver.
func AlertmanagerConfig(baseline *v1alpha1.AlertBaseline, plan Plan) *unstructured.Unstructured {
	ours := Matcher{Name: "baseline", Value: plan.Baseline}
	spec := objectSpec{
		Route: objectRoute{
			Receiver: Nobody, Matchers: objectMatchers(ours),
			GroupBy: texts(plan.Grouping.GroupBy), GroupWait: string(plan.Grouping.GroupWait),
			GroupInterval: string(plan.Grouping.GroupInterval), RepeatInterval: string(plan.Grouping.RepeatEvery),
		},
		Receivers: []objectReceiver{{Name: Nobody}},
		InhibitRules: []objectInhibit{{
			SourceMatch: objectMatchers(ours, Matcher{Name: "severity", Value: alerts.SeverityCritical}),
			TargetMatch: objectMatchers(ours, Matcher{Name: "severity", Value: alerts.SeverityWarning}),
			Equal:       inhibitionEquals,
		}},
	}
	for i := range plan.Routes {
		route := &plan.Routes[i]
		spec.Route.Routes = append(spec.Route.Routes, objectRoute{
			Receiver: route.Name, Matchers: objectMatchers(route.Matchers...), Continue: route.Continue,
			GroupBy: texts(route.Grouping.GroupBy), GroupWait: string(route.Grouping.GroupWait),
			GroupInterval: string(route.Grouping.GroupInterval), RepeatInterval: string(route.Grouping.RepeatEvery),
		})
		spec.Receivers = append(spec.Receivers, objectReceiverOf(route))
	}
	own := metadata(baseline, baseline.Name)
	return render.Object(object{APIVersion: GVK.GroupVersion().String(), Kind: GVK.Kind, Metadata: own, Spec: spec})
}

func objectReceiverOf(route *Route) objectReceiver {
	receiver := objectReceiver{Name: route.Name}
	for _, mail := range route.Emails {
		email := objectEmail{To: mail.To, SendResolved: route.SendResolved, Headers: []headerRow{{"Subject", subject}}, Text: text}
		if smtp := mail.SMTP; smtp != nil {
			email.From, email.Smarthost, email.RequireTLS = string(smtp.From), smtp.Smarthost, smtp.RequireTLS
			if ref := smtp.AuthSecretRef; ref != nil {
				email.AuthUsername, email.AuthPassword = username(smtp), &secretKey{ref.Name, passwordKey(ref)}
			}
		}
		receiver.Email = append(receiver.Email, email)
	}
	if w := route.Webhook; w != nil {
		webhook := objectWebhook{URL: w.URL, SendResolved: route.SendResolved}
		if ref := w.URLSecretRef; ref != nil {
			webhook.URLSecret = &secretKey{ref.Name, ref.Key}
		}
		receiver.Webhook = []objectWebhook{webhook}
	}
	if s := route.Slack; s != nil {
		receiver.Slack = []objectSlack{{
			APIURL: secretKey{s.APIURLSecretRef.Name, s.APIURLSecretRef.Key}, Channel: s.Channel,
			SendResolved: route.SendResolved, Title: subject, Text: text,
		}}
	}
	if d := route.PagerDuty; d != nil {
		receiver.PagerDuty = []objectPagerDuty{{
			RoutingKey:   secretKey{d.RoutingKeySecretRef.Name, d.RoutingKeySecretRef.Key},
			SendResolved: route.SendResolved, Severity: pagerDutySeverity,
		}}
	}
	return receiver
}

func objectMatchers(matchers ...Matcher) []objectMatcher {
	var list []objectMatcher
	for _, m := range matchers {
		list = append(list, objectMatcher{Name: m.Name, Value: m.Value, MatchType: m.operator()})
	}
	return list
}

func metadata(baseline *v1alpha1.AlertBaseline, name string) *metav1ac.ObjectMetaApplyConfiguration {
	labels := map[string]string{}
	maps.Copy(labels, baseline.Spec.Routing.Labels)
	return alerts.Metadata(baseline, name, contract.ComponentRouting, labels)
}
