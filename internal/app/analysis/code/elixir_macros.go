package code

import "strings"

// macro lowers what is a statement in other languages; nil for other names, of
// which nothing was lowered then: doing so twice would take 2ⁿ steps for what is
// nested n deep.
// first is what a pipe hands over.
func (l *lowerer) macro(n uint32, name string, first *Node) *Node {
	switch name {
	case "def", "defp", "defmacro", "defmacrop":
		return l.elixirDef(n)
	case "defmodule", "defimpl", "defprotocol":
		if l.doBlock(n) == 0 || !l.t.Has(n, "arguments") {
			return nil
		}
		args := l.plainArguments(n)
		if len(args) == 0 {
			return l.section(l.doBlock(n))
		}
		return l.text(Class, n, args[0].Text, l.section(l.doBlock(n)))
	case "alias", "import", "require":
		return l.elixirAlias(n)
	case "if", "unless":
		return l.elixirIf(n, name, first)
	case "case":
		return l.elixirCase(n, first)
	case "cond":
		return l.elixirCond(n)
	case "with":
		return l.elixirWith(n)
	case "for":
		return l.elixirFor(n)
	case "try", "receive":
		body := l.doBlock(n)
		if body == 0 {
			return nil
		}
		return l.rescuing(n, body, name == "receive")
	case "raise", "reraise", "throw", "exit":
		return l.node(Throw, n, l.plainArguments(n)...)
	default:
		return nil
	}
}

// section are the statements of a do block before its else, rescue or after.
func (l *lowerer) section(block uint32) *Node {
	out := l.node(Block, block)
	for _, c := range l.t.NamedChildren(block) {
		switch l.t.Kind(c) {
		case "else_block", "rescue_block", "catch_block", "after_block":
		default:
			out.Kids = append(out.Kids, l.lowerOr(c))
		}
	}
	return out
}

// part is a block of a do block by its kind; 0 for none.
func (l *lowerer) part(block uint32, kind string) uint32 {
	if block != 0 {
		for c := range l.t.Children(block) {
			if l.t.Kind(c) == kind {
				return c
			}
		}
	}
	return 0
}

// keyword is the value of do: or else: among the arguments of a call.
func (l *lowerer) keyword(args []*Node, key string) *Node {
	for _, a := range args {
		if a.Op == Pair && a.Text == key {
			return a.Kids[0]
		}
	}
	return nil
}

// positional are the arguments without keywords.
func positional(args []*Node) []*Node {
	var out []*Node
	for _, a := range args {
		if a.Op != Pair {
			out = append(out, a)
		}
	}
	return out
}

func (l *lowerer) blockOf(n uint32, k *Node) *Node {
	if k == nil {
		return l.node(Block, n)
	}
	if k.Op == Block {
		return k
	}
	out := l.node(Block, n, k)
	out.Start, out.End, out.Line, out.EndLine = k.Start, k.End, k.firstLine(), k.EndLine
	return out
}

// bodyOf is what a macro does: its do block, or its do:.
func (l *lowerer) bodyOf(n uint32, args []*Node) *Node {
	if block := l.doBlock(n); block != 0 {
		return l.section(block)
	}
	return l.blockOf(n, l.keyword(args, "do"))
}

// rescuing is the body of a function or of try, with its rescue and catch.
func (l *lowerer) rescuing(n, block uint32, receive bool) *Node {
	if receive {
		return l.branches(n, l.node(Other, n), block)
	}
	body := l.section(block)
	out := l.node(Try, n, body)
	for _, kind := range []string{"rescue_block", "catch_block", "else_block", "after_block"} {
		if part := l.part(block, kind); part != 0 {
			out.Kids = append(out.Kids, l.clauses(part, nil)...)
		}
	}
	if len(out.Kids) == 1 {
		return body
	}
	return out
}

// clauses are the blocks of the clauses in a block.
func (l *lowerer) clauses(block uint32, subject func() *Node) []*Node {
	var out []*Node
	rest := l.node(Block, block)
	for _, c := range l.t.NamedChildren(block) {
		switch l.t.Kind(c) {
		case "stab_clause":
			var s *Node
			if subject != nil {
				s = subject()
			}
			out = append(out, l.clause(c, s))
		case "else_block", "rescue_block", "catch_block", "after_block":
		default:
			rest.Kids = append(rest.Kids, l.lowerOr(c))
		}
	}
	if len(rest.Kids) > 0 {
		out = append(out, rest)
	}
	return out
}

// branches chooses between clauses. What is matched with is read again in each
// of them where that is a name, and held in a variable where it is more.
func (l *lowerer) branches(n uint32, subject *Node, block uint32) *Node {
	if block == 0 {
		return l.node(Block, n, subject)
	}
	if subject.Op == Other || simple(subject, 0) {
		out := l.node(Branches, n, subject)
		out.Kids = append(out.Kids, l.clauses(block, func() *Node { return clone(subject) })...)
		return out
	}
	held := func() *Node { return l.text(Name, n, "case") }
	set := l.text(Assign, n, "=", held(), subject)
	out := l.node(Branches, n, held())
	out.Kids = append(out.Kids, l.clauses(block, held)...)
	return l.node(Block, n, set, out)
}

// simple says whether an expression is a name, a field or a key of one.
func simple(n *Node, depth int) bool {
	switch n.Op {
	case Name:
		return true
	case Str, Num:
		return depth > 0
	case Member, Index:
		for _, k := range n.Kids {
			if depth > 4 || !simple(k, depth+1) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

func clone(n *Node) *Node {
	out := *n
	out.Kids = nil
	for _, k := range n.Kids {
		out.Kids = append(out.Kids, clone(k))
	}
	return &out
}

func (l *lowerer) elixirCase(n uint32, first *Node) *Node {
	if first == nil {
		args := l.plainArguments(n)
		if len(args) == 0 {
			return nil
		}
		first = args[0]
	}
	return l.branches(n, first, l.doBlock(n))
}

func (l *lowerer) elixirIf(n uint32, name string, first *Node) *Node {
	args := l.plainArguments(n)
	if first == nil {
		if plain := positional(args); len(plain) > 0 {
			first = plain[0]
		} else {
			return l.node(Call, n, append([]*Node{l.text(Name, n, name)}, args...)...)
		}
	}
	if name == "unless" {
		first = l.not(first)
	}
	out := l.node(If, n, first, l.bodyOf(n, args))
	if part := l.part(l.doBlock(n), "else_block"); part != 0 {
		out.Kids = append(out.Kids, l.elixirBlock(part))
	} else if other := l.keyword(args, "else"); other != nil {
		out.Kids = append(out.Kids, l.blockOf(n, other))
	}
	return out
}

// elixirCond is a chain of ifs.
func (l *lowerer) elixirCond(n uint32) *Node {
	var first, last *Node
	block := l.doBlock(n)
	if block == 0 {
		return nil
	}
	for _, c := range l.t.NamedChildren(block) {
		if l.t.Kind(c) != "stab_clause" {
			continue
		}
		conditions, _ := l.head(c)
		body := l.clause(c, nil)
		if len(conditions) != 1 {
			continue
		}
		if last != nil && conditions[0].Op == Const && conditions[0].Text == "true" {
			last.Kids = append(last.Kids, body)
			break
		}
		next := l.node(If, c, conditions[0], body)
		if last == nil {
			first = next
		} else {
			last.Kids = append(last.Kids, next)
		}
		last = next
	}
	if first == nil {
		return l.node(Block, n)
	}
	for k := first; k != nil && len(k.Kids) == 3 && k.Op == If; k = k.Kids[2] {
		k.End, k.EndLine = l.t.Nodes[n].End, int(l.t.Nodes[n].EndRow)+1
	}
	return first
}

// steps are the clauses of with and for: patterns that take values, and
// conditions.
func (l *lowerer) steps(n uint32, each bool) []*Node {
	var out []*Node
	for c := range l.t.Children(n) {
		if l.t.Kind(c) != "arguments" {
			continue
		}
		for _, k := range l.t.NamedChildren(c) {
			switch {
			case l.t.Kind(k) == "keywords":
			case l.t.Kind(k) == "binary_operator" && l.childText(k, "operator") == "<-":
				out = append(out, l.step(k, each)...)
			case l.t.Kind(k) == "binary_operator" && l.childText(k, "operator") == "=":
				out = append(out, l.lowerOr(k))
			case each:
				out = append(out, l.unless(l.lowerOr(k), Break)...)
			default:
				out = append(out, l.lowerOr(k))
			}
		}
	}
	return out
}

// step is one pattern <- value. A constant pattern is a condition.
func (l *lowerer) step(n uint32, each bool) []*Node {
	left, value := l.t.Child(n, "left"), l.must(n, "right")
	var guard *Node
	if l.t.Kind(left) == "binary_operator" && l.childText(left, "operator") == "when" {
		guard = l.must(left, "right")
		left = l.t.Child(left, "left")
	}
	pattern := l.lowerOr(left)
	if each {
		value = l.text(Index, n, "", value, l.text(Name, n, "*"))
	}
	switch {
	case pattern.Op == Const && pattern.Text == "true":
		return l.unless(value, Break)
	case pattern.Op == Const && (pattern.Text == "false" || pattern.Text == "nil"):
		return l.unless(l.not(value), Break)
	case pattern.Op == Str || pattern.Op == Num:
		return l.unless(l.text(Bin, n, "==", value, pattern), Break)
	}
	return append([]*Node{l.text(Assign, n, "=", pattern, value)}, l.unless(guard, Break)...)
}

func (l *lowerer) elixirWith(n uint32) *Node {
	body := l.bodyOf(n, l.keywordsOf(n))
	body.Kids = append(l.steps(n, false), body.Kids...)
	part := l.part(l.doBlock(n), "else_block")
	if part == 0 {
		return body
	}
	return l.node(Try, n, append([]*Node{body}, l.clauses(part, nil)...)...)
}

// keywordsOf are the keywords of a call.
func (l *lowerer) keywordsOf(n uint32) []*Node {
	var out []*Node
	for c := range l.t.Children(n) {
		if l.t.Kind(c) != "arguments" {
			continue
		}
		for _, k := range l.t.NamedChildren(c) {
			if l.t.Kind(k) == "keywords" {
				out = append(out, l.keywordPairs(k)...)
			}
		}
	}
	return out
}

func (l *lowerer) elixirFor(n uint32) *Node {
	body := l.bodyOf(n, l.keywordsOf(n))
	steps := l.steps(n, true)
	if len(steps) == 0 || steps[0].Op != Assign {
		return l.node(Loop, n, append(steps, body)...)
	}
	body.Kids = append(steps[1:], body.Kids...)
	return l.node(Loop, n, steps[0], body)
}

// elixirAlias remembers what a module is called here.
func (l *lowerer) elixirAlias(n uint32) *Node {
	out := l.node(Block, n)
	args := l.plainArguments(n)
	if len(args) == 0 || l.childText(n, "target") != "alias" {
		return out
	}
	add := func(name, short string) {
		if short == "" {
			short = name[strings.LastIndexByte(name, '.')+1:]
		}
		if l.aliases == nil {
			l.aliases = map[string]string{}
		}
		l.aliases[short] = name
	}
	short := ""
	if as := l.keyword(args, "as"); as != nil {
		short = as.Text
	}
	switch a := args[0]; {
	case a.Op == Name:
		add(a.Text, short)
	case a.Op == Member && len(a.Kids) == 1: // A.{B, C}
		for name := range strings.SplitSeq(strings.Trim(a.Text, "{} \n"), ",") {
			if name = strings.TrimSpace(name); name != "" {
				add(a.Kids[0].Text+"."+name, "")
			}
		}
	}
	return out
}
