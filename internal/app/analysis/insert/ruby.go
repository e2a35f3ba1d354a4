package insert

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// ruby is rspec and minitest.
type ruby struct{ minitest bool }

var (
	rubySuites = map[string]bool{"describe": true, "context": true, "feature": true, "example_group": true, "fdescribe": true, "xdescribe": true}
	rubyTests  = map[string]bool{"it": true, "specify": true, "example": true, "scenario": true, "fit": true, "xit": true, "test": true, "should": true}
)

func (r ruby) place(f *file) *spot {
	if r.minitest {
		if s := r.class(f); s != nil {
			return s
		}
	}
	for i := range f.Nodes {
		n := uint32(i)
		if f.Kind(n) != "call" || !rubySuites[f.Text(f.Child(n, "method"))] {
			continue
		}
		block := f.Child(n, "block")
		if block == 0 {
			continue
		}
		var last uint32
		for _, k := range rubyBody(f, block) {
			if f.Kind(k) == "call" && rubyTests[f.Text(f.Child(k, "method"))] && f.Child(k, "block") != 0 {
				last = k
			}
		}
		s := r.spot(f, n, block, last, afterIt, insideSuite)
		s.parent = parentSuite
		return s
	}
	return nil
}

// rubyBody are the statements of a block, a class or a method.
func rubyBody(f *file, n uint32) []uint32 {
	if body := f.Child(n, "body"); body != 0 {
		return f.NamedChildren(body)
	}
	return nil
}

func (r ruby) spot(f *file, owner, block, last uint32, after, inside string) *spot {
	var s *spot
	if last != 0 {
		s = f.after(last)
		s.strategy = after
		if s.behind {
			s.indent = f.indentOf(owner) + f.unit
		}
		return s
	}
	closer := f.Nodes[block].End - 3
	if f.Kind(block) == "block" {
		closer = f.Nodes[block].End - 1
	}
	s = f.end(closer, f.indentOf(owner)+f.unit)
	s.strategy = inside
	return s
}

// class finds the first class of tests.
func (r ruby) class(f *file) *spot {
	for i := range f.Nodes {
		n := uint32(i)
		if f.Kind(n) != "class" || !f.Is(n, syntax.Named) {
			continue
		}
		super := ""
		if c := f.Child(n, "superclass"); c != 0 {
			super = f.Text(c)
		}
		if !strings.Contains(super, "Test") {
			continue
		}
		var last uint32
		style := "def"
		for _, k := range rubyBody(f, n) {
			switch {
			case f.Kind(k) == "method" && strings.HasPrefix(f.Text(f.Child(k, "name")), "test_"):
				last, style = k, "def"
			case f.Kind(k) == "call" && f.Text(f.Child(k, "method")) == "test" && f.Child(k, "block") != 0:
				last, style = k, "test"
			}
		}
		s := r.spot(f, n, n, last, afterTest, insideClass)
		s.parent, s.style = parentClass, style
		return s
	}
	return nil
}

func (r ruby) block(f *file, s *spot, tests []prepared) []string {
	if s != nil && s.parent == parentClass {
		return r.methods(f, s.indent, s.style, tests)
	}
	if s == nil && r.minitest {
		lines := []string{"class " + f.className("SecurityTest") + " < Minitest::Test"}
		return append(append(lines, r.methods(f, f.unit, "def", tests)...), "end")
	}
	indent, open := "", "RSpec.describe "
	if s != nil {
		indent, open = s.indent, "describe "
	}
	inner := indent + f.unit
	lines := []string{indent + open + quoted("security", f.quote) + " do"}
	for i := range tests {
		t := &tests[i]
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, t.ruby(inner, f.unit, "it "+quoted(t.Name, f.quote)+" do")...)
	}
	return append(lines, indent+"end")
}

func (t *prepared) ruby(indent, unit, open string) []string {
	var lines []string
	if t.whole {
		if !strings.Contains(t.Code, t.Name) {
			lines = append(lines, indent+"# "+oneLine(t.Name))
		}
		lines = append(lines, indent+"# Security test. Attack vector: "+oneLine(t.AttackVector))
		return append(lines, t.indented(indent)...)
	}
	lines = append(lines, indent+open, indent+unit+"# Attack vector: "+oneLine(t.AttackVector))
	lines = append(lines, t.indented(indent+unit)...)
	return append(lines, indent+"end")
}

func (r ruby) methods(f *file, indent, style string, tests []prepared) []string {
	var lines []string
	for i := range tests {
		t := &tests[i]
		if i > 0 {
			lines = append(lines, "")
		}
		open := "def " + f.identifier("test_security_", t.Name)
		if style == "test" {
			open = "test " + quoted("security: "+t.Name, f.quote) + " do"
		}
		if !t.whole {
			lines = append(lines, indent+"# "+oneLine(t.Name))
		}
		lines = append(lines, t.ruby(indent, f.unit, open)...)
	}
	return lines
}
