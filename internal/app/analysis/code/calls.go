package code

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

func (l *lowerer) call(n uint32, kind string) *Node {
	var callee *Node
	switch {
	case kind == "yield":
		callee = l.text(Name, n, "yield")
	case l.t.Child(n, "function") != 0:
		callee = l.must(n, "function")
	default:
		name := l.childText(n, "name")
		if name == "" {
			name = l.childText(n, "method")
		}
		name = strings.TrimPrefix(name, "$")
		callee = l.text(Name, n, name)
		for _, field := range []string{"object", "receiver", "scope"} {
			if object := l.child(n, field); object != nil {
				if name == "" { // Ruby's f.(x)
					name = "call"
				}
				callee = l.text(Member, n, name, object)
				break
			}
		}
	}
	out := l.node(Call, n, callee)
	if args := l.t.Child(n, "arguments"); args != 0 {
		if k := l.t.Kind(args); k == "template_string" {
			out.Tagged = true
			out.Kids = append(out.Kids, l.lowerOr(args))
		} else if k == "generator_expression" {
			out.Kids = append(out.Kids, l.lowerOr(args))
		} else {
			out.Kids = append(out.Kids, l.arguments(args)...)
		}
	}
	if kind == "yield" {
		out.Kids = append(out.Kids, l.children(n)...)
	}
	if block := l.child(n, "block"); block != nil {
		if block.Op != Func { // braces
			b := l.t.Child(n, "block")
			block = l.function(b)
		}
		out.Kids = append(out.Kids, block)
	}
	if l.lang == syntax.Ruby && callee.Op == Name {
		switch callee.Text {
		case "raise", "abort", "exit", "throw", "fail":
			return l.node(Throw, n, out.Args()...)
		}
	}
	return out
}

func (l *lowerer) arguments(n uint32) []*Node {
	var out []*Node
	for _, c := range l.t.NamedChildren(n) {
		if l.t.Kind(c) == "argument" {
			name := l.childText(c, "name")
			kids := l.childrenBut(c, "name")
			if len(kids) == 0 {
				continue
			}
			if name != "" {
				out = append(out, l.text(Pair, c, name, kids[0]))
			} else {
				out = append(out, kids[0])
			}
			continue
		}
		if k := l.lower(c); k != nil {
			out = append(out, k)
		}
	}
	return out
}

func (l *lowerer) construction(n uint32) *Node {
	var class *Node
	for _, field := range []string{"constructor", "type"} {
		if class == nil {
			class = l.child(n, field)
		}
	}
	out := l.node(New, n)
	for c := range l.t.Children(n) {
		if !l.t.Is(c, syntax.Named) {
			continue
		}
		switch l.t.Kind(c) {
		case "arguments", "argument_list":
			out.Kids = append(out.Kids, l.arguments(c)...)
		default:
			if class == nil && l.t.Field(c) == "" {
				class = l.lower(c)
			}
		}
	}
	if class == nil {
		class = l.node(Other, n)
	}
	if class.Op == Name {
		// Generic arguments are no part of the name.
		class.Text, _, _ = strings.Cut(class.Text, "<")
		if i := strings.LastIndexAny(class.Text, `.\`); i >= 0 {
			class.Text = class.Text[i+1:]
		}
	} else if class.Op == Other && len(class.Kids) > 0 {
		class = class.Kids[0]
	}
	out.Kids = append([]*Node{class}, out.Kids...)
	return out
}

func (l *lowerer) member(n uint32) *Node {
	var object, property *Node
	for _, field := range []string{"object", "operand", "scope"} {
		if object == nil {
			object = l.child(n, field)
		}
	}
	for _, field := range []string{"property", "attribute", "field", "name"} {
		if property == nil {
			property = l.child(n, field)
		}
	}
	if object == nil || property == nil {
		kids := l.children(n)
		switch len(kids) {
		case 0:
			return l.node(Other, n)
		case 1:
			return kids[0]
		}
		object, property = kids[0], kids[len(kids)-1]
	}
	if property.Op != Name {
		return l.node(Index, n, object, property)
	}
	return l.text(Member, n, property.Text, object)
}

func (l *lowerer) index(n uint32) *Node {
	kids := l.children(n)
	switch len(kids) {
	case 0:
		return l.node(Other, n)
	case 1:
		return l.node(Index, n, kids[0], l.text(Name, n, "*"))
	default:
		return l.node(Index, n, kids[0], kids[1])
	}
}
