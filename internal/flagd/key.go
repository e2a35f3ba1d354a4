package flagd

import (
	"regexp"
	"strings"
)

// OwnPrefix is never allowed at the front of a key: the flags of this system
// are asked for without it.
const OwnPrefix = "rsolv_"

var keyPattern = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// KeyFromName is the key of a flag whose object declares none: the object's
// name with - written as _.
func KeyFromName(name string) string { return strings.ReplaceAll(name, "-", "_") }

// ValidKey tells whether key is lower_snake_case of at most MaxNameBytes.
func ValidKey(key string) bool { return len(key) <= MaxNameBytes && keyPattern.MatchString(key) }

// Reserved says that a key begins with a prefix that is not the flag's to use.
type Reserved struct {
	Key    string
	Prefix string
	// App is true when the prefix is the name of the app.
	App bool
	// Use is the key without reserved prefixes, or empty when nothing usable
	// is left of it.
	Use string
}

// Error names the prefix and what to write instead.
func (r *Reserved) Error() string {
	text := `key "` + r.Key + `" begins with the reserved prefix "` + r.Prefix + `"; `
	if r.App {
		text = `key "` + r.Key + `" begins with the app name; `
	}
	if r.Use == "" {
		return text + "choose a key without it"
	}
	return text + `use "` + r.Use + `"`
}

// CheckPrefix returns a *Reserved when key begins with the app's name, with
// OwnPrefix or with one of prefixes, which are compared as they are written.
func CheckPrefix(key, app string, prefixes []string) error {
	prefix, isApp := reservedPrefix(key, app, prefixes)
	if prefix == "" {
		return nil
	}
	use := key
	for next := prefix; next != ""; next, _ = reservedPrefix(use, app, prefixes) {
		use = strings.TrimLeft(strings.TrimPrefix(use, next), "_")
	}
	if !ValidKey(use) {
		use = ""
	}
	return &Reserved{Key: key, Prefix: prefix, App: isApp, Use: use}
}

func reservedPrefix(key, app string, prefixes []string) (prefix string, isApp bool) {
	if own := KeyFromName(app) + "_"; app != "" && strings.HasPrefix(key, own) {
		return own, true
	}
	if strings.HasPrefix(key, OwnPrefix) {
		return OwnPrefix, false
	}
	for _, candidate := range prefixes {
		if candidate != "" && strings.HasPrefix(key, candidate) {
			return candidate, false
		}
	}
	return "", false
}
