package flow

import (
	"maps"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
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
		s.f.steps++
		if s.f.steps > maxSteps {
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
		if k.Op == code.Func {
			return false
		}
		s.set(k)
		return true
	})
}

// defs adds what a statement sets, and says whether it always does.
func (s *search) defs(n *code.Node) bool {
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
	case syntax.Ruby:
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
	for _, a := range s.f.File.Assigns[s.name] {
		if a.Enclosing() == around && a.Start > fn.End && a.Text != "declare" {
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
			if s.f.helper(call) != fn {
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
	if r := call.Receiver(); r != nil && i == 0 {
		v := f.eval(r, fr)
		if v.Kind == Tainted || v.Kind == Constant && f.literal(r) {
			return v, true
		}
	}
	return Value{}, false
}

// outside adds all assignments to a field, or to a name of the file, wherever
// they are.
func (s *search) outside(at *code.Node) {
	if !strings.ContainsAny(s.name, ".@[") && s.name != "" {
		own := at.Enclosing()
		for _, a := range s.f.File.Assigns[s.name] {
			if a.Enclosing() == nil && own != nil && a.Start > own.End {
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
