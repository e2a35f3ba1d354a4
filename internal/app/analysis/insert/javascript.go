package insert

import (
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

var (
	jsSuites = map[string]bool{"describe": true, "context": true, "suite": true, "fdescribe": true, "xdescribe": true}
	jsTests  = map[string]bool{"it": true, "test": true, "specify": true, "fit": true, "xit": true}
)

// javascript is vitest, jest and mocha.
type javascript struct{}

// jsCall is the plain name that a statement calls, through members such as
// describe.only and describe.each(…), and the call itself.
func jsCall(t *syntax.Tree, n uint32) (name string, call uint32) {
	for range 4 {
		switch t.Kind(n) {
		case "expression_statement", "await_expression", "export_statement", "parenthesized_expression":
			kids := t.NamedChildren(n)
			if len(kids) == 0 {
				return "", 0
			}
			n = kids[0]
		}
	}
	if t.Kind(n) != "call_expression" {
		return "", 0
	}
	call = n
	for range 6 {
		switch t.Kind(n) {
		case "call_expression":
			n = t.Child(n, "function")
		case "member_expression":
			n = t.Child(n, "object")
		case "identifier":
			return t.Text(n), call
		default:
			return "", 0
		}
	}
	return "", 0
}

// body is the block of the function that a call is given last.
func jsBody(t *syntax.Tree, call uint32) uint32 {
	for _, arg := range slices.Backward(t.NamedChildren(t.Child(call, "arguments"))) {
		switch t.Kind(arg) {
		case "arrow_function", "function_expression", "function":
			if body := t.Child(arg, "body"); body != 0 && t.Kind(body) == "statement_block" {
				return body
			}
		}
	}
	return 0
}

// outerSuite is the first suite of a file that is in no other one, wherever it
// stands.
func outerSuite(t *syntax.Tree) (call, body uint32, name string) {
	for i := range t.Nodes {
		n := uint32(i)
		if t.Kind(n) != "call_expression" {
			continue
		}
		root, c := jsCall(t, n)
		if !jsSuites[root] || c != n {
			continue
		}
		if b := jsBody(t, n); b != 0 {
			return n, b, root
		}
	}
	return 0, 0, ""
}

func (javascript) place(f *file) *spot {
	call, body, suite := outerSuite(f.Tree)
	if call == 0 {
		return nil
	}
	var last uint32
	keyword := ""
	for _, k := range f.NamedChildren(body) {
		if root, c := jsCall(f.Tree, k); jsTests[root] && c != 0 {
			last, keyword = k, strings.TrimLeft(root, "fx")
			if root == "it" || root == "test" || root == "specify" {
				keyword = root
			}
		}
	}
	if keyword == "" {
		keyword = f.nestedKeyword(body)
	}
	suite = strings.TrimLeft(suite, "fx")
	var s *spot
	if last != 0 {
		s = f.after(last)
		s.strategy = afterIt
		if s.behind {
			s.indent = f.indentOf(call) + f.unit
		}
	} else {
		s = f.end(f.Nodes[body].End-1, f.indentOf(call)+f.unit)
		s.strategy = insideSuite
	}
	s.parent, s.keyword, s.suite = parentSuite, keyword, suite
	s.style = f.suiteQuote(call)
	return s
}

// nestedKeyword is what tests further in are called; it, where there is none.
func (f *file) nestedKeyword(body uint32) string {
	for i := range f.Nodes {
		n := uint32(i)
		if f.Kind(n) == "call_expression" && f.Nodes[n].Start > f.Nodes[body].Start && f.Nodes[n].End < f.Nodes[body].End {
			if root, _ := jsCall(f.Tree, n); root == "it" || root == "test" || root == "specify" {
				return root
			}
		}
	}
	if strings.Contains(f.src, "test,") || strings.Contains(f.src, ", test") || strings.Contains(f.src, "{ test }") {
		return "test"
	}
	return "it"
}

func (f *file) suiteQuote(call uint32) string {
	if args := f.NamedChildren(f.Child(call, "arguments")); len(args) > 0 && f.Kind(args[0]) == "string" {
		return f.Text(args[0])[:1]
	}
	return f.quote
}

func (javascript) block(f *file, s *spot, tests []prepared) []string {
	if s == nil {
		s = &spot{keyword: "it", suite: "describe", style: f.quote}
		if jsUses(f, "test") && !jsUses(f, "it") {
			s.keyword = "test"
		}
	}
	inner := s.indent + f.unit
	end := ""
	if strings.Count(f.src, ";\n")+strings.Count(f.src, ";\r\n") > 0 || f.src == "" {
		end = ";"
	}
	arrow := "() =>"
	async := "async () =>"
	if s.suite == "suite" {
		arrow, async = "function ()", "async function ()"
	}
	lines := []string{s.indent + s.suite + "(" + quoted("security", s.style) + ", " + arrow + " {"}
	for i := range tests {
		t := &tests[i]
		if i > 0 {
			lines = append(lines, "")
		}
		if t.whole {
			if !strings.Contains(t.Code, t.Name) {
				lines = append(lines, inner+"// "+oneLine(t.Name))
			}
			lines = append(lines, inner+"// Attack vector: "+oneLine(t.AttackVector))
			lines = append(lines, t.indented(inner)...)
			continue
		}
		lines = append(lines, inner+s.keyword+"("+quoted(t.Name, s.style)+", "+async+" {", inner+f.unit+"// Attack vector: "+oneLine(t.AttackVector))
		lines = append(lines, t.indented(inner+f.unit)...)
		lines = append(lines, inner+"})"+end)
	}
	return append(lines, s.indent+"})"+end)
}

func jsUses(f *file, name string) bool {
	for i := range f.Nodes {
		n := uint32(i)
		if f.Kind(n) == "call_expression" {
			if root, _ := jsCall(f.Tree, n); root == name {
				return true
			}
		}
	}
	return false
}
