package flow

import (
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
)

func (f *Flow) compared(n *code.Node, name string, truth bool) string {
	left, right := n.Kids[0], n.Kids[1]
	switch n.Text {
	case "in", "not in":
		if (n.Text == "in") == truth && f.subject(left, name) && f.constantCollection(right) {
			return name + " is one of an allow-list"
		}
		if (n.Text == "in") != truth && f.use == Path && left.Op == code.Str && left.Text == ".." && f.subject(right, name) {
			return name + " has no .. in it"
		}
		return ""
	case "=~":
		if truth && f.subject(left, name) {
			return f.matches(right, "", name)
		}
		return ""
	case "instanceof":
		return ""
	}
	equal := n.Text == "==" || n.Text == "===" || n.Text == "is"
	if n.Text == "!=" || n.Text == "!==" || n.Text == "is not" {
		truth = !truth
		equal = true
	}
	switch {
	case equal && right.Op == code.Unary && right.Text == "-", n.Text == ">" && right.Op == code.Unary && right.Text == "-":
		// indexOf(x) === -1, > -1
		if left.Op == code.Call && slices.Contains([]string{"indexOf", "find", "index", "search"}, left.Method()) {
			return f.tested(left, name, truth != equal)
		}
	case (n.Text == ">=" || n.Text == "<") && right.Op == code.Num && right.Text == "0" && left.Op == code.Call && left.Method() == "indexOf":
		return f.tested(left, name, truth == (n.Text == ">="))
	case equal && right.Op == code.Const && (right.Text == "null" || right.Text == "none" || right.Text == "nil" || right.Text == "false"):
		if left.Op == code.Name && left.Text == "err" && right.Text == "nil" && truth {
			return f.parsed(left, name)
		}
		return f.atomIf(left, name, !truth)
	case equal && right.Op == code.Const && right.Text == "true":
		return f.atomIf(left, name, truth)
	case equal && right.Op == code.Num && right.Text == "0" && left.Op == code.Call && slices.Contains([]string{"strpos", "stripos", "indexOf"}, left.Method()):
		if truth {
			return f.prefixTest(left, left.Method(), name)
		}
		return ""
	case equal && right.Op == code.Num && (right.Text == "1" || right.Text == "0") && left.Op == code.Call:
		return f.atomIf(left, name, truth == (right.Text == "1"))
	}
	if !equal || !truth {
		return ""
	}
	if left.Op == code.Unary && left.Text == "typeof" && left.Kids[0].Ref() == name && right.Op == code.Str {
		if right.Text == "number" || right.Text == "boolean" || right.Text == "string" && f.use == NoSQL {
			return name + " is a " + right.Text
		}
		return ""
	}
	if f.use == Path && left.Op == code.Call && left.Method() == "commonpath" {
		return name + " lies inside the base folder"
	}
	for _, pair := range [][2]*code.Node{{left, right}, {right, left}} {
		if f.subject(pair[0], name) && (pair[1].Op == code.Str || pair[1].Op == code.Num || f.plainConstant(pair[1])) {
			return name + " equals a constant"
		}
	}
	return ""
}

func (f *Flow) plainConstant(n *code.Node) bool {
	if n.Op != code.Name && n.Op != code.Member {
		return false
	}
	r := f.Resolve(n)
	return r != nil && r.Op == code.Str || allCaps(n.Text)
}

// atomIf is atom, but not for a bare name.
func (f *Flow) atomIf(n *code.Node, name string, truth bool) string {
	if n.Op == code.Name {
		return f.flagged(n, name, truth)
	}
	return f.atom(n, name, truth)
}

var parsers = []string{"Atoi", "ParseInt", "ParseUint", "ParseFloat", "Parse", "ParseBool", "ParseAddr"}

// parsed follows Go's err to a parser that refused everything but a number.
func (f *Flow) parsed(err *code.Node, name string) string {
	nearest := f.lastSet(err.Text, err)
	if nearest == nil {
		return ""
	}
	call := nearest.Kids[1]
	if call.Op == code.Call && slices.Contains(parsers, call.Method()) && !strings.HasPrefix(call.Kids[0].Chain(), "url.") && call.Arg(0) != nil && call.Arg(0).Ref() == name {
		return name + " passed " + call.Kids[0].Chain()
	}
	return ""
}
