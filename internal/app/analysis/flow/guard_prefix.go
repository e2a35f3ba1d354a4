package flow

import (
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
)

var resolvers = []string{"resolve", "realpath", "abspath", "normalize", "getCanonicalPath", "toRealPath", "Clean", "Abs", "EvalSymlinks", "expand_path", "realpathSync", "getCanonicalFile", "Join", "toAbsolutePath"}

// prefixTest judges x.startsWith(y).
func (f *Flow) prefixTest(n *code.Node, method, name string) string {
	subject, prefix := n.Receiver(), n.Arg(0)
	if method == "str_starts_with" || method == "HasPrefix" || method == "strpos" {
		subject, prefix = n.Arg(0), n.Arg(1)
	}
	if subject == nil || prefix == nil {
		return ""
	}
	if s := subject; s.Op == code.Call && s.Receiver() != nil && (s.Method() == "toString" || s.Method() == "getPath" || s.Method() == "getCanonicalPath" || s.Method() == "to_s") && f.use == Path {
		if s.Receiver().Ref() == name && s.Method() == "getCanonicalPath" {
			return name + " lies inside the base folder"
		}
		subject = s.Receiver()
	}
	switch f.use {
	case Path:
		if subject.Chain() != name && (subject.Op != code.Call || subject.Method() != "str") {
			return ""
		}
		resolved := false
		if v := f.nearest(name, n); v != nil {
			v.Walk(func(k *code.Node) bool {
				resolved = resolved || k.Op == code.Call && slices.Contains(resolvers, k.Method())
				return !resolved
			})
		}
		if resolved {
			return name + " is resolved and lies inside the base folder"
		}
	case SSRF, Redirect:
		p := f.Resolve(prefix)
		if subject.Ref() == name && p != nil && p.Op == code.Str && fixedOrigin(p.Text) {
			return name + " begins with " + p.Text
		}
	}
	return ""
}

// relativeTest judges path.relative(base, x).startsWith('..') being false.
func (f *Flow) relativeTest(n *code.Node, name string) string {
	subject, prefix := n.Receiver(), n.Arg(0)
	if n.Method() == "HasPrefix" {
		subject, prefix = n.Arg(0), n.Arg(1)
	}
	if subject == nil || prefix == nil || !strings.HasPrefix(prefix.Text, "..") {
		return ""
	}
	if v := f.nearest(subject.Chain(), n); v != nil {
		subject = v
	}
	if m := subject.Method(); subject.Op == code.Call && (m == "relative" || m == "Rel") && subject.Arg(1) != nil && subject.Arg(1).Ref() == name {
		return name + " lies inside the base folder"
	}
	return ""
}
