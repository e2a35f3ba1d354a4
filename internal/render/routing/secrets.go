package routing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// Secret is a secret key that the routing refers to.
type Secret struct {
	Name, Key string
	// Field that refers to it, and the receivers that cannot be told without it.
	Field     string
	Receivers []string
}

// Problem says what is lost while the secret is missing. exists tells a secret
// without the key from one that is not there.
func (s Secret) Problem(exists bool) string {
	what := fmt.Sprintf("there is no secret %q", s.Name)
	if exists {
		what = fmt.Sprintf("secret %q has no key %q, or nothing under it", s.Name, s.Key)
	}
	return fmt.Sprintf("%s (%s, key %q): until it is there, it is left out for %s", what, s.Field, s.Key, strings.Join(s.Receivers, ", "))
}

// Secrets are the secret keys that the routing of a baseline refers to, each
// once.
func Secrets(baseline *v1alpha1.AlertBaseline) []Secret {
	spec := baseline.Spec.Routing
	if spec == nil {
		return nil
	}
	var secrets []Secret
	add := func(name, key, field, receiver string) {
		at := slices.IndexFunc(secrets, func(s Secret) bool { return s.Name == name && s.Key == key })
		if at < 0 {
			secrets = append(secrets, Secret{Name: name, Key: key, Field: field})
			at = len(secrets) - 1
		}
		if !slices.Contains(secrets[at].Receivers, receiver) {
			secrets[at].Receivers = append(secrets[at].Receivers, receiver)
		}
	}
	for i := range spec.Receivers {
		r := &spec.Receivers[i]
		field := func(name string) string { return fmt.Sprintf("spec.routing.receivers[%s].%s", r.Name, name) }
		if smtp := spec.SMTP; len(r.Email) > 0 && smtp != nil && smtp.AuthSecretRef != nil {
			add(smtp.AuthSecretRef.Name, passwordKey(smtp.AuthSecretRef), "spec.routing.smtp.authSecretRef", r.Name)
		}
		if r.Webhook != nil && r.Webhook.URLSecretRef != nil {
			add(r.Webhook.URLSecretRef.Name, r.Webhook.URLSecretRef.Key, field("webhook.urlSecretRef"), r.Name)
		}
		if r.Slack != nil {
			add(r.Slack.APIURLSecretRef.Name, r.Slack.APIURLSecretRef.Key, field("slack.apiURLSecretRef"), r.Name)
		}
		if r.PagerDuty != nil {
			add(r.PagerDuty.RoutingKeySecretRef.Name, r.PagerDuty.RoutingKeySecretRef.Key, field("pagerDuty.routingKeySecretRef"), r.Name)
		}
	}
	return secrets
}
