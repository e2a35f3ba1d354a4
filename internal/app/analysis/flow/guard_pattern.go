package flow

import (
	"regexp"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

func (f *Flow) regexTest(n *code.Node, method, name string) string {
	receiver, first := n.Receiver(), n.Arg(0)
	switch {
	case f.subject(receiver, name): // x.match(/…/), x.matches("…")
		return f.matches(first, method, name)
	case receiver != nil && receiver.Chain() == "re" || method == "preg_match" || receiver != nil && (receiver.Chain() == "Pattern" || receiver.Chain() == "regexp"):
		if f.subject(n.Arg(1), name) {
			return f.matches(first, method, name)
		}
	case method == "matches" && receiver != nil && receiver.Op == code.Call && receiver.Method() == "matcher":
		if f.subject(receiver.Arg(0), name) {
			return f.matches(receiver.Receiver(), method, name)
		}
	case f.subject(first, name):
		return f.matches(receiver, method, name)
	}
	return ""
}

// matches says whether a pattern lets harmless text pass alone.
func (f *Flow) matches(n *code.Node, method, name string) string {
	p := f.compiled(n)
	if p == nil || p.Op != code.Regex && p.Op != code.Str {
		return ""
	}
	text, flags := p.Text, p.Type
	if method == "preg_match" {
		if len(text) < 2 {
			return ""
		}
		if i := strings.LastIndexByte(text, text[0]); i > 0 {
			text, flags = text[1:i], text[i+1:]
		}
	}
	if strictPattern(text, flags, method, f.File.Language, f.use) {
		return name + " matches " + p.Text
	}
	return ""
}

var fixedHost = regexp.MustCompile(`^\^https?:(\\?/){2}([a-zA-Z0-9-]+\\\.)+[a-zA-Z]+(\\?/|\$)`)

// strictPattern says whether a regular expression is anchored at both ends and
// lets only harmless characters pass.
func strictPattern(text, flags, method string, language syntax.Language, use Use) bool {
	if (use == SSRF || use == Redirect) && fixedHost.MatchString(text) && language != syntax.Ruby {
		return true
	}
	body := text
	whole := method == "fullmatch" || method == "matches"
	start, end := false, false
	for _, anchor := range []string{`\A`, "^"} {
		if b, ok := strings.CutPrefix(body, anchor); ok && (anchor != "^" || language != syntax.Ruby && !strings.Contains(flags, "m")) {
			body, start = b, true
			break
		}
	}
	for _, anchor := range []string{`\z`, `\Z`, "$"} {
		if b, ok := strings.CutSuffix(body, anchor); ok && !strings.HasSuffix(b, `\`) && (anchor != "$" || language != syntax.Ruby && !strings.Contains(flags, "m")) {
			body, end = b, true
			break
		}
	}
	start = start || method == "match" && language == syntax.Python
	if !whole && (!start || !end) {
		return false
	}
	return harmlessPattern(body, use)
}

var classPattern = regexp.MustCompile(`\[(\^?)((?:\\.|[^\]\\])*)\]`)

func harmlessPattern(body string, use Use) bool {
	rest := body
	for _, m := range classPattern.FindAllStringSubmatch(body, -1) {
		if m[1] != "" || !harmlessClass(m[2], use) {
			return false
		}
	}
	rest = classPattern.ReplaceAllString(rest, "")
	depth := 0
	for i := 0; i < len(rest); i++ {
		c := rest[i]
		switch {
		case c == '\\' && i+1 < len(rest):
			i++
			if !strings.ContainsRune(`wdbt.-_@`, rune(rest[i])) {
				return false
			}
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == '|':
			if depth == 0 {
				return false
			}
		case c == '.', c == '^', c == '$':
			return false
		case c == '{' || c == '}' || c == '+' || c == '*' || c == '?' || c == ',' || c == ':' || c == '-' || c == '_' || c == '@':
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		default:
			return false
		}
	}
	return depth == 0
}
