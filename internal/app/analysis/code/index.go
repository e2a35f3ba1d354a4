package code

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// index links parents and files what is looked up by name.
func (f *File) index(n, parent *Node) {
	n.Parent = parent
	switch n.Op {
	case Func:
		if n.Text == "" && parent != nil {
			n.Text = nameOf(n, parent)
		}
		if n.Text != "" {
			f.Funcs[n.Text] = append(f.Funcs[n.Text], n)
		}
	case Call, New:
		if m := n.Method(); m != "" {
			f.Calls[m] = append(f.Calls[m], n)
		}
	case Assign:
		for _, name := range Targets(n.Kids[0]) {
			f.Assigns[name] = append(f.Assigns[name], n)
		}
	case Class:
		if n.Enclosing() == nil {
			f.Classes[n.Text] = true
		}
	case Import:
		f.Imports[n.Text] = n.Type
	}
	for _, d := range n.Deco {
		f.index(d, n)
	}
	for _, k := range n.Kids {
		f.index(k, n)
	}
}

// nameOf is the name that a function without one is known by.
func nameOf(n, parent *Node) string {
	switch parent.Op {
	case Assign:
		if parent.Kids[1] == n {
			return last(parent.Kids[0])
		}
	case Pair:
		return parent.Text
	}
	return ""
}

func last(n *Node) string {
	if n.Op == Name || n.Op == Member {
		return n.Text
	}
	return ""
}

// Targets are the names that an assignment to this pattern sets, members by
// their whole chain.
func Targets(n *Node) []string {
	switch n.Op {
	case Name:
		return []string{n.Text}
	case Member, Index:
		if c := n.Chain(); c != "" {
			return []string{c}
		}
	case List, Map, Spread, Pair:
		var out []string
		for _, k := range n.Kids {
			out = append(out, Targets(k)...)
		}
		return out
	}
	return nil
}

// export finds the functions that other files may call.
func (f *File) export() {
	for name, funcs := range f.Funcs {
		for _, fn := range funcs {
			if f.exported(name, fn) {
				f.Exported[fn] = true
			}
		}
	}
}

func (f *File) exported(name string, fn *Node) bool {
	switch f.Language {
	case syntax.Go:
		return unicode.IsUpper([]rune(name)[0])
	case syntax.JavaScript, syntax.TypeScript:
		return f.exportedJS(name, fn)
	case syntax.Python:
		return !strings.HasPrefix(name, "_")
	case syntax.Ruby:
		return !f.privateRuby(fn)
	case syntax.Elixir:
		return !strings.HasPrefix(f.Tree.Slice(fn.Start, fn.End), "defp")
	case syntax.Java, syntax.PHP:
		head := f.Tree.Slice(fn.Start, min(fn.Body().Start, fn.End))
		return !strings.Contains(head, "private ") && (f.Language != syntax.PHP || fn.Parent == nil || enclosingClass(fn) != nil)
	default:
		return true
	}
}

// exportedJS follows export statements and assignments to exports.
func (f *File) exportedJS(name string, fn *Node) bool {
	if class := enclosingClass(fn); class != nil {
		return !strings.HasPrefix(name, "#") && !strings.HasPrefix(name, "_")
	}
	if at := f.Tree.At(fn.Start, fn.End); at != 0 {
		for p := at; p != 0; p = f.Tree.Nodes[p].Parent {
			switch f.Tree.Kind(p) {
			case "export_statement":
				return true
			case "statement_block":
				return false
			}
		}
	}
	for target, assigns := range f.Assigns {
		if !strings.HasPrefix(target, "module.exports") && !strings.HasPrefix(target, "exports.") {
			continue
		}
		for _, a := range assigns {
			found := false
			a.Kids[1].Walk(func(n *Node) bool {
				found = found || n == fn || n.Op == Name && n.Text == name
				return !found && n.Op != Func
			})
			if found {
				return true
			}
		}
	}
	found := false
	for _, k := range f.Root.Kids { // export { a, b }
		if k.Op == Other || k.Op == Block {
			src := f.Tree.Slice(k.Start, min(k.End, k.Start+6))
			if src == "export" && strings.Contains(f.Tree.Slice(k.Start, k.End), name) {
				found = true
			}
		}
	}
	return found
}

// privateRuby says whether a method comes after a bare private in its class.
func (f *File) privateRuby(fn *Node) bool {
	if fn.Parent == nil || fn.Parent.Op != Block {
		return false
	}
	private := false
	for _, k := range fn.Parent.Kids {
		if k == fn {
			return private
		}
		if k.Op == Name && (k.Text == "private" || k.Text == "protected") {
			private = true
		}
	}
	return false
}

func enclosingClass(n *Node) *Node {
	for p := n.Parent; p != nil; p = p.Parent {
		switch p.Op {
		case Class:
			return p
		case Func:
			return nil
		}
	}
	return nil
}

// AssignsIn are the assignments to a name within a function, but none of the
// functions in it, in the order of the source; nil stands for the top of the file.
func (f *File) AssignsIn(name string, fn *Node) []*Node {
	scopes, ok := f.scopes[name]
	if !ok {
		scopes = map[*Node][]*Node{}
		for _, a := range f.Assigns[name] {
			around := a.Enclosing()
			scopes[around] = append(scopes[around], a)
		}
		for _, assigns := range scopes {
			slices.SortStableFunc(assigns, func(a, b *Node) int { return cmp.Compare(a.Start, b.Start) })
		}
		f.scopes[name] = scopes
	}
	return scopes[fn]
}

// AssignsBefore are those of AssignsIn around a node that begin before it.
func (f *File) AssignsBefore(name string, n *Node) []*Node {
	all := f.AssignsIn(name, n.Enclosing())
	end, _ := slices.BinarySearchFunc(all, n.Start, func(a *Node, start uint32) int { return cmp.Compare(a.Start, start) })
	return all[:end]
}
