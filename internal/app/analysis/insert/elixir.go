package insert

import (
	"fmt"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// exunit has modules with tests, and suites in them that hold no suites.
type exunit struct{}

var elixirTests = map[string]bool{"test": true, "property": true, "describe": true, "doctest": true}

// elixirCall is the name of what a call calls, and its first argument.
func elixirCall(t *syntax.Tree, n uint32) (name, first string) {
	if t.Kind(n) != "call" {
		return "", ""
	}
	for c := range t.Children(n) {
		switch {
		case t.Field(c) == "target":
			name = t.Text(c)
		case t.Kind(c) == "arguments":
			if kids := t.NamedChildren(c); len(kids) > 0 {
				first = t.Text(kids[0])
			}
		}
	}
	return name, first
}

func elixirBlock(t *syntax.Tree, n uint32) uint32 {
	for c := range t.Children(n) {
		if t.Kind(c) == "do_block" {
			return c
		}
	}
	return 0
}

// place finds the first module of tests: behind its last test or suite.
func (exunit) place(f *file) *spot {
	for i := range f.Nodes {
		n := uint32(i)
		name, _ := elixirCall(f.Tree, n)
		block := elixirBlock(f.Tree, n)
		if name != "defmodule" || block == 0 {
			continue
		}
		var last uint32
		suite := false
		for _, k := range f.NamedChildren(block) {
			switch name, first := elixirCall(f.Tree, k); {
			case name == "use" && strings.HasSuffix(first, "Case"):
				suite = true
			case elixirTests[name]:
				last, suite = k, suite || name == "test" && elixirBlock(f.Tree, k) != 0
			}
		}
		if !suite || !strings.HasSuffix(f.Text(block), "end") {
			continue
		}
		var s *spot
		if last != 0 {
			s = f.after(last)
			s.strategy = afterTest
			if s.behind {
				s.indent = f.indentOf(n) + f.unit
			}
		} else {
			s = f.end(f.Nodes[block].End-3, f.indentOf(n)+f.unit)
			s.strategy = insideSuite
		}
		s.parent = parentModule
		return s
	}
	return nil
}

// lookElixir finds out whether the code is a whole test.
func (p *prepared) lookElixir(t *syntax.Tree) {
	for _, k := range t.NamedChildren(0) {
		name, first := elixirCall(t, k)
		if !elixirTests[name] && name != "setup" {
			continue
		}
		p.whole = true
		p.nested = p.nested || name == "describe"
		if name == "test" || name == "property" {
			p.titles = append(p.titles, first)
		}
	}
}

// titleLimit keeps the name of a test, with its suite's, within an atom.
const titleLimit = 180

// title is the name of a test that is a body alone, quoted.
func (p *prepared) title() string {
	name := oneLine(p.Name)
	if len(name) > titleLimit {
		name = strings.ToValidUTF8(name[:titleLimit], "")
	}
	return quoted(name, `"`)
}

// block puts the tests into suites: another one where a name is there already,
// for ExUnit refuses a second one.
func (exunit) block(f *file, s *spot, tests []prepared) []string {
	indent := f.unit
	if s != nil {
		indent = s.indent
	}
	inner := indent + f.unit
	var blocks [][]string
	var suite []string
	taken, suites := map[string]bool{}, 0
	closeSuite := func() {
		if suite != nil {
			blocks = append(blocks, append(suite, indent+"end"))
			suite = nil
		}
	}
	for i := range tests {
		t := &tests[i]
		if t.nested {
			closeSuite()
			blocks = append(blocks, t.ruby(indent, f.unit, ""))
			continue
		}
		titles := t.titles
		if !t.whole {
			titles = []string{t.title()}
		}
		for _, title := range titles {
			if taken[title] {
				closeSuite()
			}
		}
		if suite == nil {
			taken = map[string]bool{}
			suite = append(suite, indent+"describe "+f.suiteName(&suites)+" do")
		} else {
			suite = append(suite, "")
		}
		for _, title := range titles {
			taken[title] = true
		}
		lines := t.ruby(inner, f.unit, "test "+t.title()+" do")
		if !t.whole && len(oneLine(t.Name)) > titleLimit {
			lines = append([]string{inner + "# " + oneLine(t.Name)}, lines...)
		}
		suite = append(suite, lines...)
	}
	closeSuite()
	if s != nil {
		return apart(blocks)
	}
	lines := append([]string{"defmodule " + f.className("SecurityTest") + " do", indent + "use ExUnit.Case", ""}, apart(blocks)...)
	return append(lines, "end")
}

// suiteName is a name for a suite that the file has not.
func (f *file) suiteName(suites *int) string {
	for {
		*suites++
		name := `"security"`
		if *suites > 1 {
			name = fmt.Sprintf("\"security %d\"", *suites)
		}
		if !strings.Contains(f.src, "describe "+name) && !strings.Contains(f.src, "describe("+name) {
			return name
		}
	}
}
