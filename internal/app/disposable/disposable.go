// Package disposable knows the domains of throw-away mailboxes. The list is
// that of the project disposable-email-domains, which is in the public domain
// (CC0 1.0) and maintained by its users; it was taken over in November 2026
// from release 1.26.0 of the npm package disposable-email-domains-js.
package disposable

import (
	_ "embed" // for the list
	"strings"
	"sync"
)

//go:embed domains.txt
var list string

var domains = sync.OnceValue(func() map[string]bool {
	known := map[string]bool{}
	for domain := range strings.Lines(list) {
		known[strings.TrimSpace(domain)] = true
	}
	return known
})

// Address says whether an e-mail address is at such a domain, or below one.
func Address(email string) bool {
	_, domain, found := strings.Cut(email, "@")
	domain = strings.TrimSuffix(strings.ToLower(domain), ".")
	for found {
		if domains()[domain] {
			return true
		}
		_, domain, found = strings.Cut(domain, ".")
	}
	return false
}
