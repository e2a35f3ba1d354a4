package flow

import (
	"slices"
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
	for a := range f.visible(name, at) {
		if a.Text == "declare" {
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

// visible yields the assignments to a name in the functions around a node; to a
// field, wherever they are.
func (f *Flow) visible(name string, at *code.Node) func(func(*code.Node) bool) {
	if strings.Contains(name, ".") || name[0] == '@' {
		return slices.Values(f.File.Assigns[name])
	}
	return func(yield func(*code.Node) bool) {
		for fn := at; fn != nil; {
			fn = fn.Enclosing()
			for _, a := range f.File.AssignsIn(name, fn) {
				if !yield(a) {
					return
				}
			}
		}
	}
}

// nearest is the value of the last assignment to a name before a node, in the
// same function.
func (f *Flow) nearest(name string, n *code.Node) *code.Node {
	for _, a := range slices.Backward(f.File.AssignsBefore(name, n)) {
		if v := f.bound(name, a.Kids[0], a.Kids[1]); v != nil {
			return v
		}
	}
	return nil
}

// lastSet is the last assignment to a name before a node, in the same function.
func (f *Flow) lastSet(name string, n *code.Node) *code.Node {
	if all := f.File.AssignsBefore(name, n); len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}
