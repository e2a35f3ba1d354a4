package judge

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

var (
	evalCalls = map[syntax.Language]map[string]bool{
		syntax.JavaScript: set(`eval Function setTimeout setInterval runInNewContext runInThisContext runInContext Script execScript compileFunction runScript`),
		syntax.Python:     set(`eval exec compile __import__ execfile import_module`),
		syntax.Ruby:       set(`eval instance_eval class_eval module_eval send public_send __send__ constantize instance_exec const_get`),
		syntax.PHP:        set(`eval assert create_function call_user_func call_user_func_array preg_replace usort array_map`),
		syntax.Java:       set(`eval evaluate parseExpression getValue executeExpression compileExpression parse`),
		syntax.Go:         set(`Run RunString Eval RunScript Compile`),
	}
	safeEvals = set(`literal_eval JSON.parse`)
)

func codeRule(q *query, n *code.Node) (answer, bool) {
	if n.Op != code.Call && n.Op != code.New {
		return answer{}, false
	}
	method := n.Method()
	if safeEvals[method] || n.Kids[0].Chain() == "JSON.parse" || n.Kids[0].Chain() == "json.loads" {
		return safely("literal or constant: %s on line %d reads values and runs nothing", n.Kids[0].Chain(), n.Line), true
	}
	if !evalCalls[q.lang()][method] {
		return answer{}, false
	}
	arg := n.Arg(0)
	args := []*code.Node{arg}
	switch {
	case method == "constantize":
		args = []*code.Node{n.Receiver()}
	case method == "Function" || method == "create_function":
		args = n.Args()
	case method == "preg_replace":
		pattern, ok := q.flow.Literal(arg)
		if !ok || len(pattern) < 2 || !strings.Contains(pattern[strings.LastIndexByte(pattern, pattern[0]):], "e") {
			return safely("literal or constant: the pattern on line %d has no modifier that runs code", n.Line), ok
		}
		args = []*code.Node{n.Arg(1)}
	case method == "usort" || method == "array_map":
		return answer{}, false
	case method == "compile" && n.Receiver() != nil, method == "parse" || method == "getValue" || method == "evaluate" && n.Receiver() == nil, method == "exec" && n.Receiver() != nil,
		method == "assert" && n.Receiver() != nil:
		return answer{}, false
	}
	if len(args) == 0 || args[0] == nil {
		if method == "instance_eval" || method == "class_eval" || method == "module_eval" {
			return safely("literal or constant: %s on line %d runs its block", method, n.Line), true
		}
		return answer{}, false
	}
	if r := q.flow.Resolve(args[0]); r != nil && r.Op == code.Func || (method == "setTimeout" || method == "setInterval") && args[0].Op == code.Name && len(q.file.code.Funcs[args[0].Text]) > 0 {
		return safely("literal or constant: %s on line %d gets a function", method, n.Line), true
	}
	if (method == "setTimeout" || method == "setInterval") && args[0].Op == code.Call && args[0].Method() == "bind" {
		return safely("literal or constant: %s on line %d gets a function", method, n.Line), true
	}
	return q.worstOf(args, "literal or constant", "properly sanitized"), true
}
