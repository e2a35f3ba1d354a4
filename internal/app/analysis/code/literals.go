package code

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

func (l *lowerer) literal(n uint32, kind string) (*Node, bool) {
	switch kind {
	case "identifier", "property_identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern",
		"constant", "name", "type_identifier", "field_identifier", "package_identifier", "instance_variable", "class_variable",
		"global_variable", "private_property_identifier", "this", "self", "super", "namespace_identifier", "statement_identifier",
		"relative_scope", "qualified_name", "dotted_name", "scoped_identifier", "qualified_type", "scoped_type_identifier", "import":
		text := l.t.Text(n)
		if kind == "self" && l.lang == syntax.Ruby {
			text = "self"
		}
		if l.lang == syntax.PHP && (text == "die" || text == "exit") {
			return l.node(Throw, n), true
		}
		return l.text(Name, n, strings.TrimPrefix(text, `\`)), true
	case "variable_name":
		return l.text(Name, n, strings.TrimPrefix(l.t.Text(n), "$")), true
	case "number", "integer", "float", "decimal_integer_literal", "hex_integer_literal", "decimal_floating_point_literal", "int_literal", "float_literal", "octal_integer_literal":
		return l.text(Num, n, l.t.Text(n)), true
	case "true", "false", "null", "none", "nil", "undefined", "null_literal", "boolean", "iota", "ellipsis":
		return l.text(Const, n, strings.ToLower(l.t.Text(n))), true
	case "string", "string_literal", "encapsed_string", "template_string", "heredoc", "nowdoc", "interpreted_string_literal", "raw_string_literal",
		"concatenated_string", "chained_string", "bare_string", "character_literal", "rune_literal", "delimited_symbol", "text_block", "heredoc_beginning":
		return l.str(n, kind), true
	case "simple_symbol", "hash_key_symbol", "bare_symbol":
		return l.text(Str, n, strings.TrimPrefix(l.t.Text(n), ":")), true
	case "subshell", "shell_command_expression":
		out := l.str(n, kind)
		out.Op = Shell
		if len(out.Kids) == 0 {
			out.Kids = []*Node{l.text(Str, n, out.Text)}
		}
		return out, true
	case "regex":
		pattern := l.t.Text(n)
		if i := strings.LastIndexByte(pattern, '/'); i > 0 {
			out := l.text(Regex, n, strings.TrimPrefix(pattern[:i], "/"))
			out.Type = pattern[i+1:]
			return out, true
		}
		return l.text(Regex, n, pattern), true
	default:
		return nil, false
	}
}

// str lowers text, with the expressions in it.
func (l *lowerer) str(n uint32, kind string) *Node {
	if kind == "heredoc_beginning" {
		body, ok := l.heredocs[n]
		if !ok {
			return l.text(Str, n, "")
		}
		out := l.str(body, "heredoc_body")
		at := &l.t.Nodes[n]
		out.Start, out.End, out.Line = at.Start, at.End, int(at.Row)+1
		return out
	}
	if kind == "concatenated_string" || kind == "chained_string" {
		return l.node(Interp, n, l.children(n)...)
	}
	var parts []*Node
	dynamic, any := false, false
	var walk func(n uint32)
	walk = func(n uint32) {
		for c := range l.t.Children(n) {
			if !l.t.Is(c, syntax.Named) {
				continue
			}
			switch k := l.t.Kind(c); k {
			case "string_fragment", "string_content", "escape_sequence", "interpreted_string_literal_content", "raw_string_literal_content",
				"heredoc_content", "nowdoc_string", "multiline_string_fragment", "escape_interpolation":
				any = true
				parts = append(parts, l.text(Str, c, unescape(l.t.Text(c), k)))
			case "string_start", "string_end", "heredoc_end", "heredoc_start", "format_specifier", "type_conversion", "nowdoc_start":
			case "template_substitution", "interpolation", "string_interpolation":
				dynamic, any = true, true
				kids := l.t.NamedChildren(c)
				if len(kids) > 0 {
					if k := l.lower(kids[0]); k != nil {
						parts = append(parts, k)
					}
				}
			case "heredoc_body", "nowdoc_body":
				walk(c)
			default:
				dynamic, any = true, true
				if k := l.lower(c); k != nil {
					parts = append(parts, k)
				}
			}
		}
	}
	walk(n)
	if dynamic {
		return l.node(Interp, n, parts...)
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	text := b.String()
	if !any {
		text = strings.Trim(l.t.Text(n), "\"'`")
	}
	return l.text(Str, n, text)
}

// unescape is exact for what rules look at: quotes, slashes and line ends.
func unescape(text, kind string) string {
	if kind != "escape_sequence" || len(text) != 2 {
		return text
	}
	switch text[1] {
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case '\\', '\'', '"', '`', '/':
		return text[1:]
	default:
		return text
	}
}

// findHeredocs pairs Ruby's here-documents with their bodies, which follow in
// the same order.
func (l *lowerer) findHeredocs() {
	l.heredocs = map[uint32]uint32{}
	var open []uint32
	for i := range l.t.Nodes {
		switch l.t.Kind(uint32(i)) {
		case "heredoc_beginning":
			open = append(open, uint32(i))
		case "heredoc_body":
			if len(open) > 0 {
				l.heredocs[open[0]] = uint32(i)
				open = open[1:]
			}
		}
	}
}
