package judge

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
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
