package workload

import (
	"bytes"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// Problem is one thing that keeps a Secret from being used. Message names the
// Secret and the key and says what to do; it never holds a value.
type Problem struct {
	Reason  string
	Message string
}

// SecretNames lists the Secrets that a declaration refers to, in order of
// name.
func SecretNames(rd *v1alpha1.RsolvDeployment) []string {
	names := map[string]bool{DatabaseSecret(rd).Name: true}
	for i := range rd.Spec.Secrets {
		names[rd.Spec.Secrets[i].Name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// CheckSecrets takes the data of every Secret in SecretNames, nil for one that
// does not exist, and returns the variables that the app is to be given, or
// everything that is wrong at once. Without a problem every declared variable
// is there; with one the variables must not be used.
func CheckSecrets(rd *v1alpha1.RsolvDeployment, data map[string]map[string][]byte) (map[string][]byte, []Problem) {
	declared, problems := variables(rd)
	placeholder, err := placeholders(rd).Compile()
	if err != nil {
		return nil, append(problems, Problem{v1alpha1.ReasonInvalidSpec, "spec.placeholders." + err.Error()})
	}
	env := make(map[string][]byte, len(declared))
	missing := map[string]bool{}
	for _, v := range declared {
		secret := data[v.secret]
		if secret == nil {
			if !missing[v.secret] {
				missing[v.secret] = true
				problems = append(problems, notFound(rd, v.secret, declared))
			}
			continue
		}
		value, ok := secret[v.key]
		if problem := checkValue(v, value, ok, placeholder); problem != nil {
			problems = append(problems, *problem)
			continue
		}
		env[v.name] = value
	}
	return env, problems
}

// placeholders is what counts as not filled in.
func placeholders(rd *v1alpha1.RsolvDeployment) contract.Placeholders {
	declared := rd.Spec.Placeholders
	if declared == nil {
		return contract.Placeholders{}
	}
	// In order: another one is the same list, and must not replace the pods.
	return contract.Placeholders{
		Words:    slices.Sorted(slices.Values(declared.Words)),
		Patterns: declared.Patterns,
		Replace:  declared.Builtin == v1alpha1.BuiltinPlaceholdersReplaced,
		Exempt:   slices.Sorted(slices.Values(declared.Exempt)),
	}
}

// variable is one environment variable and where its value comes from.
type variable struct {
	name, secret, key string
}

// operatorVariables are set by the operator itself.
var operatorVariables = map[string]string{
	contract.EnvDatabaseURL:    "it comes from spec.database",
	contract.EnvPoolSize:       "it comes from spec.database.poolSize",
	contract.EnvPublicHost:     "it is the first of the hosts in spec.ingress or spec.gateway",
	contract.EnvTrustedProxies: "it comes from trustedProxies in spec.ingress and spec.gateway",
	contract.EnvFlagsDir:       "it is where the operator mounts the flags",
	contract.EnvPodName:        "it is the name of the pod",
	contract.EnvPodNamespace:   "it is the namespace of the pod",
	contract.EnvPlaceholders:   "it comes from spec.placeholders",
	contract.EnvSmokeTestURL:   "it is where the smoke test finds the app",
}

// variables lists what is declared, in the order of the declaration, and what
// cannot be declared so.
func variables(rd *v1alpha1.RsolvDeployment) ([]variable, []Problem) {
	spec, ref := &rd.Spec, DatabaseSecret(rd)
	list := []variable{{contract.EnvDatabaseURL, ref.Name, ref.Key}}
	taken := map[string]variable{contract.EnvDatabaseURL: list[0]}
	var problems []Problem
	plain := map[string]bool{}
	for i := range spec.Env {
		plain[spec.Env[i].Name] = true
	}
	for i := range spec.Secrets {
		for _, v := range sourceVariables(&spec.Secrets[i]) {
			why, reserved := operatorVariables[v.name]
			first, again := taken[v.name]
			switch {
			case reserved:
				problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
					"spec.secrets[%d] declares the variable %s, which the operator sets (%s): map key %q of secret %q to another variable through env, or remove it",
					i, v.name, why, v.key, v.secret)})
			case plain[v.name]:
				problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
					"the variable %s is declared twice, in spec.env and from secret %q key %q: remove it from spec.env, or map the key to another variable through env of the secret",
					v.name, v.secret, v.key)})
			case again && first == v: // as a required key and in env: the same thing said twice
			case again:
				problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
					"the variable %s is declared twice, from secret %q key %q and from secret %q key %q: remove one, or map one to another variable through env",
					v.name, first.secret, first.key, v.secret, v.key)})
			default:
				taken[v.name] = v
				list = append(list, v)
			}
		}
	}
	return list, problems
}

// sourceVariables: a required key becomes the variable of its own name, unless
// env gives it to another one.
func sourceVariables(source *v1alpha1.SecretSource) []variable {
	mapped := map[string]bool{}
	for _, key := range source.Env {
		mapped[string(key)] = true
	}
	var list []variable
	for _, key := range source.RequiredKeys {
		if !mapped[key] {
			list = append(list, variable{key, source.Name, key})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(source.Env)) {
		list = append(list, variable{name, source.Name, string(source.Env[name])})
	}
	return list
}

func notFound(rd *v1alpha1.RsolvDeployment, secret string, declared []variable) Problem {
	if cluster := ClusterName(rd); cluster != "" && secret == DatabaseSecret(rd).Name {
		return Problem{v1alpha1.ReasonSecretNotFound, fmt.Sprintf(
			"secret %q does not exist yet: CloudNativePG makes it for the Cluster %q (see kubectl describe clusters.postgresql.cnpg.io %s); a Cluster with a secret of its own is used by spec.database.secretRef",
			secret, cluster, cluster)}
	}
	var keys []string
	for _, v := range declared {
		if v.secret == secret && !slices.Contains(keys, v.key) {
			keys = append(keys, v.key)
		}
	}
	return Problem{v1alpha1.ReasonSecretNotFound, fmt.Sprintf(
		"secret %q does not exist in this namespace: create it with %s (kubectl create secret generic %s --from-file=%s=FILE …)",
		secret, quoteKeys(keys), secret, keys[0])}
}

func quoteKeys(keys []string) string {
	quoted := make([]string, len(keys))
	for i, key := range keys {
		quoted[i] = fmt.Sprintf("%q", key)
	}
	if len(quoted) == 1 {
		return "the key " + quoted[0]
	}
	return "the keys " + strings.Join(quoted, ", ")
}

// checkValue finds what is wrong with one value; nil is nothing.
func checkValue(v variable, value []byte, found bool, placeholder contract.PlaceholderCheck) *Problem {
	where := fmt.Sprintf("secret %q, key %q", v.secret, v.key)
	fix := fmt.Sprintf(`kubectl patch secret %s --patch '{"stringData":{"%s":"…"}}'`, v.secret, v.key)
	switch {
	case !found:
		return &Problem{v1alpha1.ReasonSecretKeyMissing, fmt.Sprintf("%s is missing: add it (%s)", where, fix)}
	case len(bytes.TrimSpace(value)) == 0:
		return &Problem{v1alpha1.ReasonSecretKeyEmpty, fmt.Sprintf("%s is empty: put the value in (%s)", where, fix)}
	case bytes.IndexByte(value, 0) >= 0 || !utf8.Valid(value):
		return &Problem{v1alpha1.ReasonSecretInvalid, fmt.Sprintf(
			"%s holds binary data, which no environment variable can: store it as text (%s)", where, fix)}
	case placeholder(v.name, string(value)):
		return &Problem{v1alpha1.ReasonSecretPlaceholder, fmt.Sprintf(
			"%s is a placeholder: put the real value in (%s)", where, fix)}
	case v.name == contract.EnvDatabaseURL:
		if problem := checkDatabaseURL(string(value), placeholder); problem != nil {
			return &Problem{problem.Reason, fmt.Sprintf("%s %s (%s)", where, problem.Message, fix)}
		}
	}
	return nil
}

// checkDatabaseURL must not pass on an error of url.Parse: it quotes the URL,
// password and all.
func checkDatabaseURL(value string, placeholder contract.PlaceholderCheck) *Problem {
	const shape = "write postgres://user:password@host:5432/name" //nolint:gosec // the shape of a URL, not one
	invalid := func(what string) *Problem { return &Problem{v1alpha1.ReasonSecretInvalid, what} }
	if strings.TrimSpace(value) != value {
		return invalid("has white space around it, often the newline of an echo without -n: store it without")
	}
	if contract.HasHole(value) {
		return &Problem{v1alpha1.ReasonSecretPlaceholder, "still has an unfilled <…>, ${…} or {{…}} in it: put the real value in"}
	}
	parsed, err := url.Parse(value)
	if err != nil {
		return invalid("is no valid URL; characters such as # / ? @ in a password are written as %23 %2F %3F %40: " + shape)
	}
	if parsed.Scheme != "postgres" && parsed.Scheme != "postgresql" {
		return invalid("is no Postgres URL: " + shape)
	}
	if parsed.Host == "" && parsed.Query().Get("host") == "" {
		return invalid("names no host: " + shape)
	}
	// A user or a database may well be called example; nobody's password is.
	if password, ok := parsed.User.Password(); ok && placeholder("", password) {
		return &Problem{v1alpha1.ReasonSecretPlaceholder, "has a placeholder for its password: put the real one in"}
	}
	if placeholder("", parsed.Hostname()) {
		return &Problem{v1alpha1.ReasonSecretPlaceholder, "has a placeholder for its host: put the real one in"}
	}
	return nil
}
