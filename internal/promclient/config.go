// Package promclient connects the manager to the Prometheus that an
// AlertBaseline names: it reads the credentials that the baseline refers to,
// and makes clients that are bounded in time and size. What to ask is its
// users' business.
package promclient

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// Config is how to reach a server, with the values of its secrets. Two that
// are equal make the same client. Only Resolve makes one, and nothing prints
// its secrets.
type Config struct {
	url                string
	username, password string
	token              string
	// PEM.
	ca, cert, key string
	serverName    string
	insecure      bool
}

// String is the address alone.
func (c Config) String() string { return c.url }

// GoString is the address alone.
func (c Config) GoString() string { return "promclient.Config(" + c.url + ")" }

// Secrets reads the data of a Secret in the namespace of the one who refers to
// it; nil when there is none of that name.
type Secrets func(ctx context.Context, name string) (map[string][]byte, error)

// SecretError says which Secret cannot be used, why, and what to do. It never
// holds a value.
type SecretError struct {
	// Field below the endpoint that refers to the Secret.
	Field string
	// Secret by name, and its Key; the key is empty when the Secret is missing.
	Secret, Key string
	// Problem and its fix.
	Problem string
}

// Error names field, secret and key, then the problem.
func (e *SecretError) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("%s: secret %q %s", e.Field, e.Secret, e.Problem)
	}
	return fmt.Sprintf("%s: secret %q, key %q %s", e.Field, e.Secret, e.Key, e.Problem)
}

// Missing tells that the Secret is not there, and may yet come.
func (e *SecretError) Missing() bool { return e.Key == "" }

// SecretNames are the Secrets that an endpoint refers to, each once.
func SecretNames(endpoint *v1alpha1.MonitoringEndpoint) []string {
	if endpoint == nil {
		return nil
	}
	var names []string
	for _, r := range references(endpoint) {
		if !slices.Contains(names, r.secret) {
			names = append(names, r.secret)
		}
	}
	return names
}

// reference is a field that takes a value from a Secret.
type reference struct {
	field, secret, key string
	set                func(*Config, string)
}

func references(endpoint *v1alpha1.MonitoringEndpoint) []reference {
	var all []reference
	if ref := endpoint.BasicAuthSecretRef; ref != nil {
		all = append(all,
			reference{"basicAuthSecretRef", ref.Name, "username", func(c *Config, v string) { c.username = v }},
			reference{"basicAuthSecretRef", ref.Name, "password", func(c *Config, v string) { c.password = v }})
	}
	if ref := endpoint.BearerTokenSecretRef; ref != nil {
		all = append(all, reference{"bearerTokenSecretRef", ref.Name, ref.Key, func(c *Config, v string) { c.token = v }})
	}
	if endpoint.TLS == nil {
		return all
	}
	if ref := endpoint.TLS.CASecretRef; ref != nil {
		all = append(all, reference{"tls.caSecretRef", ref.Name, ref.Key, func(c *Config, v string) { c.ca = v }})
	}
	if ref := endpoint.TLS.CertSecretRef; ref != nil {
		all = append(all,
			reference{"tls.certSecretRef", ref.Name, "tls.crt", func(c *Config, v string) { c.cert = v }},
			reference{"tls.certSecretRef", ref.Name, "tls.key", func(c *Config, v string) { c.key = v }})
	}
	return all
}

// Resolve reads what an endpoint refers to. What is wrong with a Secret is a
// *SecretError; any other error comes from reading.
func Resolve(ctx context.Context, endpoint *v1alpha1.MonitoringEndpoint, read Secrets) (Config, error) {
	c := Config{url: endpoint.URL}
	if endpoint.TLS != nil {
		c.serverName, c.insecure = endpoint.TLS.ServerName, endpoint.TLS.InsecureSkipVerify
	}
	for _, r := range references(endpoint) {
		data, err := read(ctx, r.secret)
		if err != nil {
			return Config{}, err
		}
		if data == nil {
			return Config{}, &SecretError{Field: r.field, Secret: r.secret, Problem: "does not exist in this namespace: create it with the key " + r.key}
		}
		// A line break at the end comes from the file that the value was made
		// from. Elsewhere a header could not carry it.
		value := strings.TrimRight(string(data[r.key]), "\r\n")
		problem := ""
		switch pem := strings.HasPrefix(r.field, "tls."); {
		case value == "":
			problem = "is missing or empty: put the value in"
		case !pem && strings.ContainsAny(value, "\r\n"):
			problem = "holds a line break: put in the value alone"
		case r.key == "username" && strings.Contains(value, ":"):
			problem = "holds a colon, which ends a user name: put in the name alone"
		}
		if problem != "" {
			return Config{}, &SecretError{Field: r.field, Secret: r.secret, Key: r.key, Problem: problem}
		}
		r.set(&c, value)
	}
	return c, c.checkPEM(endpoint)
}
