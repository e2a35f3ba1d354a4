package flagd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Validate returns Problems, or nil. It does not look at Key: whose key is
// valid is for the operator to say, by ValidKey and CheckPrefix.
func (d *Definition) Validate() error {
	_, err := d.check(&compiler{})
	return err
}

// check validates the definition and compiles its rules, which are nil when
// there are none.
func (d *Definition) check(c *compiler) (node, error) {
	problems := d.checkVariants()
	if d.DefaultVariant != "" && !d.has(d.DefaultVariant) {
		problems = append(problems, Problem{
			"defaultVariant", fmt.Sprintf("%q is not a variant", d.DefaultVariant), "use one of: " + strings.Join(d.names(), ", "),
		})
	}
	tree, rule, problem := c.rule(d.Targeting)
	if problem == nil && len(problems) == 0 {
		problem = d.checkResults(tree, "targeting")
	}
	if problem != nil {
		problems = append(problems, *problem)
	}
	problems = append(problems, d.checkMetadata()...)
	if len(problems) == 0 {
		return rule, nil
	}
	return nil, problems
}

func (d *Definition) checkVariants() Problems {
	if !slices.Contains([]Type{Boolean, String, Number, Object}, d.Type) {
		return Problems{{"type", fmt.Sprintf("is %q", d.Type), "use Boolean, String, Number or Object"}}
	}
	if len(d.Variants) == 0 {
		return Problems{{"variants", "is empty", "list the flag's possible values by name"}}
	}
	if len(d.Variants) > MaxVariants {
		return Problems{{"variants", fmt.Sprintf("has %d entries", len(d.Variants)), fmt.Sprintf("a flag has at most %d", MaxVariants)}}
	}
	var problems Problems
	seen := make(map[string]bool, len(d.Variants))
	for _, variant := range d.Variants {
		field := "variants[" + clip(variant.Name) + "]"
		switch {
		case variant.Name == "":
			problems = append(problems, Problem{field, "has no name", "give the variant a name"})
		case len(variant.Name) > MaxNameBytes:
			problems = append(problems, Problem{field, "has too long a name", fmt.Sprintf("use at most %d characters", MaxNameBytes)})
		case seen[variant.Name]:
			problems = append(problems, Problem{field, "is there twice", "give each variant a name of its own"})
		}
		seen[variant.Name] = true
		if problem := d.checkValue(field+".value", variant.Value); problem != nil {
			problems = append(problems, *problem)
		}
	}
	return problems
}

func (d *Definition) checkValue(field string, value json.RawMessage) *Problem {
	if len(value) > MaxValueBytes {
		return &Problem{field, fmt.Sprintf("is %d bytes long", len(value)), fmt.Sprintf("a value has at most %d; keep large data elsewhere and let the flag name it", MaxValueBytes)}
	}
	if !json.Valid(value) {
		return &Problem{field, "is no JSON value", d.fix(value)}
	}
	actual := typeOf(value)
	if actual != d.Type {
		return &Problem{field, fmt.Sprintf("is %s (%s) in a flag of type %s", describe(actual, value), clip(string(value)), d.Type), d.fix(value)}
	}
	if actual == Number {
		number, err := strconv.ParseFloat(string(bytes.TrimSpace(value)), 64)
		if err != nil || math.IsInf(number, 0) {
			return &Problem{field, "is a number too large to compute with", "use one between -1.8e308 and 1.8e308"}
		}
	}
	return nil
}

// fix says what a value of the flag's type looks like.
func (d *Definition) fix(value json.RawMessage) string {
	switch d.Type {
	case Boolean:
		return "write true or false, without quotes"
	case Number:
		return "write a number without quotes, for example 25"
	case String:
		if actual := typeOf(value); (actual == Boolean || actual == Number) && len(value) <= 40 {
			return `put it in quotes: "` + string(bytes.TrimSpace(value)) + `"`
		}
		return `write a text in quotes, for example "weekly"`
	default:
		return "write a mapping, for example {limit: 10}"
	}
}

func (d *Definition) checkMetadata() Problems {
	var problems Problems
	for _, name := range sortedKeys(d.Metadata) {
		switch d.Metadata[name].(type) {
		case string, bool, float64, int, int64, json.Number:
		default:
			problems = append(problems, Problem{"metadata[" + clip(name) + "]", "is neither text, number nor boolean", "write one of these"})
		}
	}
	return problems
}

func (d *Definition) has(variant string) bool {
	return slices.ContainsFunc(d.Variants, func(v Variant) bool { return v.Name == variant })
}

func (d *Definition) names() []string {
	names := make([]string, len(d.Variants))
	for i, variant := range d.Variants {
		names[i] = variant.Name
	}
	slices.Sort(names)
	return names
}

// typeOf is the type of a valid JSON value, or empty for null and lists, which
// no flag can have.
func typeOf(value json.RawMessage) Type {
	trimmed := bytes.TrimLeft(value, " \t\r\n")
	if len(trimmed) == 0 {
		return ""
	}
	switch c := trimmed[0]; {
	case c == 't' || c == 'f':
		return Boolean
	case c == '"':
		return String
	case c == '-' || '0' <= c && c <= '9':
		return Number
	case c == '{':
		return Object
	default:
		return ""
	}
}

func describe(actual Type, value json.RawMessage) string {
	switch actual {
	case Boolean:
		return "a boolean"
	case String:
		return "a text"
	case Number:
		return "a number"
	case Object:
		return "a mapping"
	}
	if bytes.HasPrefix(bytes.TrimSpace(value), []byte("[")) {
		return "a list"
	}
	return "nothing"
}

// clip keeps what a message quotes short.
func clip(text string) string {
	const limit = 40
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
