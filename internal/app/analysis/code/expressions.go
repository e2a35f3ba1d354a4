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
