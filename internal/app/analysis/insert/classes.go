package insert

import (
	"regexp"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/naming"
)

// phpunit, junit and gotest have methods and functions for tests.
type (
	phpunit struct{}
	junit   struct{}
	gotest  struct{}
)

// methodIn finds the last test method of the first class that is one of tests.
func (f *file) methodIn(class, method string, isSuite func(class uint32) bool, isTest func(method uint32) bool) *spot {
	for i := range f.Nodes {
		n := uint32(i)
		if f.Kind(n) != class || !isSuite(n) {
			continue
		}
		body := f.Child(n, "body")
		if body == 0 {
			continue
		}
		var last uint32
		for _, k := range f.NamedChildren(body) {
			if f.Kind(k) == method && isTest(k) {
				last = k
			}
		}
		var s *spot
		if last != 0 {
			s = f.after(last)
			s.strategy = afterTest
			if s.behind {
				s.indent = f.indentOf(n) + f.unit
			}
		} else {
			s = f.end(f.Nodes[body].End-1, f.indentOf(n)+f.unit)
			s.strategy = insideClass
		}
		s.parent = parentClass
		return s
	}
	return nil
}

func (phpunit) place(f *file) *spot {
	return f.methodIn("class_declaration", "method_declaration",
		func(c uint32) bool {
			head := f.Text(c)[:f.Nodes[f.Child(c, "body")].Start-f.Nodes[c].Start]
			return strings.Contains(head, "TestCase") || strings.HasSuffix(f.Text(f.Child(c, "name")), "Test")
		},
		func(m uint32) bool {
			text := f.Text(m)
			return strings.HasPrefix(f.Text(f.Child(m, "name")), "test") || strings.Contains(text[:min(80, len(text))], "#[Test]") || strings.Contains(f.before(m), "@test")
		})
}

// before is the comment in front of a node.
func (f *file) before(n uint32) string {
	start := f.Nodes[n].Start
	return f.src[max(0, int(start)-200):start]
}

func pascal(prefix string, f *file, name string) string {
	text := naming.Pascal(strings.Trim(regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(name, "_"), "_"))
	if len(text) > 80 {
		text = text[:80]
	}
	return f.unique(prefix + text)
}

// method is a test with braces.
func (t *prepared) method(indent, unit string, open []string) []string {
	var lines []string
	if t.whole {
		if !strings.Contains(t.Code, t.Name) {
			lines = append(lines, indent+"// "+comment(t.language, t.Name))
		}
		lines = append(lines, indent+"// Security test. Attack vector: "+comment(t.language, t.AttackVector))
		return append(lines, t.indented(indent)...)
	}
	lines = append(lines, indent+"// "+comment(t.language, t.Name))
	for _, o := range open {
		lines = append(lines, indent+o)
	}
	lines = append(lines, indent+unit+"// Attack vector: "+comment(t.language, t.AttackVector))
	lines = append(lines, t.indented(indent+unit)...)
	return append(lines, indent+"}")
}

func apart(blocks [][]string) []string {
	var lines []string
	for i, b := range blocks {
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, b...)
	}
	return lines
}

func (phpunit) block(f *file, s *spot, tests []prepared) []string {
	indent := f.unit
	if s != nil {
		indent = s.indent
	}
	blocks := make([][]string, len(tests))
	for i := range tests {
		blocks[i] = tests[i].method(indent, f.unit, []string{"public function " + pascal("testSecurity", f, tests[i].Name) + "(): void", "{"})
	}
	if s != nil {
		return apart(blocks)
	}
	head := []string{"class " + f.className("SecurityTest") + ` extends \PHPUnit\Framework\TestCase`, "{"}
	if !strings.Contains(f.src, "<?php") || strings.LastIndex(f.src, "?>") > strings.LastIndex(f.src, "<?") {
		head = append([]string{"<?php", ""}, head...)
	}
	return append(append(head, apart(blocks)...), "}")
}

func (junit) place(f *file) *spot {
	isTest := func(m uint32) bool {
		return strings.Contains(f.Text(m)[:min(200, len(f.Text(m)))], "Test") && f.Has(m, "modifiers")
	}
	return f.methodIn("class_declaration", "method_declaration", func(c uint32) bool {
		return strings.Contains(f.Text(c), "@Test") || strings.HasSuffix(f.Text(f.Child(c, "name")), "Test") || strings.HasSuffix(f.Text(f.Child(c, "name")), "Tests")
	}, isTest)
}

func (junit) block(f *file, s *spot, tests []prepared) []string {
	indent := f.unit
	if s != nil {
		indent = s.indent
	}
	blocks := make([][]string, len(tests))
	annotation := "@Test"
	if !strings.Contains(f.src, "org.junit") && !strings.Contains(f.src, annotation) {
		annotation = "@org.junit.jupiter.api.Test"
	}
	for i := range tests {
		open := "void "
		if strings.Contains(f.src, "org.junit.Test") { // version 4 wants it public
			open = "public void "
		}
		blocks[i] = tests[i].method(indent, f.unit, []string{annotation, open + pascal("security", f, tests[i].Name) + "() throws Exception {"})
	}
	if s != nil {
		return apart(blocks)
	}
	return append(append([]string{"class " + f.className("SecurityTest") + " {"}, apart(blocks)...), "}")
}

func (gotest) place(f *file) *spot {
	var last uint32
	for _, k := range f.NamedChildren(0) {
		if f.Kind(k) == "function_declaration" && strings.HasPrefix(f.Text(f.Child(k, "name")), "Test") {
			last = k
		}
	}
	strategy := afterTest
	if last == 0 {
		if last = f.header(); last == 0 {
			return nil
		}
		strategy = afterImports
	}
	s := f.after(last)
	s.strategy, s.parent, s.indent = strategy, parentModule, ""
	return s
}

// header is the last import, or the package's name, of a Go file that does not
// import testing: tests at its end would not compile.
func (f *file) header() uint32 {
	var last uint32
	for _, k := range f.NamedChildren(0) {
		switch f.Kind(k) {
		case "package_clause":
			last = k
		case "import_declaration":
			if strings.Contains(f.Text(k), `"testing"`) {
				return 0
			}
			last = k
		}
	}
	return last
}

func (gotest) block(f *file, s *spot, tests []prepared) []string {
	blocks := make([][]string, len(tests))
	for i := range tests {
		blocks[i] = tests[i].method("", "\t", []string{"func " + pascal("TestSecurity", f, tests[i].Name) + "(t *testing.T) {"})
	}
	lines := apart(blocks)
	switch {
	case s == nil && strings.TrimSpace(f.src) == "":
		lines = append([]string{"package security", "", `import "testing"`, ""}, lines...)
	case s != nil && s.strategy == afterImports:
		lines = append([]string{`import "testing"`, ""}, lines...)
	}
	return lines
}
