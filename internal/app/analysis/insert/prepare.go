package insert

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// prepared is a test whose code has been looked at.
type prepared struct {
	Test
	lines []string // of its code, the indentation they share taken away
	fixed []bool   // lines that begin inside a text and must stay as they are
	whole bool     // a test by itself, not the body of one
	// titles are the names of its tests where it is whole, and nested says that
	// it has suites: ExUnit wants names to be different, and suites side by side.
	titles []string
	nested bool

	language syntax.Language
}

// prepare parses the code of each test.
func prepare(f *file, tests []Test) ([]prepared, error) {
	out := make([]prepared, len(tests))
	for i, t := range tests {
		p := prepared{Test: t, language: f.language}
		p.lines = dedent(strings.Split(strings.ReplaceAll(strings.Trim(strings.ReplaceAll(t.Code, "\r\n", "\n"), "\n"), "\t\n", "\n"), "\n"), f.language)
		if strings.TrimSpace(t.Code) == "" {
			return nil, &BadTestError{i, "is empty"}
		}
		p.fixed = make([]bool, len(p.lines))
		text, offset := snippet(f.language, p.lines)
		tree, err := f.parse(text)
		switch {
		case errors.Is(err, syntax.ErrTooLong): // perhaps because of what came before
			return nil, err
		case err != nil:
			return nil, &BadTestError{i, "cannot be parsed: " + err.Error()}
		}
		if tree.Errors > 0 {
			return nil, &BadTestError{i, fmt.Sprintf("is no valid %s: the first error is in line %d of it", f.language, errorLine(tree)-offset)}
		}
		p.look(tree, f.language, offset)
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
		case "template_string", "string", "heredoc_body", "string_literal", "raw_string_literal", "encapsed_string", "heredoc", "text_block", "charlist", "sigil":
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
	case syntax.Elixir:
		p.lookElixir(t)
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
	if language == syntax.Python || language == syntax.Elixir {
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
