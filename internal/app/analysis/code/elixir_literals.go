package code

import "strings"

func (l *lowerer) elixirLiteral(n uint32, kind string) *Node {
	switch kind {
	case "integer", "float":
		return l.text(Num, n, l.t.Text(n))
	case "boolean", "nil":
		return l.text(Const, n, l.t.Text(n))
	case "atom":
		return l.text(Str, n, strings.TrimPrefix(l.t.Text(n), ":"))
	case "char":
		return l.text(Str, n, strings.TrimPrefix(l.t.Text(n), "?"))
	case "sigil":
		return l.sigil(n)
	default:
		return l.elixirText(n)
	}
}

// elixirText lowers what stands between quotes, with the expressions in it.
func (l *lowerer) elixirText(n uint32) *Node {
	var parts []*Node
	var text strings.Builder
	dynamic := false
	for c := range l.t.Children(n) {
		switch k := l.t.Kind(c); k {
		case "quoted_content", "escape_sequence":
			part := l.text(Str, c, unescape(l.t.Text(c), k))
			text.WriteString(part.Text)
			parts = append(parts, part)
		case "interpolation":
			dynamic = true
			parts = append(parts, l.children(c)...)
		}
	}
	if dynamic {
		return l.node(Interp, n, parts...)
	}
	return l.text(Str, n, text.String())
}

// sigil lowers ~r, ~w and the like. Templates are calls of which nothing is
// known, for what they hold is no text.
func (l *lowerer) sigil(n uint32) *Node {
	var name, modifiers string
	for c := range l.t.Children(n) {
		switch l.t.Kind(c) {
		case "sigil_name":
			name = l.t.Text(c)
		case "sigil_modifiers":
			modifiers = l.t.Text(c)
		}
	}
	text := l.elixirText(n)
	switch name {
	case "r", "R":
		if text.Op == Interp {
			return l.node(Call, n, l.text(Member, n, "compile!", l.text(Name, n, "Regex")), text)
		}
		text.Op, text.Type = Regex, modifiers
	case "w", "W":
		out := l.node(List, n, text)
		if text.Op == Str {
			out.Kids = nil
			for word := range strings.FieldsSeq(text.Text) {
				out.Kids = append(out.Kids, l.text(Str, n, word))
			}
		}
		return out
	case "s", "S", "c", "C", "x":
	case "D", "T", "N", "U":
		text.Op = Const
	case "H", "E", "L", "LVN":
		return l.node(Call, n, l.text(Name, n, "sigil_"+name))
	default:
		return l.node(Call, n, l.text(Name, n, "sigil_"+name), text)
	}
	return text
}

// elixirPairs lowers the parts of a list, a map or of arguments, keywords among
// them as pairs.
func (l *lowerer) elixirPairs(n uint32) []*Node {
	var out []*Node
	for _, c := range l.t.NamedChildren(n) {
		switch l.t.Kind(c) {
		case "keywords":
			out = append(out, l.keywordPairs(c)...)
		case "binary_operator":
			out = append(out, l.elixirEntry(c)...)
		default:
			out = append(out, l.lowerOr(c))
		}
	}
	return out
}

// elixirPair is one of keywords; its key may be a text with expressions in it.
func (l *lowerer) elixirPair(n uint32) *Node {
	out := l.text(Pair, n, "", l.must(n, "value"))
	key := l.t.Child(n, "key")
	if l.t.Kind(key) == "keyword" {
		out.Text = strings.TrimRight(l.t.Text(key), ": \t\r\n")
		return out
	}
	if k := l.elixirText(key); k.Op == Str {
		out.Text = k.Text
	} else {
		out.Kids = append(out.Kids, k)
	}
	return out
}

// elixirEntry lowers a => b, and the a | b of lists and of changed maps.
func (l *lowerer) elixirEntry(n uint32) []*Node {
	switch l.childText(n, "operator") {
	case "=>":
		key, value := l.must(n, "left"), l.must(n, "right")
		out := l.text(Pair, n, "", value)
		if key.Op == Str || key.Op == Num {
			out.Text = key.Text
		} else {
			out.Kids = append(out.Kids, key)
		}
		return []*Node{out}
	case "|":
		left := l.lowerOr(l.t.Child(n, "left"))
		rest := l.t.Child(n, "right")
		if l.t.Kind(l.t.Nodes[n].Parent) != "map_content" {
			return []*Node{left, l.node(Spread, rest, l.lowerOr(rest))}
		}
		out := []*Node{l.node(Spread, n, left)}
		if l.t.Kind(rest) == "binary_operator" {
			return append(out, l.elixirEntry(rest)...)
		}
		return append(out, l.keywordPairs(rest)...)
	default:
		return []*Node{l.elixirBinary(n)}
	}
}

// keywordPairs are the pairs of keywords.
func (l *lowerer) keywordPairs(n uint32) []*Node {
	if l.t.Kind(n) != "keywords" {
		return []*Node{l.lowerOr(n)}
	}
	var out []*Node
	for _, p := range l.t.NamedChildren(n) {
		if l.t.Kind(p) == "pair" {
			out = append(out, l.elixirPair(p))
		}
	}
	return out
}

// elixirList is a list; a list of keywords is a map.
func (l *lowerer) elixirList(n uint32) *Node {
	kids := l.elixirPairs(n)
	op := List
	if l.t.Kind(n) == "list" && len(kids) > 0 {
		op = Map
		for _, k := range kids {
			if k.Op != Pair {
				op = List
			}
		}
	}
	return l.node(op, n, kids...)
}

func (l *lowerer) elixirMap(n uint32) *Node {
	out := l.node(Map, n)
	for _, c := range l.t.NamedChildren(n) {
		if l.t.Kind(c) == "struct" {
			out.Type = l.moduleName(l.t.Text(c))
			continue
		}
		out.Kids = append(out.Kids, l.elixirPairs(c)...)
	}
	return out
}
