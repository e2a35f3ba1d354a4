package code

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// definition lowers functions, classes and what declares variables.
func (l *lowerer) definition(n uint32, kind string) (*Node, bool) {
	switch kind {
	case "function_declaration", "function_definition", "function_expression", "arrow_function", "method_definition", "method_declaration", "generator_function",
		"generator_function_declaration", "lambda", "lambda_expression", "anonymous_function", "func_literal", "method", "singleton_method", "constructor_declaration",
		"do_block", "function", "anonymous_function_creation_expression":
		return l.function(n), true
	case "block_argument":
		return l.wrapper(n, kind), true
	case "class_declaration", "class", "class_definition", "singleton_class", "trait_declaration", "enum_declaration", "record_declaration", "abstract_class_declaration":
		if kind == "class" && !l.t.Is(n, syntax.Named) {
			return nil, true
		}
		out := l.text(Class, n, l.childText(n, "name"), l.block(n, "body"))
		out.Deco = l.annotations(n)
		return out, true
	case "variable_declarator", "resource":
		value := l.child(n, "value")
		name := l.must(n, "name")
		if value == nil {
			return l.text(Assign, n, "declare", name, l.text(Const, n, "undefined")), true
		}
		out := l.text(Assign, n, "=", name, value)
		if p := l.t.Nodes[n].Parent; p != 0 {
			out.Type = l.childText(p, "type")
		}
		return out, true
	case "field_definition", "public_field_definition":
		property := l.childText(n, "property")
		if property == "" {
			property = l.childText(n, "name")
		}
		return l.text(Assign, n, "=", l.text(Member, n, property, l.text(Name, n, "this")), l.must(n, "value")), true
	case "property_element":
		if l.t.Child(n, "default_value") == 0 {
			return nil, true
		}
		name := strings.TrimPrefix(l.childText(n, "name"), "$")
		return l.text(Assign, n, "=", l.text(Member, n, name, l.text(Name, n, "this")), l.must(n, "default_value")), true
	case "const_element":
		kids := l.children(n)
		if len(kids) == 2 {
			return l.text(Assign, n, "=", kids[0], kids[1]), true
		}
		return l.node(Block, n, kids...), true
	case "var_spec", "const_spec":
		value := l.child(n, "value")
		name := l.must(n, "name")
		if value == nil {
			return l.text(Assign, n, "declare", name, l.text(Const, n, "undefined")), true
		}
		return l.text(Assign, n, "=", name, value), true
	default:
		return nil, false
	}
}

func (l *lowerer) annotations(n uint32) []*Node {
	var out []*Node
	for c := range l.t.Children(n) {
		switch l.t.Kind(c) {
		case "modifiers", "attribute_list":
			for _, k := range l.t.NamedChildren(c) {
				a := l.text(Name, k, strings.TrimPrefix(l.childText(k, "name"), "@"))
				if args := l.t.Child(k, "arguments"); args != 0 {
					a = l.node(Call, k, append([]*Node{a}, l.children(args)...)...)
				}
				out = append(out, a)
			}
		case "decorator":
			out = append(out, l.children(c)...)
		}
	}
	return out
}

func (l *lowerer) function(n uint32) *Node {
	out := l.text(Func, n, l.childText(n, "name"))
	for _, field := range []string{"parameters", "parameter"} {
		if params := l.t.Child(n, field); params != 0 {
			out.Kids = append(out.Kids, l.params(params)...)
		}
	}
	body := l.t.Child(n, "body")
	switch body {
	case 0:
		out.Kids = append(out.Kids, l.node(Block, n))
	default:
		b := l.lower(body)
		if b == nil {
			b = l.node(Block, body)
		}
		// An expression as the body is what the function returns, and in Ruby
		// the last statement is.
		if b.Op != Block && b.Op != Try && b.Op != Func {
			b = l.node(Block, body, l.node(Return, body, b))
		} else if b.Op != Block {
			b = l.node(Block, body, b)
		}
		if l.lang == syntax.Ruby {
			l.returnLast(b, 0)
		}
		out.Kids = append(out.Kids, b)
	}
	out.Deco = l.annotations(n)
	if l.t.Kind(n) == "lambda" && l.lang == syntax.Ruby {
		if b := out.Body(); len(b.Kids) == 1 && b.Kids[0].Op == Func {
			inner := b.Kids[0]
			out.Kids = append(out.Params(), inner.Body())
		}
	}
	return out
}

func (l *lowerer) returnLast(b *Node, depth int) {
	if len(b.Kids) == 0 || depth > 20 {
		return
	}
	last := b.Kids[len(b.Kids)-1]
	switch last.Op {
	case Return, Throw, Break, Loop, Func, Class, Block:
	case If:
		for _, k := range last.Kids[1:] {
			switch k.Op {
			case Block:
				l.returnLast(k, depth+1)
			case If:
				l.returnLast(&Node{Kids: []*Node{k}}, depth+1)
			}
		}
	default:
		b.Kids[len(b.Kids)-1] = &Node{Op: Return, Kids: []*Node{last}, Start: last.Start, End: last.End, Line: last.Line, EndLine: last.EndLine}
	}
}

func (l *lowerer) params(n uint32) []*Node {
	if k := l.t.Kind(n); k == "identifier" {
		return []*Node{l.text(Param, n, l.t.Text(n))}
	}
	var out []*Node
	for _, c := range l.t.NamedChildren(n) {
		switch l.t.Kind(c) {
		case "identifier", "variable_name", "self", "this":
			out = append(out, l.text(Param, c, strings.TrimPrefix(l.t.Text(c), "$")))
			continue
		case "object_pattern", "array_pattern", "tuple_pattern", "destructured_parameter":
			out = append(out, l.text(Param, c, "", l.lower(c)))
			continue
		case "rest_pattern", "list_splat_pattern", "dictionary_splat_pattern", "splat_parameter", "block_parameter", "hash_splat_parameter":
			name := l.childText(c, "name")
			if name == "" {
				name = strings.TrimLeft(l.t.Text(c), "*&.")
			}
			out = append(out, l.text(Param, c, name))
			continue
		case "parameter_declaration", "variadic_parameter_declaration":
			for k := range l.t.Children(c) {
				if l.t.Field(k) == "name" {
					p := l.text(Param, k, l.t.Text(k))
					p.Type = l.childText(c, "type")
					out = append(out, p)
				}
			}
			continue
		case "assignment_pattern":
			left := l.must(c, "left")
			if left.Op == Name {
				out = append(out, l.text(Param, c, left.Text, l.must(c, "right")))
			} else {
				out = append(out, l.text(Param, c, "", left))
			}
			continue
		case "typed_parameter":
			p := l.text(Param, c, "")
			if kids := l.t.NamedChildren(c); len(kids) > 0 {
				p.Text = strings.TrimLeft(l.t.Text(kids[0]), "*")
			}
			p.Type = l.childText(c, "type")
			out = append(out, p)
			continue
		}
		p := l.text(Param, c, strings.TrimPrefix(l.childText(c, "name"), "$"))
		p.Type = strings.TrimPrefix(l.childText(c, "type"), ": ")
		p.Deco = l.annotations(c)
		if pattern := l.t.Child(c, "pattern"); pattern != 0 {
			if k := l.lower(pattern); k != nil && k.Op == Name {
				p.Text = k.Text
			} else if k != nil {
				p.Kids = append(p.Kids, k)
			}
		}
		for _, field := range []string{"value", "default_value"} {
			if v := l.child(c, field); v != nil {
				p.Kids = append(p.Kids, v)
			}
		}
		if p.Text == "" && len(p.Kids) == 0 {
			continue
		}
		out = append(out, p)
	}
	return out
}
