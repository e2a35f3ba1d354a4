package flagd

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Limits of a flag's rules, after shared evaluators have been put in.
const (
	// MaxTargetingBytes bounds the rules, written as compact JSON.
	MaxTargetingBytes = 128 << 10
	// MaxDepth bounds how deep operations and lists lie in one another.
	MaxDepth = 32
	// MaxNodes bounds the operations, lists and literals.
	MaxNodes = 10_000
)

// refName is the name under which a rule refers to a shared evaluator.
const refName = "$ref"

// expression is a compiled part of a rule.
type expression struct {
	run node
	// fixed is true when the value is the same for everybody.
	fixed bool
	value any
}

func fixed(value any) expression { return expression{run: literal(value), fixed: true, value: value} }

// compiler counts what one flag's rules take.
type compiler struct {
	nodes int
	// names are the attributes that the rules are known to ask for.
	names map[string]bool
}

// compileRule compiles a flag's rules. Both are nil where there are none.
func compileRule(targeting json.RawMessage) (tree any, rule node, problem *Problem) {
	return (&compiler{}).rule(targeting)
}

func (c *compiler) rule(targeting json.RawMessage) (tree any, rule node, problem *Problem) {
	if noRule(targeting) {
		return nil, nil, nil
	}
	if len(targeting) > MaxTargetingBytes {
		return nil, nil, &Problem{"targeting", fmt.Sprintf("is %d bytes long", len(targeting)), fmt.Sprintf("rules have at most %d bytes; name groups instead of listing subjects", MaxTargetingBytes)}
	}
	tree, err := parseTree(targeting)
	if err != nil {
		return nil, nil, &Problem{"targeting", "is no JSON: " + err.Error(), `write a JSON Logic rule, for example {"if": [condition, "enabled"]}`}
	}
	if _, ok := tree.(map[string]any); !ok {
		return nil, nil, &Problem{"targeting", "is not an operation", `write a JSON Logic rule, for example {"if": [condition, "enabled"]}`}
	}
	compiled, problem := c.expression(tree, "targeting", 0)
	if problem != nil {
		return nil, nil, problem
	}
	return tree, compiled.run, nil
}

func noRule(targeting json.RawMessage) bool {
	switch text := strings.TrimSpace(string(targeting)); text {
	case "", "null", "{}":
		return true
	default:
		return false
	}
}

// parseTree reads rules into nil, bool, string, float64, []any and
// map[string]any.
func parseTree(raw json.RawMessage) (tree any, err error) {
	err = json.Unmarshal(raw, &tree)
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return nil, fmt.Errorf("%s is too large a number", kind.Value)
	}
	return tree, err //nolint:wrapcheck // the caller says what was read
}

func (c *compiler) expression(tree any, path string, depth int) (expression, *Problem) {
	c.nodes++
	switch {
	case depth > MaxDepth:
		return expression{}, &Problem{clipPath(path), fmt.Sprintf("lies more than %d levels deep", MaxDepth), "simplify the rules; if takes any number of conditions and results in turn"}
	case c.nodes > MaxNodes:
		return expression{}, &Problem{"targeting", fmt.Sprintf("has more than %d operations and values", MaxNodes), "name groups instead of listing subjects"}
	}
	switch tree := tree.(type) {
	case []any:
		return c.list(tree, path, depth)
	case map[string]any:
		return c.operation(tree, path, depth)
	default:
		return fixed(tree), nil
	}
}

func (c *compiler) list(tree []any, path string, depth int) (expression, *Problem) {
	elements, problem := c.expressions(tree, path, depth)
	if problem != nil {
		return expression{}, problem
	}
	values, constant := make([]any, len(elements)), true
	for i, element := range elements {
		values[i], constant = element.value, constant && element.fixed
	}
	if constant {
		return fixed(values), nil
	}
	return expression{run: metered(func(m *machine, data any) any {
		if !m.spend(len(elements)) {
			return nil
		}
		list := make([]any, len(elements))
		for i, element := range elements {
			list[i] = element.run(m, data)
		}
		return list
	})}, nil
}

func (c *compiler) expressions(trees []any, path string, depth int) ([]expression, *Problem) {
	compiled := make([]expression, len(trees))
	for i, tree := range trees {
		var problem *Problem
		if compiled[i], problem = c.expression(tree, path+"["+strconv.Itoa(i)+"]", depth+1); problem != nil {
			return nil, problem
		}
	}
	return compiled, nil
}

func (c *compiler) operation(tree map[string]any, path string, depth int) (expression, *Problem) {
	name, arguments, problem := theOperation(tree, path)
	if problem != nil {
		return expression{}, problem
	}
	path += "." + name
	if name == refName {
		return expression{}, &Problem{clipPath(path), fmt.Sprintf("refers to %q, and there are no evaluators", clip(toText(tree[refName]))), "declare the evaluator or write its rule here"}
	}
	known, ok := operators[name]
	if !ok {
		return expression{}, &Problem{clipPath(path), "is no known operator", suggestOperator(name)}
	}
	if len(arguments) < known.least || known.most > 0 && len(arguments) > known.most {
		return expression{}, &Problem{clipPath(path), fmt.Sprintf("has %d arguments", len(arguments)), fmt.Sprintf("%s takes %s", name, known.takes())}
	}
	if known.special != nil {
		run, problem := known.special(c, arguments, path, depth)
		if problem != nil {
			return expression{}, problem
		}
		return expression{run: metered(run)}, nil
	}
	compiled, problem := c.expressions(arguments, path, depth)
	if problem != nil {
		return expression{}, problem
	}
	return expression{run: metered(known.build(compiled))}, nil
}

// theOperation takes an operation apart. An argument that is no list stands
// for a list of itself.
func theOperation(tree map[string]any, path string) (name string, arguments []any, problem *Problem) {
	if len(tree) != 1 {
		return "", nil, &Problem{
			clipPath(path), fmt.Sprintf("has %d operators (%s)", len(tree), clip(strings.Join(sortedKeys(tree), ", "))),
			"an operation is a mapping with exactly one; join conditions with and",
		}
	}
	for only, value := range tree {
		name = only
		if list, ok := value.([]any); ok {
			return name, list, nil
		}
		arguments = []any{value}
	}
	return name, arguments, nil
}

// clipPath keeps the end of a long path, which is where the problem is.
func clipPath(path string) string {
	const limit = 120
	if len(path) <= limit {
		return path
	}
	return "targeting…" + strings.ToValidUTF8(path[len(path)-limit:], "")
}
