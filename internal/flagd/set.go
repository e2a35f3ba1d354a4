package flagd

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Reason says how an evaluation came to its result. The values are those of
// the OpenFeature specification.
type Reason string

// Reasons of evaluations.
const (
	// Static: the flag's default variant, which everybody gets.
	Static Reason = "STATIC"
	// CodeDefault: the flag names no default variant, the caller's applies.
	CodeDefault Reason = "DEFAULT"
	// Disabled: the flag is switched off as a whole.
	Disabled Reason = "DISABLED"
	// NotFound: no such flag.
	NotFound Reason = "FLAG_NOT_FOUND"
	// TypeMismatch: the flag has values of another type.
	TypeMismatch Reason = "TYPE_MISMATCH"
)

// Set is a compiled file of flags. It never changes and is safe for
// concurrent use. Its evaluations return ok false, with the reason, whenever
// they have no value to give; the zero value is then no answer.
type Set struct {
	flags map[string]*compiled
}

type compiled struct {
	kind Type
	// reason is the outcome when the type matches.
	reason  Reason
	boolean bool
	text    string
	number  float64
}

// Compile makes a Set of definitions. It fails on a definition that Validate
// refuses and on a key that comes twice.
func Compile(definitions []Definition) (*Set, error) {
	set := &Set{flags: make(map[string]*compiled, len(definitions))}
	for i := range definitions {
		definition := &definitions[i]
		if _, twice := set.flags[definition.Key]; twice {
			return nil, fmt.Errorf("flag %q is there twice", clip(definition.Key))
		}
		flag, err := definition.compile()
		if err != nil {
			return nil, fmt.Errorf("flag %q: %w", clip(definition.Key), err)
		}
		set.flags[definition.Key] = flag
	}
	return set, nil
}

func (d *Definition) compile() (*compiled, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	flag := &compiled{kind: d.Type, reason: Static}
	if d.Disabled {
		flag.reason = Disabled
		return flag, nil
	}
	if d.DefaultVariant == "" {
		flag.reason = CodeDefault
		return flag, nil
	}
	for _, variant := range d.Variants {
		if variant.Name == d.DefaultVariant {
			return flag, flag.setValue(variant.Value)
		}
	}
	return flag, nil
}

func (c *compiled) setValue(value json.RawMessage) (err error) {
	value, err = canonical(value)
	if err != nil {
		return err
	}
	switch c.kind {
	case Boolean:
		c.boolean = string(value) == "true"
	case Number:
		c.number, err = strconv.ParseFloat(string(value), 64)
	case String:
		err = json.Unmarshal(value, &c.text)
	case Object:
		c.text = string(value)
	}
	if err != nil {
		return fmt.Errorf("reading the value: %w", err)
	}
	return nil
}

// Len is the number of flags.
func (s *Set) Len() int { return len(s.flags) }

// Keys returns the flags' keys, sorted.
func (s *Set) Keys() []string { return sortedKeys(s.flags) }

// Boolean evaluates a flag of type Boolean.
func (s *Set) Boolean(key string) (value bool, reason Reason, ok bool) {
	flag, reason := s.find(key, Boolean)
	if flag == nil {
		return false, reason, false
	}
	return flag.boolean, reason, true
}

// String evaluates a flag of type String.
func (s *Set) String(key string) (value string, reason Reason, ok bool) {
	flag, reason := s.find(key, String)
	if flag == nil {
		return "", reason, false
	}
	return flag.text, reason, true
}

// Number evaluates a flag of type Number.
func (s *Set) Number(key string) (value float64, reason Reason, ok bool) {
	flag, reason := s.find(key, Number)
	if flag == nil {
		return 0, reason, false
	}
	return flag.number, reason, true
}

// Object evaluates a flag of type Object. The value is compact JSON, a copy
// that the caller may keep.
func (s *Set) Object(key string) (value json.RawMessage, reason Reason, ok bool) {
	flag, reason := s.find(key, Object)
	if flag == nil {
		return nil, reason, false
	}
	return json.RawMessage(flag.text), reason, true
}

// find returns the flag when it has a value to give, and the reason always.
func (s *Set) find(key string, kind Type) (*compiled, Reason) {
	flag := s.flags[key]
	switch {
	case flag == nil:
		return nil, NotFound
	case flag.kind != kind:
		return nil, TypeMismatch
	case flag.reason != Static:
		return nil, flag.reason
	default:
		return flag, Static
	}
}
