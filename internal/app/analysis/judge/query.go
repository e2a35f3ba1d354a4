package judge

import (
	"fmt"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// query is one question: is what stands at this place a vulnerability of this
// kind?
type query struct {
	file  *File
	flow  *flow.Flow
	place place
	kind  Type
}

func (q *query) use() flow.Use { return flow.Use(q.kind) }

func (q *query) lang() syntax.Language {
	if q.file.code.Language == syntax.TypeScript {
		return syntax.JavaScript
	}
	return q.file.code.Language
}

// rule judges one node; false when it is not about such nodes.
type rule func(q *query, n *code.Node) (answer, bool)

var rules = map[Type]rule{
	SQLInjection: sqlRule, NoSQLInjection: nosqlRule, XSS: xssRule, CodeInjection: codeRule, CommandInjection: commandRule, PathTraversal: pathRule,
	SSRF: ssrfRule, OpenRedirect: redirectRule, LDAPInjection: ldapRule, XPathInjection: xpathRule, XXE: xxeRule, Deserialization: deserializeRule,
	TimingAttack: timingRule, HardcodedSecret: secretRule, WeakHash: hashRule, WeakRandomness: randomRule, InsecureCookie: cookieRule,
}

// ask applies the rule of the kind to what stands at the place: first to what
// is in the reported code, then to what begins on its line, then to what is
// around it in the same function. matched says whether any applied.
func (q *query) ask() (answer, bool) {
	r, ok := rules[q.kind]
	if special, has := elixirRules[q.kind]; has && q.lang() == syntax.Elixir {
		r = special
	}
	if !ok {
		return answer{value: q.plain()}, false
	}
	inside, onLine, around := q.candidates()
	for _, nodes := range [][]*code.Node{inside, onLine, around} {
		var worst answer
		matched := false
		for _, n := range nodes {
			a, ok := r(q, n)
			if !ok {
				continue
			}
			a.sink = n
			if !matched || worse(a, worst) {
				worst = a
			}
			matched = true
			if len(nodes) > 0 && nodes[0] == around[0] { // the innermost counts
				break
			}
		}
		if matched {
			return worst, true
		}
	}
	return q.fallback(onLine)
}

// candidates are the nodes at a place, outermost first, but for around, which
// begins with the innermost.
func (q *query) candidates() (inside, onLine, around []*code.Node) {
	p := q.place
	around = make([]*code.Node, 0, 1)
	q.file.code.Root.Walk(func(n *code.Node) bool {
		if n.Line > p.line || n.EndLine < p.line {
			// A block's lines are its source's; decorators lie before, and so does
			// what a pipe hands over.
			return n.Op == code.Block && n.Parent == nil || n.Piped()
		}
		switch {
		case n.Op == code.Func:
			around = around[:0]
		case n.Line == p.line:
			onLine = append(onLine, n)
			if n.Begin() >= p.start && n.End <= p.end+1 {
				inside = append(inside, n)
			}
		case n.Op != code.Block && n.Op != code.Class:
			around = append(around, n)
		}
		return true
	})
	for i, j := 0, len(around)-1; i < j; i, j = i+1, j-1 {
		around[i], around[j] = around[j], around[i]
	}
	if len(around) == 0 {
		around = append(around, &code.Node{Op: code.Other})
	}
	return inside, onLine, around
}

// plain is the worst origin of anything on the line.
func (q *query) plain() flow.Value {
	_, onLine, _ := q.candidates()
	worst := flow.Value{Kind: flow.Unknown}
	for _, n := range onLine {
		if n.Op == code.Func || n.Op == code.Class || n.Op == code.Block {
			continue
		}
		if v := q.flow.Value(n, flow.Plain); v.Kind > worst.Kind {
			worst = v
		}
	}
	return worst
}

// injections are the kinds where a constant alone can do no harm.
var injections = map[Type]bool{
	SQLInjection: true, NoSQLInjection: true, XSS: true, CodeInjection: true, CommandInjection: true, PathTraversal: true, SSRF: true, OpenRedirect: true,
	LDAPInjection: true, XPathInjection: true, Deserialization: true, XXE: true,
}

// fallback judges lines that no rule knows: what is assigned, returned or
// passed there.
func (q *query) fallback(onLine []*code.Node) (answer, bool) {
	out := answer{value: flow.Value{Kind: flow.Unknown}}
	if a, ok := q.spelled(onLine); ok {
		return a, false
	}
	if !injections[q.kind] {
		return out, false
	}
	for _, n := range onLine {
		var exprs []*code.Node
		switch n.Op {
		case code.Assign:
			if n.Text != "declare" {
				exprs = n.Kids[1:2]
			}
		case code.Return:
			exprs = n.Kids
		case code.Call, code.New:
			exprs = n.Args()
			if v := q.flow.Value(n, q.use()); v.Kind == flow.Safe && len(exprs) > 0 {
				out.safe, out.value, out.sink = true, v, n
				out.why = fmt.Sprintf("properly sanitized: %s", v.Why)
				return out, false
			}
		case code.Interp, code.Bin:
			exprs = []*code.Node{n}
		default:
			continue
		}
		constant := len(exprs) > 0
		worst := flow.Value{}
		for _, e := range exprs {
			if e.Op == code.Func {
				constant = false
				continue
			}
			v := q.flow.Value(e, q.use())
			constant = constant && (v.Kind == flow.Constant || v.Kind == flow.Safe)
			if v.Kind >= worst.Kind {
				worst = v
			}
		}
		out.sink = n
		if worst.Kind >= flow.Suspicious {
			out.value = worst
			return out, false
		}
		if constant && (n.Op == code.Assign || n.Op == code.Return) {
			out.safe, out.value = true, worst
			out.why = fmt.Sprintf("constant value: line %d holds nothing that a request decides%s", n.Line, because(worst.Why))
			return out, false
		}
		if n.Op == code.Assign || n.Op == code.Return {
			return out, false
		}
	}
	return out, false
}

// spelled judges lines that only hold texts, in which code is spelled, and for
// secrets lines that hold no text at all.
func (q *query) spelled(onLine []*code.Node) (answer, bool) {
	texts := 0
	for _, n := range onLine {
		if n.Op == code.Str {
			texts++
		}
	}
	if q.kind == HardcodedSecret {
		if texts == 0 && q.place.text == 0 {
			return safely("environment variable or config: nothing is written out on line %d", q.place.line), true
		}
		return answer{}, false
	}
	if len(onLine) == 0 {
		return answer{}, false
	}
	n := onLine[0]
	var values []*code.Node
	switch n.Op {
	case code.Assign:
		values = n.Kids[1:]
	case code.Call:
		values = n.Args()
	}
	for _, v := range values {
		if v.Op != code.Str || !strings.ContainsAny(v.Text, "(=") {
			return answer{}, false
		}
	}
	if len(values) == 0 {
		return answer{}, false
	}
	a := safely("line %d only spells it in a text", n.Line)
	a.spelled = true
	return a, true
}

// judgeValue is the answer for an expression at a sink: words name the kind of
// safe pattern.
func (q *query) judgeValue(n *code.Node, constant, clean string) answer {
	if n == nil {
		return unknown()
	}
	v := q.flow.Value(n, q.use())
	switch v.Kind {
	case flow.Constant:
		return answer{safe: true, value: v, why: fmt.Sprintf("%s: line %d takes nothing from a request%s", constant, n.Line, because(v.Why))}
	case flow.Safe:
		return answer{safe: true, value: v, why: fmt.Sprintf("%s: %s", clean, v.Why)}
	default:
		return answer{value: v}
	}
}

// worstOf judges several expressions at one sink.
func (q *query) worstOf(nodes []*code.Node, constant, clean string) answer {
	out := answer{safe: true, why: constant + ": nothing from a request is passed"}
	first := true
	for _, n := range nodes {
		if n == nil || n.Op == code.Func {
			continue
		}
		if a := q.judgeValue(n, constant, clean); first || worse(a, out) {
			out, first = a, false
		}
	}
	return out
}
