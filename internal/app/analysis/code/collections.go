package code

import (
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

func (l *lowerer) collection(n uint32, kind string) *Node {
	if kind == "composite_literal" {
		out := l.must(n, "body")
		out.Type = l.childText(n, "type")
		return out
	}
	if kind == "array_creation_expression" && l.lang == syntax.Java {
		return l.must(n, "value")
	}
	kids := l.children(n)
	op := List
	for _, k := range kids {
		if k.Op == Pair || kind == "object" || kind == "object_pattern" {
			op = Map
		}
	}
	if len(kids) == 0 && (kind == "object" || kind == "dictionary" || kind == "hash") {
		op = Map
	}
	if op == Map {
		for i, k := range kids {
			switch k.Op {
			case Name: // shorthand
				kids[i] = &Node{Op: Pair, Text: k.Text, Kids: []*Node{k}, Start: k.Start, End: k.End, Line: k.Line, EndLine: k.EndLine}
			case Func:
				kids[i] = &Node{Op: Pair, Text: k.Text, Kids: []*Node{k}, Start: k.Start, End: k.End, Line: k.Line, EndLine: k.EndLine}
			}
		}
	}
	return l.node(op, n, kids...)
}

func (l *lowerer) pair(n uint32, kind string) *Node {
	key, value := l.child(n, "key"), l.child(n, "value")
	if key == nil {
		key = l.child(n, "name")
	}
	if key == nil || value == nil {
		kids := l.children(n)
		switch len(kids) {
		case 0:
			return nil
		case 1:
			if kind == "array_element_initializer" {
				return kids[0]
			}
			if kids[0].Op == Name || kids[0].Op == Str { // Ruby's and JSX's key alone
				value := l.text(Name, n, kids[0].Text)
				return l.text(Pair, n, kids[0].Text, value)
			}
			return kids[0]
		}
		key, value = kids[0], kids[1]
	}
	out := l.node(Pair, n, value)
	switch key.Op {
	case Name, Str, Num:
		out.Text = key.Text
		if l.lang == syntax.PHP && key.Op == Name || l.lang == syntax.Python && key.Op == Name && kind == "pair" {
			out.Kids = append(out.Kids, key)
		}
	default:
		out.Kids = append(out.Kids, key)
	}
	return out
}
