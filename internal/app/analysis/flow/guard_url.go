package flow

import (
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
)

// relative says whether the facts let pass paths on the same site alone.
func relative(all []fact, name string) bool {
	slash, double := false, false
	for _, k := range all {
		m := k.expr.Method()
		if m != "startsWith" && m != "startswith" && m != "start_with?" && m != "str_starts_with" && m != "HasPrefix" && m != "starts_with?" {
			continue
		}
		subject, arg := k.expr.Receiver(), k.expr.Arg(0)
		if m == "str_starts_with" || m == "HasPrefix" || m == "starts_with?" {
			subject, arg = k.expr.Arg(0), k.expr.Arg(1)
		}
		if subject == nil || arg == nil || subject.Chain() != name {
			continue
		}
		slash = slash || arg.Text == "/" && k.truth
		double = double || arg.Text == "//" && !k.truth
	}
	return slash && double
}

// subject says whether an expression is the name, or the host of a URL made of
// it where that is what counts.
func (f *Flow) subject(n *code.Node, name string) bool {
	if n == nil {
		return false
	}
	if n.Ref() == name {
		return true
	}
	if n.Op == code.Call {
		if r := n.Receiver(); r != nil && slices.Contains([]string{"toLowerCase", "lower", "downcase", "trim", "toString", "to_s", "strip", "to_sym", "toUpperCase", "upper"}, n.Method()) {
			return f.subject(r, name)
		}
		if m := n.Method(); (m == "String" || m == "str" || m == "strtolower" || m == "ToLower") && n.Arg(0) != nil {
			return f.subject(n.Arg(0), name)
		}
	}
	return (f.use == SSRF || f.use == Redirect) && f.hostOf(n, name)
}

var hostNames = []string{"hostname", "host", "authority", "netloc", "origin", "Host", "Hostname", "getHost", "getAuthority"}

// hostOf says whether an expression is the host of the URL in a name.
func (f *Flow) hostOf(n *code.Node, name string) bool {
	if n.Op == code.Call && n.Method() == "parse_url" && n.Arg(0) != nil && n.Arg(1) != nil {
		return n.Arg(0).Ref() == name && n.Arg(1).Chain() == "PHP_URL_HOST"
	}
	if n.Op == code.Name {
		v := f.nearest(n.Text, n)
		return v != nil && v.Op != code.Name && f.hostOf(v, name)
	}
	key := n.Text
	object := n
	if n.Op == code.Call && n.Receiver() != nil {
		key, object = n.Method(), n.Callee()
	}
	if n.Op == code.Index && n.Kids[1].Op == code.Str {
		key = n.Kids[1].Text
	}
	if !slices.Contains(hostNames, key) || len(object.Kids) == 0 {
		return false
	}
	url := object.Kids[0]
	if url.Ref() == name {
		return true
	}
	return f.madeOf(url, name)
}

// madeOf says whether an expression parses the URL in a name.
func (f *Flow) madeOf(n *code.Node, name string) bool {
	if n.Op == code.Name {
		v := f.nearest(n.Text, n)
		return v != nil && v.Op != code.Name && f.madeOf(v, name)
	}
	if n.Op != code.Call && n.Op != code.New || n.Arg(0) == nil {
		return false
	}
	switch n.Method() {
	case "URL", "URI", "urlparse", "urlsplit", "parse", "parse_url", "Parse", "create", "new", "ParseRequestURI", "toURL":
		return n.Arg(0).Ref() == name || n.Arg(0).Op == code.Call && f.subject(n.Arg(0), name)
	}
	return false
}

// fixedOrigin says whether a text fixes scheme and host of a URL.
func fixedOrigin(text string) bool {
	rest, ok := strings.CutPrefix(text, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(text, "http://")
	}
	i := strings.IndexAny(rest, "/?#")
	return ok && i > 0
}
