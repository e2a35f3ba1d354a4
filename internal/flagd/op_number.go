package flagd

import "math"

func sum(arguments []expression) node {
	return func(m *machine, data any) any {
		total := 0.0
		for _, argument := range arguments {
			total += toNumber(argument.run(m, data))
		}
		return total
	}
}

func product(arguments []expression) node {
	return func(m *machine, data any) any {
		total := 1.0
		for _, argument := range arguments {
			total *= toNumber(argument.run(m, data))
		}
		return total
	}
}

// difference of one argument is its negative.
func difference(arguments []expression) node {
	a := arguments[0].run
	if len(arguments) == 1 {
		return func(m *machine, data any) any { return -toNumber(a(m, data)) }
	}
	b := arguments[1].run
	return func(m *machine, data any) any { return toNumber(a(m, data)) - toNumber(b(m, data)) }
}

func quotient(arguments []expression) node {
	a, b := arguments[0].run, arguments[1].run
	return func(m *machine, data any) any { return toNumber(a(m, data)) / toNumber(b(m, data)) }
}

func remainder(arguments []expression) node {
	a, b := arguments[0].run, arguments[1].run
	return func(m *machine, data any) any { return math.Mod(toNumber(a(m, data)), toNumber(b(m, data))) }
}

// extreme finds the number that is beyond all others. A single list stands
// for its elements.
func extreme(beyond func(a, b float64) bool) func([]expression) node {
	return func(arguments []expression) node {
		return func(m *machine, data any) any {
			values := make([]any, len(arguments))
			for i, argument := range arguments {
				values[i] = argument.run(m, data)
			}
			if list, ok := values[0].([]any); ok && len(values) == 1 {
				values = list
			}
			if len(values) == 0 || !m.spend(len(values)) {
				return nil
			}
			best := toNumber(normal(values[0]))
			for _, value := range values[1:] {
				if number := toNumber(normal(value)); beyond(number, best) || math.IsNaN(number) {
					best = number
				}
			}
			return best
		}
	}
}
