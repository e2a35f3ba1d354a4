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
	"time"

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
	afterImports = "after_imports"
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
var ErrRefused = errors.New("the file would have an error with the tests in it: check that it is of the language, and whole")

// RefusedError says of a file why it takes no tests.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "the tests cannot be inserted: " + e.Reason }

// family is how the tests of a framework look.
type family interface {
	// place finds where tests go in a file; nil when it has no place for them.
	place(f *file) *spot
	// block is the lines to insert at a spot; nil stands for the end of a file.
	block(f *file, s *spot, tests []prepared) []string
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
	// squeezed is src as squeeze makes it.
	squeezed string
	// deadline is when to give up, by syntax.CPU.
	deadline time.Duration
}

// limit is how much processor time the whole of one request may take.
const limit = 700 * time.Millisecond

// parse parses in the time that is left.
func (f *file) parse(src string) (*syntax.Tree, error) {
	return syntax.ParseWithin(f.deadline-syntax.CPU(), f.language, extension[f.language], []byte(src)) //nolint:wrapcheck // the caller knows these errors
}

var extension = map[syntax.Language]string{
	syntax.JavaScript: "t.jsx", syntax.TypeScript: "t.ts", syntax.Python: "t.py", syntax.Ruby: "t.rb", syntax.PHP: "t.php", syntax.Java: "t.java", syntax.Go: "t.go", syntax.Elixir: "t.exs",
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
		out, err := f.splice(fam, where, fresh)
		if err == nil || !errors.Is(err, ErrRefused) {
			return out, err
		}
	}
	return Result{}, ErrRefused
}

func open(src string, language syntax.Language) (*file, error) {
	f := &file{language: language, src: src, names: map[string]bool{}, deadline: syntax.CPU() + limit}
	t, err := f.parse(src)
	if err != nil {
		return nil, err
	}
	f.Tree, f.squeezed = t, squeeze(src)
	f.unit = unitOf(src, language)
	f.quote = "'"
	if strings.Count(src, `"`) > strings.Count(src, "'") {
		f.quote = `"`
	}
	for _, m := range namePattern.FindAllStringSubmatch(src, -1) {
		f.names[m[1]] = true
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

// splice inserts the tests and parses the result. It refuses when that has more
// errors than the input.
func (f *file) splice(fam family, s *spot, tests []prepared) (Result, error) {
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
	after, err := f.parse(out.Content)
	switch {
	case err != nil:
		return Result{}, err
	case after.Errors > f.Errors:
		return Result{}, ErrRefused
	}
	return out, nil
}
