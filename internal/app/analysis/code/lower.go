package code

import (
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
		Assigns: map[string][]*Node{}, Imports: map[string]string{}, Classes: map[string]bool{}, Exported: map[*Node]bool{}, scopes: map[string]map[*Node][]*Node{},
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
	slab     []Node            // where the next nodes come from
	kids     []*Node           // where the next lists of nodes come from
	pending  []*Node           // lists that are being made, one on the other
	aliases  map[string]string // of Elixir's modules, by what they are called
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
	if l.lang == syntax.Elixir {
		return l.elixir(n, kind)
	}
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
