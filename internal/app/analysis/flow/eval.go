package flow

import (
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

const (
	maxSteps = 50_000
	maxTotal = 300_000
	maxCalls = 8
	// maxClauses is how many definitions of one function are looked through.
	maxClauses = 100
	maxDepth   = 120
)

// Flow answers questions about one file.
type Flow struct {
	File *code.File
	use  Use
	// steps bounds the work for one question, total that for one finding.
	steps, total, depth int
	// active are guards met on the way back, by the names they guard.
	active map[string]string
	busy   map[*code.Node]int
}

// New prepares a file.
func New(f *code.File) *Flow { return &Flow{File: f} }

// frame binds the parameters of a helper to the arguments of the call that is
// being looked through.
type frame struct {
	fn    *code.Node
	args  []*code.Node
	outer *frame
	depth int
}

// Value says where an expression comes from, for a use.
func (f *Flow) Value(n *code.Node, use Use) Value {
	f.use, f.steps, f.depth = use, 0, 0
	f.active, f.busy = map[string]string{}, map[*code.Node]int{}
	return f.eval(n, nil)
}

// spent counts a step, and says whether there were too many: what is left is
// unknown then.
func (f *Flow) spent() bool {
	f.spend(1)
	return f.over()
}

// spend counts what takes as long as so many steps.
func (f *Flow) spend(steps int) {
	f.steps += steps
	f.total += steps
}

func (f *Flow) over() bool { return f.steps > maxSteps || f.total > maxTotal }

// Begin begins with another finding.
func (f *Flow) Begin() { f.total = 0 }

func (f *Flow) eval(n *code.Node, fr *frame) Value {
	if n == nil {
		return Value{}
	}
	f.depth++
	defer func() { f.depth-- }()
	if f.spent() || f.depth > maxDepth {
		return Value{Kind: Unknown}
	}
	switch n.Op {
	case code.Str, code.Num, code.Regex, code.Const:
		return Value{Text: true}
	case code.Func, code.Class, code.Import:
		return Value{Kind: Unknown}
	case code.Name:
		return f.name(n, fr)
	case code.Member, code.Index:
		return f.member(n, fr)
	case code.Call, code.New:
		return f.call(n, fr)
	case code.Bin:
		return f.binary(n, fr)
	case code.Unary:
		return f.unary(n, fr)
	case code.Cond:
		return join(f.eval(n.Kids[1], fr), f.eval(n.Kids[2], fr))
	case code.Assign:
		return f.eval(n.Kids[1], fr)
	case code.Interp, code.Shell:
		v := f.all(n.Kids, fr)
		v.Text = true
		return v
	case code.Cast:
		if numericType(n.Type) {
			return safe("a number since the cast to " + strings.Trim(n.Type, "() "))
		}
		v := f.eval(n.Kids[0], fr)
		v.Text = v.Text || isStringType(n.Type)
		return v
	case code.Pair:
		return f.all(n.Kids, fr)
	default:
		if v, ok := f.branched(n, fr); ok {
			return v
		}
		v := f.all(n.Kids, fr)
		v.Text = false
		return v
	}
}

func (f *Flow) all(kids []*code.Node, fr *frame) Value {
	var v Value
	first := true
	for _, k := range kids {
		kv := f.eval(k, fr)
		if k.Op == code.Func {
			continue
		}
		if first {
			v, first = kv, false
		} else {
			v = join(v, kv)
		}
	}
	return v
}

var comparisons = []string{"==", "===", "!=", "!==", "<", ">", "<=", ">=", "in", "not in", "is", "is not", "instanceof", "=~", "!~", "<=>", "eql?"}

func (f *Flow) binary(n *code.Node, fr *frame) Value {
	switch {
	case slices.Contains(comparisons, n.Text):
		return safe("a comparison is only true or false")
	case n.Text == "-" || n.Text == "*" && f.File.Language != syntax.Python && f.File.Language != syntax.Ruby || n.Text == "/" && f.File.Language != syntax.Python || n.Text == "+" && f.elixir():
		return safe("arithmetic gives a number")
	case n.Text == "&&" || n.Text == "and":
		return f.eval(n.Kids[1], fr)
	case n.Text == "/": // Python's pathlib joins with it
		return join(f.eval(n.Kids[0], fr), f.eval(n.Kids[1], fr))
	}
	return join(f.eval(n.Kids[0], fr), f.eval(n.Kids[1], fr))
}

func (f *Flow) unary(n *code.Node, fr *frame) Value {
	switch n.Text {
	case "!", "typeof", "delete", "void":
		return safe("a test is no input")
	case "+", "-", "~":
		return safe("a number since the unary " + n.Text)
	}
	return f.eval(n.Kids[0], fr)
}

func (f *Flow) name(n *code.Node, fr *frame) Value {
	if environment(n.Text) {
		return Value{Kind: Constant, Why: "the place of the program", Text: true}
	}
	if source, text := f.source(n); source {
		return Value{Kind: Tainted, Source: n, Text: text, Name: n.Text}
	}
	if f.module(n) {
		return Value{Kind: Constant, Text: true}
	}
	return f.reach(n.Text, n, fr)
}

func (f *Flow) member(n *code.Node, fr *frame) Value {
	if why := f.guarded(n.Ref(), n); why != "" {
		return safe(why)
	}
	if source, text := f.source(n); source {
		return Value{Kind: Tainted, Source: n, Text: text}
	}
	chain := n.Chain()
	switch {
	case environment(chain):
		return Value{Kind: Constant, Why: "read from the environment: " + chain, Text: true}
	case n.Op == code.Member && allCaps(n.Text) && len(n.Text) > 1 && len(f.File.Assigns[chain]) == 0:
		return Value{Kind: Constant, Why: "the constant " + chain, Text: true}
	case n.Op == code.Member && harmlessProperty(n.Text):
		return safe("." + n.Text + " is a number")
	}
	if chain != "" && len(f.File.Assigns[chain]) > 0 {
		return f.reach(chain, n, fr)
	}
	object := n.Kids[0]
	if v, ok := f.pick(n, fr); ok {
		return v
	}
	v := f.eval(object, fr)
	if v.Kind == Constant && n.Op == code.Index && v.Why == "" {
		v.Why = "picked from a constant table"
	}
	if v.Kind == Constant && n.Op == code.Member && !f.literal(object) {
		v.Kind = Unknown
	}
	return v
}

// literal says whether an object is written out in the file.
func (f *Flow) literal(n *code.Node) bool {
	n = f.Resolve(n)
	return n != nil && (n.Op == code.Map || n.Op == code.List || n.Op == code.Str)
}

// pick reads one key of a map that is written out.
func (f *Flow) pick(n *code.Node, fr *frame) (Value, bool) {
	object := f.Resolve(n.Kids[0])
	if object == nil || object.Op != code.Map && object.Op != code.List {
		return Value{}, false
	}
	key := n.Text
	if n.Op == code.Index {
		k := n.Kids[1]
		switch {
		case k.Op == code.Str || k.Op == code.Num:
			key = k.Text
		case object.Op == code.List && k.Op == code.Name && k.Text == "*":
			return f.all(object.Kids, fr), true
		default:
			v := f.values(object, fr)
			if v.Kind == Constant {
				v.Why = "picked from a constant table"
			}
			return v, true
		}
	}
	for _, p := range object.Kids {
		if p.Op == code.Spread {
			return f.values(object, fr), true
		}
	}
	if v := object.Named(key); v != nil {
		return f.eval(v, fr), true
	}
	return Value{Kind: Unknown}, object.Op == code.Map && n.Op == code.Index
}

func (f *Flow) values(object *code.Node, fr *frame) Value {
	var kids []*code.Node
	for _, k := range object.Kids {
		if k.Op == code.Pair && len(k.Kids) > 0 {
			k = k.Kids[0]
		}
		kids = append(kids, k)
	}
	return f.all(kids, fr)
}
