package judge

import (
	"regexp"
	"slices"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

var (
	nosqlCalls = set(`find findOne findOneAndUpdate findOneAndDelete findOneAndReplace updateOne updateMany deleteOne deleteMany count countDocuments aggregate distinct where remove exists replaceOne
		find_one find_one_and_update find_one_and_delete update_one update_many delete_one delete_many count_documents insert_one findById findByIdAndUpdate findByIdAndDelete find_by get
		Find FindOne UpdateOne UpdateMany DeleteOne DeleteMany FindOneAndUpdate CountDocuments Aggregate parse eq append put mapReduce $where group update any_of first $match findAndModify`)
	mongoName = regexp.MustCompile(`(?i)mongo|collection|coll\b|model|users?|accounts?|orders?|posts?|items?|products?|db\b|[A-Z]\w+$`)
)

func nosqlRule(q *query, n *code.Node) (answer, bool) {
	if n.Op == code.Pair && n.Text == "$where" {
		return q.judgeValue(n.Kids[0], "constant value", "Safe MongoDB query"), true
	}
	document := n.Op == code.New && (n.Method() == "BasicDBObject" || n.Method() == "Document")
	if n.Op != code.Call && n.Op != code.New || !nosqlCalls[n.Method()] && !document {
		return answer{}, false
	}
	method := n.Method()
	switch {
	case method == "findById" || method == "findByIdAndUpdate" || method == "findByIdAndDelete":
		return safely("Safe MongoDB query: %s on line %d casts the id", method, n.Line), true
	case n.Op == code.New || method == "parse" || method == "append" || method == "put" || method == "eq":
		return q.javaDocument(n)
	case method == "get" || method == "update" || method == "count":
		if r := n.Receiver(); r == nil || !mongoName.MatchString(r.Chain()) {
			return answer{}, false
		}
	}
	arg := n.Arg(0)
	if q.lang() == syntax.Go {
		arg = n.Arg(1)
	}
	var pairs []*code.Node
	for _, k := range n.Args() {
		if k.Op == code.Pair {
			pairs = append(pairs, k)
		}
	}
	if arg == nil && len(pairs) == 0 {
		return safely("Safe MongoDB query: %s on line %d asks for everything", method, n.Line), true
	}
	if arg != nil && arg.Op == code.Func {
		return answer{}, false
	}
	if len(pairs) == 0 {
		return q.filter(arg, 0), true
	}
	return q.filter(&code.Node{Op: code.Map, Kids: pairs, Line: n.Line}, 0), true
}

// filter judges a filter of MongoDB: a value from a request must be no object,
// and no code.
func (q *query) filter(n *code.Node, depth int) answer {
	target := q.flow.Resolve(n)
	if target == nil || depth > 6 {
		return unknown()
	}
	if target.Op == code.List {
		out := safely("Safe MongoDB query: line %d", n.Line)
		for _, k := range target.Kids {
			if a := q.filter(k, depth+1); worse(a, out) {
				out = a
			}
		}
		return out
	}
	if target.Op == code.Call || target.Op == code.New {
		if a, ok := q.javaDocument(target); ok {
			return a
		}
	}
	if target.Op != code.Map {
		v := q.flow.Value(n, flow.NoSQL)
		if v.Kind == flow.Constant || v.Kind == flow.Safe || v.Kind == flow.Tainted && v.Text && depth > 0 {
			return safely("Safe MongoDB query: line %d takes a plain value%s", n.Line, because(v.Why))
		}
		return answer{value: v}
	}
	out := safely("Safe MongoDB query: line %d writes its filter out, without operators from a request", n.Line)
	for _, p := range target.Kids {
		if p.Op == code.Spread {
			if a := q.judgeValue(p, "constant value", "Safe MongoDB query"); worse(a, out) {
				out = a
			}
			continue
		}
		if p.Op != code.Pair || len(p.Kids) == 0 {
			continue
		}
		var a answer
		value := p.Kids[0]
		switch p.Text {
		case "$where", "$function", "$accumulator":
			a = q.judgeValue(value, "constant value", "Safe MongoDB query")
			if v := q.flow.Value(value, flow.Plain); v.Kind == flow.Tainted {
				a = answer{value: v}
			}
		case "$eq":
			continue
		default:
			if len(p.Kids) > 1 { // a computed key
				if v := q.flow.Value(p.Kids[1], flow.Plain); v.Kind >= flow.Suspicious {
					return answer{value: v}
				}
			}
			a = q.filter(value, depth+1)
		}
		if worse(a, out) {
			out = a
		}
	}
	return out
}

func (q *query) javaDocument(n *code.Node) (answer, bool) {
	if q.lang() != syntax.Java && n.Method() != "parse" {
		return answer{}, false
	}
	args := n.Args()
	switch {
	case n.Method() == "parse":
		if r := n.Receiver(); r == nil || !slices.Contains([]string{"BasicDBObject", "Document", "BsonDocument", "JSON"}, r.Chain()) || q.lang() != syntax.Java {
			return answer{}, false
		}
		return q.judgeValue(n.Arg(0), "constant value", "Safe MongoDB query"), true
	case len(args) == 2 && args[0].Op == code.Str && args[0].Text == "$where":
		return q.judgeValue(args[1], "constant value", "Safe MongoDB query"), true
	case len(args) == 2 && args[0].Op == code.Str:
		return safely("Safe MongoDB query: line %d compares with a plain value", n.Line), true
	}
	return answer{}, false
}
