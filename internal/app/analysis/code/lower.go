package code

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// maxDepth bounds the nesting that is looked into.
const maxDepth = 300

// Lower makes the tree of a parsed file.
func Lower(t *syntax.Tree) *File {
	l := &lowerer{t: t, lang: t.Language}
	if l.lang == syntax.TypeScript {
		l.lang = syntax.JavaScript
	}
	if l.lang == syntax.Ruby {
		l.findHeredocs()
	}
	root := l.node(Block, 0)
	root.Kids = l.children(0)
	f := &File{
		Language: t.Language, Tree: t, Root: root, Funcs: map[string][]*Node{}, Calls: map[string][]*Node{},
		Assigns: map[string][]*Node{}, Imports: map[string]string{}, Exported: map[*Node]bool{},
	}
	f.index(root, nil)
	f.export()
	return f
}

type lowerer struct {
	t        *syntax.Tree
	lang     syntax.Language
	depth    int
	heredocs map[uint32]uint32
	slab     []Node  // where the next nodes come from
	kids     []*Node // where the next lists of nodes come from
	pending  []*Node // lists that are being made, one on the other
}

// slabSize is how many nodes are allocated at a time: a tree's end together.
const slabSize = 256

func (l *lowerer) node(op Op, n uint32, kids ...*Node) *Node {
	if len(l.slab) == 0 {
		l.slab = make([]Node, slabSize)
	}
	out := &l.slab[0]
	l.slab = l.slab[1:]
	at := &l.t.Nodes[n]
	out.Op, out.Kids = op, l.list(kids)
	out.Start, out.End, out.Line, out.EndLine = at.Start, at.End, int(at.Row)+1, int(at.EndRow)+1
	return out
}

// list copies a list, so that its caller's can stay on the stack.
func (l *lowerer) list(nodes []*Node) []*Node {
	size := len(nodes)
	if size == 0 {
		return nil
	}
	if len(l.kids) < size {
		l.kids = make([]*Node, max(slabSize, size))
	}
	out := l.kids[:size:size]
	l.kids = l.kids[size:]
	copy(out, nodes)
	return out
}

func (l *lowerer) text(op Op, n uint32, text string, kids ...*Node) *Node {
	out := l.node(op, n, kids...)
	out.Text = text
	return out
}

// children lowers all named children.
func (l *lowerer) children(n uint32) []*Node { return l.childrenBut(n) }

// childrenBut leaves out the children under the given fields.
func (l *lowerer) childrenBut(n uint32, fields ...string) []*Node {
	from := len(l.pending)
next:
	for c := range l.t.Children(n) {
		if !l.t.Is(c, syntax.Named) || l.t.IsComment(c) {
			continue
		}
		for _, f := range fields {
			if l.t.Field(c) == f {
				continue next
			}
		}
		if k := l.lower(c); k != nil {
			l.pending = append(l.pending, k)
		}
	}
	out := l.list(l.pending[from:])
	l.pending = l.pending[:from]
	return out
}

// child lowers the child under a field; nil when there is none.
func (l *lowerer) child(n uint32, field string) *Node {
	if c := l.t.Child(n, field); c != 0 {
		return l.lower(c)
	}
	return nil
}

// must is child, with an empty node for none.
func (l *lowerer) must(n uint32, field string) *Node {
	if k := l.child(n, field); k != nil {
		return k
	}
	return l.node(Other, n)
}

// block lowers what is under a field as a block of statements.
func (l *lowerer) block(n uint32, field string) *Node {
	c := l.t.Child(n, field)
	if c == 0 {
		return l.node(Block, n)
	}
	return l.asBlock(c)
}

func (l *lowerer) asBlock(c uint32) *Node {
	k := l.lower(c)
	if k == nil {
		return l.node(Block, c)
	}
	if k.Op == Block {
		return k
	}
	return l.node(Block, c, k)
}

func (l *lowerer) childText(n uint32, field string) string {
	if c := l.t.Child(n, field); c != 0 {
		return l.t.Text(c)
	}
	return ""
}

// lower makes the node of one piece of syntax; nil for what has no meaning here.
func (l *lowerer) lower(n uint32) *Node {
	l.depth++
	defer func() { l.depth-- }()
	if l.depth > maxDepth {
		return l.node(Other, n)
	}
	kind := l.t.Kind(n)
	if out, ok := l.literal(n, kind); ok {
		return out
	}
	if out, ok := l.statement(n, kind); ok {
		return out
	}
	if out, ok := l.expression(n, kind); ok {
		return out
	}
	if kind == "ERROR" {
		return l.node(Block, n, l.children(n)...)
	}
	kids := l.children(n)
	if len(kids) == 1 && l.t.Nodes[n].Start == kids[0].Start && l.t.Nodes[n].End == kids[0].End {
		return kids[0]
	}
	return l.node(Other, n, kids...)
}

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
