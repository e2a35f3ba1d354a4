package code

import (
	"strings"

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

func (l *lowerer) imports(n uint32, kind string) *Node {
	out := l.node(Block, n)
	add := func(c uint32, name, what string) {
		if name != "" {
			k := l.text(Import, c, name)
			k.Type = what
			out.Kids = append(out.Kids, k)
		}
	}
	from := l.childText(n, "module_name")
	var walk func(c uint32)
	walk = func(n uint32) {
		for c := range l.t.Children(n) {
			if !l.t.Is(c, syntax.Named) || l.t.Field(c) == "module_name" {
				continue
			}
			switch l.t.Kind(c) {
			case "aliased_import":
				add(c, l.childText(c, "alias"), strings.TrimPrefix(from+"."+l.childText(c, "name"), "."))
			case "dotted_name":
				name := l.t.Text(c)
				first, _, _ := strings.Cut(name, ".")
				if from != "" {
					add(c, name, from+"."+name)
				} else {
					add(c, first, first)
				}
			case "import_spec":
				path := strings.Trim(l.childText(c, "path"), "\"`")
				name := l.childText(c, "name")
				if name == "" {
					name = path[strings.LastIndexByte(path, '/')+1:]
				}
				add(c, name, path)
			case "import_specifier":
				name := l.childText(c, "name")
				alias := l.childText(c, "alias")
				if alias == "" {
					alias = name
				}
				add(c, alias, strings.Trim(l.childText(n2(l, c), "source"), "\"'")+"."+name)
			case "identifier":
				if l.t.Kind(n) == "import_clause" {
					add(c, l.t.Text(c), strings.Trim(l.childText(n2(l, c), "source"), "\"'"))
				}
			case "namespace_import":
				for _, k := range l.t.NamedChildren(c) {
					add(c, l.t.Text(k), strings.Trim(l.childText(n2(l, c), "source"), "\"'"))
				}
			case "scoped_identifier":
				if kind == "import_declaration" {
					name := l.t.Text(c)
					add(c, name[strings.LastIndexByte(name, '.')+1:], name)
				}
			case "import_spec_list", "import_clause", "named_imports", "namespace_use_clause", "namespace_use_group":
				walk(c)
			}
		}
	}
	walk(n)
	if len(out.Kids) == 0 {
		return nil
	}
	return out
}

// n2 climbs to the import that a specifier is in.
func n2(l *lowerer, c uint32) uint32 {
	for c != 0 && l.t.Kind(c) != "import_statement" {
		c = l.t.Nodes[c].Parent
	}
	return c
}

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
