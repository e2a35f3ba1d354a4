package flagd

import (
	"math"
	"strings"
)

func containsText(whole string, part any) bool {
	switch part.(type) {
	case string, float64, bool:
		return strings.Contains(whole, toText(part))
	default:
		return false
	}
}

func joined(arguments []expression) node {
	return func(m *machine, data any) any {
		if len(arguments) == 2 {
			return m.text(toText(arguments[0].run(m, data)), toText(arguments[1].run(m, data)))
		}
		parts := make([]string, len(arguments))
		for i, argument := range arguments {
			parts[i] = toText(argument.run(m, data))
		}
		return m.text(parts...)
	}
}

// text joins parts unless the result would be too long, which ends the
// evaluation.
func (m *machine) text(parts ...string) any {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	if size > maxText {
		m.left = -1
	}
	if !m.spend(size / 16) {
		return nil
	}
	return strings.Join(parts, "")
}

// substring takes a start and a length in characters; negative ones count from
// the end.
func substring(arguments []expression) node {
	return func(m *machine, data any) any {
		text := toText(arguments[0].run(m, data))
		if !m.spend(len(text) / 16) {
			return nil
		}
		characters := []rune(text)
		start := whole(arguments[1].run(m, data))
		if start < 0 {
			start = max(0, len(characters)+start)
		}
		characters = characters[min(start, len(characters)):]
		if len(arguments) == 3 {
			length := whole(arguments[2].run(m, data))
			if length < 0 {
				length = max(0, len(characters)+length)
			}
			characters = characters[:min(length, len(characters))]
		}
		return string(characters)
	}
}

// whole cuts a number to an integer that is safe to compute with.
func whole(value any) int {
	number := toNumber(value)
	if math.IsNaN(number) {
		return 0
	}
	return int(max(-maxText, min(maxText, number)))
}

// affixed compares texts. Anything else is an error, and gives nothing.
func affixed(holds func(text, part string) bool) func([]expression) node {
	return func(arguments []expression) node {
		a, b := arguments[0].run, arguments[1].run
		return func(m *machine, data any) any {
			text, ok := a(m, data).(string)
			part, ok2 := b(m, data).(string)
			if !ok || !ok2 {
				return nil
			}
			return holds(text, part)
		}
	}
}
