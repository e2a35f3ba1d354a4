package code

// elixirDef is a function, or one clause of it. Its guard leaves before.
func (l *lowerer) elixirDef(n uint32) *Node {
	var head uint32
	for c := range l.t.Children(n) {
		if l.t.Kind(c) == "arguments" {
			if kids := l.t.NamedChildren(c); len(kids) > 0 {
				head = kids[0]
			}
		}
	}
	if head == 0 {
		return l.node(Other, n)
	}
	var guard *Node
	if l.t.Kind(head) == "binary_operator" && l.childText(head, "operator") == "when" {
		guard = l.must(head, "right")
		head = l.t.Child(head, "left")
	}
	out := l.text(Func, n, l.t.Text(head))
	if l.t.Kind(head) == "call" {
		out.Text = l.childText(head, "target")
		for _, a := range l.plainArguments(head) {
			out.Kids = append(out.Kids, l.elixirParam(a))
		}
	}
	var body *Node
	if block := l.doBlock(n); block != 0 {
		body = l.rescuing(block, block, false)
	} else {
		body = l.blockOf(n, l.keyword(l.keywordsOf(n), "do"))
	}
	if body.Op != Block {
		body = l.blockOf(n, body)
	}
	returning(body, 0)
	body.Kids = append(l.unless(guard, Throw), body.Kids...)
	out.Kids = append(out.Kids, body)
	return out
}

// unless leaves where a guard does not hold.
func (l *lowerer) unless(guard *Node, by Op) []*Node {
	if guard == nil {
		return nil
	}
	at := func(op Op, kids ...*Node) *Node {
		return &Node{Op: op, Kids: kids, Start: guard.Start, End: guard.End, Line: guard.firstLine(), EndLine: guard.EndLine}
	}
	not := at(Unary, guard)
	not.Text = "!"
	return []*Node{at(If, not, at(Block, at(by)))}
}

// elixirParam is a parameter: a name, a pattern, or a pattern with a name.
func (l *lowerer) elixirParam(a *Node) *Node {
	out := &Node{Op: Param, Start: a.Start, End: a.End, Line: a.Line, EndLine: a.EndLine}
	switch {
	case a.Op == Name:
		out.Text = a.Text
	case a.Op == Bin && a.Text == `\\` && a.Kids[0].Op == Name:
		out.Text, out.Kids = a.Kids[0].Text, a.Kids[1:]
	case a.Op == Assign && a.Kids[1].Op == Name:
		out.Text, out.Type, out.Kids = a.Kids[1].Text, a.Kids[0].Type, a.Kids[:1]
	case a.Op == Assign && a.Kids[0].Op == Name:
		out.Text, out.Type, out.Kids = a.Kids[0].Text, a.Kids[1].Type, a.Kids[1:]
	default:
		out.Type, out.Kids = a.Type, []*Node{a}
	}
	return out
}

// elixirLambda is a function without a name.
func (l *lowerer) elixirLambda(n uint32) *Node {
	var stabs []uint32
	for _, c := range l.t.NamedChildren(n) {
		if l.t.Kind(c) == "stab_clause" {
			stabs = append(stabs, c)
		}
	}
	out := l.node(Func, n)
	var body *Node
	if len(stabs) == 1 {
		patterns, guard := l.head(stabs[0])
		for _, p := range patterns {
			out.Kids = append(out.Kids, l.elixirParam(p))
		}
		body = l.node(Block, stabs[0])
		if right := l.t.Child(stabs[0], "right"); right != 0 {
			body.Kids = l.children(right)
		}
		returning(body, 0)
		body.Kids = append(l.unless(guard, Throw), body.Kids...)
	} else {
		out.Kids = append(out.Kids, l.text(Param, n, "case"))
		body = l.node(Block, n, l.branches(n, l.text(Name, n, "case"), n))
		returning(body, 0)
	}
	out.Kids = append(out.Kids, body)
	return out
}

// returning marks what a body returns: its last expressions.
func returning(b *Node, depth int) {
	if len(b.Kids) == 0 || depth > 20 {
		return
	}
	last := b.Kids[len(b.Kids)-1]
	switch last.Op {
	case Return, Throw, Break, Class:
	case Block:
		returning(last, depth+1)
	case If, Branches, Try:
		from := 1
		if last.Op == Try {
			from = 0
		}
		for i, k := range last.Kids[from:] {
			switch k.Op {
			case Block:
				returning(k, depth+1)
			case If:
				wrap := &Node{Kids: []*Node{k}}
				returning(wrap, depth+1)
				last.Kids[from+i] = wrap.Kids[0]
			}
		}
	default:
		b.Kids[len(b.Kids)-1] = &Node{Op: Return, Kids: []*Node{last}, Start: last.Start, End: last.End, Line: last.firstLine(), EndLine: last.EndLine}
	}
}

// clause is the block of one clause: its pattern takes the subject, its guard
// leaves before.
func (l *lowerer) clause(n uint32, subject *Node) *Node {
	out := l.node(Block, n)
	patterns, guard := l.head(n)
	if len(patterns) == 1 && subject != nil {
		switch p := patterns[0]; p.Op {
		case Str, Num:
			out.Kids = append(out.Kids, p)
		case Const:
		default:
			out.Kids = append(out.Kids, &Node{Op: Assign, Text: "=", Kids: []*Node{p, subject}, Start: p.Start, End: p.End, Line: p.Line, EndLine: p.EndLine})
		}
	}
	out.Kids = append(out.Kids, l.unless(guard, Break)...)
	if right := l.t.Child(n, "right"); right != 0 {
		out.Kids = append(out.Kids, l.children(right)...)
	}
	return out
}

// head are the patterns of a clause, and its guard.
func (l *lowerer) head(n uint32) (patterns []*Node, guard *Node) {
	left := l.t.Child(n, "left")
	if left == 0 {
		return nil, nil
	}
	if l.t.Kind(left) == "binary_operator" && l.childText(left, "operator") == "when" {
		guard = l.must(left, "right")
		left = l.t.Child(left, "left")
	}
	if l.t.Kind(left) != "arguments" {
		return []*Node{l.lowerOr(left)}, guard
	}
	return l.elixirPairs(left), guard
}

// capture is a function: &f/1, or &(&1 + 1).
func (l *lowerer) capture(n, operand uint32) *Node {
	if l.t.Kind(operand) == "integer" {
		return l.text(Name, n, "&"+l.t.Text(operand))
	}
	param := l.text(Param, n, "&1")
	if l.t.Kind(operand) == "binary_operator" && l.childText(operand, "operator") == "/" {
		if right := l.t.Child(operand, "right"); l.t.Kind(right) == "integer" {
			callee := l.lowerOr(l.t.Child(operand, "left"))
			if callee.Op == Call {
				callee = callee.Kids[0]
			}
			call := l.node(Call, operand, callee, l.text(Name, n, "&1"))
			return l.text(Func, n, "", param, l.node(Block, n, l.node(Return, n, call)))
		}
	}
	return l.text(Func, n, "", param, l.text(Param, n, "&2"), l.node(Block, n, l.node(Return, n, l.lowerOr(operand))))
}
