package flow

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
)

// Resolve follows names to the one expression that they stand for; nil when
// there is none.
func (f *Flow) Resolve(n *code.Node) *code.Node {
	for range 8 {
		if n == nil {
			return nil
		}
		name := n.Chain()
		if n.Op != code.Name && n.Op != code.Member || name == "" {
			return n
		}
		d := f.definition(name, n)
		if d == nil {
			return n
		}
		n = d
	}
	return n
}

// definition is the value of a name that is set once.
func (f *Flow) definition(name string, at *code.Node) *code.Node {
	var found *code.Node
	for _, a := range f.File.Assigns[name] {
		if a.Text == "declare" {
			continue
		}
		fn := a.Enclosing()
		if fn != nil && fn != at.Enclosing() && !within(at, fn) && !strings.Contains(name, ".") && name[0] != '@' {
			continue
		}
		v := f.bound(name, a.Kids[0], a.Kids[1])
		if v == nil || a.Text != "=" || found != nil {
			return nil
		}
		found = v
	}
	return found
}

func within(n, fn *code.Node) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p == fn {
			return true
		}
	}
	return false
}

// nearest is the value of the last assignment to a name before a node, in the
// same function.
func (f *Flow) nearest(name string, n *code.Node) *code.Node {
	var found *code.Node
	for _, a := range f.File.Assigns[name] {
		if a.Start < n.Start && a.Enclosing() == n.Enclosing() {
			if v := f.bound(name, a.Kids[0], a.Kids[1]); v != nil {
				found = v
			}
		}
	}
	return found
}
