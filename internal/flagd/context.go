package flagd

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"
)

// Context is whom and what an evaluation is about.
type Context struct {
	// TargetingKey identifies the subject, for example customer:42. It is
	// what percentages are counted by. Rules see it as targetingKey.
	TargetingKey string
	// Attributes are what rules ask for by var: nil, booleans, texts, numbers
	// of any Go type, []any, []string and map[string]any. Anything else counts
	// as absent.
	Attributes map[string]any
	// Time is what rules see as $flagd.timestamp, in seconds since 1970. The
	// zero time makes it absent.
	Time time.Time
}

// Names that rules find in every context.
const (
	targetingKeyName = "targetingKey"
	flagdName        = "$flagd"
	flagKeyName      = "flagKey"
	timestampName    = "timestamp"
)

var nobody = &Context{}

// accumulation is the data that a reduce rule sees.
type accumulation struct{ current, accumulator any }

// lookup finds what the parts of a var name lead to, or nil. The data is a
// *Context outside of lists, the *accumulation of a reduce, or the element
// that a list rule is at.
func (m *machine) lookup(data any, parts []string) any {
	for i, part := range parts {
		switch container := data.(type) {
		case *Context:
			data = m.attribute(container, part, parts[i:])
			if part == flagdName {
				return data
			}
		case *accumulation:
			switch part {
			case "current":
				data = container.current
			case "accumulator":
				data = container.accumulator
			default:
				return nil
			}
		case map[string]any:
			data = normal(container[part])
		case []any:
			index, err := strconv.Atoi(part)
			if err != nil || index < 0 || index >= len(container) {
				return nil
			}
			data = normal(container[index])
		default:
			return nil
		}
	}
	return m.plain(data)
}

// attribute reads one name of the context; rest begins with that name.
func (m *machine) attribute(c *Context, name string, rest []string) any {
	switch {
	case name == flagdName && len(rest) == 2 && rest[1] == flagKeyName:
		return m.key
	case name == flagdName && len(rest) == 2 && rest[1] == timestampName && !c.Time.IsZero():
		return float64(c.Time.Unix())
	case name == flagdName:
		return nil
	case name == targetingKeyName && c.TargetingKey != "":
		return c.TargetingKey
	default:
		return normal(c.Attributes[name])
	}
}

// plain turns what only lookup knows into values that rules compute with.
func (m *machine) plain(data any) any {
	switch whole := data.(type) {
	case *Context:
		values := make(map[string]any, len(whole.Attributes)+1)
		maps.Copy(values, whole.Attributes)
		if whole.TargetingKey != "" {
			values[targetingKeyName] = whole.TargetingKey
		}
		m.spend(len(values))
		return values
	case *accumulation:
		return map[string]any{"current": whole.current, "accumulator": whole.accumulator}
	default:
		return data
	}
}

// normal reduces a Go value to nil, bool, string, float64, []any or
// map[string]any. It does not look into lists and mappings; what comes out of
// them passes here in turn.
func normal(value any) any {
	switch v := value.(type) {
	case nil, bool, string, float64, []any, map[string]any:
		return value
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case int32:
		return float64(v)
	case uint64:
		return float64(v)
	case uint32:
		return float64(v)
	case float32:
		return float64(v)
	case json.Number:
		if number, err := v.Float64(); err == nil {
			return number
		}
		return nil
	case []string:
		list := make([]any, len(v))
		for i, text := range v {
			list[i] = text
		}
		return list
	default:
		return nil
	}
}

// pathParts splits a var name; an empty one is the data itself.
func pathParts(name string) []string {
	if name == "" {
		return nil
	}
	return strings.Split(name, ".")
}
