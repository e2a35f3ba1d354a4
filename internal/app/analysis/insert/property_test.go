package insert

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// suites draws test files of a framework, in all the shapes that people write.
type suites struct {
	language  syntax.Language
	framework string
	draw      func(t *rapid.T) string
	// code draws a test: whole, or the body of one.
	code func(t *rapid.T, whole bool) string
}

var (
	title = rapid.SampledFrom([]string{"works", "it's fine", `says "hi"`, "a\\b", "né 漢", "describe('x'", "}) {(", "100%", "#{x}", "$x ${y}"})
	unit  = rapid.SampledFrom([]string{"  ", "    ", "\t"})
)

func lines(indent string, text ...string) string {
	var b strings.Builder
	for _, t := range text {
		b.WriteString(indent + t + "\n")
	}
	return b.String()
}

func jsSuite(describes, its []string) func(*rapid.T) string {
	return func(t *rapid.T) string {
		u := unit.Draw(t, "unit")
		quote := rapid.SampledFrom([]string{"'", `"`}).Draw(t, "quote")
		semi := rapid.SampledFrom([]string{"", ";"}).Draw(t, "semicolon")
		describe := rapid.SampledFrom(describes).Draw(t, "describe")
		var b strings.Builder
		b.WriteString(rapid.SampledFrom([]string{"", "// describe('not this one', () => {})\n", "const text = `\ndescribe('nor this', () => {\n`" + semi + "\n"}).Draw(t, "head"))
		if rapid.IntRange(0, 9).Draw(t, "inline") == 0 {
			return b.String() + describe + "(" + quoted("one line", quote) + ", () => { it(" + quoted(title.Draw(t, "title"), quote) + ", () => {})" + semi + " })" + semi + "\n"
		}
		b.WriteString(describe + "(" + quoted(title.Draw(t, "suite"), quote) + ", " + rapid.SampledFrom([]string{"() =>", "function ()", "async () =>"}).Draw(t, "function") + " {\n")
		for range rapid.IntRange(0, 5).Draw(t, "members") {
			it := rapid.SampledFrom(its).Draw(t, "it")
			switch rapid.IntRange(0, 5).Draw(t, "member") {
			case 0:
				b.WriteString(lines(u, "beforeEach(() => {", u+"reset()"+semi, "})"+semi))
			case 1:
				b.WriteString(lines(u, "describe("+quoted(title.Draw(t, "inner"), quote)+", () => {", u+it+"("+quoted(title.Draw(t, "title"), quote)+", () => {})"+semi, "})"+semi))
			case 2:
				b.WriteString(lines(u, "// it('is a comment')", ""))
			default:
				b.WriteString(lines(u, it+"("+quoted(title.Draw(t, "title"), quote)+", () => {", u+"expect(1).toBe(1)"+semi, "})"+semi+rapid.SampledFrom([]string{"", " // why"}).Draw(t, "tail")))
			}
		}
		b.WriteString("})" + semi)
		b.WriteString(rapid.SampledFrom([]string{"", "\n", "\n\nfunction helper() {\n  return 1\n}\n"}).Draw(t, "foot"))
		return b.String()
	}
}

func jsCode(t *rapid.T, whole bool) string {
	body := rapid.SampledFrom([]string{"expect(1).toBe(1)", "const s = `a\n  b`\nexpect(s).toBe(s)", "if (a) {\n  b()\n}", "await f()\n  g()", "expect(\"it('x')\").toBe(1);"}).Draw(t, "body")
	if whole {
		return "it('a whole test', async () => {\n  " + strings.ReplaceAll(body, "\n", "\n  ") + "\n})"
	}
	return body
}

func pySuite(t *rapid.T) string {
	u := rapid.SampledFrom([]string{"  ", "    "}).Draw(t, "unit")
	var b strings.Builder
	b.WriteString("import pytest\n\n")
	if rapid.Bool().Draw(t, "functions") {
		for i := range rapid.IntRange(0, 3).Draw(t, "tests") {
			b.WriteString(rapid.SampledFrom([]string{"", "@pytest.mark.slow\n"}).Draw(t, "mark"))
			fmt.Fprintf(&b, "def test_%d():\n%sassert True\n\n\n", i, u)
		}
		return b.String() + rapid.SampledFrom([]string{"", "def helper():\n" + u + "return 1\n", "CONST = '''\ndef test_x():\n'''"}).Draw(t, "foot")
	}
	b.WriteString("class TestThing:\n" + u + `"""Doc."""` + "\n")
	for i := range rapid.IntRange(0, 4).Draw(t, "members") {
		switch rapid.IntRange(0, 3).Draw(t, "member") {
		case 0:
			b.WriteString("\n" + u + "def setup_method(self):\n" + u + u + "self.x = 1\n")
		case 1:
			b.WriteString("\n" + u + "@pytest.fixture\n" + u + fmt.Sprintf("def fix_%d(self):\n", i) + u + u + "return 1\n")
		default:
			b.WriteString("\n" + u + fmt.Sprintf("def test_%d(self):\n", i) + u + u + "assert True\n")
		}
	}
	return b.String() + rapid.SampledFrom([]string{"", "\n\ndef helper():\n" + u + "return 1\n"}).Draw(t, "foot")
}

func pyCode(t *rapid.T, whole bool) string {
	body := rapid.SampledFrom([]string{"assert True", "x = 1\nif x:\n    assert x", "s = \"\"\"a\n  b\"\"\"\nassert s", "with open('f') as f:\n    assert f"}).Draw(t, "body")
	if whole {
		return rapid.SampledFrom([]string{"def test_whole():\n    ", "@pytest.mark.slow\ndef test_whole(client):\n    ", "async def test_whole():\n    "}).Draw(t, "def") + strings.ReplaceAll(body, "\n", "\n    ")
	}
	return body
}

func rbSuite(t *rapid.T) string {
	u := unit.Draw(t, "unit")
	var b strings.Builder
	b.WriteString("require 'spec_helper'\n\n" + rapid.SampledFrom([]string{"RSpec.describe Thing do\n", "describe 'thing' do\n", "RSpec.describe 'x', type: :model do\n"}).Draw(t, "describe"))
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		switch rapid.IntRange(0, 4).Draw(t, "member") {
		case 0:
			b.WriteString(lines(u, "let(:x) { 1 }"))
		case 1:
			b.WriteString(lines(u, "after do", u+"reset", "end"))
		case 2:
			b.WriteString(lines(u, "context 'inner' do", u+"it('a') { b }", "end"))
		default:
			b.WriteString(lines(u, "it "+quoted(title.Draw(t, "title"), "'")+" do", u+"expect(1).to eq(1)", "end"))
		}
	}
	return b.String() + "end" + rapid.SampledFrom([]string{"", "\n"}).Draw(t, "foot")
}

func rbCode(t *rapid.T, whole bool) string {
	body := rapid.SampledFrom([]string{"expect(1).to eq(1)", "x = 1\nif x\n  y\nend", "z = [1].map do |i|\n  i\nend"}).Draw(t, "body")
	if whole {
		return "it 'is whole' do\n  " + strings.ReplaceAll(body, "\n", "\n  ") + "\nend"
	}
	return body
}

func classSuite(head, method, foot string) func(*rapid.T) string {
	return func(t *rapid.T) string {
		u := unit.Draw(t, "unit")
		var b strings.Builder
		b.WriteString(head)
		for i := range rapid.IntRange(0, 4).Draw(t, "members") {
			b.WriteString(strings.ReplaceAll(fmt.Sprintf(method, i), "\t", u) + "\n")
		}
		return b.String() + foot
	}
}

func exSuite(t *rapid.T) string {
	u := unit.Draw(t, "unit")
	var b strings.Builder
	b.WriteString(rapid.SampledFrom([]string{"", "defmodule Helper do\n  def end?(x), do: x\nend\n\n", "# defmodule NotThis do\n"}).Draw(t, "head"))
	b.WriteString("defmodule A.BTest do\n" + u + rapid.SampledFrom([]string{"use ExUnit.Case, async: true", "use AppWeb.ConnCase", "use(ExUnit.Case)"}).Draw(t, "use") + "\n")
	for i := range rapid.IntRange(0, 5).Draw(t, "members") {
		name := quoted(fmt.Sprintf("%s %d", title.Draw(t, "title"), i), `"`)
		switch rapid.IntRange(0, 6).Draw(t, "member") {
		case 0:
			b.WriteString(lines(u, "setup do", u+"%{x: fn -> 1 end}", "end"))
		case 1:
			b.WriteString(lines(u, "describe "+name+" do", u+"test "+name+", do: assert(true)", "end"))
		case 2:
			b.WriteString(lines(u, "defp helper(x), do: x # do", ""))
		case 3:
			b.WriteString(lines(u, `@text """`) + "test \"in a text\" do\n" + lines(u, `"""`))
		default:
			b.WriteString(lines(u, "test "+name+", %{x: x} do", u+"if x do", u+u+"assert x", u+"end", "end"+rapid.SampledFrom([]string{"", " # end"}).Draw(t, "tail")))
		}
	}
	return b.String() + "end" + rapid.SampledFrom([]string{"", "\n", "\n\ndefmodule Other do\nend\n"}).Draw(t, "foot")
}

func exCode(t *rapid.T, whole bool) string {
	body := rapid.SampledFrom([]string{"assert true", "x = fn -> 1 end\nassert x.()", "if a() do\n  b()\nend", "s = \"\"\"\na\n  b\n\"\"\"\nassert s"}).Draw(t, "body")
	switch {
	case !whole:
		return body
	case rapid.Bool().Draw(t, "suite"):
		return "describe \"of its own\" do\n  test \"a whole test\" do\n    assert true\n  end\nend"
	default:
		return "test \"a whole test\" do\n  " + strings.ReplaceAll(body, "\n", "\n  ") + "\nend"
	}
}

func plainCode(body ...string) func(*rapid.T, bool) string {
	return func(t *rapid.T, _ bool) string { return rapid.SampledFrom(body).Draw(t, "body") }
}

var allSuites = []suites{
	{syntax.TypeScript, "vitest", jsSuite([]string{"describe", "describe.only", "describe.each([1, 2])", "export default describe"}, []string{"it", "test", "it.each([1])", "test.skip"}), jsCode},
	{syntax.JavaScript, "jest", jsSuite([]string{"describe", "describe.skip", "if (CI) describe", "module.exports = () => describe"}, []string{"it", "test", "it.only"}), jsCode},
	{syntax.JavaScript, "mocha", jsSuite([]string{"describe", "context", "suite"}, []string{"it", "specify", "test"}), jsCode},
	{syntax.Python, "pytest", pySuite, pyCode},
	{syntax.Python, "unittest", classSuite("import unittest\n\n\nclass ATest(unittest.TestCase):\n    x = 1\n", "\n    def test_%d(self):\n        self.assertTrue(True)", "\n\ndef helper():\n    return 1\n"), pyCode},
	{syntax.Ruby, "rspec", rbSuite, rbCode},
	{syntax.Ruby, "minitest", classSuite("class ATest < Minitest::Test\n", "\n\tdef test_%d\n\t\tassert true\n\tend\n", "end\n"), plainCode("assert true", "x = 1\nassert x")},
	{syntax.PHP, "phpunit", classSuite("<?php\nuse PHPUnit\\Framework\\TestCase;\nclass ATest extends TestCase\n{\n", "\n\tpublic function test%d(): void\n\t{\n\t\t$this->assertTrue(true);\n\t}\n", "}\n"), plainCode("$this->assertTrue(true);", "if ($a) {\n    b();\n}")},
	{syntax.Java, "junit", classSuite("import org.junit.jupiter.api.Test;\nclass ATest {\n", "\n\t@Test\n\tvoid t%d() {\n\t\tassertTrue(true);\n\t}\n", "}\n"), plainCode("assertTrue(true);", "for (int i = 0; i < 2; i++) {\n    f(i);\n}")},
	{syntax.Go, "gotest", classSuite("package a\n\nimport \"testing\"\n", "\nfunc TestA%d(t *testing.T) {\n\tt.Log(1)\n}\n", "\nfunc helper() {}\n"), plainCode("t.Log(1)", "if f() {\n\tt.Fatal(\"x\")\n}")},
	{syntax.Elixir, "exunit", exSuite, exCode},
}

// TestInsertions inserts 1,100 times: each result parses, keeps every original
// line in its order, has the tests inside of the suite, and takes them once.
func TestInsertions(t *testing.T) {
	for _, s := range allSuites {
		t.Run(s.framework, rapid.MakeCheck(func(t *rapid.T) {
			content := s.draw(t)
			if rapid.IntRange(0, 4).Draw(t, "crlf") == 0 {
				content = strings.ReplaceAll(content, "\n", "\r\n")
			}
			var tests []Test
			for i := range rapid.IntRange(1, 3).Draw(t, "tests") {
				tests = append(tests, Test{
					Name: fmt.Sprintf("%s %d", title.Draw(t, "name"), i), Code: s.code(t, rapid.Bool().Draw(t, "whole")),
					AttackVector: rapid.SampledFrom([]string{"' OR 1=1 --", "<script>\nalert(1)</script>", "*/ x", `""" x`, "../../etc/passwd", `?> \u000a x`}).Draw(t, "vector"),
				})
			}
			check(t, s, content, tests)
		}))
	}
}

func check(t *rapid.T, s suites, content string, tests []Test) {
	r := Request{Content: content, Language: s.language, Framework: s.framework, Tests: tests}
	got, err := Generate(r)
	if err != nil {
		t.Fatalf("%v\n%s\n%+v", err, content, tests)
	}
	if got.Lines == 0 || !strings.Contains(strings.ToLower(got.Content), "security") {
		t.Fatalf("nothing inserted:\n%s", got.Content)
	}
	// What was inserted is one piece, between two pieces of the original.
	prefix := 0
	for prefix < len(content) && content[prefix] == got.Content[prefix] {
		prefix++
	}
	added := len(got.Content) - len(content)
	whole := false
	for at := prefix; at >= 0 && !whole; at-- {
		whole = got.Content[:at]+got.Content[at+added:] == content
	}
	if !whole {
		t.Fatalf("the original is not whole:\n%s\n---\n%s", content, got.Content)
	}
	before, after := strings.Split(content, "\n"), strings.Split(got.Content, "\n")
	tree, err := syntax.Parse(s.language, extension[s.language], []byte(got.Content))
	if err != nil || tree.Errors > 0 {
		t.Fatalf("does not parse (%v):\n%s", err, got.Content)
	}
	inside(t, s, tree, got)
	if len(after) <= len(before) {
		t.Fatal("no lines were added")
	}
	for _, one := range tests {
		if !strings.Contains(squeeze(got.Content), squeeze(comment(s.language, one.AttackVector))) && !strings.Contains(got.Content, docText(one.AttackVector)) {
			t.Fatalf("no attack vector %q in\n%s", one.AttackVector, got.Content)
		}
	}
	if strings.Count(content, "\r\n") > 0 && strings.Count(got.Content, "\n") != strings.Count(got.Content, "\r\n") {
		t.Fatalf("mixed line ends: %q", got.Content)
	}
	r.Content = got.Content
	again, err := Generate(r)
	if err != nil || again.Content != got.Content {
		t.Fatalf("not once (%v):\n%s\n---\n%s", err, got.Content, again.Content)
	}
}

// inside checks that what was inserted by the tree lies in the outer suite.
func inside(t *rapid.T, s suites, tree *syntax.Tree, got Result) {
	if got.Method != methodAST || got.Point.Parent == parentModule && s.language != syntax.Elixir {
		return
	}
	at := 0
	for range got.Point.Line - 1 {
		at += strings.IndexByte(got.Content[at:], '\n') + 1
	}
	at += len(got.Content[at:]) - len(strings.TrimLeft(got.Content[at:], " \t\r\n"))
	kinds := map[syntax.Language]string{
		syntax.JavaScript: "statement_block", syntax.TypeScript: "statement_block", syntax.Ruby: "body_statement", syntax.Python: "block", syntax.PHP: "declaration_list", syntax.Java: "class_body", syntax.Elixir: "do_block",
	}
	depth := 0
	for n := tree.At(uint32(at), uint32(at)+1); n != 0; n = tree.Nodes[n].Parent {
		// Ruby's tree has a comment that begins a class beside its body.
		if k := tree.Kind(n); (k == kinds[s.language] || k == "class") && int(tree.Nodes[n].Start) < at+1 {
			depth++
		}
	}
	if depth == 0 {
		t.Fatalf("line %d is outside of the suite:\n%s", got.Point.Line, got.Content)
	}
}
