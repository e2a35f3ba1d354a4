package judge

import (
	"fmt"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
)

// answer is what a rule found. Without safe, the value says how bad it is;
// certain says that the code itself is wrong, whatever reaches it.
type answer struct {
	safe, certain bool
	// spelled says that the code is in a text.
	spelled bool
	value   flow.Value
	why     string
	sink    *code.Node
}

func worse(a, b answer) bool {
	switch {
	case a.safe != b.safe:
		return b.safe
	case a.certain != b.certain:
		return a.certain
	default:
		return a.value.Kind > b.value.Kind
	}
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

func safely(format string, args ...any) answer {
	return answer{safe: true, why: fmt.Sprintf(format, args...)}
}

func surely(format string, args ...any) answer {
	return answer{certain: true, why: fmt.Sprintf(format, args...)}
}

func unknown() answer { return answer{value: flow.Value{Kind: flow.Unknown}} }

// sentence says what was seen, and where.
func (a answer) sentence(f *File) string {
	where := ""
	if a.sink != nil {
		where = fmt.Sprintf("line %d", a.sink.Line)
		if chain := a.sink.Chain(); (a.sink.Op == code.Call || a.sink.Op == code.New) && chain != "" {
			where = strings.TrimSuffix(chain, "()") + " on line " + fmt.Sprint(a.sink.Line)
		}
	}
	if where == "" {
		where = "the reported line"
	}
	v := a.value
	switch {
	case a.certain:
		return a.why
	case v.Kind == flow.Tainted && v.Source != nil:
		out := fmt.Sprintf("Request input reaches %s: %s", where, clip(f.tree.Slice(v.Source.Start, v.Source.End)))
		if v.Source.Line > 0 {
			out += fmt.Sprintf(" (line %d)", v.Source.Line)
		}
		if v.Hops > 0 && v.Name != "" {
			out += fmt.Sprintf(", through %s in %d steps", v.Name, v.Hops)
		}
		if v.Cleaned {
			out += "; what it passes on the way is not a safeguard for this"
		}
		return out
	case v.Kind == flow.Suspicious:
		return fmt.Sprintf("%s is named like input and reaches %s; where it comes from is not in this file", v.Name, where)
	case a.why != "":
		return a.why
	default:
		return fmt.Sprintf("Where the values of %s come from is not in this file", where)
	}
}

func clip(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 60 {
		text = strings.ToValidUTF8(text[:57], "") + "..."
	}
	return text
}
