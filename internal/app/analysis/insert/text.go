package insert

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// holds says whether a file has a test already: its code, its name and its attack
// vector, but for white space and escapes.
func (f *file) holds(t prepared) bool {
	has := func(before string, forms ...string) bool {
		return slices.ContainsFunc(forms, func(form string) bool { return strings.Contains(f.squeezed, squeeze(before+form)) })
	}
	single, double := quoted(t.Name, "'"), quoted(t.Name, `"`)
	return has("", t.Code) && has("Attack vector: ", comment(f.language, t.AttackVector), docText(t.AttackVector)) &&
		has("", comment(f.language, t.Name), docText(t.Name), single[1:len(single)-1], double[1:len(double)-1])
}

// squeeze takes away what an insertion may change: white space, a self, and the
// number that makes a function's name its own.
func squeeze(text string) string {
	text = strings.Join(strings.Fields(strings.ReplaceAll(strings.ReplaceAll(text, "(self, ", "("), "(self)", "()")), "")
	return numbered.ReplaceAllString(text, "def${1}(")
}

var numbered = regexp.MustCompile(`def(\w*?)_\d+\(`)

// oneLine keeps a text from leaving its comment.
func oneLine(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)), " "), "*/", "* /")
}

// comment is a text that a comment to the end of a line may hold.
func comment(language syntax.Language, text string) string {
	text = oneLine(text)
	switch language {
	case syntax.PHP: // the end of the program, even there
		return strings.ReplaceAll(text, "?>", "? >")
	case syntax.Java: // read as the character, even there
		return strings.ReplaceAll(text, `\u`, `\\u`)
	default:
		return text
	}
}

// quoted writes a text in the file's quotes.
func quoted(text, quote string) string {
	text = oneLine(text)
	text = strings.ReplaceAll(text, `\`, `\\`)
	text = strings.ReplaceAll(text, quote, `\`+quote)
	if quote == `"` {
		text = strings.ReplaceAll(text, "#{", `\#{`)
	}
	return quote + text + quote
}

// identifier makes a name of a text, in small letters and underscores, that the
// file has not yet.
func (f *file) identifier(prefix, text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
		if b.Len() >= 80 {
			break
		}
	}
	name := prefix + strings.Trim(b.String(), "_")
	if name == prefix {
		name += "case"
	}
	return f.unique(name)
}

func (f *file) unique(name string) string {
	out := name
	for i := 2; f.names[out]; i++ {
		out = fmt.Sprintf("%s_%d", name, i)
	}
	f.names[out] = true
	return out
}
