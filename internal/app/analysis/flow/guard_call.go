package flow

import (
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
)

var memberTests = []string{"includes", "has", "contains", "include?", "containsKey", "key?", "has_key?", "member?", "indexOf", "in_array", "array_key_exists", "isset", "Contains", "hasOwnProperty", "hasOwn", "exists", "value?", "containsValue"}

// tested judges a call that is known to be true, or false.
func (f *Flow) tested(n *code.Node, name string, truth bool) string {
	method := n.Method()
	if slices.Contains(memberTests, method) {
		if why := f.memberTest(n, method, name, truth); why != "" {
			return why
		}
	}
	if f.elixir() {
		if why := f.testedElixir(n, name, truth); why != "" {
			return why
		}
	}
	if fn := f.helper(n); fn != nil {
		return f.predicate(fn, n, name, truth)
	}
	subject := n.Receiver()
	if subject == nil || subject.Chain() != name {
		subject = n.Arg(0)
	}
	switch method {
	case "isInteger", "isSafeInteger", "is_numeric", "ctype_digit", "ctype_alnum", "ctype_alpha", "is_int", "isdigit", "isdecimal", "isnumeric", "isalnum", "isalpha", "isNumeric", "isAlphanumeric", "isInt", "isUUID", "validate", "isidentifier":
		if truth && f.subject(subject, name) && (method != "validate" || strings.HasPrefix(n.Kids[0].Chain(), "uuid")) {
			return name + " passed " + method
		}
	case "isNaN":
		if !truth && f.subject(n.Arg(0), name) {
			return name + " is a number"
		}
	case "isinstance", "is_a?", "is_string", "kind_of?":
		return f.typed(n, name, truth)
	case "test", "match", "match?", "matches", "fullmatch", "preg_match", "MatchString", "matcher", "search", "find":
		if truth {
			return f.regexTest(n, method, name)
		}
	case "startsWith", "startswith", "start_with?", "str_starts_with", "HasPrefix", "is_relative_to", "strpos":
		if truth {
			return f.prefixTest(n, method, name)
		}
		if f.use == Path && (method == "startsWith" || method == "HasPrefix") {
			return f.relativeTest(n, name)
		}
	case "IsLocal":
		if truth && f.use == Path && f.subject(n.Arg(0), name) {
			return name + " is a local path"
		}
	case "compare_digest", "timingSafeEqual", "hash_equals", "secure_compare", "Equal", "isEqual", "verify":
		if truth && f.use == Deserialize && mentions(n, name) {
			return "the signature of " + name + " is checked"
		}
	case "url_has_allowed_host_and_scheme", "is_safe_url", "url_from":
		if truth && f.use == Redirect && f.subject(n.Arg(0), name) {
			return name + " passed " + method
		}
	}
	return ""
}

// mentions says whether a name occurs in an expression, or in what a name of it
// was made from.
func mentions(n *code.Node, name string) bool {
	found := false
	n.Walk(func(k *code.Node) bool {
		found = found || k.Ref() == name
		return !found
	})
	return found
}

func (f *Flow) memberTest(n *code.Node, method, name string, truth bool) string {
	collection, subject := n.Receiver(), n.Arg(0)
	chain := n.Kids[0].Chain()
	switch {
	case method == "in_array" || method == "array_key_exists":
		collection = n.Arg(1)
	case method == "isset":
		if a := n.Arg(0); a != nil && a.Op == code.Index {
			collection, subject = a.Kids[0], a.Kids[1]
		}
	case chain == "slices.Contains" || chain == "Object.hasOwn" || strings.HasSuffix(chain, "hasOwnProperty.call") || chain == "strings.Contains" || chain == "lo.Contains":
		collection, subject = n.Arg(0), n.Arg(1)
	}
	if truth && f.subject(subject, name) && f.constantCollection(collection) && !f.isText(collection) {
		return name + " is one of an allow-list"
	}
	if !truth && f.use == Path && collection != nil && f.subject(collection, name) && subject != nil && subject.Op == code.Str && (subject.Text == ".." || subject.Text == "/") {
		return name + " has no " + subject.Text + " in it"
	}
	return ""
}

func (f *Flow) isText(n *code.Node) bool {
	r := f.Resolve(n)
	return r != nil && (r.Op == code.Str || r.Op == code.Interp)
}

func (f *Flow) typed(n *code.Node, name string, truth bool) string {
	if !truth {
		return ""
	}
	subject, kind := n.Arg(0), n.Arg(1)
	if n.Method() == "is_a?" || n.Method() == "kind_of?" {
		subject, kind = n.Receiver(), n.Arg(0)
	}
	text := n.Method() == "is_string"
	if kind != nil {
		switch kind.Chain() {
		case "int", "float", "bool", "Integer", "Numeric":
			if f.subject(subject, name) {
				return name + " is a number"
			}
		case "str", "String":
			text = true
		}
	}
	if text && f.use == NoSQL && f.subject(subject, name) {
		return name + " is a string"
	}
	return ""
}
