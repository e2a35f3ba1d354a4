package flow

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// entry adds what a parameter is given. It returns false when the name is no
// parameter, and comes from around the function.
func (s *search) entry(fn *code.Node) bool {
	for i, p := range fn.Params() {
		if p.Text == s.name {
			s.parameter(fn, p, i, nil)
			return true
		}
		for _, pattern := range p.Kids {
			probe := &code.Node{Op: code.Name, Text: "\x00"}
			if bound := s.f.bound(s.name, pattern, probe); bound != nil && pattern.Op != code.Str && pattern.Op != code.Name {
				s.parameter(fn, p, i, bound)
				return true
			}
		}
	}
	if s.fr != nil && s.fr.fn == fn {
		s.fr = s.fr.outer
	}
	if closed(s.f.File.Language, fn) {
		return s.closed(fn)
	}
	s.closureDefs(fn)
	return s.climb(fn)
}

// closed says whether a function sees the variables around it.
func closed(language syntax.Language, fn *code.Node) bool {
	switch language {
	case syntax.Ruby, syntax.Elixir:
		return fn.Text != "" && fn.Parent != nil && (fn.Parent.Op == code.Block || fn.Parent.Op == code.Class)
	default:
		return false
	}
}

// closed looks where a function that sees no variables around it finds a name:
// constants and fields.
func (s *search) closed(fn *code.Node) bool {
	if strings.HasPrefix(s.name, "@") || allCaps(s.name) || strings.ContainsAny(s.name, ".[") || s.name[0] >= 'A' && s.name[0] <= 'Z' {
		s.outside(fn)
	} else if helper := s.f.File.Funcs[s.name]; len(helper) == 1 && helper[0] != fn { // Ruby calls without parentheses
		call := &code.Node{Op: code.Call, Kids: []*code.Node{{Op: code.Name, Text: s.name}}}
		if v, ok := s.f.through(helper[0], call, nil); ok {
			s.add(v)
		}
	}
	return true
}

// closureDefs adds what the function around sets after, for a function may run
// at any time.
func (s *search) closureDefs(fn *code.Node) {
	around := fn.Enclosing()
	if around == nil {
		return
	}
	for _, a := range s.f.File.AssignsIn(s.name, around) {
		if a.Start > fn.End && a.Text != "declare" {
			s.set(a)
		}
	}
}

// parameter adds the arguments of the call that is looked through, or of all
// calls in the file.
func (s *search) parameter(fn, p *code.Node, i int, pattern *code.Node) {
	part := func(arg *code.Node) *code.Node {
		if pattern == nil {
			return arg
		}
		return rebase(pattern, arg)
	}
	if s.fr != nil && s.fr.fn == fn && s.fr.args != nil {
		if arg := argument(s.fr.args, p, i); arg != nil {
			s.add(s.f.eval(part(arg), s.fr.outer))
			return
		}
		if len(p.Kids) > 0 && pattern == nil {
			s.add(s.f.eval(p.Kids[len(p.Kids)-1], s.fr.outer))
			return
		}
		s.add(Value{Kind: Unknown})
		return
	}
	if numericType(p.Type) {
		s.add(safe("the parameter " + s.name + " is a number (" + p.Type + ")"))
		return
	}
	if v, ok := s.f.parameterSource(fn, p, i, pattern); ok {
		s.add(v)
		return
	}
	s.callers(fn, p, i, part)
}

// callers joins what the calls in the file pass.
func (s *search) callers(fn, p *code.Node, i int, part func(*code.Node) *code.Node) {
	known := 0
	if fn.Text != "" && s.f.busy[fn] == 0 && depthOf(s.fr) < maxCalls {
		s.f.busy[fn]++
		saved := s.f.active
		s.f.active = map[string]string{}
		for _, call := range s.f.File.Calls[fn.Text] {
			if !s.f.same(s.f.helper(call), fn) {
				continue
			}
			if arg := argument(call.Args(), p, i); arg != nil {
				known++
				s.add(s.f.eval(part(arg), nil))
			}
		}
		s.f.active = saved
		s.f.busy[fn]--
	}
	if v, ok := s.f.callback(fn, i, s.fr); ok {
		s.add(v)
		return
	}
	if known == 0 || s.f.File.Exported[fn] {
		v := Value{Kind: Unknown, Name: p.Text}
		if suspiciousName(s.name) {
			v.Kind = Suspicious
		}
		s.add(v)
	}
}

func argument(args []*code.Node, p *code.Node, i int) *code.Node {
	for _, a := range args {
		if a.Op == code.Pair && a.Text == p.Text && len(a.Kids) > 0 {
			return a.Kids[0]
		}
	}
	at := 0
	for _, a := range args {
		if a.Op == code.Pair {
			continue
		}
		if a.Op == code.Spread || at == i {
			return a
		}
		at++
	}
	return nil
}

// rebase puts an argument in the place of the probe in a pattern's path.
func rebase(pattern, arg *code.Node) *code.Node {
	if pattern.Op == code.Name && pattern.Text == "\x00" {
		return arg
	}
	out := *pattern
	out.Kids = []*code.Node{rebase(pattern.Kids[0], arg)}
	out.Parent = arg.Parent
	return &out
}

// callback is a parameter of a function that is passed to a call: an element of
// what the call is made on.
func (f *Flow) callback(fn *code.Node, i int, fr *frame) (Value, bool) {
	call := fn.Parent
	if call == nil || call.Op != code.Call && call.Op != code.New || call.Callee() == fn {
		return Value{}, false
	}
	r := call.Receiver()
	if f.elixir() {
		if r = call.Arg(0); r == fn {
			r = nil
		}
	}
	if r != nil && i == 0 {
		v := f.eval(r, fr)
		if v.Kind == Tainted || v.Kind == Constant && f.literal(r) {
			return v, true
		}
	}
	return Value{}, false
}
