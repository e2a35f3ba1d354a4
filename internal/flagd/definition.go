// Package flagd holds feature flag definitions in the format of flagd: it
// validates, writes, reads and evaluates them. The operator writes the file
// with it and the app evaluates the same file, so that both agree on what a
// flag means. It is pure and imports the standard library alone.
package flagd

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Type of a flag's values.
type Type string

// Types of flags.
const (
	Boolean Type = "Boolean"
	String  Type = "String"
	Number  Type = "Number"
	Object  Type = "Object"
)

// Limits of what is accepted.
const (
	// MaxFileBytes bounds the file that Parse reads. It is what a ConfigMap
	// can hold.
	MaxFileBytes = 1 << 20
	// MaxVariants bounds the variants of one flag.
	MaxVariants = 32
	// MaxValueBytes bounds one variant's value, written as compact JSON.
	MaxValueBytes = 64 << 10
	// MaxNameBytes bounds a flag's key and a variant's name.
	MaxNameBytes = 63
)

// Definition is one flag.
type Definition struct {
	// Key is the name that the app asks for.
	Key string
	// Type of every variant's value.
	Type Type
	// Disabled flags are treated as if nobody had declared them.
	Disabled bool
	// Variants are the possible values; their order has no meaning.
	Variants []Variant
	// DefaultVariant is the variant that everybody gets for whom the rules
	// choose none. Empty leaves the choice to the default in the app's code.
	DefaultVariant string
	// Targeting are rules in flagd's JSON Logic that choose a variant by the
	// context; empty when there are none. Evaluators are already put in.
	Targeting json.RawMessage
	// Metadata travels with the flag: strings, numbers and booleans.
	Metadata map[string]any
}

// Variant is a named value.
type Variant struct {
	Name string
	// Value is JSON.
	Value json.RawMessage
}

// Problem is one thing wrong with a definition.
type Problem struct {
	// Field is the path of the field, for example variants[enabled].value.
	Field string
	// What is wrong with the value.
	What string
	// Fix says what to write instead.
	Fix string
}

// Error names field, problem and fix.
func (p Problem) Error() string { return fmt.Sprintf("%s %s; %s", p.Field, p.What, p.Fix) }

// Problems is everything wrong with a definition.
type Problems []Problem

// Error lists the problems in the order of the definition.
func (p Problems) Error() string {
	texts := make([]string, len(p))
	for i, problem := range p {
		texts[i] = problem.Error()
	}
	return strings.Join(texts, "; and ")
}
