package rsolvdeployment

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

const (
	masked = "***"
	// shortest is the length from which a value is masked: shorter ones are
	// in every text and protect nothing.
	shortest = 3
	// shortestPart is the length from which a line of a value, or a piece of
	// one that was cut off, is masked.
	shortestPart = 8
)

// mask replaces the known secret values in a text that comes from elsewhere,
// also where the text begins or ends in the middle of one.
func mask(text string, env map[string][]byte) string {
	values := secretValues(env)
	for _, value := range values {
		text = strings.ReplaceAll(text, value, masked)
	}
	for _, value := range values {
		text = maskEdges(text, value)
	}
	return text
}

// secretValues lists what to mask, longest first so that a value within
// another does not leave half of it: the values, the lines of those that have
// several, and the password in the database's URL in both spellings.
func secretValues(env map[string][]byte) []string {
	var values []string
	add := func(value string, least int) {
		if value = strings.TrimSpace(value); len(value) >= least {
			values = append(values, value)
		}
	}
	for name, raw := range env {
		add(string(raw), shortest)
		if lines := strings.Split(string(raw), "\n"); len(lines) > 1 {
			for _, line := range lines {
				add(line, shortestPart)
			}
		}
		if name != contract.EnvDatabaseURL {
			continue
		}
		if parsed, err := url.Parse(string(raw)); err == nil && parsed.User != nil {
			password, _ := parsed.User.Password()
			add(password, shortest)
			_, escaped, _ := strings.Cut(parsed.User.String(), ":")
			add(escaped, shortest)
		}
	}
	slices.SortFunc(values, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return slices.Compact(values)
}

func maskEdges(text, value string) string {
	for n := len(value) - 1; n >= shortestPart; n-- {
		if rest, ok := strings.CutPrefix(text, value[len(value)-n:]); ok {
			text = masked + rest
		}
		if rest, ok := strings.CutSuffix(text, value[:n]); ok {
			text = rest + masked
		}
	}
	return text
}
