package flow

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// set adds the value of one assignment to the name, if it is one.
func (s *search) set(n *code.Node) bool {
	switch n.Op {
	case code.Assign:
		value := s.f.bound(s.name, n.Kids[0], n.Kids[1])
		if value == nil {
			return false
		}
		if n.Text == "declare" {
			return true
		}
		s.add(s.f.eval(value, s.fr))
		return true
	case code.Call:
		s.output(n)
	}
	return false
}

// output adds what a call writes to the name: into &x, or x.push(v).
func (s *search) output(n *code.Node) {
	for _, a := range n.Args() {
		if a.Op == code.Unary && a.Text == "&" && a.Kids[0].Chain() == s.name {
			v := Value{Kind: Unknown}
			if r := n.Receiver(); r != nil {
				v = join(v, s.f.eval(r, s.fr))
			}
			for _, other := range n.Args() {
				if other != a {
					v = join(v, s.f.eval(other, s.fr))
				}
			}
			s.add(v)
		}
	}
	if r := n.Receiver(); r != nil && r.Chain() == s.name && appends(n.Method()) {
		for _, a := range n.Args() {
			s.add(s.f.eval(a, s.fr))
		}
	}
}

// bound is what an assignment of value to a pattern gives a name; nil for
// nothing.
func (f *Flow) bound(name string, target, value *code.Node) *code.Node {
	switch target.Op {
	case code.Name:
		if target.Text == name {
			return value
		}
	case code.Member, code.Index:
		chain := target.Chain()
		if chain == name {
			return value
		}
		// Setting a part changes the whole.
		if base, _, ok := strings.Cut(chain, "["); ok && base == name {
			return value
		}
	case code.Spread, code.Pair:
		if len(target.Kids) > 0 {
			return f.bound(name, target.Kids[0], value)
		}
	case code.List:
		for i, k := range target.Kids {
			part := value
			if value.Op == code.List && i < len(value.Kids) {
				part = value.Kids[i]
			}
			if v := f.bound(name, k, part); v != nil {
				if f.File.Language == syntax.Go && i > 0 && value.Op == code.Call && (name == "err" || name == "ok") {
					return &code.Node{Op: code.Const, Text: "nil"}
				}
				return v
			}
		}
	case code.Map:
		for _, k := range target.Kids {
			if k.Op == code.Pair && len(k.Kids) > 0 {
				part := &code.Node{Op: code.Member, Text: k.Text, Kids: []*code.Node{value}, Parent: value.Parent, Start: value.Start, End: value.End, Line: value.Line}
				if v := f.bound(name, k.Kids[0], part); v != nil {
					return v
				}
			} else if v := f.bound(name, k, value); v != nil {
				return v
			}
		}
	}
	return nil
}

// outside adds all assignments to a field, or to a name of the file, wherever
// they are.
func (s *search) outside(at *code.Node) {
	if !strings.ContainsAny(s.name, ".@[") && s.name != "" {
		own := at.Enclosing()
		for _, a := range s.f.File.AssignsIn(s.name, nil) {
			if own != nil && a.Start > own.End {
				s.set(a)
			}
		}
		return
	}
	for _, a := range s.f.File.Assigns[s.name] {
		if s.found && a.Enclosing() == at.Enclosing() {
			continue
		}
		s.set(a)
	}
}
