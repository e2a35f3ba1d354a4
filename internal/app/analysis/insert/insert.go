// Package insert places generated tests in an existing test file: on its syntax
// tree, inside the suite that is there, in the file's own indentation, quotes
// and line ends. Every original line stays as it is. The result is parsed again,
// and refused if it has an error that the input had not.
package insert

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// Test is one test to insert. Code is a whole test, or the body of one.
type Test struct {
	Name         string `json:"testName"`
	Code         string `json:"testCode"`
	AttackVector string `json:"attackVector"`
}

// Request asks for tests to be inserted in a file.
type Request struct {
	Content   string          `json:"content"`
	Language  syntax.Language `json:"language"`
	Framework string          `json:"framework"`
	Tests     []Test          `json:"tests"`
}

// Point is where the first inserted line is, one-based, and why there.
type Point struct {
	Line     int    `json:"line"`
	Strategy string `json:"strategy"`
	Parent   string `json:"parent"`
}

// Result is the file with the tests.
type Result struct {
	Content string `json:"content"`
	// Method is ast, or append where the file has no place for tests.
	Method string `json:"method"`
	Point  *Point `json:"point"`
	// Lines is how many lines were added; 0 when all tests were there already.
	Lines int `json:"lines"`
}

// Methods, strategies and parents.
const (
	methodAST    = "ast"
	methodAppend = "append"

	afterIt      = "after_last_it_block"
	insideSuite  = "inside_describe_block"
	afterTest    = "after_last_test_function"
	insideClass  = "inside_test_class"
	parentSuite  = "describe_block"
	parentClass  = "test_class"
	parentModule = "module"
)

// BadTestError says that a test's code is none in the file's language.
type BadTestError struct {
	// Index is which of the tests.
	Index  int
	Reason string
}

func (e *BadTestError) Error() string {
	return fmt.Sprintf("redTests[%d].testCode %s", e.Index, e.Reason)
}

// ErrRefused says that no place was found that leaves the file as sound as it
// was.
var ErrRefused = errors.New("the tests cannot be inserted without an error in the file")

// family is how the tests of a framework look.
type family interface {
	// place finds where tests go in a file; nil when it has no place for them.
	place(f *file) *spot
	// block is the lines to insert at a spot; nil stands for the end of a file.
	block(f *file, s *spot, tests []prepared) []string
}

// spot is a place in a file.
type spot struct {
	at               uint32 // where to insert, in bytes
	indent           string
	strategy, parent string
	// inline says that code stands before at on its line, or behind it.
	before, behind bool
	// keyword and suite are the names that the file calls its tests and suites.
	keyword, suite string
	// sibling is the last test there is; 0 for none.
	sibling uint32
	style   string
}

// file is a parsed test file.
type file struct {
	*syntax.Tree
	language syntax.Language
	src      string
	unit     string // of indentation
	quote    string
	// names are those of functions and methods in the file.
	names map[string]bool
}

var extension = map[syntax.Language]string{
	syntax.JavaScript: "t.jsx", syntax.TypeScript: "t.ts", syntax.Python: "t.py", syntax.Ruby: "t.rb", syntax.PHP: "t.php", syntax.Java: "t.java", syntax.Go: "t.go",
}

// Generate inserts tests. It fails with a *BadTestError, with ErrRefused, or
// with an error of package syntax.
func Generate(r Request) (Result, error) {
	f, err := open(r.Content, r.Language)
	if err != nil {
		return Result{}, err
	}
	fam, own := familyOf(r.Framework, r.Language)
	tests, err := prepare(f, r.Tests)
	if err != nil {
		return Result{}, err
	}
	fresh := slices.DeleteFunc(slices.Clone(tests), func(t prepared) bool { return f.holds(t) })
	var s *spot
	if own {
		s = fam.place(f)
	}
	if len(fresh) == 0 {
		out := Result{Content: r.Content, Method: methodAppend}
		if s != nil {
			out.Method, out.Point = methodAST, &Point{Line: lineOf(f.src, int(s.at)), Strategy: s.strategy, Parent: s.parent}
		}
		return out, nil
	}
	for _, where := range []*spot{s, nil} {
		if where == nil && s != nil && f.Errors == 0 {
			// A sound file with a place for tests gets them there, or not at all.
			continue
		}
		if out, ok := f.splice(fam, where, fresh); ok {
			return out, nil
		}
	}
	return Result{}, ErrRefused
}

func open(src string, language syntax.Language) (*file, error) {
	t, err := syntax.Parse(language, extension[language], []byte(src))
	if errors.Is(err, syntax.ErrNoGrammar) && language == syntax.Elixir {
		t, err = nil, nil
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller knows these errors
	}
	f := &file{Tree: t, language: language, src: src, names: map[string]bool{}}
	f.unit = unitOf(src, language)
	f.quote = "'"
	if strings.Count(src, `"`) > strings.Count(src, "'") {
		f.quote = `"`
	}
	for _, m := range namePattern.FindAllStringSubmatch(src, -1) {
		f.names[m[1]] = true
	}
	if t == nil {
		f.Tree = &syntax.Tree{Language: language, Source: []byte(src)}
	}
	return f, nil
}

var namePattern = regexp.MustCompile(`\b(?:def|func|function|void|fun)\s+(?:self\.)?(\w+)`)

// unitOf is one step of a file's indentation.
func unitOf(src string, language syntax.Language) string {
	smallest := 0
	for line := range strings.SplitSeq(src, "\n") {
		if strings.HasPrefix(line, "\t") {
			return "\t"
		}
		n := len(line) - len(strings.TrimLeft(line, " "))
		if n >= 2 && strings.TrimSpace(line) != "" && !strings.HasPrefix(strings.TrimSpace(line), "*") && (smallest == 0 || n < smallest) {
			smallest = n
		}
	}
	switch {
	case smallest > 0 && smallest <= 8:
		return strings.Repeat(" ", smallest)
	case language == syntax.Go:
		return "\t"
	case language == syntax.Python || language == syntax.Java || language == syntax.PHP:
		return "    "
	default:
		return "  "
	}
}

// splice inserts the tests and parses the result. It fails when that has more
// errors than the input.
func (f *file) splice(fam family, s *spot, tests []prepared) (Result, bool) {
	lines := fam.block(f, s, tests)
	var at int
	var text string
	body := strings.Join(lines, "\n")
	out := Result{Method: methodAppend}
	if s == nil {
		at = len(f.src)
		lead := "\n\n"
		switch {
		case strings.TrimSpace(f.src) == "":
			lead = ""
		case strings.HasSuffix(f.src, "\n"):
			lead = "\n"
		}
		text = lead + body + "\n"
	} else {
		at = int(s.at)
		text = "\n" + body + "\n"
		if s.before {
			text = "\n" + text
		}
		if s.behind {
			text += s.closing(f)
		}
		out.Method = methodAST
	}
	if strings.Contains(f.src, "\r\n") {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	}
	out.Content = f.src[:at] + text + f.src[at:]
	out.Lines = strings.Count(text, "\n")
	if s != nil {
		out.Point = &Point{Line: lineOf(out.Content, at+len(text)-len(strings.TrimLeft(text, "\r\n"))), Strategy: s.strategy, Parent: s.parent}
	}
	if f.language == syntax.Elixir {
		return out, balanced(out.Content) == balanced(f.src)
	}
	after, err := syntax.Parse(f.language, extension[f.language], []byte(out.Content))
	if err != nil || after.Errors > f.Errors {
		return out, false
	}
	return out, true
}

// closing is the indentation of what follows on the same line.
func (s *spot) closing(f *file) string { return strings.TrimSuffix(s.indent, f.unit) }

func lineOf(src string, at int) int { return strings.Count(src[:min(at, len(src))], "\n") + 1 }

// prepared is a test whose code has been looked at.
type prepared struct {
	Test
	lines []string // of its code, the indentation they share taken away
	fixed []bool   // lines that begin inside a text and must stay as they are
	whole bool     // a test by itself, not the body of one
}

// prepare parses the code of each test.
func prepare(f *file, tests []Test) ([]prepared, error) {
	out := make([]prepared, len(tests))
	for i, t := range tests {
		p := prepared{Test: t}
		p.lines = dedent(strings.Split(strings.ReplaceAll(strings.Trim(strings.ReplaceAll(t.Code, "\r\n", "\n"), "\n"), "\t\n", "\n"), "\n"), f.language)
		if strings.TrimSpace(t.Code) == "" {
			return nil, &BadTestError{i, "is empty"}
		}
		p.fixed = make([]bool, len(p.lines))
		if f.language != syntax.Elixir {
			text, offset := snippet(f.language, p.lines)
			tree, err := syntax.Parse(f.language, extension[f.language], []byte(text))
			if err != nil {
				return nil, &BadTestError{i, "cannot be parsed: " + err.Error()}
			}
			if tree.Errors > 0 {
				return nil, &BadTestError{i, fmt.Sprintf("is no valid %s: the first error is in line %d of it", f.language, errorLine(tree)-offset)}
			}
			p.look(tree, f.language, offset)
		} else {
			p.whole = regexp.MustCompile(`(?m)^\s*test[ (]`).MatchString(t.Code)
		}
		out[i] = p
	}
	return out, nil
}

// snippet makes code a file of its own.
func snippet(language syntax.Language, lines []string) (text string, offset int) {
	code := strings.Join(lines, "\n")
	first := strings.TrimSpace(lines[0])
	switch language {
	case syntax.PHP:
		if regexp.MustCompile(`^\s*(/\*\*|#\[|public|private|protected)`).MatchString(code) {
			return "<?php class A {\n" + code + "\n}\n", 1
		}
		return "<?php\n" + code + "\n", 1
	case syntax.Java:
		if strings.HasPrefix(first, "@") || regexp.MustCompile(`^(public |private |protected )?(static )?void \w+\(`).MatchString(first) {
			return "class A {\n" + code + "\n}\n", 1
		}
		return "class A { void a() throws Exception {\n" + code + "\n} }\n", 1
	case syntax.Go:
		if strings.HasPrefix(first, "func ") || strings.HasPrefix(first, "//") && strings.Contains(code, "\nfunc ") {
			return "package a\n" + code + "\n", 1
		}
		return "package a; func a() {\n" + code + "\n}\n", 1
	case syntax.JavaScript, syntax.TypeScript:
		if regexp.MustCompile(`(?m)^\s*(return|await)\b`).MatchString(code) {
			return "async () => {\n" + code + "\n}\n", 1
		}
	}
	return code + "\n", 0
}

func errorLine(t *syntax.Tree) int {
	for i := range t.Nodes {
		if t.Nodes[i].Flags&(syntax.Error|syntax.Missing) != 0 {
			return int(t.Nodes[i].Row) + 1
		}
	}
	return 1
}

// look finds out whether the code is a whole test, and which of its lines begin
// inside a text.
func (p *prepared) look(t *syntax.Tree, language syntax.Language, offset int) {
	for i := range t.Nodes {
		n := uint32(i)
		switch t.Kind(n) {
		case "template_string", "string", "heredoc_body", "string_literal", "raw_string_literal", "encapsed_string", "heredoc", "text_block":
			for row := int(t.Nodes[n].Row) + 1; row <= int(t.Nodes[n].EndRow); row++ {
				if at := row - offset; at >= 0 && at < len(p.fixed) {
					p.fixed[at] = true
				}
			}
		}
	}
	code := strings.Join(p.lines, "\n")
	switch language {
	case syntax.JavaScript, syntax.TypeScript:
		for _, k := range t.NamedChildren(0) {
			if root, _ := jsCall(t, k); jsTests[root] || jsSuites[root] {
				p.whole = true
			}
		}
	case syntax.Python:
		p.whole = regexp.MustCompile(`(?m)^(async\s+)?def\s`).MatchString(code)
	case syntax.Ruby:
		p.whole = regexp.MustCompile(`(?m)^(it|specify|example|scenario|describe|context|test)[ (]|^def\s+test_`).MatchString(code)
	case syntax.PHP:
		p.whole = regexp.MustCompile(`(?m)^\s*(public\s+|protected\s+)?function\s+\w`).MatchString(code)
	case syntax.Java:
		p.whole = regexp.MustCompile(`(?m)^\s*@(Test|ParameterizedTest)\b`).MatchString(code)
	case syntax.Go:
		p.whole = strings.HasPrefix(strings.TrimSpace(code), "func ") || strings.Contains(code, "\nfunc Test")
	}
}

// dedent takes the indentation away that the lines share. A first line that was
// cut off its indentation does not count.
func dedent(lines []string, language syntax.Language) []string {
	inText := textLines(lines, language)
	common := func(from int) int {
		least := -1
		for i, l := range lines {
			if i < from || inText[i] || strings.TrimSpace(l) == "" {
				continue
			}
			if n := len(l) - len(strings.TrimLeft(l, " \t")); least < 0 || n < least {
				least = n
			}
		}
		return max(least, 0)
	}
	out := slices.Clone(lines)
	cut := func(from, n int) {
		for i := from; i < len(out); i++ {
			if inText[i] {
				continue
			}
			out[i] = out[i][min(n, len(out[i])-len(strings.TrimLeft(out[i], " \t"))):]
		}
	}
	shared := common(0)
	cut(0, shared)
	if len(out) > 1 {
		rest := common(1) - shared
		first := strings.TrimSpace(out[0])
		opens := strings.HasSuffix(first, ":") || strings.HasSuffix(first, "{") || strings.HasSuffix(first, "(") || strings.HasSuffix(first, "[") || strings.HasSuffix(first, ",") ||
			strings.HasSuffix(first, "=>") || strings.HasSuffix(first, " do") || strings.HasSuffix(first, "|") || strings.HasSuffix(first, "=") || strings.HasPrefix(strings.TrimSpace(out[1]), ".") ||
			language == syntax.Ruby && regexp.MustCompile(`^(if|unless|def|class|while|case|begin|module)\b`).MatchString(first) || strings.HasSuffix(first, `"""`) || strings.HasSuffix(first, `\`)
		if rest > 0 && !opens && !strings.HasPrefix(out[0], " ") && !strings.HasPrefix(out[0], "\t") {
			cut(1, rest)
		}
	}
	return out
}

// textLines tells which lines begin inside of a text that goes over lines, as far
// as quotes show without a tree: code that is cut out may not parse yet.
func textLines(lines []string, language syntax.Language) []bool {
	out := make([]bool, len(lines))
	marks := []string{"`"}
	if language == syntax.Python {
		marks = []string{`"""`, "'''"}
	} else if language != syntax.JavaScript && language != syntax.TypeScript && language != syntax.Go {
		return out
	}
	open := ""
	for i, l := range lines {
		out[i] = open != ""
		for rest := l; ; {
			at, mark := -1, open
			for _, m := range marks {
				if n := strings.Index(rest, m); n >= 0 && (open == "" || m == open) && (at < 0 || n < at) {
					at, mark = n, m
				}
			}
			if at < 0 {
				break
			}
			rest = rest[at+len(mark):]
			if open == "" {
				open = mark
			} else {
				open = ""
			}
		}
	}
	return out
}

// indented are the lines of the code behind an indentation.
func (p *prepared) indented(indent string) []string {
	out := make([]string, len(p.lines))
	for i, l := range p.lines {
		if p.fixed[i] || strings.TrimSpace(l) == "" {
			out[i] = l
			continue
		}
		out[i] = indent + l
	}
	return out
}

// holds says whether a file has a test already: its code, its name and its attack
// vector, but for white space and escapes.
func (f *file) holds(t prepared) bool {
	src := squeeze(f.src)
	has := func(before string, forms ...string) bool {
		return slices.ContainsFunc(forms, func(form string) bool { return strings.Contains(src, squeeze(before+form)) })
	}
	name := oneLine(t.Name)
	single, double := quoted(t.Name, "'"), quoted(t.Name, `"`)
	return has("", t.Code) && has("Attack vector: ", oneLine(t.AttackVector), docText(t.AttackVector)) &&
		has("", name, docText(t.Name), single[1:len(single)-1], double[1:len(double)-1])
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

// after makes the spot behind a node: on a line of its own where the node ends
// its line.
func (f *file) after(n uint32) *spot {
	end := f.Nodes[n].End
	rest := f.src[end:]
	line, _, more := strings.Cut(rest, "\n")
	trimmed := strings.TrimSpace(strings.TrimRight(strings.TrimSpace(line), ";,"))
	s := &spot{at: end, indent: f.indentOf(n), sibling: n}
	switch {
	case trimmed == "" || strings.HasPrefix(trimmed, "//") || strings.HasPrefix(trimmed, "#"):
		s.at = end + uint32(len(line)) //nolint:gosec // within the file
		if more {
			s.at++
		} else {
			s.before = true
		}
	default:
		if strings.HasPrefix(rest, ";") {
			s.at++
		}
		s.before, s.behind = true, true
	}
	return s
}

// end makes the spot before what closes a body that ends at a byte.
func (f *file) end(closer uint32, indent string) *spot {
	start := strings.LastIndexByte(f.src[:closer], '\n') + 1
	s := &spot{at: closer, indent: indent}
	if strings.TrimSpace(f.src[start:closer]) == "" && start > 0 {
		s.at = uint32(start) //nolint:gosec // within the file
		return s
	}
	s.before, s.behind = true, true
	return s
}

// indentOf is the white space before the line of a node.
func (f *file) indentOf(n uint32) string {
	start := f.Nodes[n].Start
	from := strings.LastIndexByte(f.src[:start], '\n') + 1
	line := f.src[from:start]
	return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
}

// balanced counts what opens and what closes in Elixir, for want of a grammar.
func balanced(src string) int {
	return len(elixirOpens.FindAllString(src, -1)) - len(elixirCloses.FindAllString(src, -1))
}

var (
	elixirOpens  = regexp.MustCompile(`(?m)\bdo\s*$|\bfn\b`)
	elixirCloses = regexp.MustCompile(`(?m)^\s*end\b|\send\b`)
)
