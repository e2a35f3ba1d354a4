package judge

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

var (
	htmlProperties = set(`innerHTML outerHTML srcdoc`)
	textProperties = set(`textContent innerText value`)
	textCalls      = set(`textContent createTextNode json render jsonify to_json render_template attr setAttribute content_tag link_to`)
	htmlCalls      = map[syntax.Language]map[string]bool{
		syntax.JavaScript: set(`write writeln insertAdjacentHTML html append prepend after before send end createContextualFragment parseHTML appendTo bypassSecurityTrustHtml setHTMLUnsafe`),
		syntax.Python:     set(`Markup mark_safe HttpResponse make_response render_template_string Response SafeString write HTMLResponse from_string`),
		syntax.Ruby:       set(`html_safe raw render safe_concat concat`),
		syntax.PHP:        set(`echo print printf vprintf exit die print_r response`),
		syntax.Java:       set(`println print write append printf format ok body`),
		syntax.Go:         set(`Fprintf Fprint Fprintln Write WriteString HTML JS HTMLAttr URL Execute ExecuteTemplate Data`),
	}
)

const escaping = "escaping"

func xssRule(q *query, n *code.Node) (answer, bool) {
	switch n.Op {
	case code.Assign:
		if n.Kids[0].Op == code.Member {
			switch p := n.Kids[0].Text; {
			case htmlProperties[p]:
				return q.judgeValue(n.Kids[1], "constant value", escaping), true
			case textProperties[p]:
				return safely("%s: %s on line %d holds text, which is not read as HTML", escaping, p, n.Line), true
			}
		}
	case code.Pair:
		if n.Text == "__html" || n.Text == "v-html" || n.Text == "dangerouslySetInnerHTML" {
			value := n.Kids[0]
			if r := q.flow.Resolve(value); r != nil && r.Op == code.Map {
				if v := r.Named("__html"); v != nil {
					value = v
				}
			}
			return q.judgeValue(value, "constant value", escaping), true
		}
		if a, ok := q.jsx(n); ok {
			return a, true
		}
	case code.Throw:
		if q.lang() == syntax.PHP && len(n.Kids) > 0 && n.Kids[0].Op != code.New {
			return q.worstOf(n.Kids, "constant value", escaping), true
		}
	case code.Return:
		return q.page(n)
	case code.Call, code.New:
		if q.lang() == syntax.PHP && q.shortEcho(n) {
			return q.judgeValue(n, "constant value", escaping), true
		}
		return q.htmlCall(n)
	case code.Name, code.Member, code.Index, code.Cond, code.Bin, code.Interp:
		if q.lang() == syntax.PHP && q.shortEcho(n) {
			return q.judgeValue(n, "constant value", escaping), true
		}
		return q.jsx(n)
	}
	return answer{}, false
}

// jsx judges what a component puts between its tags: React escapes it, but an
// address may be a script.
func (q *query) jsx(n *code.Node) (answer, bool) {
	if q.lang() != syntax.JavaScript {
		return answer{}, false
	}
	t := q.file.tree
	inside := false
	for at := t.At(n.Start, n.End); at != 0; at = t.Nodes[at].Parent {
		switch t.Kind(at) {
		case "jsx_attribute":
			if name := t.First(at); name != "" && (name == "href" || name == "src" || name == "dangerouslySetInnerHTML" || name == "srcDoc" || name == "formAction") {
				if name == "href" || name == "src" {
					a := q.judgeValue(n, "constant value", escaping)
					return a, true
				}
				return answer{}, false
			}
			inside = true
		case "jsx_expression":
			inside = true
		case "jsx_element", "jsx_self_closing_element":
			if inside {
				return safely("%s: React escapes what stands between braces on line %d", escaping, n.Line), true
			}
			return answer{}, false
		case "statement_block", "function_declaration", "arrow_function":
			return answer{}, false
		}
	}
	return answer{}, false
}

// shortEcho says whether a node is what <?= prints.
func (q *query) shortEcho(n *code.Node) bool {
	before := strings.TrimRight(q.file.tree.Slice(n.Start-min(n.Start, 8), n.Start), " \t(")
	return strings.HasSuffix(before, "<?=")
}

var routeDeco = set(`route get post put delete patch api_view GetMapping PostMapping RequestMapping PutMapping DeleteMapping PatchMapping GET POST Path`)

// page judges what a route's handler returns as a page.
func (q *query) page(n *code.Node) (answer, bool) {
	fn := n.Enclosing()
	if fn == nil || len(n.Kids) == 0 {
		return answer{}, false
	}
	routed := false
	for _, d := range fn.Deco {
		routed = routed || routeDeco[d.Text] || routeDeco[d.Method()]
	}
	value := n.Kids[0]
	if value.Op == code.List && len(value.Kids) > 0 && q.lang() == syntax.Python {
		value = value.Kids[0]
	}
	if !routed {
		return answer{}, false
	}
	switch value.Op {
	case code.Map, code.List:
		return safely("%s: line %d answers JSON", escaping, n.Line), true
	case code.Call, code.New:
		if value.Method() == "format" || value.Method() == "join" {
			break
		}
		return answer{}, false // judged as a call
	}
	return q.judgeValue(value, "constant value", escaping), true
}

func (q *query) htmlCall(n *code.Node) (answer, bool) {
	method, lang := n.Method(), q.lang()
	receiver := n.Receiver()
	if textCalls[method] && (lang != syntax.Ruby || method != "render") && (lang != syntax.PHP || method != "render") || method == "text" && receiver != nil && receiver.Chain() != "req" && len(n.Args()) == 1 {
		return safely("%s: %s on line %d makes text of what it is given", escaping, method, n.Line), true
	}
	if n.Tagged && method == "html" {
		return safely("%s: the tag html escapes what is put in", escaping), true
	}
	if !htmlCalls[lang][method] {
		return answer{}, false
	}
	args := slices.DeleteFunc(slices.Clone(n.Args()), func(a *code.Node) bool { return a.Op == code.Func })
	switch lang {
	case syntax.JavaScript:
		return q.htmlJS(n, method, receiver, args)
	case syntax.Python:
		return q.htmlPython(n, method, receiver, args)
	case syntax.Ruby:
		return q.htmlRuby(n, method, receiver, args)
	case syntax.Java:
		return q.htmlJava(n, method, receiver, args)
	case syntax.Go:
		return q.htmlGo(n, method, args)
	}
	if q.plainText(n) {
		return safely("%s: the content type of the answer is not HTML", escaping), true
	}
	return q.worstOf(args, "constant value", escaping), true
}

var plainType = regexp.MustCompile(`(?i)text/plain|application/json|text/csv|application/octet-stream|application/xml`)

// plainText says whether the function sets a content type that browsers do not
// read as HTML before a call.
func (q *query) plainText(n *code.Node) bool {
	fn := n.Enclosing()
	if fn == nil {
		fn = q.file.code.Root
	}
	found := false
	fn.Walk(func(k *code.Node) bool {
		if k.Start > n.End {
			return false
		}
		if k.Op == code.Call || k.Op == code.Pair {
			for _, a := range k.Kids {
				if a.Op == code.Str && (plainType.MatchString(a.Text) || k.Op == code.Call && k.Method() == "type" && (a.Text == "text" || a.Text == "json" || a.Text == "txt")) {
					found = true
				}
			}
		}
		return !found
	})
	return found
}

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
