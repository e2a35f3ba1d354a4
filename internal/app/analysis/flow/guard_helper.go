package flow

import (
	"slices"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
)

// throwingHelper looks into a function that throws unless its argument is
// allowed.
func (f *Flow) throwingHelper(name string, call *code.Node) string {
	fn := f.helper(call)
	if fn == nil || f.busy[fn] > 0 || len(f.clauses(fn)) > 1 {
		return ""
	}
	for i, p := range fn.Params() {
		if p.Text == "" {
			continue
		}
		if a := argument(call.Args(), p, i); a == nil || a.Chain() != name {
			continue
		}
		for _, k := range fn.Body().Kids {
			if k.Op == code.If && len(k.Kids) >= 2 && throws(k.Kids[1]) {
				if why := f.holds(k.Kids[0], p.Text, false); why != "" {
					return why + " (in " + fn.Text + ")"
				}
			}
		}
	}
	return ""
}

func throws(n *code.Node) bool {
	return n.Op == code.Throw || n.Op == code.Block && slices.ContainsFunc(n.Kids, throws) ||
		n.Op == code.Call && slices.Contains([]string{"abort", "wp_die", "panic", "halt"}, n.Kids[0].Chain())
}

// predicate looks into a function that tells whether its argument is allowed.
func (f *Flow) predicate(fn, call *code.Node, name string, truth bool) string {
	if !truth || f.busy[fn] > 0 || len(f.clauses(fn)) > 1 {
		return ""
	}
	f.busy[fn]++
	defer func() { f.busy[fn]-- }()
	for i, p := range fn.Params() {
		if a := argument(call.Args(), p, i); a == nil || p.Text == "" || !f.subject(a, name) {
			continue
		}
		found, bad := "", false
		fn.Body().Walk(func(n *code.Node) bool {
			if n.Op == code.Return && len(n.Kids) > 0 {
				v := n.Kids[0]
				if v.Op == code.Const && (v.Text == "false" || v.Text == "null" || v.Text == "nil") {
					return false
				}
				why := ""
				for _, k := range facts(v, true) {
					if why == "" {
						why = f.atom(k.expr, p.Text, k.truth)
					}
				}
				if why == "" && f.use == Redirect && relative(facts(v, true), p.Text) {
					why = "only paths of this site pass"
				}
				if why == "" && v.Op == code.Const && v.Text == "true" {
					why = f.passed(n, p.Text)
				}
				if why == "" {
					bad = true
				} else {
					found = why
				}
				return false
			}
			return n.Op != code.Func
		})
		if found != "" && !bad {
			return found + " (in " + fn.Text + ")"
		}
	}
	return ""
}

// passed is the guard before a return true.
func (f *Flow) passed(n *code.Node, name string) string {
	cur := n
	for p := cur.Parent; p != nil && cur.Op != code.Func; cur, p = p, p.Parent {
		if why := f.condition(name, cur, p); why != "" {
			return why
		}
		if p.Op != code.Block {
			continue
		}
		for _, k := range p.Kids {
			if k == cur {
				break
			}
			if why := f.exitGuard(name, k); why != "" {
				return why
			}
		}
	}
	return ""
}
