package routing

import (
	"fmt"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
)

// ConfigKey is the file in the ConfigMap.
const ConfigKey = "alertmanager.yml"

// secretsDir is where the files with secrets are expected: that is where
// prometheus-operator mounts them, too.
const secretsDir = "/etc/alertmanager/secrets"

// Config is a configuration of Alertmanager, as far as it is used here.
type Config struct {
	Route        ConfigRoute      `json:"route"`
	Receivers    []ConfigReceiver `json:"receivers"`
	InhibitRules []ConfigInhibit  `json:"inhibit_rules"`
}

// ConfigRoute is a node of the tree of routes.
type ConfigRoute struct {
	Receiver       string        `json:"receiver"`
	Matchers       []string      `json:"matchers,omitempty"`
	Continue       bool          `json:"continue,omitempty"`
	GroupBy        []string      `json:"group_by,omitempty"`
	GroupWait      string        `json:"group_wait,omitempty"`
	GroupInterval  string        `json:"group_interval,omitempty"`
	RepeatInterval string        `json:"repeat_interval,omitempty"`
	Routes         []ConfigRoute `json:"routes,omitempty"`
}

// ConfigReceiver is a receiver with its addresses.
type ConfigReceiver struct {
	Name      string            `json:"name"`
	Email     []ConfigEmail     `json:"email_configs,omitempty"`
	Webhook   []ConfigWebhook   `json:"webhook_configs,omitempty"`
	Slack     []ConfigSlack     `json:"slack_configs,omitempty"`
	PagerDuty []ConfigPagerDuty `json:"pagerduty_configs,omitempty"`
}

// ConfigEmail is one address.
type ConfigEmail struct {
	To               string            `json:"to"`
	From             string            `json:"from,omitempty"`
	Smarthost        string            `json:"smarthost,omitempty"`
	AuthUsername     string            `json:"auth_username,omitempty"`
	AuthPasswordFile string            `json:"auth_password_file,omitempty"`
	RequireTLS       *bool             `json:"require_tls,omitempty"`
	SendResolved     bool              `json:"send_resolved"`
	Headers          map[string]string `json:"headers,omitempty"`
	Text             string            `json:"text,omitempty"`
}

// ConfigWebhook is an address that is posted to.
type ConfigWebhook struct {
	URL          string `json:"url,omitempty"`
	URLFile      string `json:"url_file,omitempty"`
	SendResolved bool   `json:"send_resolved"`
}

// ConfigSlack is a channel.
type ConfigSlack struct {
	APIURLFile   string `json:"api_url_file"`
	Channel      string `json:"channel"`
	SendResolved bool   `json:"send_resolved"`
	Title        string `json:"title"`
	Text         string `json:"text"`
}

// ConfigPagerDuty is a service.
type ConfigPagerDuty struct {
	RoutingKeyFile string `json:"routing_key_file"`
	SendResolved   bool   `json:"send_resolved"`
	Severity       string `json:"severity"`
}

// ConfigInhibit is a rule by which one alert silences another.
type ConfigInhibit struct {
	SourceMatchers []string `json:"source_matchers"`
	TargetMatchers []string `json:"target_matchers"`
	Equal          []string `json:"equal"`
}

// Config is the plan as a configuration of its own. The names of its receivers
// and the matchers of its one branch are those that prometheus-operator gives
// them, so that several can be merged, and compared with what is loaded.
func (p Plan) Config() Config {
	all := p.scope()
	branch := ConfigRoute{
		Receiver: p.receiver(Nobody), Matchers: all, Continue: true,
		GroupBy: texts(p.Grouping.GroupBy), GroupWait: string(p.Grouping.GroupWait),
		GroupInterval: string(p.Grouping.GroupInterval), RepeatInterval: string(p.Grouping.RepeatEvery),
	}
	config := Config{Receivers: []ConfigReceiver{{Name: Nobody}, {Name: p.receiver(Nobody)}}}
	for i := range p.Routes {
		route := &p.Routes[i]
		branch.Routes = append(branch.Routes, ConfigRoute{
			Receiver: p.receiver(route.Name), Matchers: written(route.Matchers), Continue: route.Continue,
			GroupBy: texts(route.Grouping.GroupBy), GroupWait: string(route.Grouping.GroupWait),
			GroupInterval: string(route.Grouping.GroupInterval), RepeatInterval: string(route.Grouping.RepeatEvery),
		})
		config.Receivers = append(config.Receivers, p.configReceiver(route))
	}
	config.Route = ConfigRoute{Receiver: Nobody, Routes: []ConfigRoute{branch}}
	config.InhibitRules = []ConfigInhibit{{
		SourceMatchers: append([]string{`severity="critical"`}, all...),
		TargetMatchers: append([]string{`severity="warning"`}, all...),
		Equal:          inhibitionEquals,
	}}
	return config
}

// scope are the matchers of all alerts of the baseline.
func (p Plan) scope() []string {
	return written([]Matcher{{Name: "baseline", Value: p.Baseline}, {Name: "namespace", Value: p.Namespace}})
}

// receiver is the name of a receiver among those of all baselines.
func (p Plan) receiver(name string) string { return p.Namespace + "/" + p.Baseline + "/" + name }

func (p Plan) configReceiver(route *Route) ConfigReceiver {
	receiver := ConfigReceiver{Name: p.receiver(route.Name)}
	for _, mail := range route.Emails {
		email := ConfigEmail{To: mail.To, SendResolved: route.SendResolved, Headers: map[string]string{"Subject": subject}, Text: text}
		if smtp := mail.SMTP; smtp != nil {
			email.From, email.Smarthost, email.RequireTLS = string(smtp.From), smtp.Smarthost, smtp.RequireTLS
			if ref := smtp.AuthSecretRef; ref != nil {
				email.AuthUsername, email.AuthPasswordFile = username(smtp), file(ref.Name, passwordKey(ref))
			}
		}
		receiver.Email = append(receiver.Email, email)
	}
	if w := route.Webhook; w != nil {
		webhook := ConfigWebhook{URL: w.URL, SendResolved: route.SendResolved}
		if w.URLSecretRef != nil {
			webhook.URLFile = file(w.URLSecretRef.Name, w.URLSecretRef.Key)
		}
		receiver.Webhook = []ConfigWebhook{webhook}
	}
	if s := route.Slack; s != nil {
		receiver.Slack = []ConfigSlack{{
			APIURLFile: file(s.APIURLSecretRef.Name, s.APIURLSecretRef.Key), Channel: s.Channel,
			SendResolved: route.SendResolved, Title: subject, Text: text,
		}}
	}
	if d := route.PagerDuty; d != nil {
		receiver.PagerDuty = []ConfigPagerDuty{{
			RoutingKeyFile: file(d.RoutingKeySecretRef.Name, d.RoutingKeySecretRef.Key),
			SendResolved:   route.SendResolved, Severity: pagerDutySeverity,
		}}
	}
	return receiver
}

func file(secret, key string) string { return path.Join(secretsDir, secret, key) }

// written are matchers in Alertmanager's language.
func written(matchers []Matcher) []string {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	var lines []string
	for _, m := range matchers {
		lines = append(lines, fmt.Sprintf(`%s%s"%s"`, m.Name, m.operator(), escape.Replace(m.Value)))
	}
	return lines
}

func texts(names []v1alpha1.LabelName) []string {
	var list []string
	for _, name := range names {
		list = append(list, string(name))
	}
	return list
}

// ConfigMapName is the name of the ConfigMap with a baseline's routing.
func ConfigMapName(baseline string) string { return baseline + "-routing" }

// ConfigMap holds the plan as a file for an Alertmanager without
// prometheus-operator.
func ConfigMap(baseline *v1alpha1.AlertBaseline, plan Plan) *unstructured.Unstructured {
	raw, err := yaml.Marshal(plan.Config())
	if err != nil {
		panic(fmt.Sprintf("routing: a configuration that does not marshal: %v", err)) // a fault in the types above
	}
	return render.Object(&corev1ac.ConfigMapApplyConfiguration{
		TypeMetaApplyConfiguration:   *(&metav1ac.TypeMetaApplyConfiguration{}).WithAPIVersion("v1").WithKind("ConfigMap"),
		ObjectMetaApplyConfiguration: metadata(baseline, ConfigMapName(baseline.Name)),
		Data:                         map[string]string{ConfigKey: string(raw)},
	})
}

// WithGlobalMail adds to a configuration the way by which mail is sent where
// it leaves that to the global one, so that tools accept it on its own.
func WithGlobalMail(config string) string {
	return config + "global: {smtp_smarthost: 'localhost:25', smtp_from: alerts@localhost}\n"
}
