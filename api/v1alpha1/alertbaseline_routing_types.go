package v1alpha1

// Routing says who is told of the alerts of this baseline, how often, and how.
// Alerts of other baselines are none of its business.
//
// +kubebuilder:validation:XValidation:rule="has(self.smtp) || !self.receivers.exists(r, has(r.email))",message="a receiver is told by email: say how mail is sent, either `smtp: {smarthost: …, from: …}`, or `smtp: {useGlobal: true}` where Alertmanager's own configuration has it"
// +kubebuilder:validation:XValidation:rule="!has(self.output) || self.output != 'ConfigMap' || !has(self.smtp) || !has(self.smtp.useGlobal) || !self.smtp.useGlobal",message="the ConfigMap is a whole configuration, so that there is no global one: name smtp.smarthost and smtp.from"
type Routing struct {
	// Output is what the routing becomes. AlertmanagerConfig is for an
	// Alertmanager that prometheus-operator runs. ConfigMap holds a whole
	// alertmanager.yml, for any other; it reads secrets from files below
	// /etc/alertmanager/secrets/<secret>/<key>.
	//
	// +optional
	// +kubebuilder:default=AlertmanagerConfig
	// +kubebuilder:validation:Enum=AlertmanagerConfig;ConfigMap
	Output RoutingOutput `json:"output,omitempty"`

	// Labels for the AlertmanagerConfig, so that an Alertmanager selects it, for
	// example alertmanager: main.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	Labels map[string]string `json:"labels,omitempty"`

	// SMTP says how mail is sent.
	//
	// +optional
	SMTP *SMTP `json:"smtp,omitempty"`

	// Grouping of alerts into notifications, where a receiver says nothing else.
	//
	// +optional
	Grouping `json:",inline"`

	// Receivers, of which an alert goes to the first whose match fits. The last
	// one may have no match: it takes what is left. Without such a one, the
	// condition RoutingApplied names the alerts that nobody is told of.
	//
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=24
	// +kubebuilder:validation:XValidation:rule="self.all(r, self.exists_one(o, o.name == r.name))",message="two receivers have one name; give each a name of its own"
	// +kubebuilder:validation:XValidation:rule="self.filter(r, !has(r.match) && !has(r.matchRegexp)).size() <= 1 && self.all(r, has(r.match) || has(r.matchRegexp) || r.name == self[self.size() - 1].name)",message="a receiver without match takes every alert, so that those below it are never told: put it last, and have only one"
	Receivers []Receiver `json:"receivers"`
}

// RoutingOutput is a kind of object that holds routes.
type RoutingOutput string

// Values of RoutingOutput.
const (
	RoutingOutputAlertmanagerConfig RoutingOutput = "AlertmanagerConfig"
	RoutingOutputConfigMap          RoutingOutput = "ConfigMap"
)

// SMTP is a server that takes mail.
//
// +kubebuilder:validation:XValidation:rule="(has(self.useGlobal) && self.useGlobal) != has(self.smarthost)",message="say how mail is sent: either smarthost, for example smtp.example.com:587, or `useGlobal: true`, not both"
// +kubebuilder:validation:XValidation:rule="has(self.smarthost) == has(self.from)",message="smarthost and from go together: the server that takes mail, and the address that it comes from"
// +kubebuilder:validation:XValidation:rule="has(self.smarthost) || !(has(self.username) || has(self.authSecretRef) || has(self.requireTLS))",message="username, authSecretRef and requireTLS belong to a smarthost: remove them beside `useGlobal: true`"
type SMTP struct {
	// UseGlobal takes the server and the sender of Alertmanager's own global
	// configuration.
	//
	// +optional
	UseGlobal bool `json:"useGlobal,omitempty"`

	// Smarthost is host and port of the server, for example
	// smtp.example.com:587.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=260
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9.-]+:[0-9]{1,5}$')",message="write host and port, for example smtp.example.com:587"
	Smarthost string `json:"smarthost,omitempty"`

	// From is the sender, for example alerts@rsolv.dev.
	//
	// +optional
	From EmailAddress `json:"from,omitempty"`

	// Username at the server. The default is the sender's address.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Username string `json:"username,omitempty"`

	// AuthSecretRef is the secret key with the password. Without it, the server
	// is used without signing in.
	//
	// +optional
	AuthSecretRef *PasswordReference `json:"authSecretRef,omitempty"`

	// RequireTLS refuses to hand mail over in the clear. The default is true.
	//
	// +optional
	RequireTLS *bool `json:"requireTLS,omitempty"`
}

// PasswordReference is a secret key with a password, in the same namespace.
type PasswordReference struct {
	// Name of the secret.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// Key in the secret's data.
	//
	// +optional
	// +kubebuilder:default=password
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key,omitempty"`
}

// EmailAddress is the address of a mailbox.
//
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=254
// +kubebuilder:validation:XValidation:rule="self.matches('^[^\\\\s@,<>]+@[^\\\\s@,<>]+$')",message="write one address, for example admin@rsolv.dev"
type EmailAddress string

// Grouping says which alerts share a notification, and when it is sent.
type Grouping struct {
	// GroupBy are the labels whose values the alerts of one notification share.
	// The default is alertname, namespace and service.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	GroupBy []LabelName `json:"groupBy,omitempty"`

	// GroupWait is how long the first notification of a group waits for more
	// alerts. The default is 30s.
	//
	// +optional
	GroupWait PromDuration `json:"groupWait,omitempty"`

	// GroupInterval is how long a notification about new alerts of a group that
	// was told of already waits. The default is 5m.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="an interval is longer than zero, for example 5m"
	GroupInterval PromDuration `json:"groupInterval,omitempty"`

	// RepeatEvery is when an alert that still fires is told of again. The
	// default is 4h.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="an interval is longer than zero, for example 4h"
	RepeatEvery PromDuration `json:"repeatEvery,omitempty"`
}

// LabelName is the name of a Prometheus label.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[a-zA-Z_][a-zA-Z0-9_]*$`
type LabelName string

// Receiver is somebody who is told of some alerts.
//
// +kubebuilder:validation:XValidation:rule="has(self.email) || has(self.webhook) || has(self.slack) || has(self.pagerDuty)",message="nobody would be told: a receiver needs email, webhook, slack or pagerDuty"
type Receiver struct {
	// Name of the receiver, unique in this baseline.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// Match are label values that an alert must have, for example
	// {component: api, severity: critical}. Every alert has severity, component,
	// service, namespace, threshold, baseline and alertname.
	//
	// +optional
	Match LabelMatch `json:"match,omitempty"`

	// MatchRegexp are patterns that whole label values must match, for example
	// {severity: warning|critical}.
	//
	// +optional
	MatchRegexp LabelMatch `json:"matchRegexp,omitempty"`

	// Continue tells the next receiver that matches, too.
	//
	// +optional
	Continue bool `json:"continue,omitempty"`

	// Email addresses, each of which gets a mail of its own.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Email []EmailAddress `json:"email,omitempty"`

	// Webhook is an address that is posted to.
	//
	// +optional
	Webhook *Webhook `json:"webhook,omitempty"`

	// Slack is a channel.
	//
	// +optional
	Slack *Slack `json:"slack,omitempty"`

	// PagerDuty is a service there.
	//
	// +optional
	PagerDuty *PagerDuty `json:"pagerDuty,omitempty"`

	// SendResolved tells of the end of an alert, too. The default is true.
	//
	// +optional
	SendResolved *bool `json:"sendResolved,omitempty"`

	// Grouping of the alerts for this receiver.
	//
	// +optional
	Grouping `json:",inline"`
}

// LabelMatch holds what labels of an alert must be.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=8
// +kubebuilder:validation:XValidation:rule="self.all(l, l.size() <= 63 && l.matches('^[a-zA-Z_][a-zA-Z0-9_]*$'))",message="a label name has letters, digits and _, and does not begin with a digit"
// +kubebuilder:validation:XValidation:rule="!('baseline' in self)",message="only alerts of this baseline come here: remove baseline from the match"
type LabelMatch map[string]LabelValue

// Webhook is posted to in Alertmanager's own format.
//
// +kubebuilder:validation:XValidation:rule="!has(self.url) || self.url.matches('^https?://[^\\\\s@]+$')",message="url begins with http:// or https:// and has no user or password: an address that holds a secret belongs in urlSecretRef"
// +kubebuilder:validation:XValidation:rule="has(self.url) != has(self.urlSecretRef)",message="name the address once: url, or urlSecretRef when it holds a secret"
type Webhook struct {
	// URL to post to.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=512
	URL string `json:"url,omitempty"`

	// URLSecretRef is the secret key with the URL.
	//
	// +optional
	URLSecretRef *SecretKeyReference `json:"urlSecretRef,omitempty"`
}

// Slack is an incoming webhook of Slack.
type Slack struct {
	// APIURLSecretRef is the secret key with the webhook's URL.
	APIURLSecretRef SecretKeyReference `json:"apiURLSecretRef"`

	// Channel to post to, for example "#alerts".
	//
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=80
	// +kubebuilder:validation:XValidation:rule="self.matches('^[#@][^\\\\s]+$')",message="write a channel, for example \"#alerts\", or a member, for example \"@ann\""
	Channel string `json:"channel"`
}

// PagerDuty is an integration of PagerDuty's Events API v2.
type PagerDuty struct {
	// RoutingKeySecretRef is the secret key with the integration key.
	RoutingKeySecretRef SecretKeyReference `json:"routingKeySecretRef"`
}
