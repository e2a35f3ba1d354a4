package judge

import (
	"regexp"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
)

func (q *query) htmlJS(n *code.Node, method string, receiver *code.Node, args []*code.Node) (answer, bool) {
	chain := ""
	if receiver != nil {
		chain = receiver.Chain()
	}
	jquery := strings.HasPrefix(chain, "$") || strings.HasPrefix(chain, "jQuery")
	switch method {
	case "write", "writeln", "send", "end":
		root := strings.TrimSuffix(chain, "()")
		if chain != "document" && chain != "window.document" && !regexp.MustCompile(`^(res|response|reply|resp|s|ctx|w|document)\b`).MatchString(root) && !strings.Contains(chain, ".status()") && !strings.Contains(chain, ".type()") {
			return answer{}, false
		}
		if len(args) == 0 {
			return answer{}, false
		}
		if r := q.flow.Resolve(args[0]); r != nil && r.Op == code.Map {
			return safely("%s: line %d answers JSON", escaping, n.Line), true
		}
		if chain != "document" && chain != "window.document" && q.plainText(n) {
			return safely("%s: the content type of the answer is not HTML", escaping), true
		}
		args = args[:1]
	case "insertAdjacentHTML":
		args = args[min(1, len(args)):]
	case "html", "append", "prepend", "after", "before", "appendTo":
		if !jquery && method != "html" || len(args) == 0 {
			return answer{}, false
		}
	}
	if len(args) == 0 {
		return answer{}, false
	}
	return q.worstOf(args, "constant value", escaping), true
}

func (q *query) htmlPython(n *code.Node, method string, receiver *code.Node, args []*code.Node) (answer, bool) {
	if len(args) == 0 {
		return answer{}, false
	}
	switch method {
	case "Markup":
		if p := n.Parent; p != nil && p.Op == code.Bin && p.Text == "%" && q.flow.Value(args[0], flow.XSS).Kind == flow.Constant {
			return safely("%s: Markup escapes what is put in by %%", escaping), true
		}
	case "render_template_string", "from_string":
		text, ok := q.flow.Literal(args[0])
		if ok && !strings.Contains(text, "safe") {
			return safely("%s: the template on line %d is constant and escapes its values", escaping, n.Line), true
		}
		if ok {
			var values []*code.Node
			for _, a := range args[1:] {
				if a.Op == code.Pair {
					values = append(values, a.Kids[0])
				}
			}
			return q.worstOf(values, "constant value", escaping), true
		}
	case "write":
		if receiver == nil || receiver.Chain() != "self" && !strings.HasPrefix(receiver.Chain(), "resp") {
			return answer{}, false
		}
		if args[0].Op == code.Map {
			return safely("%s: line %d answers JSON", escaping, n.Line), true
		}
	}
	for _, key := range []string{"content_type", "mimetype", "media_type"} {
		if v := n.Named(key); v != nil && plainType.MatchString(v.Text) {
			return safely("%s: the content type %s is not HTML", escaping, v.Text), true
		}
	}
	return q.worstOf(args[:1], "constant value", escaping), true
}

func (q *query) htmlRuby(n *code.Node, method string, receiver *code.Node, args []*code.Node) (answer, bool) {
	switch method {
	case "html_safe":
		if receiver == nil {
			return answer{}, false
		}
		return q.judgeValue(receiver, "constant value", escaping), true
	case "render":
		for _, key := range []string{"html", "inline", "body"} {
			if v := n.Named(key); v != nil {
				if v.Op == code.Call && v.Method() == "html_safe" {
					v = v.Receiver()
				} else if key == "html" {
					return safely("%s: render html: on line %d escapes what is not marked as safe", escaping, n.Line), true
				}
				return q.judgeValue(v, "constant value", escaping), true
			}
		}
		return safely("%s: the view on line %d escapes its values", escaping, n.Line), true
	case "concat":
		return answer{}, false
	}
	if len(args) == 0 {
		return answer{}, false
	}
	return q.worstOf(args[:1], "constant value", escaping), true
}

var javaWriter = regexp.MustCompile(`(?i)getWriter|^(out|writer|pw|printwriter|response|resp)$|getOutputStream`)

func (q *query) htmlJava(n *code.Node, method string, receiver *code.Node, args []*code.Node) (answer, bool) {
	if receiver == nil || len(args) == 0 {
		return answer{}, false
	}
	chain := receiver.Chain()
	if chain == "System.out" || chain == "System.err" {
		return safely("%s: %s on line %d writes to the console", escaping, chain, n.Line), true
	}
	if method == "ok" || method == "body" {
		if !strings.Contains(chain, "ResponseEntity") {
			return answer{}, false
		}
		if r := q.flow.Resolve(args[0]); r != nil && (r.Op == code.New || r.Op == code.Call && r.Method() == "of") {
			return safely("%s: line %d answers JSON", escaping, n.Line), true
		}
	} else {
		r := q.flow.Resolve(receiver)
		if !javaWriter.MatchString(chain) && (r == nil || !strings.Contains(r.Chain(), "getWriter")) {
			return answer{}, false
		}
	}
	if q.plainText(n) {
		return safely("%s: the content type of the answer is not HTML", escaping), true
	}
	return q.worstOf(args, "constant value", escaping), true
}

func (q *query) htmlGo(n *code.Node, method string, args []*code.Node) (answer, bool) {
	chain := n.Kids[0].Chain()
	switch method {
	case "Execute", "ExecuteTemplate":
		for _, path := range q.file.code.Imports {
			if path == "text/template" {
				return q.worstOf(args[min(1, len(args)):], "constant value", escaping), true
			}
		}
		return safely("%s: html/template escapes the values on line %d", escaping, n.Line), true
	case "HTML", "JS", "HTMLAttr", "URL":
		if !strings.HasPrefix(chain, "template.") {
			if method == "HTML" && len(args) == 3 {
				return safely("%s: the template on line %d escapes its values", escaping, n.Line), true
			}
			return answer{}, false
		}
	case "Write":
		if len(args) == 0 || q.writerKind(n.Receiver()) {
			return answer{}, false
		}
	default:
		if len(args) == 0 {
			return answer{}, false
		}
		if first := args[0].Chain(); first == "os.Stdout" || first == "os.Stderr" || strings.Contains(first, "log") {
			return safely("%s: line %d writes to the console", escaping, n.Line), true
		}
		args = args[1:]
	}
	if q.plainText(n) {
		return safely("%s: the content type of the answer is not HTML", escaping), true
	}
	return q.worstOf(args, "constant value", escaping), true
}

// writerKind says whether a receiver is known to be no response.
func (q *query) writerKind(n *code.Node) bool {
	if n == nil {
		return true
	}
	fn := n.Enclosing()
	for fn != nil {
		for _, p := range fn.Params() {
			if p.Text == n.Chain() {
				return !strings.Contains(p.Type, "ResponseWriter") && !strings.Contains(p.Type, "Writer")
			}
		}
		fn = fn.Enclosing()
	}
	return true
}
