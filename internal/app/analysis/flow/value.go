// Package flow finds out where a value comes from: backwards from the place
// where it is used, over assignments, branches, helper functions of the same
// file and their callers, until a request, a constant or the unknown.
//
// It is pure: a file and a node in, a value out. Work is bounded in steps and
// depth; what lies beyond is unknown, never safe.
package flow

import (
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
)

// Kind orders what is known about a value; joining two keeps the worse.
type Kind uint8

// The kinds, from harmless to harmful.
const (
	Constant   Kind = iota // the same whatever anybody sends
	Safe                   // from outside, but cannot do harm here
	Unknown                // nothing is known
	Suspicious             // unknown, and named like input
	Tainted                // a request decides
)

// Value is what is known about an expression.
type Value struct {
	Kind Kind
	// Hops are the variables and calls between the source and the use.
	Hops int
	// Source is where taint enters.
	Source *code.Node
	// Why says what makes it safe, or what a suspicious name is.
	Why string
	// Cleaned says that it passed something that sounds like a sanitiser but
	// is none for this use.
	Cleaned bool
	// Text says that it is a string whatever is sent.
	Text bool
	// Name is the last variable it went through.
	Name string
}

func join(a, b Value) Value {
	if b.Kind > a.Kind {
		a, b = b, a
	}
	if a.Kind != b.Kind {
		return a
	}
	a.Text = a.Text && b.Text
	switch a.Kind {
	case Tainted:
		if b.Hops < a.Hops {
			a.Source, a.Hops, a.Name = b.Source, b.Hops, b.Name
			a.Cleaned = a.Cleaned && b.Cleaned
		}
	case Safe:
		if a.Why == "" {
			a.Why = b.Why
		}
	}
	return a
}

func safe(why string) Value { return Value{Kind: Safe, Why: why, Text: true} }

// Use is what a value is used for. It decides what makes one safe.
type Use string

// The uses, named after the vulnerability that a bad value causes.
const (
	SQL         Use = "sql_injection"
	NoSQL       Use = "nosql_injection"
	XSS         Use = "xss"
	Code        Use = "code_injection"
	Command     Use = "command_injection"
	Path        Use = "path_traversal"
	SSRF        Use = "ssrf"
	Redirect    Use = "open_redirect"
	LDAP        Use = "ldap_injection"
	XPath       Use = "xpath_injection"
	XML         Use = "xxe"
	Deserialize Use = "insecure_deserialization"
	// Plain looks for the origin alone.
	Plain Use = ""
)
