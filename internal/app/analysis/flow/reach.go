package flow

import (
	"maps"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
)

// search is one walk back from a use of a name.
type search struct {
	f     *Flow
	name  string
	fr    *frame
	value Value
	found bool
}

func (s *search) add(v Value) {
	if v.Kind == Tainted || v.Kind == Suspicious {
		v.Hops++
		v.Name = s.name
	}
	if s.found {
		v = join(s.value, v)
	}
	s.value, s.found = v, true
}

// reach joins the assignments that reach a use of a name.
func (f *Flow) reach(name string, at *code.Node, fr *frame) Value {
	if f.busy[at] > 0 { // a loop that feeds itself
		return Value{}
	}
	f.busy[at]++
	saved := f.active
	f.active = map[string]string{}
	maps.Copy(f.active, saved)
	f.spend(len(saved) / 4)
	defer func() { f.busy[at]--; f.active = saved }()
	if why := f.active[name]; why != "" {
		return safe(why)
	}
	s := &search{f: f, name: name, fr: fr}
	if s.climb(at) {
		return s.result()
	}
	s.outside(at)
	return s.result()
}

func (s *search) result() Value {
	if s.f.over() { // there may be more than was found
		s.add(Value{Kind: Unknown})
	}
	if !s.found {
		return s.f.unbound(s.name)
	}
	if s.value.Kind == Unknown && suspiciousName(s.name) {
		s.value.Kind, s.value.Name = Suspicious, s.name
	}
	return s.value
}

// unbound is a name that nothing in the file sets.
func (f *Flow) unbound(name string) Value {
	last := name[strings.LastIndexByte(name, '.')+1:]
	switch {
	case allCaps(last) && len(last) > 1:
		return Value{Kind: Constant, Why: "the constant " + name, Text: true}
	case suspiciousName(last):
		return Value{Kind: Suspicious, Name: name}
	}
	return Value{Kind: Unknown, Name: name}
}

// climb goes back from a node to the beginning of its function, or file. It
// returns true when nothing before matters.
func (s *search) climb(at *code.Node) bool {
	cur := at
	for p := cur.Parent; p != nil; cur, p = p, p.Parent {
		if s.f.spent() {
			s.add(Value{Kind: Unknown})
			return true
		}
		if why := s.f.condition(s.name, cur, p); why != "" {
			s.add(safe(why))
			return true
		}
		switch p.Op {
		case code.Block, code.Class:
			if s.before(p, cur) {
				return true
			}
		case code.Loop:
			if s.loop(p, cur) {
				return true
			}
		case code.Branches, code.Try, code.If:
			for _, k := range p.Kids {
				if k == cur {
					break
				}
				if p.Op == code.Try {
					s.defs(k)
				}
				if p.Op == code.If && s.defs(k) && k == p.Kids[0] {
					return true
				}
			}
		case code.Func:
			return s.entry(p)
		}
	}
	return false
}

// before goes back over the statements of a block before one of them.
func (s *search) before(p, cur *code.Node) bool {
	i := len(p.Kids) - 1
	for i >= 0 && p.Kids[i] != cur {
		i--
	}
	for i--; i >= 0; i-- {
		k := p.Kids[i]
		if s.f.spent() {
			s.add(Value{Kind: Unknown})
			return true
		}
		if s.defs(k) {
			return true
		}
		if why := s.f.exitGuard(s.name, k); why != "" {
			s.add(safe(why))
			return true
		}
	}
	return false
}

// loop adds what a loop's body sets, which reaches its own beginning.
func (s *search) loop(p, cur *code.Node) bool {
	for _, k := range p.Kids {
		if k == cur {
			continue
		}
		if s.defs(k) && k.Op == code.Assign && k == p.Kids[0] {
			return true
		}
	}
	s.may(cur)
	return false
}

// may adds all that a piece of code sets.
func (s *search) may(n *code.Node) {
	n.Walk(func(k *code.Node) bool {
		if k.Op == code.Func || s.f.spent() {
			return false
		}
		s.set(k)
		return true
	})
}

// defs adds what a statement sets, and says whether it always does.
func (s *search) defs(n *code.Node) bool {
	if s.f.elixir() {
		switch n.Op {
		case code.If: // what its blocks set is theirs
			s.may(n.Kids[0])
			return false
		case code.Block, code.Try, code.Loop, code.Branches:
			return false
		}
	}
	switch n.Op {
	case code.Func, code.Class:
		return false
	case code.Block:
		for _, k := range slices.Backward(n.Kids) {
			if s.defs(k) {
				return true
			}
		}
		return false
	case code.Assign:
		if s.set(n) {
			return n.Text == "=" || n.Text == "declare"
		}
		return s.defs(n.Kids[1])
	case code.If:
		s.may(n.Kids[0])
		all := len(n.Kids) == 3
		for _, k := range n.Kids[1:] {
			if exits(k) { // what it sets gets nowhere
				continue
			}
			if !s.defs(k) {
				all = false
			}
		}
		return all
	case code.Try:
		always := s.defs(n.Kids[0])
		for _, k := range n.Kids[1:] {
			if !exits(k) {
				s.defs(k)
				always = false
			}
		}
		return always
	case code.Loop, code.Branches, code.Cond:
		s.may(n)
		return false
	default:
		s.may(n)
		return false
	}
}
