package flagd

import "fmt"

// compileVar reads a name from the data, or gives the default. The name is
// usually written down and then split once.
func compileVar(c *compiler, arguments []any, path string, depth int) (node, *Problem) {
	if len(arguments) == 0 {
		arguments = []any{""}
	}
	parts, problem := c.expressions(arguments, path, depth)
	if problem != nil {
		return nil, problem
	}
	otherwise := fixed(nil)
	if len(parts) == 2 {
		otherwise = parts[1]
	}
	if !parts[0].fixed {
		return func(m *machine, data any) any {
			name := toText(parts[0].run(m, data))
			if !m.spend(len(name) / 16) {
				return nil
			}
			return found(m, m.lookup(data, pathParts(name)), otherwise, data)
		}, nil
	}
	switch parts[0].value.(type) {
	case nil, string, float64:
	default:
		return nil, &Problem{clipPath(path), "does not name what to read", `write a name, for example {"var": "email"}`}
	}
	name := pathParts(toText(parts[0].value))
	if len(name) > 0 && name[0] == flagdName && (len(name) != 2 || name[1] != flagKeyName && name[1] != timestampName) {
		return nil, &Problem{clipPath(path), fmt.Sprintf("reads %q", clip(toText(parts[0].value))), "use $flagd.flagKey or $flagd.timestamp"}
	}
	c.asksFor(name)
	if len(name) == 1 && name[0] != targetingKeyName {
		return attributeOf(name, otherwise), nil
	}
	return func(m *machine, data any) any { return found(m, m.lookup(data, name), otherwise, data) }, nil
}

// asksFor notes the attribute that a name begins with. Inside of a list rule it
// may be a name of the element instead; that does no harm.
func (c *compiler) asksFor(name []string) {
	if len(name) == 0 || name[0] == "" || name[0] == flagdName || name[0] == targetingKeyName {
		return
	}
	if c.names == nil {
		c.names = map[string]bool{}
	}
	c.names[name[0]] = true
}

// attributeOf is var for what is asked most: an attribute of the context.
func attributeOf(name []string, otherwise expression) node {
	only := name[0]
	return func(m *machine, data any) any {
		if context, ok := data.(*Context); ok {
			return found(m, normal(context.Attributes[only]), otherwise, data)
		}
		return found(m, m.lookup(data, name), otherwise, data)
	}
}

func found(m *machine, value any, otherwise expression, data any) any {
	if value == nil {
		return otherwise.run(m, data)
	}
	return value
}

// missing lists the names that lead to nothing or to the empty text.
func missing(arguments []expression) node {
	return func(m *machine, data any) any {
		var names []any
		for i, argument := range arguments {
			value := argument.run(m, data)
			if list, ok := value.([]any); ok && i == 0 {
				names = list
				break
			}
			names = append(names, value)
		}
		return m.absent(names, data)
	}
}

func (m *machine) absent(names []any, data any) []any {
	absent := []any{}
	if !m.spend(len(names)) {
		return absent
	}
	for _, name := range names {
		text := toText(normal(name))
		if value := m.lookup(data, pathParts(text)); m.spend(1+len(text)/16) && (value == nil || value == "") {
			absent = append(absent, name)
		}
	}
	return absent
}

func missingSome(arguments []expression) node {
	return func(m *machine, data any) any {
		need := toNumber(arguments[0].run(m, data))
		names, _ := arguments[1].run(m, data).([]any)
		absent := m.absent(names, data)
		if float64(len(names)-len(absent)) >= need {
			return []any{}
		}
		return absent
	}
}

// conditional takes conditions and results in turn, and what applies when no
// condition is true.
func conditional(arguments []expression) node {
	return func(m *machine, data any) any {
		i := 0
		for ; i+1 < len(arguments); i += 2 {
			if truthy(arguments[i].run(m, data)) {
				return arguments[i+1].run(m, data)
			}
		}
		if i < len(arguments) {
			return arguments[i].run(m, data)
		}
		return nil
	}
}

func either(arguments []expression) node {
	return func(m *machine, data any) (value any) {
		for _, argument := range arguments {
			if value = argument.run(m, data); truthy(value) {
				break
			}
		}
		return value
	}
}

func both(arguments []expression) node {
	return func(m *machine, data any) (value any) {
		for _, argument := range arguments {
			if value = argument.run(m, data); !truthy(value) {
				break
			}
		}
		return value
	}
}

func not(arguments []expression) node {
	return func(m *machine, data any) any { return !truthy(arguments[0].run(m, data)) }
}

func is(arguments []expression) node {
	return func(m *machine, data any) any { return truthy(arguments[0].run(m, data)) }
}

func comparing(holds func(a, b any) bool) func([]expression) node {
	return func(arguments []expression) node {
		a, b := arguments[0].run, arguments[1].run
		return func(m *machine, data any) any { return holds(a(m, data), b(m, data)) }
	}
}

// ordering compares two values, or tells whether the second of three lies
// between the others.
func ordering(holds func(a, b any) bool) func([]expression) node {
	return func(arguments []expression) node {
		a, b := arguments[0].run, arguments[1].run
		if len(arguments) == 2 {
			return func(m *machine, data any) any { return holds(a(m, data), b(m, data)) }
		}
		c := arguments[2].run
		return func(m *machine, data any) any {
			middle := b(m, data)
			return holds(a(m, data), middle) && holds(middle, c(m, data))
		}
	}
}
