package flagd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
)

// Set is a compiled file of flags. It never changes and is safe for
// concurrent use.
type Set struct {
	flags map[string]*compiled
	keys  []string
	// attributes are what rules ask for, sorted.
	attributes []string
}

// compiled is a flag ready to be evaluated.
type compiled struct {
	// fixed is the outcome without rules, and what rules that choose nothing
	// lead to.
	fixed Result
	// rule is nil in a flag without rules.
	rule     node
	variants map[string]choice
}

// choice is a variant's value in the forms that results carry.
type choice struct {
	value any
	json  json.RawMessage
}

// Compile makes a Set of definitions. It fails on a definition that Validate
// refuses and on a key that comes twice.
func Compile(definitions []Definition) (*Set, error) {
	set, compiler := &Set{flags: make(map[string]*compiled, len(definitions))}, &compiler{}
	for i := range definitions {
		definition := &definitions[i]
		if _, twice := set.flags[definition.Key]; twice {
			return nil, fmt.Errorf("flag %q is there twice", clip(definition.Key))
		}
		compiler.nodes = 0
		flag, err := definition.compile(compiler)
		if err != nil {
			return nil, fmt.Errorf("flag %q: %w", clip(definition.Key), err)
		}
		set.flags[definition.Key] = flag
	}
	set.keys, set.attributes = sortedKeys(set.flags), sortedKeys(compiler.names)
	return set, nil
}

func (d *Definition) compile(c *compiler) (*compiled, error) {
	rule, err := d.check(c)
	if err != nil {
		return nil, err
	}
	flag := &compiled{
		fixed:    Result{Key: d.Key, Type: d.Type, Metadata: d.Metadata, Reason: Default},
		variants: make(map[string]choice, len(d.Variants)),
	}
	if d.Disabled {
		flag.fixed.Reason = Disabled
		return flag, nil
	}
	flag.rule, flag.fixed.Targeted = rule, rule != nil
	for _, variant := range d.Variants {
		if flag.variants[variant.Name], err = d.choice(variant.Value); err != nil {
			return nil, err
		}
	}
	if d.DefaultVariant != "" {
		flag.fixed = flag.choose(d.DefaultVariant, Static)
		if rule != nil {
			flag.fixed.Reason = Default
		}
	}
	return flag, nil
}

func (d *Definition) choice(value json.RawMessage) (choice, error) {
	value, err := canonical(value)
	if err != nil {
		return choice{}, err
	}
	c := choice{json: value}
	switch d.Type {
	case Boolean:
		c.value = string(value) == "true"
	case Number:
		c.value, err = strconv.ParseFloat(string(value), 64)
	case String:
		var text string
		err = json.Unmarshal(value, &text)
		c.value = text
	case Object:
		c.value = value
	}
	if err != nil {
		return choice{}, fmt.Errorf("reading the value: %w", err)
	}
	return c, nil
}

// choose is the result with a variant that exists.
func (c *compiled) choose(variant string, reason Reason) Result {
	result, chosen := c.fixed, c.variants[variant]
	result.Variant, result.Value, result.JSON, result.Reason = variant, chosen.value, chosen.json, reason
	return result
}

// Len is the number of flags.
func (s *Set) Len() int { return len(s.flags) }

// Keys returns the flags' keys, sorted.
func (s *Set) Keys() []string { return append([]string(nil), s.keys...) }

// Has tells whether there is such a flag.
func (s *Set) Has(key string) bool { return s.flags[key] != nil }

// Attributes are the names of the attributes that rules ask for, sorted; the
// targeting key apart, and those whose names rules make up while they run.
func (s *Set) Attributes() []string { return append([]string(nil), s.attributes...) }

// Targeted tells whether a flag's value depends on the context or the time.
func (s *Set) Targeted(key string) bool {
	flag := s.flags[key]
	return flag != nil && flag.rule != nil
}

// Evaluate evaluates a flag of any type. A nil context is one about nobody, at
// no time.
func (s *Set) Evaluate(key string, context *Context) Result {
	flag := s.flags[key]
	if flag == nil {
		return Result{Key: key, Reason: Failed, Code: NotFound, Detail: "there is no such flag"}
	}
	if flag.rule == nil {
		return flag.fixed
	}
	return flag.target(context)
}

// All evaluates every flag, in the order of their keys.
func (s *Set) All(context *Context) iter.Seq[Result] {
	return func(yield func(Result) bool) {
		for _, key := range s.keys {
			if !yield(s.Evaluate(key, context)) {
				return
			}
		}
	}
}

// target follows the flag's rules. A text names the variant, as a boolean or a
// number does when it is written down; nothing means the default.
func (c *compiled) target(context *Context) Result {
	if context == nil {
		context = nobody
	}
	m := machine{key: c.fixed.Key, context: context, left: MaxSteps}
	outcome := c.rule(&m, context)
	if m.left < 0 {
		return c.fixed.fail(General, "the rules take too many steps")
	}
	var variant string
	switch outcome := outcome.(type) {
	case nil:
		return c.fixed
	case string:
		variant = outcome
	case bool:
		variant = strconv.FormatBool(outcome)
	case float64:
		if !finite(outcome) {
			return c.fixed
		}
		variant = numberText(outcome)
	default:
		return c.fixed.fail(General, "the rules give a list or a mapping, not the name of a variant")
	}
	if _, known := c.variants[variant]; !known {
		return c.fixed.fail(General, "the rules give "+strconv.Quote(clip(variant))+", which is not a variant")
	}
	return c.choose(variant, TargetingMatch)
}

// Boolean evaluates a flag of type Boolean. Where the result is not OK the
// value means nothing.
func (s *Set) Boolean(key string, context *Context) (bool, Result) {
	result := s.typed(key, Boolean, context)
	value, _ := result.Value.(bool)
	return value, result
}

// String evaluates a flag of type String. Where the result is not OK the value
// means nothing.
func (s *Set) String(key string, context *Context) (string, Result) {
	result := s.typed(key, String, context)
	value, _ := result.Value.(string)
	return value, result
}

// Number evaluates a flag of type Number. Where the result is not OK the value
// means nothing.
func (s *Set) Number(key string, context *Context) (float64, Result) {
	result := s.typed(key, Number, context)
	value, _ := result.Value.(float64)
	return value, result
}

// Object evaluates a flag of type Object. The value is compact JSON, a copy
// that the caller may keep; where the result is not OK it is nil.
func (s *Set) Object(key string, context *Context) (json.RawMessage, Result) {
	result := s.typed(key, Object, context)
	return bytes.Clone(result.JSON), result
}

func (s *Set) typed(key string, kind Type, context *Context) Result {
	result := s.Evaluate(key, context)
	if result.Type != kind && result.Type != "" {
		return result.fail(TypeMismatch, "the flag is of type "+string(result.Type)+", not "+string(kind))
	}
	return result
}
