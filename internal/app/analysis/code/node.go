// Package code turns the syntax trees of all languages into one: calls, names,
// assignments and branches, without punctuation. What is judged is judged on
// this tree, so that a rule is written once.
package code

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// Op is what a node does.
type Op uint8

// The operations. Kids are given in brackets.
const (
	Other    Op = iota // anything else [parts]
	Block              // statements in order
	Func               // Text name [parameters…, body]
	Param              // Text name, Type [default or pattern]; Deco its annotations
	Class              // Text name [body]
	If                 // [condition, then, else?]
	Loop               // [parts…, body]
	Branches           // one of several, or none: switch, [subject, cases…]
	Try                // [body, handlers…]
	Return             // [value?]
	Throw              // leaves the function by an error [value?]
	Break              // leaves or repeats a loop
	Assign             // Text operator [target, value]
	Call               // [callee, arguments…]
	New                // [class, arguments…]
	Member             // Text property [object]
	Index              // [object, key]
	Name               // Text name
	Str                // Text content
	Interp             // text with expressions in it [parts]
	Num                // Text digits
	Const              // Text true, false, null
	Regex              // Text pattern, Type flags
	Bin                // Text operator [left, right]
	Unary              // Text operator [operand]
	Cond               // [condition, then, else]
	List               // [elements]
	Map                // [Pair…]; Type its class where it has one
	Pair               // Text key [value, computed key?]
	Spread             // [value]
	Shell              // a shell command in back-ticks [parts]
	Cast               // Type [value]
	Import             // Text name here, Type what it is
)

// Node is one operation. Positions are bytes and one-based lines.
type Node struct {
	Op Op
	// Tagged marks the call of a template's tag.
	Tagged        bool
	Text, Type    string
	Kids          []*Node
	Deco          []*Node
	Parent        *Node
	Start, End    uint32
	Line, EndLine int
}

// Callee is what a call or a construction calls; nil for other nodes.
func (n *Node) Callee() *Node {
	if (n.Op == Call || n.Op == New) && len(n.Kids) > 0 {
		return n.Kids[0]
	}
	return nil
}

// Args are the arguments of a call or a construction.
func (n *Node) Args() []*Node {
	if n.Callee() == nil {
		return nil
	}
	return n.Kids[1:]
}

// Piped says whether the first argument stands before what is called.
func (n *Node) Piped() bool {
	return n.Op == Call && len(n.Kids) > 1 && n.Kids[1].Start < n.Kids[0].Start
}

// firstLine is where what is handed over begins.
func (n *Node) firstLine() int {
	for n.Piped() {
		n = n.Kids[1]
	}
	return n.Line
}

// Begin is where a node is spelled: a piped call behind its first argument.
func (n *Node) Begin() uint32 {
	if n.Piped() {
		return n.Kids[0].Start
	}
	return n.Start
}

// Arg is the positional argument i, nil when there is none. Named arguments and
// spreads do not count.
func (n *Node) Arg(i int) *Node {
	for _, a := range n.Args() {
		if a.Op == Pair {
			continue
		}
		if i == 0 {
			return a
		}
		i--
	}
	return nil
}

// Named is the value of a named argument, or of a key of a map.
func (n *Node) Named(key string) *Node {
	for _, k := range n.Kids {
		if k.Op == Pair && k.Text == key && len(k.Kids) > 0 {
			return k.Kids[0]
		}
	}
	return nil
}

// Method is the last name of what is called: query for db.query(x).
func (n *Node) Method() string {
	c := n.Callee()
	if c == nil {
		return ""
	}
	switch c.Op {
	case Member, Name:
		return c.Text
	default:
		return ""
	}
}

// Receiver is the object that a method is called on; nil for plain functions.
func (n *Node) Receiver() *Node {
	if c := n.Callee(); c != nil && c.Op == Member && len(c.Kids) > 0 {
		return c.Kids[0]
	}
	return nil
}

// Body is the body of a function; Params its parameters.
func (n *Node) Body() *Node {
	if n.Op != Func || len(n.Kids) == 0 {
		return nil
	}
	return n.Kids[len(n.Kids)-1]
}

// Params are the parameters of a function.
func (n *Node) Params() []*Node {
	if n.Op != Func || len(n.Kids) == 0 {
		return nil
	}
	return n.Kids[:len(n.Kids)-1]
}

// Chain spells names, members, indexes and calls without arguments, as
// req.query.id, params[] or r.URL.Query().Get(). It is "" for other nodes.
func (n *Node) Chain() string {
	var b strings.Builder
	if !n.chain(&b, 0, false) {
		return ""
	}
	return b.String()
}

// Ref is Chain with the keys and arguments that are written out, so that
// params[:id] and params[:name] are two.
func (n *Node) Ref() string {
	var b strings.Builder
	if !n.chain(&b, 0, true) {
		return ""
	}
	return b.String()
}

func (n *Node) chain(b *strings.Builder, depth int, literal bool) bool {
	if depth > 24 {
		return false
	}
	switch n.Op {
	case Name:
		b.WriteString(n.Text)
	case Member:
		if len(n.Kids) == 0 || !n.Kids[0].chain(b, depth+1, literal) {
			return false
		}
		b.WriteByte('.')
		b.WriteString(n.Text)
	case Index:
		if !n.Kids[0].chain(b, depth+1, literal) {
			return false
		}
		b.WriteByte('[')
		if k := n.Kids[1]; literal && (k.Op == Str || k.Op == Num) {
			b.WriteString(k.Text)
		}
		b.WriteByte(']')
	case Call, New:
		if !n.Kids[0].chain(b, depth+1, literal) {
			return false
		}
		b.WriteByte('(')
		if a := n.Arg(0); literal && a != nil && (a.Op == Str || a.Op == Num) {
			b.WriteString(a.Text)
		}
		b.WriteByte(')')
	default:
		return false
	}
	return true
}

// Walk visits a node and all below it, until visit says not to go deeper.
func (n *Node) Walk(visit func(*Node) bool) {
	if !visit(n) {
		return
	}
	for _, d := range n.Deco {
		d.Walk(visit)
	}
	for _, k := range n.Kids {
		k.Walk(visit)
	}
}

// Enclosing is the nearest function around a node; nil at the top of a file.
func (n *Node) Enclosing() *Node {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.Op == Func {
			return p
		}
	}
	return nil
}

// File is one file's tree with what is looked up in it.
type File struct {
	Language syntax.Language
	Tree     *syntax.Tree
	Root     *Node
	// Funcs are the functions by their names, Calls the calls by the name of
	// what they call, Assigns the assignments by the names they set.
	Funcs   map[string][]*Node
	Calls   map[string][]*Node
	Assigns map[string][]*Node
	// Classes are the names of the classes outside of functions.
	Classes map[string]bool
	// Imports tell what a name of another module was there.
	Imports map[string]string
	// Exported are functions that other files may call.
	Exported map[*Node]bool

	// scopes are the Assigns of names that were asked for, by the function around.
	scopes map[string]map[*Node][]*Node
}
