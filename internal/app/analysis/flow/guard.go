package flow

import (
	"strconv"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
)

// condition says why a name is harmless in cur, for the condition of p that
// holds there; "" when it is not.
func (f *Flow) condition(name string, cur, p *code.Node) string {
	switch {
	case (p.Op == code.If || p.Op == code.Cond) && len(p.Kids) > 1 && cur == p.Kids[1]:
		return f.holds(p.Kids[0], name, true)
	case (p.Op == code.If || p.Op == code.Cond) && len(p.Kids) > 2 && cur == p.Kids[2]:
		return f.holds(p.Kids[0], name, false)
	case p.Op == code.Bin && cur == p.Kids[1] && (p.Text == "&&" || p.Text == "and"):
		return f.holds(p.Kids[0], name, true)
	case p.Op == code.Bin && cur == p.Kids[1] && (p.Text == "||" || p.Text == "or"):
		return f.holds(p.Kids[0], name, false)
	case p.Op == code.Branches && cur != p.Kids[0] && f.subject(p.Kids[0], name) && cur.Op == code.Block && len(cur.Kids) > 1:
		if k := cur.Kids[0]; k.Op == code.Str || k.Op == code.Num {
			return "line " + strconv.Itoa(k.Line) + " is reached for constants alone"
		}
	}
	return ""
}

// guarded looks for a guard of a chain such as req.query.sort itself.
func (f *Flow) guarded(chain string, at *code.Node) string {
	if chain == "" {
		return ""
	}
	if why := f.active[chain]; why != "" {
		return why
	}
	cur := at
	for p := cur.Parent; p != nil && cur.Op != code.Func; cur, p = p, p.Parent {
		f.spend(1)
		if why := f.condition(chain, cur, p); why != "" {
			return why
		}
		if p.Op != code.Block {
			continue
		}
		for _, k := range p.Kids {
			if k == cur {
				break
			}
			if f.spent() {
				return ""
			}
			if k.Op == code.If || k.Op == code.Block || k.Op == code.Call || k.Op == code.Bin {
				if why := f.exitGuard(chain, k); why != "" {
					return why
				}
			}
		}
	}
	return ""
}

// exitGuard says why a name is harmless after a statement that leaves the
// function otherwise. Guards of other names are remembered, for the name may
// have been made of them before.
func (f *Flow) exitGuard(name string, n *code.Node) string {
	var cond *code.Node
	truth := false
	switch {
	case n.Op == code.Block && len(n.Kids) > 0:
		return f.exitGuard(name, n.Kids[len(n.Kids)-1])
	case n.Op == code.If && exits(n.Kids[1]):
		cond = n.Kids[0]
		if len(n.Kids) == 3 && n.Kids[2].Op == code.If && !exits(n.Kids[2]) {
			if why := f.exitGuard(name, n.Kids[2]); why != "" {
				return why
			}
		}
	case n.Op == code.If && len(n.Kids) == 3 && exits(n.Kids[2]):
		cond, truth = n.Kids[0], true
	case n.Op == code.Bin && (n.Text == "or" || n.Text == "||") && exits(n.Kids[1]):
		cond, truth = n.Kids[0], true
	case n.Op == code.Call:
		return f.throwingHelper(name, n)
	default:
		return ""
	}
	f.spend(20)
	found := ""
	for _, other := range f.chains(cond) {
		if why := f.holds(cond, other, truth); why != "" {
			if other == name {
				found = why
			} else if f.active != nil {
				f.active[other] = why
			}
		}
	}
	if found == "" {
		found = f.holds(cond, name, truth)
	}
	return found
}

// chains are all names and members in a condition.
func (f *Flow) chains(n *code.Node) []string {
	var out []string
	n.Walk(func(k *code.Node) bool {
		if k.Op == code.Name || k.Op == code.Member || k.Op == code.Index || k.Op == code.Call {
			if c := k.Ref(); c != "" && len(out) < 20 {
				out = append(out, c)
			}
		}
		return k.Op != code.Func && !f.spent()
	})
	return out
}

// fact is an expression that is known to be true, or false.
type fact struct {
	expr  *code.Node
	truth bool
}

// facts takes a condition apart.
func facts(n *code.Node, truth bool) []fact {
	switch {
	case n.Op == code.Unary && n.Text == "!":
		return facts(n.Kids[0], !truth)
	case n.Op == code.Bin && (n.Text == "&&" || n.Text == "and") && truth,
		n.Op == code.Bin && (n.Text == "||" || n.Text == "or") && !truth:
		return append(facts(n.Kids[0], truth), facts(n.Kids[1], truth)...)
	case n.Op == code.Call && n.Method() == "Boolean" && len(n.Args()) == 1:
		return facts(n.Args()[0], truth)
	}
	return []fact{{n, truth}}
}

// holds says why a name is harmless where a condition has a truth.
func (f *Flow) holds(cond *code.Node, name string, truth bool) string {
	if f.spent() {
		return ""
	}
	all := facts(cond, truth)
	for _, k := range all {
		if k.expr.Op == code.Bin && (k.expr.Text == "&&" || k.expr.Text == "||" || k.expr.Text == "and" || k.expr.Text == "or") {
			// Both of the alternatives have to do.
			if a := f.holds(k.expr.Kids[0], name, k.truth); a != "" && f.holds(k.expr.Kids[1], name, k.truth) != "" {
				return a
			}
			continue
		}
		if why := f.atom(k.expr, name, k.truth); why != "" {
			return "line " + strconv.Itoa(cond.Line) + ": " + why
		}
	}
	if f.use == Redirect && relative(all, name) {
		return "line " + strconv.Itoa(cond.Line) + ": only paths of this site pass"
	}
	return ""
}

func (f *Flow) atom(n *code.Node, name string, truth bool) string {
	switch n.Op {
	case code.Assign:
		return f.atom(n.Kids[1], name, truth)
	case code.Bin:
		return f.compared(n, name, truth)
	case code.Index:
		if truth && f.subject(n.Kids[1], name) && f.constantCollection(n.Kids[0]) {
			return name + " is a key of a constant table"
		}
	case code.Call:
		return f.tested(n, name, truth)
	case code.Name:
		return f.flagged(n, name, truth)
	}
	return ""
}

// flagged follows a boolean to the test that it holds.
func (f *Flow) flagged(n *code.Node, name string, truth bool) string {
	if n.Text == name {
		return ""
	}
	nearest := f.lastSet(n.Text, n)
	if nearest == nil || nearest.Op != code.Assign || f.busy[nearest] > 0 {
		return ""
	}
	f.busy[nearest]++
	defer func() { f.busy[nearest]-- }()
	for _, k := range facts(nearest.Kids[1], truth) {
		if why := f.atom(k.expr, name, k.truth); why != "" {
			return why
		}
	}
	return ""
}
