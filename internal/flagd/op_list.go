package flagd

// elements evaluates the list that a list operation is about. Anything else
// counts as an empty list.
func elements(m *machine, list expression, data any) []any {
	values, _ := list.run(m, data).([]any)
	if !m.spend(len(values)) {
		return nil
	}
	return values
}

func mapped(arguments []expression) node {
	return func(m *machine, data any) any {
		list := elements(m, arguments[0], data)
		result := make([]any, len(list))
		for i, element := range list {
			result[i] = arguments[1].run(m, normal(element))
		}
		return result
	}
}

func filtered(arguments []expression) node {
	return func(m *machine, data any) any {
		result := []any{}
		for _, element := range elements(m, arguments[0], data) {
			element = normal(element)
			if truthy(arguments[1].run(m, element)) {
				result = append(result, element)
			}
		}
		return result
	}
}

func reduced(arguments []expression) node {
	return func(m *machine, data any) any {
		list, initial := elements(m, arguments[0], data), arguments[2].run(m, data)
		step := &accumulation{accumulator: initial}
		for _, element := range list {
			if m.left < 0 {
				return nil
			}
			step.current = normal(element)
			step.accumulator = arguments[1].run(m, step)
		}
		return step.accumulator
	}
}

// all is false for an empty list.
func all(arguments []expression) node {
	return func(m *machine, data any) any {
		list := elements(m, arguments[0], data)
		for _, element := range list {
			if !truthy(arguments[1].run(m, normal(element))) {
				return false
			}
		}
		return len(list) > 0
	}
}

func some(arguments []expression) node {
	return func(m *machine, data any) any { return m.any(arguments, data) }
}

func none(arguments []expression) node {
	return func(m *machine, data any) any { return !m.any(arguments, data) }
}

func (m *machine) any(arguments []expression, data any) bool {
	for _, element := range elements(m, arguments[0], data) {
		if truthy(arguments[1].run(m, normal(element))) {
			return true
		}
	}
	return false
}

// merged joins lists to one; what is no list joins as an element.
func merged(arguments []expression) node {
	return func(m *machine, data any) any {
		result := []any{}
		for _, argument := range arguments {
			value := argument.run(m, data)
			list, ok := value.([]any)
			if !ok {
				list = []any{value}
			}
			if !m.spend(len(list)) {
				return nil
			}
			result = append(result, list...)
		}
		return result
	}
}

// indexFrom is the length from which a list of texts that is written down is
// looked up instead of walked through.
const indexFrom = 8

// contained tells whether a list has an element, or a text a part.
func contained(arguments []expression) node {
	needle, haystack := arguments[0].run, arguments[1].run
	if index := textIndex(arguments[1]); index != nil {
		return func(m *machine, data any) any {
			text, ok := needle(m, data).(string)
			_, ok2 := index[text]
			return ok && ok2
		}
	}
	return func(m *machine, data any) any {
		wanted := needle(m, data)
		switch whole := haystack(m, data).(type) {
		case string:
			return m.spend(len(whole)/64) && containsText(whole, wanted)
		case []any:
			if !m.spend(len(whole) / 4) {
				return nil
			}
			for _, element := range whole {
				if same(wanted, normal(element)) {
					return true
				}
			}
		}
		return false
	}
}

func textIndex(list expression) map[string]struct{} {
	values, _ := list.value.([]any)
	if !list.fixed || len(values) < indexFrom {
		return nil
	}
	index := make(map[string]struct{}, len(values))
	for _, value := range values {
		text, ok := value.(string)
		if !ok {
			return nil
		}
		index[text] = struct{}{}
	}
	return index
}
