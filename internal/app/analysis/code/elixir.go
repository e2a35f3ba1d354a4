package code

import "strings"

// elixir lowers Elixir, whose tree knows calls and operators alone: what others
// have as statements are macros there, told by their names (elixir_macros.go).
func (l *lowerer) elixir(n uint32, kind string) *Node {
	switch kind {
	case "source", "block", "body", "else_block", "after_block", "rescue_block", "catch_block":
		return l.elixirBlock(n)
	case "identifier", "alias", "operator_identifier":
		return l.text(Name, n, l.moduleName(l.t.Text(n)))
	case "atom", "quoted_atom", "string", "charlist", "char", "sigil", "integer", "float", "boolean", "nil":
		return l.elixirLiteral(n, kind)
	case "list", "tuple", "bitstring":
		return l.elixirList(n)
	case "map":
		return l.elixirMap(n)
	case "call":
		return l.elixirCall(n)
	case "dot":
		return l.elixirMember(n)
	case "access_call":
		return l.node(Index, n, l.must(n, "target"), l.must(n, "key"))
	case "anonymous_function":
		return l.elixirLambda(n)
	case "binary_operator":
		return l.elixirBinary(n)
	case "unary_operator":
		return l.elixirUnary(n)
	case "stab_clause":
		return l.clause(n, nil)
	case "ERROR":
		return l.node(Block, n, l.children(n)...)
	default:
		return l.node(Other, n, l.children(n)...)
	}
}

// elixirBlock is a block of statements, or the only one that it has.
func (l *lowerer) elixirBlock(n uint32) *Node {
	kids := l.children(n)
	if len(kids) == 1 && l.t.Kind(n) == "block" {
		return kids[0]
	}
	return l.node(Block, n, kids...)
}

// moduleName undoes an alias.
func (l *lowerer) moduleName(name string) string {
	first, rest, more := strings.Cut(name, ".")
	if whole := l.aliases[first]; whole != "" {
		first = whole
	}
	if more {
		return first + "." + rest
	}
	return first
}

// elixirMember is a field, or a function without arguments.
func (l *lowerer) elixirMember(n uint32) *Node {
	left, right := l.t.Child(n, "left"), l.t.Child(n, "right")
	if left == 0 {
		return l.node(Other, n, l.children(n)...)
	}
	object := l.lowerOr(left)
	if l.t.Kind(left) == "atom" { // a module of Erlang
		object = l.text(Name, left, l.t.Text(left))
	}
	name := "call" // of f.(x)
	if right != 0 {
		name = strings.Trim(l.t.Text(right), `"`)
	}
	return l.text(Member, n, name, object)
}

// plainArguments are the arguments of a call, but its do: and else:.
func (l *lowerer) plainArguments(n uint32) []*Node {
	for c := range l.t.Children(n) {
		if l.t.Kind(c) == "arguments" {
			return l.elixirPairs(c)
		}
	}
	return nil
}

func (l *lowerer) elixirCall(n uint32) *Node {
	target := l.t.Child(n, "target")
	if l.t.Kind(target) == "identifier" {
		if out := l.macro(n, l.t.Text(target), nil); out != nil {
			return out
		}
	}
	return l.plainCall(n, nil)
}

// plainCall is a call that is no macro known here; first is what a pipe hands
// over.
func (l *lowerer) plainCall(n uint32, first *Node) *Node {
	target := l.t.Child(n, "target")
	callee := l.lowerOr(target)
	args := l.plainArguments(n)
	if first != nil {
		args = append([]*Node{first}, args...)
	}
	if callee.Op == Member && first == nil && !l.t.Has(n, "arguments") && !l.t.Has(n, "do_block") && !moduleLike(callee.Kids[0]) {
		return callee // a field
	}
	if callee.Op == Name && callee.Text == "halt" {
		// Plug's stops the pipeline, and returns.
		callee = l.text(Member, target, "halt", l.text(Name, target, "Plug.Conn"))
	}
	out := l.node(Call, n, append([]*Node{callee}, args...)...)
	if body := l.doBlock(n); body != 0 {
		out.Kids = append(out.Kids, l.text(Func, body, "", l.section(body)))
	}
	return out
}

// moduleLike says whether a name is a module's.
func moduleLike(n *Node) bool {
	return n.Op == Name && n.Text != "" && (n.Text[0] == ':' || n.Text[0] >= 'A' && n.Text[0] <= 'Z' || n.Text == "__MODULE__")
}

func (l *lowerer) doBlock(n uint32) uint32 {
	for c := range l.t.Children(n) {
		if l.t.Kind(c) == "do_block" {
			return c
		}
	}
	return 0
}

func (l *lowerer) elixirBinary(n uint32) *Node {
	op := l.childText(n, "operator")
	left, right := l.t.Child(n, "left"), l.t.Child(n, "right")
	if left == 0 || right == 0 {
		return l.node(Other, n, l.children(n)...)
	}
	switch op {
	case "=":
		return l.text(Assign, n, "=", l.lowerOr(left), l.lowerOr(right))
	case "|>":
		return l.pipe(n, l.lowerOr(left), right)
	case "<>": // the texts' own; + adds numbers
		op = "."
	case "and":
		op = "&&"
	case "or":
		op = "||"
	case "|":
		return l.node(List, n, l.lowerOr(left), l.node(Spread, right, l.lowerOr(right)))
	case "::":
		return l.lowerOr(left)
	}
	return l.text(Bin, n, strings.Join(strings.Fields(op), " "), l.lowerOr(left), l.lowerOr(right))
}

// pipe makes x |> f(y) the call that it is. It has the line of its function.
func (l *lowerer) pipe(n uint32, first *Node, right uint32) *Node {
	var out *Node
	if l.t.Kind(right) == "call" {
		target := l.t.Child(right, "target")
		if l.t.Kind(target) == "identifier" {
			out = l.macro(right, l.t.Text(target), first)
		}
		if out == nil {
			out = l.plainCall(right, first)
		}
	} else {
		out = l.node(Call, right, l.lowerOr(right), first)
	}
	out.Start = min(out.Start, l.t.Nodes[n].Start)
	return out
}

func (l *lowerer) elixirUnary(n uint32) *Node {
	op := l.childText(n, "operator")
	operand := l.t.Child(n, "operand")
	if operand == 0 {
		return l.node(Other, n)
	}
	switch op {
	case "@":
		return l.attribute(n, operand)
	case "&":
		return l.capture(n, operand)
	case "^":
		return l.lowerOr(operand)
	case "not", "!":
		return l.text(Unary, n, "!", l.lowerOr(operand))
	default:
		return l.text(Unary, n, op, l.lowerOr(operand))
	}
}

// attribute is a module's attribute: read, or set.
func (l *lowerer) attribute(n, operand uint32) *Node {
	if l.t.Kind(operand) != "call" {
		return l.text(Name, n, "@"+l.t.Text(operand))
	}
	name := l.childText(operand, "target")
	switch name {
	case "spec", "type", "typep", "opaque", "callback", "macrocallback":
		return l.node(Block, n)
	}
	args := l.plainArguments(operand)
	if len(args) == 0 {
		return l.text(Name, n, "@"+name)
	}
	value := args[0]
	if value.Op == Pair {
		value = l.node(Map, n, args...)
	}
	return l.text(Assign, n, "=", l.text(Name, n, "@"+name), value)
}
