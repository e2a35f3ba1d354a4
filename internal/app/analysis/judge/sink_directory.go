package judge

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

var ldapCalls = set(`search searchAsync search_s search_ext search_st search_ext_s ldap_search ldap_list ldap_read NewSearchRequest construct Search searchSync searchReturningEntries bind compare filter lookup`)

func ldapRule(q *query, n *code.Node) (answer, bool) {
	if n.Op != code.Call && n.Op != code.New || !ldapCalls[n.Method()] && n.Method() != "NewSearchRequest" && n.Method() != "SearchRequest" {
		return answer{}, false
	}
	var exprs []*code.Node
	for _, a := range n.Args() {
		switch a.Op {
		case code.Func:
			continue
		case code.Pair:
			exprs = append(exprs, a.Kids[0])
			continue
		}
		r := q.flow.Resolve(a)
		if r != nil && r.Op == code.Map {
			for _, key := range []string{"filter", "base"} {
				if v := r.Named(key); v != nil {
					exprs = append(exprs, v)
				}
			}
			continue
		}
		if q.lang() == syntax.PHP && len(exprs) == 0 && a.Op == code.Name && n.Arg(0) == a {
			continue // the connection
		}
		exprs = append(exprs, a)
	}
	if len(exprs) >= 3 && q.lang() == syntax.Java {
		if text, ok := q.flow.Literal(exprs[1]); ok && strings.Contains(text, "{0}") {
			return safely("parameterized filter: line %d binds its values", n.Line), true
		}
	}
	return q.interesting(exprs, "constant value", "escaping"), true
}

// interesting judges the arguments that are texts; names of connections and the
// like, of which nothing is known, only count when nothing else is there.
func (q *query) interesting(exprs []*code.Node, constant, clean string) answer {
	var texts []*code.Node
	for _, e := range exprs {
		if e.Op == code.Name || e.Op == code.Member || e.Op == code.Call {
			if v := q.flow.Value(e, q.use()); v.Kind == flow.Unknown {
				continue
			}
		}
		texts = append(texts, e)
	}
	if len(texts) == 0 {
		return unknown()
	}
	built := false
	for _, e := range texts {
		if v := q.flow.Value(e, q.use()); v.Kind != flow.Constant || len(q.flow.Parts(e)) > 0 && e.Op != code.Const && e.Op != code.Num {
			built = true
		}
	}
	if !built {
		return unknown()
	}
	return q.worstOf(texts, constant, clean)
}

var xpathCalls = set(`select select1 evaluate xpath find findall query compile search at_xpath SelectSingleNode selectSingleNode selectNodes Find FindOne QueryAll Query MustCompile parse findtext iterfind XPath at Compile`)

func xpathRule(q *query, n *code.Node) (answer, bool) {
	if n.Op != code.Call && n.Op != code.New || !xpathCalls[n.Method()] {
		return answer{}, false
	}
	i := 0
	chain := n.Kids[0].Chain()
	if q.lang() == syntax.Go && (strings.HasPrefix(chain, "xmlquery.") || strings.HasPrefix(chain, "htmlquery.")) {
		i = 1
	}
	arg := n.Arg(i)
	if arg == nil || arg.Op == code.Func {
		return answer{}, false
	}
	if strings.Contains(chain, "parseWithXPath") {
		return answer{}, false
	}
	a := q.judgeValue(arg, "constant value", "escaping")
	if a.safe && a.value.Kind == flow.Constant && len(n.Args()) > 1 {
		a.why = strings.Replace(a.why, "constant value", "parameterized expression", 1)
	}
	return a, true
}
