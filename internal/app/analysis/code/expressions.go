package code

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

func (l *lowerer) expression(n uint32, kind string) (*Node, bool) {
	switch kind {
	case "call_expression", "call", "function_call_expression", "member_call_expression", "nullsafe_member_call_expression", "scoped_call_expression",
		"method_invocation", "super_call", "yield":
		return l.call(n, kind), true
	case "new_expression", "object_creation_expression":
		return l.construction(n), true
	case "member_expression", "attribute", "selector_expression", "field_access", "member_access_expression", "nullsafe_member_access_expression",
		"scoped_property_access_expression", "class_constant_access_expression", "scope_resolution", "method_reference", "nested_identifier":
		return l.member(n), true
	case "subscript_expression", "subscript", "element_reference", "array_access", "index_expression", "slice_expression":
		return l.index(n), true
	case "assignment_expression", "assignment", "augmented_assignment_expression", "augmented_assignment", "operator_assignment", "short_var_declaration",
		"assignment_statement", "named_expression", "reference_assignment_expression":
		return l.assignment(n), true
	case "binary_expression", "binary_operator", "binary", "boolean_operator", "comparison_operator", "instanceof_expression":
		return l.binary(n), true
	case "unary_expression", "unary_operator", "unary", "not_operator", "unary_op_expression", "update_expression", "inc_statement", "dec_statement":
		return l.unary(n), true
	case "ternary_expression", "conditional", "conditional_expression":
		return l.conditional(n), true
	case "object", "dictionary", "hash", "object_pattern", "array_creation_expression", "composite_literal", "literal_value":
		return l.collection(n, kind), true
	case "array", "list", "tuple", "set", "expression_list", "array_initializer", "list_literal", "array_pattern", "pattern_list", "tuple_pattern", "list_pattern",
		"left_assignment_list", "right_assignment_list", "string_array", "symbol_array", "sequence_expression", "destructured_parameter", "argument_list":
		kids := l.children(n)
		if kind == "expression_list" && len(kids) == 1 {
			return kids[0], true
		}
		return l.node(List, n, kids...), true
	case "list_comprehension", "generator_expression", "set_comprehension", "dictionary_comprehension":
		return l.node(Loop, n, append(l.childrenBut(n, "body"), l.must(n, "body"))...), true
	case "pair", "pair_pattern", "keyword_argument", "keyed_element", "array_element_initializer", "jsx_attribute", "element_value_pair":
		return l.pair(n, kind), true
	case "object_assignment_pattern", "assignment_pattern":
		return l.must(n, "left"), true
	case "spread_element", "list_splat", "dictionary_splat", "splat_argument", "hash_splat_argument", "rest_pattern", "variadic_argument", "variadic_unpacking", "list_splat_pattern", "rest_assignment":
		return l.node(Spread, n, l.children(n)...), true
	case "cast_expression", "type_conversion_expression", "type_assertion_expression":
		return l.cast(n), true
	case "as_pattern":
		kids := l.t.NamedChildren(n)
		if len(kids) == 2 {
			target := l.children(kids[1])
			if len(target) == 1 {
				return l.text(Assign, n, "=", target[0], l.lowerOr(kids[0])), true
			}
		}
		return l.node(Other, n, l.children(n)...), true
	case "array_creation":
		return l.node(List, n, l.children(n)...), true
	default:
		return nil, false
	}
}

func (l *lowerer) lowerOr(n uint32) *Node {
	if k := l.lower(n); k != nil {
		return k
	}
	return l.node(Other, n)
}

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

func (l *lowerer) assignment(n uint32) *Node {
	left, right := l.child(n, "left"), l.child(n, "right")
	if left == nil {
		left = l.child(n, "name")
	}
	if right == nil {
		right = l.child(n, "value")
	}
	if right == nil { // Python's bare annotation
		return l.text(Assign, n, "declare", left, l.text(Const, n, "undefined"))
	}
	op := l.childText(n, "operator")
	if op == "" || op == ":=" || l.t.Kind(n) == "named_expression" {
		op = "="
	}
	if left == nil {
		return right
	}
	return l.text(Assign, n, op, left, right)
}

func (l *lowerer) binary(n uint32) *Node {
	op := l.childText(n, "operator")
	left, right := l.child(n, "left"), l.child(n, "right")
	if l.t.Kind(n) == "comparison_operator" {
		op = ""
		for c := range l.t.Children(n) {
			if l.t.Field(c) == "operators" {
				op = strings.TrimSpace(op + " " + l.t.Text(c))
			}
		}
		kids := l.children(n)
		if len(kids) < 2 {
			return l.node(Other, n, kids...)
		}
		left, right = kids[0], kids[len(kids)-1]
	}
	if l.t.Kind(n) == "instanceof_expression" {
		op = "instanceof"
	}
	if left == nil || right == nil {
		return l.node(Other, n, l.children(n)...)
	}
	return l.text(Bin, n, strings.ToLower(op), left, right)
}

func (l *lowerer) unary(n uint32) *Node {
	op := l.childText(n, "operator")
	if op == "" {
		if l.t.Kind(n) == "not_operator" {
			op = "!"
		} else {
			op = strings.TrimSpace(string(l.t.Source[l.t.Nodes[n].Start]))
		}
	}
	if op == "not" {
		op = "!"
	}
	kids := l.children(n)
	if len(kids) == 0 {
		return l.node(Other, n)
	}
	if op == "&" || op == "*" && l.lang == syntax.Go {
		if kids[0].Op == Map || kids[0].Op == List {
			return kids[0]
		}
		if op == "*" {
			return kids[0]
		}
	}
	return l.text(Unary, n, op, kids[0])
}

func (l *lowerer) conditional(n uint32) *Node {
	kids := l.children(n)
	if len(kids) == 2 { // PHP's a ?: b
		return l.text(Bin, n, "||", kids[0], kids[1])
	}
	if len(kids) != 3 {
		return l.node(Other, n, kids...)
	}
	if l.lang == syntax.Python { // value if condition else other
		return l.node(Cond, n, kids[1], kids[0], kids[2])
	}
	return l.node(Cond, n, kids...)
}

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

func (l *lowerer) cast(n uint32) *Node {
	var value *Node
	for _, field := range []string{"value", "operand"} {
		if value == nil {
			value = l.child(n, field)
		}
	}
	if value == nil {
		return l.node(Other, n, l.children(n)...)
	}
	out := l.node(Cast, n, value)
	out.Type = l.childText(n, "type")
	return out
}
