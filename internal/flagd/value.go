package flagd

import (
	"math"
	"strconv"
	"strings"
)

// truthy is JSON Logic's idea of truth: nothing, zero, the empty text and the
// empty list are false.
func truthy(value any) bool {
	switch v := value.(type) {
	case nil:
		return false
	case bool:
		return v
	case float64:
		return v != 0 && !math.IsNaN(v)
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	default:
		return true
	}
}

func finite(number float64) bool { return !math.IsNaN(number) && !math.IsInf(number, 0) }

// toNumber reads a value as a number the way comparisons do; what is none is
// not a number, and so neither less than nor equal to anything.
func toNumber(value any) float64 {
	switch v := value.(type) {
	case nil:
		return 0
	case bool:
		if v {
			return 1
		}
		return 0
	case float64:
		return v
	case string:
		return parseNumber(v)
	default:
		return math.NaN()
	}
}

// parseNumber reads decimal notation alone; the empty text is 0.
func parseNumber(text string) float64 {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0
	}
	if strings.Trim(text, "0123456789+-.eE") != "" {
		return math.NaN()
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return number
}

// numberText writes a number the way JavaScript does.
func numberText(number float64) string {
	switch size := math.Abs(number); {
	case math.IsNaN(number):
		return "NaN"
	case math.IsInf(number, 1):
		return "Infinity"
	case math.IsInf(number, -1):
		return "-Infinity"
	case number == 0:
		return "0"
	case size >= 1e21 || size < 1e-6:
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(number, 'e', -1, 64), "e")
		sign, digits := exponent[:1], strings.TrimLeft(exponent[1:], "0")
		return mantissa + "e" + sign + digits
	default:
		return strconv.FormatFloat(number, 'f', -1, 64)
	}
}

// toText writes a value as a text: nothing as the empty one, and a list as its
// plain elements joined by commas.
func toText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return numberText(v)
	case []any:
		parts := make([]string, len(v))
		for i, element := range v {
			if element = normal(element); isPlain(element) {
				parts[i] = toText(element)
			}
		}
		return strings.Join(parts, ",")
	default:
		return ""
	}
}

func isPlain(value any) bool {
	switch value.(type) {
	case nil, bool, string, float64:
		return true
	default:
		return false
	}
}

// same is strict equality. Lists and mappings equal nothing.
func same(a, b any) bool {
	switch a := a.(type) {
	case nil:
		return b == nil
	case bool:
		b, ok := b.(bool)
		return ok && a == b
	case string:
		b, ok := b.(string)
		return ok && a == b
	case float64:
		b, ok := b.(float64)
		return ok && a == b
	default:
		return false
	}
}

// alike is equality that reads texts and booleans as numbers where the types
// differ. Nothing is alike nothing alone.
func alike(a, b any) bool {
	switch {
	case a == nil || b == nil:
		return a == nil && b == nil
	case !isPlain(a) || !isPlain(b):
		return false
	}
	if a, ok := a.(string); ok {
		if b, ok := b.(string); ok {
			return a == b
		}
	}
	return toNumber(a) == toNumber(b)
}

// less compares texts by their bytes and everything else as numbers.
func less(a, b any) bool {
	if a, ok := a.(string); ok {
		if b, ok := b.(string); ok {
			return a < b
		}
	}
	return toNumber(a) < toNumber(b)
}

func lessOrSame(a, b any) bool {
	if a, ok := a.(string); ok {
		if b, ok := b.(string); ok {
			return a <= b
		}
	}
	return toNumber(a) <= toNumber(b)
}
