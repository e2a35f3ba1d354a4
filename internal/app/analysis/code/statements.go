package code

import (
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

func (l *lowerer) statement(n uint32, kind string) (*Node, bool) {
	switch kind {
	case "statement_block", "block", "compound_statement", "then", "else", "body_statement", "block_body", "class_body", "declaration_list",
		"begin", "begin_block", "ensure", "source_file", "switch_body", "switch_block", "enum_body", "interface_body", "labeled_statement", "finally_clause", "else_clause",
		"var_declaration", "const_declaration", "do_group", "constructor_body", "static_initializer", "var_spec_list", "colon_block", "module":
		if kind == "begin" || kind == "body_statement" {
			if out := l.rescued(n); out != nil {
				return out, true
			}
		}
		if kind == "module" && l.lang == syntax.Ruby {
			return l.text(Class, n, l.childText(n, "name"), l.block(n, "body")), true
		}
		return l.node(Block, n, l.childrenBut(n, "label")...), true
	case "expression_statement", "export_statement", "parenthesized_statements", "parenthesized_expression", "await_expression", "await", "error_suppression_expression",
		"lexical_declaration", "variable_declaration", "decorated_definition", "template_substitution", "interpolation", "argument", "non_null_expression", "literal_element", "field_declaration",
		"local_variable_declaration", "property_declaration", "defer_statement", "go_statement", "satisfies_expression", "as_expression", "jsx_expression", "pattern", "type_assertion",
		"clone_expression", "reference_modifier", "by_ref", "resource_specification", "with_clause", "pass_statement":
		return l.wrapper(n, kind), true
	case "if_statement", "if", "unless", "elif_clause", "elsif", "else_if_clause":
		return l.ifStatement(n, kind), true
	case "if_modifier", "unless_modifier":
		cond := l.must(n, "condition")
		if kind == "unless_modifier" {
			cond = l.not(cond)
		}
		return l.node(If, n, cond, l.block(n, "body")), true
	case "while_statement", "do_statement", "while", "until", "while_modifier", "until_modifier":
		return l.node(Loop, n, l.must(n, "condition"), l.block(n, "body")), true
	case "for_in_statement", "for_statement", "enhanced_for_statement", "foreach_statement", "for", "for_in_clause":
		return l.forStatement(n, kind), true
	case "switch_statement", "switch_expression", "case", "case_match", "match_statement", "match_expression", "expression_switch_statement", "type_switch_statement", "select_statement":
		return l.node(Branches, n, l.children(n)...), true
	case "switch_case", "switch_default", "case_statement", "default_statement", "when", "in_clause", "case_clause", "switch_block_statement_group", "switch_rule",
		"expression_case", "default_case", "type_case", "match_conditional_expression", "match_default_expression", "communication_case":
		return l.node(Block, n, l.children(n)...), true
	case "try_statement", "try_with_resources_statement":
		return l.tryStatement(n), true
	case "catch_clause", "except_clause", "rescue", "except_group_clause":
		return l.node(Block, n, l.childrenBut(n, "parameter", "exceptions", "variable")...), true
	case "with_statement":
		return l.node(Block, n, l.children(n)...), true
	case "with_item":
		return l.must(n, "value"), true
	case "return_statement", "return":
		return l.node(Return, n, l.children(n)...), true
	case "throw_statement", "raise_statement", "throw_expression", "exit_statement":
		return l.node(Throw, n, l.children(n)...), true
	case "break_statement", "continue_statement", "break", "next", "redo":
		return l.node(Break, n), true
	case "echo_statement", "print_intrinsic":
		args := l.children(n)
		if len(args) == 1 && args[0].Op == List {
			args = args[0].Kids
		}
		return l.node(Call, n, append([]*Node{l.text(Name, n, "echo")}, args...)...), true
	case "include_expression", "include_once_expression", "require_expression", "require_once_expression":
		return l.node(Call, n, append([]*Node{l.text(Name, n, "include")}, l.children(n)...)...), true
	case "import_statement", "import_from_statement", "import_declaration", "namespace_use_declaration", "future_import_statement":
		return l.imports(n, kind), true
	case "global_declaration", "package_declaration", "package_clause", "namespace_definition", "type", "type_annotation", "comment", "text", "php_tag", "text_interpolation",
		"type_arguments", "type_parameters", "modifiers", "visibility_modifier", "dimensions", "empty_statement", "superclass", "heredoc_body", "base_clause",
		"interface_declaration", "type_alias_declaration", "nonlocal_statement", "global_statement", "anonymous_function_use_clause", "throws", "accessibility_modifier", "static_modifier", "readonly_modifier", "final_modifier":
		return nil, true
	default:
		return l.definition(n, kind)
	}
}

// wrapper is its only child, or a block of its children.
func (l *lowerer) wrapper(n uint32, kind string) *Node {
	kids := l.childrenBut(n, "kind", "type", "decorator")
	if kind == "as_expression" || kind == "satisfies_expression" || kind == "type_assertion" {
		for _, k := range kids {
			return k
		}
	}
	if kind == "decorated_definition" || kind == "export_statement" {
		var deco []*Node
		var def *Node
		for _, c := range l.t.NamedChildren(n) {
			if l.t.Kind(c) == "decorator" {
				deco = append(deco, l.children(c)...)
			} else if k := l.lower(c); k != nil {
				def = k
			}
		}
		if def == nil {
			return l.node(Block, n)
		}
		if def.Op == Func || def.Op == Class {
			def.Deco = append(deco, def.Deco...)
		}
		return def
	}
	switch len(kids) {
	case 0:
		return nil
	case 1:
		return kids[0]
	default:
		if kind == "parenthesized_expression" {
			return kids[len(kids)-1]
		}
		return l.node(Block, n, kids...)
	}
}

func (l *lowerer) not(cond *Node) *Node {
	return &Node{Op: Unary, Text: "!", Kids: []*Node{cond}, Start: cond.Start, End: cond.End, Line: cond.Line, EndLine: cond.EndLine}
}

func (l *lowerer) ifStatement(n uint32, kind string) *Node {
	cond := l.must(n, "condition")
	if kind == "unless" {
		cond = l.not(cond)
	}
	then := "consequence"
	if l.t.Child(n, then) == 0 {
		then = "body"
	}
	out := l.node(If, n, cond, l.block(n, then))
	last := out
	for c := range l.t.Children(n) {
		if l.t.Field(c) != "alternative" {
			continue
		}
		// Python and PHP list their branches; each hangs below the one before.
		next := l.asBlock(c)
		if len(next.Kids) == 1 && next.Kids[0].Op == If {
			next = next.Kids[0]
		}
		if len(last.Kids) == 2 {
			last.Kids = append(last.Kids, next)
		}
		if next.Op == If {
			last = next
		}
	}
	if init := l.child(n, "initializer"); init != nil {
		return l.node(Block, n, init, out)
	}
	return out
}

func (l *lowerer) forStatement(n uint32, kind string) *Node {
	var left, right *Node
	switch {
	case l.t.Has(n, "range_clause"):
		for c := range l.t.Children(n) {
			if l.t.Kind(c) == "range_clause" {
				left, right = l.child(c, "left"), l.must(c, "right")
			}
		}
	case kind == "enhanced_for_statement":
		left, right = l.child(n, "name"), l.must(n, "value")
	case kind == "foreach_statement":
		kids := l.t.NamedChildren(n)
		if len(kids) >= 2 {
			right, left = l.lower(kids[0]), l.lower(kids[1])
			if left != nil && left.Op == Pair && len(left.Kids) > 0 {
				left = left.Kids[0]
			}
		}
	case kind == "for":
		left, right = l.child(n, "pattern"), l.must(n, "value")
	default:
		left, right = l.child(n, "left"), l.child(n, "right")
	}
	body := l.block(n, "body")
	if left == nil || right == nil {
		return l.node(Loop, n, append(l.childrenBut(n, "body"), body)...)
	}
	each := l.text(Index, n, "", right, l.text(Name, n, "*"))
	return l.node(Loop, n, l.text(Assign, n, "=", left, each), body)
}

func (l *lowerer) tryStatement(n uint32) *Node {
	out := l.node(Try, n, l.block(n, "body"))
	for c := range l.t.Children(n) {
		switch {
		case !l.t.Is(c, syntax.Named) || l.t.IsComment(c) || l.t.Field(c) == "body":
		case l.t.Field(c) == "resources":
			if k := l.lower(c); k != nil {
				out.Kids[0].Kids = append([]*Node{k}, out.Kids[0].Kids...)
			}
		default:
			out.Kids = append(out.Kids, l.asBlock(c))
		}
	}
	return out
}

// rescued is Ruby's begin with a rescue; nil without one.
func (l *lowerer) rescued(n uint32) *Node {
	if !l.t.Has(n, "rescue") {
		return nil
	}
	out := l.node(Try, n, l.node(Block, n))
	for _, c := range l.t.NamedChildren(n) {
		k := l.lower(c)
		switch {
		case k == nil:
		case l.t.Kind(c) == "rescue" || l.t.Kind(c) == "ensure":
			out.Kids = append(out.Kids, k)
		default:
			out.Kids[0].Kids = append(out.Kids[0].Kids, k)
		}
	}
	return out
}
