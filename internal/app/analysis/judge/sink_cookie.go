package judge

import (
	"regexp"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

var harmlessCookie = regexp.MustCompile(`(?i)^(theme|lang|language|locale|timezone|tz|consent|cookie_?consent|banner|dark_?mode|color_?scheme|currency|region|layout)$`)

// cookieRule wants Secure and HttpOnly.
func cookieRule(q *query, n *code.Node) (answer, bool) {
	switch {
	case n.Op == code.Assign && n.Kids[0].Op == code.Index && strings.HasPrefix(n.Kids[0].Chain(), "cookies"):
		if r := q.flow.Resolve(n.Kids[1]); r != nil && r.Op == code.Map {
			return q.flags(r.Kids, "secure", "httponly", n.Line), true
		}
		if chain := n.Kids[0].Chain(); strings.Contains(chain, "signed") || strings.Contains(chain, "encrypted") {
			return q.flags(nil, "secure", "httponly", n.Line), true
		}
		return q.flags(nil, "secure", "httponly", n.Line), true
	case n.Op == code.Assign && strings.HasSuffix(n.Kids[0].Chain(), "document.cookie"):
		return surely("A script sets the cookie on line %d, so that scripts can read it: no HttpOnly", n.Line), true
	case n.Op == code.Map && strings.HasSuffix(n.Type, "http.Cookie"):
		if v := n.Named("MaxAge"); v != nil && (v.Op == code.Unary || v.Text == "-1") {
			return safely("secure flags are not needed: line %d deletes the cookie", n.Line), true
		}
		if why := q.harmlessCookieName(n.Named("Name")); why != "" && n.Named("Secure") != nil {
			return safely("%s", why), true
		}
		return q.flags(n.Kids, "Secure", "HttpOnly", n.Line), true
	case n.Op != code.Call && n.Op != code.New:
		return answer{}, false
	}
	method := n.Method()
	switch q.lang() {
	case syntax.JavaScript:
		return q.cookieJS(n, method)
	case syntax.Python:
		switch method {
		case "delete_cookie":
			return safely("secure flags are not needed: line %d deletes the cookie", n.Line), true
		case "set_cookie", "set_secure_cookie", "set_signed_cookie":
			return q.flags(n.Args(), "secure", "httponly", n.Line), true
		}
	case syntax.Ruby:
		if method == "delete" && n.Receiver() != nil && n.Receiver().Chain() == "cookies" {
			return safely("secure flags are not needed: line %d deletes the cookie", n.Line), true
		}
		if method == "set_cookie" {
			if r := q.flow.Resolve(n.Arg(1)); r != nil && r.Op == code.Map {
				return q.flags(r.Kids, "secure", "httponly", n.Line), true
			}
			return q.flags(n.Args(), "secure", "httponly", n.Line), true
		}
	case syntax.PHP:
		if method == "setcookie" || method == "setrawcookie" || method == "session_set_cookie_params" {
			return q.cookiePHP(n, method), true
		}
	case syntax.Java:
		return q.cookieJava(n, method)
	case syntax.Go:
		if method == "SetCookie" && len(n.Args()) == 7 { // gin
			return q.twoFlags(n.Arg(5), n.Arg(6), n.Line), true
		}
		if method == "SetCookie" {
			if r := q.flow.Resolve(n.Arg(1)); r != nil && r.Op == code.Map {
				return cookieRule(q, r)
			}
			if a := n.Arg(1); a != nil && a.Op == code.Unary {
				if r := q.flow.Resolve(a.Kids[0]); r != nil && r.Op == code.Map {
					return cookieRule(q, r)
				}
			}
		}
	}
	return answer{}, false
}

func (q *query) harmlessCookieName(n *code.Node) string {
	if text, ok := q.flow.Literal(n); ok && harmlessCookie.MatchString(text) {
		return "secure flags are not needed: the cookie " + text + " holds a preference"
	}
	return ""
}

func (q *query) cookieJS(n *code.Node, method string) (answer, bool) {
	switch method {
	case "clearCookie":
		return safely("secure flags are not needed: line %d deletes the cookie", n.Line), true
	case "cookie", "setCookie", "set":
		r := n.Receiver()
		if method == "set" && (r == nil || !strings.HasSuffix(strings.TrimSuffix(r.Chain(), "()"), "ookies")) || method == "cookie" && r == nil {
			return answer{}, false
		}
		options := q.flow.Resolve(n.Arg(2))
		if options == nil || options.Op != code.Map {
			if n.Arg(2) != nil {
				return unknown(), true
			}
			return surely("The cookie on line %d has neither Secure nor HttpOnly", n.Line), true
		}
		return q.flags(options.Kids, "secure", "httponly", n.Line), true
	case "setHeader", "header", "append":
		name, _ := q.flow.Literal(n.Arg(0))
		if !strings.EqualFold(name, "set-cookie") || n.Arg(1) == nil {
			return answer{}, false
		}
		return cookieText(q.flowText(n.Arg(1)), n.Line), true
	case "session", "cookieSession":
		if v := q.option(n, "cookie"); v != nil {
			if r := q.flow.Resolve(v); r != nil && r.Op == code.Map {
				return q.flagsDefault(r.Kids, "secure", "httponly", n.Line, true), true
			}
		}
		if method == "session" && n.Receiver() == nil {
			return surely("The session's cookie on line %d has no Secure", n.Line), true
		}
	case "serialize":
		if r := n.Receiver(); r != nil && strings.HasSuffix(r.Chain(), "cookie") {
			if o := q.flow.Resolve(n.Arg(2)); o != nil && o.Op == code.Map {
				return q.flags(o.Kids, "secure", "httponly", n.Line), true
			}
			return surely("The cookie on line %d has neither Secure nor HttpOnly", n.Line), true
		}
	}
	return answer{}, false
}

func cookieText(text string, line int) answer {
	lower := strings.ToLower(text)
	if strings.Contains(lower, "secure") && strings.Contains(lower, "httponly") {
		return safely("secure flags: the cookie on line %d has Secure and HttpOnly", line)
	}
	if strings.Contains(lower, "max-age=0") {
		return safely("secure flags are not needed: line %d deletes the cookie", line)
	}
	return surely("The cookie on line %d lacks Secure or HttpOnly", line)
}

// flags judges options with two keys, in any case.
func (q *query) flags(pairs []*code.Node, secure, httpOnly string, line int) answer {
	return q.flagsDefault(pairs, secure, httpOnly, line, false)
}

func (q *query) flagsDefault(pairs []*code.Node, secure, httpOnly string, line int, httpOnlyDefault bool) answer {
	var s, h *code.Node
	for _, p := range pairs {
		if p.Op == code.Spread && len(p.Kids) > 0 {
			if r := q.flow.Resolve(p.Kids[0]); r != nil && r.Op == code.Map {
				if a := q.flagsDefault(r.Kids, secure, httpOnly, line, httpOnlyDefault); a.safe {
					return a
				}
			}
		}
		if p.Op != code.Pair {
			continue
		}
		key := strings.ToLower(strings.ReplaceAll(p.Text, "_", ""))
		if key == "maxage" && p.Kids[0].Text == "0" {
			return safely("secure flags are not needed: line %d deletes the cookie", line)
		}
		if key == strings.ToLower(secure) {
			s = p.Kids[0]
		}
		if key == strings.ToLower(httpOnly) {
			h = p.Kids[0]
		}
	}
	if h == nil && httpOnlyDefault {
		h = &code.Node{Op: code.Const, Text: "true"}
	}
	return q.twoFlags(s, h, line)
}

func (q *query) twoFlags(s, h *code.Node, line int) answer {
	on := func(n *code.Node) int {
		if n == nil {
			return -1
		}
		text, ok := q.flow.Literal(n)
		switch {
		case ok && (text == "true" || text == "1"):
			return 1
		case ok:
			return -1
		default:
			return 0
		}
	}
	a, b := on(s), on(h)
	switch {
	case a == 1 && b == 1:
		return safely("secure flags: the cookie on line %d has Secure and HttpOnly", line)
	case a == -1 && b == -1:
		return surely("The cookie on line %d has neither Secure nor HttpOnly", line)
	case a == -1:
		return surely("The cookie on line %d has no Secure: it travels over plain HTTP too", line)
	case b == -1:
		return surely("The cookie on line %d has no HttpOnly: scripts can read it", line)
	default:
		return answer{value: flow.Value{Kind: flow.Unknown}, why: "Whether the cookie on line " + itoa(line) + " is Secure and HttpOnly is not in this file"}
	}
}

func (q *query) cookiePHP(n *code.Node, method string) answer {
	for _, a := range n.Args() {
		if r := q.flow.Resolve(a); r != nil && r.Op == code.Map {
			return q.flags(r.Kids, "secure", "httponly", n.Line)
		}
	}
	if v := n.Named("secure"); v != nil {
		return q.flags(n.Args(), "secure", "httponly", n.Line)
	}
	if value := n.Arg(1); value != nil && value.Op == code.Str && value.Text == "" && n.Arg(2) != nil {
		return safely("secure flags are not needed: line %d deletes the cookie", n.Line)
	}
	i := 5
	if method == "session_set_cookie_params" {
		i = 3
	}
	return q.twoFlags(n.Arg(i), n.Arg(i+1), n.Line)
}

func (q *query) cookieJava(n *code.Node, method string) (answer, bool) {
	object := ""
	switch {
	case method == "addCookie" && n.Arg(0) != nil:
		object = n.Arg(0).Chain()
	case n.Op == code.New && method == "Cookie" && n.Parent != nil && n.Parent.Op == code.Assign:
		object = n.Parent.Kids[0].Chain()
	case method == "build" && strings.Contains(n.Kids[0].Chain(), "ResponseCookie"):
		chain := q.file.tree.Slice(n.Start, n.End)
		if strings.Contains(chain, ".secure(true)") && strings.Contains(chain, ".httpOnly(true)") {
			return safely("secure flags: the cookie on line %d has Secure and HttpOnly", n.Line), true
		}
		return surely("The cookie on line %d lacks Secure or HttpOnly", n.Line), true
	default:
		return answer{}, false
	}
	var s, h *code.Node
	for name, into := range map[string]**code.Node{"setSecure": &s, "setHttpOnly": &h} {
		for _, c := range q.file.code.Calls[name] {
			if r := c.Receiver(); r != nil && r.Chain() == object && c.Enclosing() == n.Enclosing() {
				*into = c.Arg(0)
			}
		}
	}
	for _, c := range q.file.code.Calls["setMaxAge"] {
		if r := c.Receiver(); r != nil && r.Chain() == object && c.Enclosing() == n.Enclosing() && c.Arg(0) != nil && c.Arg(0).Text == "0" {
			return safely("secure flags are not needed: line %d deletes the cookie", c.Line), true
		}
	}
	return q.twoFlags(s, h, n.Line), true
}
