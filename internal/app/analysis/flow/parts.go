package flow

import (
	"regexp"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
)

// Part is a piece of a text: written out, or an expression.
type Part struct {
	Text string
	Node *code.Node
}

var verbPattern = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]|\{[a-zA-Z0-9_]*\}`)

// Parts takes a text apart: concatenations, templates, formats, and names that
// stand for such.
func (f *Flow) Parts(n *code.Node) []Part {
	var out []Part
	f.parts(n, &out, 0)
	return out
}

func (f *Flow) parts(n *code.Node, out *[]Part, depth int) {
	if n == nil || depth > 30 || len(*out) > 200 {
		return
	}
	switch n.Op {
	case code.Str, code.Num:
		*out = append(*out, Part{Text: n.Text})
		return
	case code.Interp, code.Shell:
		for _, k := range n.Kids {
			f.parts(k, out, depth+1)
		}
		return
	case code.Bin:
		switch n.Text {
		case "+", ".", "<<":
			f.parts(n.Kids[0], out, depth+1)
			f.parts(n.Kids[1], out, depth+1)
			return
		case "%":
			args := n.Kids[1:]
			if args[0].Op == code.List {
				args = args[0].Kids
			}
			f.formatted(n.Kids[0], args, out, depth)
			return
		}
	case code.Call, code.New:
		switch n.Method() {
		case "Sprintf", "sprintf", "format":
			args := n.Args()
			template := n.Receiver()
			if len(args) > 0 && (template == nil || template.Op != code.Str && f.textOf(template) == "") {
				template, args = args[0], args[1:]
			}
			if f.textOf(template) != "" {
				f.formatted(template, args, out, depth)
				return
			}
		case "URI", "create", "URL", "parse", "Parse":
			if len(n.Args()) == 1 {
				f.parts(n.Args()[0], out, depth+1)
				return
			}
		}
	case code.Name, code.Member:
		if r := f.Resolve(n); r != nil && r != n && (r.Op == code.Str || r.Op == code.Interp || r.Op == code.Bin && (r.Text == "+" || r.Text == "." || r.Text == "%") || r.Op == code.Call && (r.Method() == "Sprintf" || r.Method() == "format" || r.Method() == "sprintf" || r.Method() == "URL" || r.Method() == "create") || r.Op == code.New && r.Method() == "URL") {
			f.parts(r, out, depth+1)
			return
		}
	}
	*out = append(*out, Part{Node: n})
}

func (f *Flow) textOf(n *code.Node) string {
	if r := f.Resolve(n); r != nil && r.Op == code.Str {
		return r.Text
	}
	return ""
}

func (f *Flow) formatted(template *code.Node, args []*code.Node, out *[]Part, depth int) {
	text := f.textOf(template)
	at, i := 0, 0
	for _, m := range verbPattern.FindAllStringIndex(text, -1) {
		*out = append(*out, Part{Text: text[at:m[0]]})
		if i < len(args) {
			arg := args[i]
			if arg.Op == code.Pair && len(arg.Kids) > 0 {
				arg = arg.Kids[0]
			}
			f.parts(arg, out, depth+1)
			i++
		}
		at = m[1]
	}
	*out = append(*out, Part{Text: text[min(at, len(text)):]})
	for ; i < len(args); i++ {
		*out = append(*out, Part{Node: args[i]})
	}
}

// Literal is the text that an expression stands for, if it is one.
func (f *Flow) Literal(n *code.Node) (string, bool) {
	if n == nil {
		return "", false
	}
	r := f.Resolve(n)
	if r != nil && (r.Op == code.Str || r.Op == code.Num || r.Op == code.Const) {
		return r.Text, true
	}
	if r != nil && r.Op == code.Name && strings.HasPrefix(r.Text, "CURLOPT") {
		return r.Text, true
	}
	return "", false
}

// FixedOrigin says whether the beginning of a URL fixes its scheme and host.
func (f *Flow) FixedOrigin(n *code.Node) bool {
	var text strings.Builder
	constantBase := false
	for _, p := range f.Parts(n) {
		if p.Node == nil {
			text.WriteString(p.Text)
			if fixedOrigin(text.String()) || constantBase && (strings.HasPrefix(text.String(), "/") || strings.HasPrefix(text.String(), "?")) {
				return true
			}
			continue
		}
		if text.String() == "" && !constantBase && f.Value(p.Node, Plain).Kind == Constant {
			constantBase = true
			continue
		}
		return false
	}
	return true
}

// LocalTarget says whether the beginning of a redirect's target stays on this
// site.
func (f *Flow) LocalTarget(n *code.Node) bool {
	all := ""
	for _, p := range f.Parts(n) {
		if p.Node != nil {
			return false
		}
		all = strings.Join([]string{all, p.Text}, "")
		text := strings.TrimPrefix(strings.TrimPrefix(all, "Location:"), " ")
		if fixedOrigin(text) || len(text) > 1 && text[0] == '/' && text[1] != '/' && text[1] != '\\' || strings.HasPrefix(text, "?") || strings.HasPrefix(text, "#") {
			return true
		}
	}
	return true
}
