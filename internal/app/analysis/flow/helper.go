package flow

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// call evaluates a call: a source, a sanitiser, a helper of this file, or
// something unknown that passes on what it is given.
func (f *Flow) call(n *code.Node, fr *frame) Value {
	if why := f.guarded(n.Ref(), n); why != "" {
		return safe(why)
	}
	if chain := n.Kids[0].Chain(); environment(chain) {
		return Value{Kind: Constant, Why: "read from the environment: " + chain, Text: true}
	}
	if source, text := f.source(n); source {
		return Value{Kind: Tainted, Source: n, Text: text}
	}
	if v, ok := f.cleanse(n, fr); ok {
		return v
	}
	if fn := f.helper(n); fn != nil {
		if v, ok := f.through(fn, n, fr); ok {
			return v
		}
	}
	v := Value{Text: true}
	first := true
	if r := n.Receiver(); r != nil {
		if !f.library(r) {
			v, first = f.eval(r, fr), false
		}
	} else if n.Op == code.Call && n.Kids[0].Op != code.Name {
		v, first = f.eval(n.Kids[0], fr), false
	}
	if mapped := f.mapped(n); mapped != nil {
		v, first = f.returned(mapped, fr), false
	}
	for _, a := range n.Args() {
		if !first && a == n.Arg(0) && f.mapped(n) != nil {
			continue // what is made of it counts
		}
		if a.Op == code.Func {
			v = join(v, f.returned(a, fr))
			continue
		}
		av := f.eval(a, fr)
		if first {
			v, first = av, false
		} else {
			v = join(v, av)
		}
	}
	v.Text = v.Text || stringMethod(n.Method())
	if decodes(n.Method()) {
		v.Text = false
	}
	switch {
	case v.Kind == Constant && !pureMethod(n.Method()):
		v = Value{Kind: Unknown}
	case v.Kind == Safe && !pureMethod(n.Method()) && n.Receiver() == nil && n.Op == code.Call:
		v = Value{Kind: Unknown}
	case v.Kind >= Suspicious && soundsCleaning(n.Method()):
		v.Cleaned = true
	}
	return v
}

// returned is what a callback returns.
func (f *Flow) returned(fn *code.Node, fr *frame) Value {
	if f.busy[fn] > 0 {
		return Value{}
	}
	f.busy[fn]++
	defer func() { f.busy[fn]-- }()
	v, _ := f.returns(fn, &frame{fn: fn, outer: fr, depth: depthOf(fr) + 1})
	return v
}

func depthOf(fr *frame) int {
	if fr == nil {
		return 0
	}
	return fr.depth
}

// helper is the function of this file that a call reaches; nil for others.
func (f *Flow) helper(n *code.Node) *code.Node {
	if n.Op != code.Call {
		return nil
	}
	if f.elixir() {
		return f.clauseFor(n)
	}
	funcs := f.File.Funcs[n.Method()]
	if len(funcs) != 1 {
		return nil
	}
	if r := n.Receiver(); r != nil {
		// A method is this file's when its object is, or a class or module of it.
		chain := r.Chain()
		switch {
		case chain == "this" || chain == "self" || chain == "static" || chain == "exports" || chain == "module.exports":
		case chain != "" && (len(f.File.Assigns[chain]) > 0 && f.builtHere(chain) || f.classNamed(chain)):
		case f.File.Language == syntax.Go && n.Method() == funcs[0].Text && strings.Contains(f.head(funcs[0]), ") "+n.Method()+"("):
		default:
			return nil
		}
	}
	return funcs[0]
}

func (f *Flow) head(fn *code.Node) string {
	return f.File.Tree.Slice(fn.Start, fn.Body().Start)
}

// builtHere says whether a name is an object that this file writes out.
func (f *Flow) builtHere(name string) bool {
	for _, a := range f.File.Assigns[name] {
		if v := a.Kids[1]; v.Op == code.Map || v.Op == code.New && len(v.Kids) > 0 && f.classNamed(v.Kids[0].Text) {
			return true
		}
	}
	return false
}

func (f *Flow) classNamed(name string) bool { return f.File.Classes[name] }

// through evaluates what a helper returns for the arguments of a call.
func (f *Flow) through(fn, call *code.Node, fr *frame) (Value, bool) {
	if depthOf(fr) >= maxCalls || f.busy[fn] > 0 {
		return Value{Kind: Unknown}, true
	}
	f.busy[fn]++
	defer func() { f.busy[fn]-- }()
	saved := f.active
	f.active = map[string]string{}
	defer func() { f.active = saved }()
	var v Value
	any := false
	clauses := f.clauses(fn)
	if len(clauses) > maxClauses {
		return Value{Kind: Unknown}, true
	}
	for _, clause := range clauses {
		cv, returned := f.returns(clause, &frame{fn: clause, args: call.Args(), outer: fr, depth: depthOf(fr) + 1})
		switch {
		case !returned:
		case any:
			v = join(v, cv)
		default:
			v, any = cv, true
		}
	}
	if !any {
		return v, false
	}
	if v.Kind == Tainted {
		v.Hops++
		v.Cleaned = v.Cleaned || soundsCleaning(fn.Text)
	}
	if v.Kind == Constant && v.Why == "" {
		v.Why = fn.Text + " returns constants alone"
	}
	return v, true
}

func (f *Flow) returns(fn *code.Node, fr *frame) (Value, bool) {
	var v Value
	any := false
	fn.Body().Walk(func(n *code.Node) bool {
		if n.Op == code.Func {
			return false
		}
		if n.Op == code.Return && len(n.Kids) > 0 {
			value := n.Kids[0]
			rv := f.eval(value, fr)
			if len(n.Kids) == 1 && value.Op == code.List && f.File.Language == syntax.Go && len(value.Kids) > 0 {
				rv = f.eval(value.Kids[0], fr)
			}
			if !any {
				v = rv
			} else {
				v = join(v, rv)
			}
			any = true
			return false
		}
		return true
	})
	return v, any
}
