package judge

import (
	"regexp"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

var redirectCalls = set(`redirect redirect_to HttpResponseRedirect RedirectResponse sendRedirect Redirect header HttpResponsePermanentRedirect RedirectView redirect_back assign replace location setHeader wp_redirect wp_safe_redirect redirect_back_or_to away Header Set found permanentRedirect writeHead set_header addHeader open HTTPFound`)

func redirectRule(q *query, n *code.Node) (answer, bool) {
	if n.Op == code.Assign {
		chain := n.Kids[0].Chain()
		if strings.HasSuffix(chain, "location") || strings.HasSuffix(chain, "location.href") || q.headerKey(n.Kids[0]) == "location" {
			return q.target(n.Kids[1]), true
		}
		return answer{}, false
	}
	if n.Op == code.Return && q.lang() == syntax.Java && len(n.Kids) == 1 {
		if parts := q.flow.Parts(n.Kids[0]); len(parts) > 0 && strings.HasPrefix(parts[0].Text, "redirect:") {
			if rest := strings.TrimPrefix(parts[0].Text, "redirect:"); len(rest) > 1 && rest[0] == '/' && rest[1] != '/' {
				return safely("%s: the redirect on line %d stays on this site", constantURL, n.Line), true
			}
			return q.judgeValue(n.Kids[0], constantURL, "properly sanitized"), true
		}
	}
	if n.Op != code.Call && n.Op != code.New || !redirectCalls[n.Method()] {
		return answer{}, false
	}
	method := n.Method()
	arg := n.Arg(0)
	switch method {
	case "header", "setHeader", "Set", "Header", "set_header", "addHeader":
		if len(n.Args()) >= 2 && n.Arg(1) != nil && method != "header" || q.lang() != syntax.PHP && len(n.Args()) >= 2 {
			if name, _ := q.flow.Literal(arg); !strings.EqualFold(name, "location") {
				return answer{}, false
			}
			arg = n.Arg(1)
		} else if parts := q.flow.Parts(arg); len(parts) > 0 && parts[0].Node == nil && strings.Contains(parts[0].Text, ":") && !strings.HasPrefix(strings.ToLower(parts[0].Text), "location:") {
			return safely("%s: the header on line %d redirects nowhere", constantURL, n.Line), true
		} else if len(parts) == 0 || !strings.HasPrefix(strings.ToLower(parts[0].Text), "location:") {
			return answer{}, false
		}
	case "assign", "replace", "open":
		if r := n.Receiver(); r == nil || !strings.HasSuffix(r.Chain(), "location") && (method != "open" || r.Chain() != "window") {
			return answer{}, false
		}
	case "wp_safe_redirect", "redirect_back", "redirect_back_or_to":
		if method == "wp_safe_redirect" || len(n.Args()) > 0 && n.Named("allow_other_host") == nil {
			return safely("%s: %s on line %d stays on this site", constantURL, method, n.Line), true
		}
	case "Redirect":
		if q.lang() == syntax.Go {
			if arg = n.Arg(2); len(n.Args()) < 4 {
				arg = n.Arg(1)
			}
		}
	case "redirect", "permanentRedirect":
		if arg != nil && arg.Op == code.Num || q.lang() == syntax.JavaScript && len(n.Args()) == 2 && n.Arg(1) != nil && n.Arg(1).Op != code.Num && n.Arg(1).Op != code.Map {
			arg = n.Arg(1)
		}
	}
	if v := n.Named("allow_other_host"); v != nil && v.Text == "false" {
		return safely("%s: line %d allows no other host", constantURL, n.Line), true
	}
	if v := n.Named("only_path"); v != nil && v.Text == "true" {
		return safely("%s: line %d keeps the path alone", constantURL, n.Line), true
	}
	if arg == nil {
		if len(n.Args()) > 0 {
			return safely("%s: line %d names a route", constantURL, n.Line), true
		}
		return answer{}, false
	}
	return q.target(arg), true
}

func (q *query) headerKey(n *code.Node) string {
	if n.Op == code.Index && n.Kids[1].Op == code.Str {
		return strings.ToLower(n.Kids[1].Text)
	}
	return ""
}

var routeHelper = regexp.MustCompile(`^(url_for|reverse|route|reverse_lazy|path_for|action|to_route|url|sigil_p)$|_(path|url)$`)

func (q *query) target(n *code.Node) answer {
	r := q.flow.Resolve(n)
	if r != nil && (r.Op == code.Call && routeHelper.MatchString(r.Method()) && (r.Method() != "url" || r.Receiver() == nil)) {
		return safely("%s: %s builds the address of a route", constantURL, r.Method())
	}
	if r != nil && r.Op == code.Name && q.lang() == syntax.Ruby && routeHelper.MatchString(r.Text) {
		return safely("%s: %s is the address of a route", constantURL, r.Text)
	}
	if r != nil && r.Op == code.Map && q.lang() != syntax.JavaScript {
		return safely("%s: line %d names a route", constantURL, n.Line)
	}
	a := q.judgeValue(n, constantURL, "properly sanitized")
	if a.safe {
		if a.value.Kind == flow.Safe && strings.Contains(a.value.Why, "encoded as a part") && !q.flow.LocalTarget(n) && !q.flow.FixedOrigin(n) {
			v := q.flow.Value(n, flow.Plain)
			v.Cleaned = true
			return answer{value: v}
		}
		return a
	}
	if q.flow.LocalTarget(n) {
		return safely("%s: the target on line %d begins with a fixed address", constantURL, n.Line)
	}
	return a
}
