package insert

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// runner is a test runner that may be installed, with test files for it.
type runner struct {
	name, framework string
	language        syntax.Language
	// file is what the test file is called; others lie beside it.
	file   string
	others map[string]string
	// command runs the file in the folder that it lies in; nil where the runner
	// is not installed.
	command func(t *testing.T, file string) [][]string
	// passed is what the runner says when so many tests passed.
	passed string
	// suites are test files, by how many tests they have.
	suites []suite
	// tests are inserted in each of them: the body of one, and a whole one.
	tests []Test
	env   []string
}

type suite struct {
	content string
	tests   int
}

// program is a command whose program is looked for in PATH.
func program(args ...string) func(*testing.T, string) [][]string {
	return func(_ *testing.T, file string) [][]string {
		found, err := exec.LookPath(args[0])
		if err != nil {
			return nil
		}
		return [][]string{append(append([]string{found}, args[1:]...), file)}
	}
}

// module runs a module of whichever Python has it.
func module(name string, args ...string) func(*testing.T, string) [][]string {
	return func(t *testing.T, file string) [][]string {
		t.Helper()
		for _, python := range []string{"python3", "/usr/bin/python3"} {
			if exec.CommandContext(t.Context(), python, "-c", "import "+name).Run() == nil {
				return [][]string{append(append([]string{python, "-m", name}, args...), file)}
			}
		}
		return nil
	}
}

// junitCommand compiles a class and runs it on the console.
func junitCommand(_ *testing.T, file string) [][]string {
	javac, errC := exec.LookPath("javac")
	java, errJ := exec.LookPath("java")
	jars, _ := filepath.Glob("/usr/share/java/junit-*.jar")
	if errC != nil || errJ != nil || len(jars) == 0 {
		return nil
	}
	for _, name := range []string{"opentest4j", "apiguardian-api", "picocli", "univocity-parsers"} {
		jars = append(jars, "/usr/share/java/"+name+".jar")
	}
	path := strings.Join(append(jars, "."), ":")
	return [][]string{
		{javac, "-cp", path, "-d", ".", file},
		{java, "-cp", path, "org.junit.platform.console.ConsoleLauncher", "--select-class", strings.TrimSuffix(file, ".java")},
	}
}

const (
	nodePrelude = "const { describe, it, test, afterEach } = require('node:test');\n"
	jsAssert    = "const assert = require('node:assert');\n"
)

var (
	jsFiles = []suite{
		{"describe('a', () => {\n  it('b', () => {})\n\n  afterEach(() => {\n    global.x = 1\n  })\n})\n", 1},
		{"describe(\"a\", function () {\n\tit(\"b\", () => {});\n});", 1},
		{"describe('a', () => { it('b', () => {}) })\n", 1},
		{"describe('a', () => {\n    describe('c', () => {\n        it('b', () => {})\n    })\n})\n", 1},
		{"function helper() {}\n", 0},
	}
	jsRun = []Test{
		{"it's `${refused}`", "assert.equal(1, 1)\nawait Promise.resolve()", "' OR \"1\"\n*/"},
		{"whole", "it('whole', () => {\n  assert.equal(`a\n b`.length, 4)\n})", "x"},
	}
	pyRun = []Test{
		{`it's """refused"""`, "x = \"\"\"a\n b\"\"\"\n        assert len(x) == 4", "' OR \"1\"\n\\"},
		{"whole", "def test_whole():\n    for i in [1]:\n        assert i", "x"},
	}
)

func prefixed(prelude string, suites []suite) []suite {
	out := make([]suite, len(suites))
	for i, s := range suites {
		out[i] = suite{prelude + s.content, s.tests}
	}
	return out
}

var runners = []runner{
	{
		name: "node --test", framework: "mocha", language: syntax.JavaScript, file: "a.test.js", command: program("node", "--test", "--test-reporter=tap"), passed: "# pass %d",
		suites: prefixed(nodePrelude+jsAssert, jsFiles), tests: jsRun,
	},
	{
		name: "mocha", framework: "mocha", language: syntax.JavaScript, file: "a.test.js", command: program("mocha"), passed: "%d passing",
		suites: prefixed(jsAssert, jsFiles), tests: jsRun,
	},
	{
		name: "jest", framework: "jest", language: syntax.JavaScript, file: "a.test.js", others: map[string]string{"package.json": "{}"}, command: program("jest", "--rootDir=."), passed: "Tests:       %d passed",
		suites: prefixed(jsAssert, jsFiles), tests: jsRun,
	},
	{
		name: "vitest", framework: "vitest", language: syntax.TypeScript, file: "a.test.ts", others: map[string]string{"package.json": `{"type":"module"}`},
		command: program("vitest", "run", "--root=.", "--globals"), passed: "Tests  %d passed",
		suites: prefixed("import assert from 'node:assert'\n", jsFiles), tests: jsRun, env: []string{"NO_COLOR=1"},
	},
	{
		name: "pytest", framework: "pytest", language: syntax.Python, file: "test_a.py", command: module("pytest", "-p", "no:cacheprovider"), passed: "%d passed",
		suites: []suite{
			{"class TestA:\n    def test_b(self):\n        assert True\n\n    def helper(self):\n        pass\n", 1},
			{"import pytest\n\n\n@pytest.fixture\ndef one():\n    return 1\n\n\ndef test_a(one):\n    assert one\n", 1},
			{"def helper():\n  return 1\n", 0},
		}, tests: pyRun,
	},
	{
		name: "unittest", framework: "unittest", language: syntax.Python, file: "test_a.py", command: module("unittest"), passed: "Ran %d test",
		suites: []suite{
			{"import unittest\n\nclass ATest(unittest.TestCase):\n    def test_b(self):\n        self.assertTrue(True)\n\n    def tearDown(self):\n        pass\n", 1},
			{"def helper():\n    return 1\n", 0},
		}, tests: pyRun,
	},
	{
		name: "rspec", framework: "rspec", language: syntax.Ruby, file: "a_spec.rb", command: program("rspec"), passed: "%d example",
		suites: []suite{
			{"RSpec.describe 'a' do\n  let(:x) { 1 }\n\n  it 'b' do\n    expect(x).to eq(1)\n  end\n\n  after do\n    @gone = true\n  end\nend\n", 1},
			{"describe \"a\" do\n\tcontext 'c' do\n\t\tit('b') { expect(1).to eq(1) }\n\tend\nend", 1},
			{"HELPER = 1\n", 0},
		},
		tests: []Test{
			{"it's \"#{refused}\"", "x = [1].map do |i|\n  i + 1\nend\nexpect(x).to eq([2])", "' OR \"1\"\n=end"},
			{"whole", "it 'whole' do\n  expect(\"a\").to eq('a')\nend", "x"},
		},
	},
	{
		name: "minitest", framework: "minitest", language: syntax.Ruby, file: "a_test.rb", command: program("ruby"), passed: "%d runs, %[1]d assertions, 0 failures, 0 errors",
		suites: []suite{
			{"require 'minitest/autorun'\n\nclass ATest < Minitest::Test\n  def setup\n    @x = 1\n  end\n\n  def test_b\n    assert_equal 1, @x\n  end\n\n  private\n\n  def helper\n    2\n  end\nend\n", 1},
			{"require 'minitest/autorun'\n", 0},
		},
		tests: []Test{
			{"it's \"#{refused}\"", "x = [1].map do |i|\n  i + 1\nend\nassert_equal [2], x", "' OR \"1\"\n=end"},
			{"whole", "def test_whole\n  assert true\nend", "x"},
		},
	},
	{
		name: "phpunit", framework: "phpunit", language: syntax.PHP, file: "ATest.php", command: program("phpunit"), passed: "OK (%d test",
		suites: []suite{
			{"<?php\nuse PHPUnit\\Framework\\TestCase;\n\nclass ATest extends TestCase\n{\n    public function testB(): void\n    {\n        $this->assertTrue(true);\n    }\n\n    private function helper(): int\n    {\n        return 1;\n    }\n}\n", 1},
		},
		tests: []Test{
			{"it's \"$refused\"", "$x = \"a\n b\";\n$this->assertSame(4, strlen($x));", "' OR \"1\"\n*/ ?>"},
			{"whole", "public function testWhole(): void\n{\n    $this->assertSame('a', \"a\");\n}", "x"},
		},
	},
	{
		name: "phpunit with a class of its own", framework: "phpunit", language: syntax.PHP, file: "SecurityTest.php", command: program("phpunit"), passed: "OK (%d test",
		suites: []suite{{"<?php\nfunction helper() {}\n?>\n", 0}, {"", 0}},
		tests: []Test{
			{"refused", "$this->assertSame(1, 1);", "x"},
			{"whole", "public function testWhole(): void\n{\n    $this->assertSame('a', \"a\");\n}", "x"},
		},
	},
	{
		name: "junit", framework: "junit", language: syntax.Java, file: "ATest.java", command: junitCommand, passed: "%d tests successful",
		suites: []suite{
			{"import org.junit.jupiter.api.Test;\nimport static org.junit.jupiter.api.Assertions.*;\n\nclass ATest {\n    @Test\n    void b() {\n        assertTrue(true);\n    }\n\n    private int helper() {\n        return 1;\n    }\n}\n", 1},
		},
		tests: []Test{
			{"it's \"refused\"", "for (int i = 0; i < 2; i++) {\n    assertTrue(i < 2);\n}", "' OR \"1\"\n*/ \\u000a \\uzz"},
			{"whole", "@Test\nvoid whole() {\n    assertEquals(\"a\", \"a\");\n}", "x"},
		},
	},
	{
		name: "go test", framework: "gotest", language: syntax.Go, file: "a_test.go", others: map[string]string{"go.mod": "module a\n\ngo 1.21\n"},
		command: func(t *testing.T, file string) [][]string {
			t.Helper()
			if commands := program("go", "test", "-count=1", "-json", ".")(t, file); commands != nil {
				return [][]string{commands[0][:len(commands[0])-1]}
			}
			return nil
		},
		suites: []suite{
			{"package a\n\nimport \"testing\"\n\nfunc TestB(t *testing.T) {\n\tt.Log(1)\n}\n\nfunc helper() int { return 1 }\n\nvar _ = helper\n", 1},
			{"package a\n\nimport \"testing\"\n\nvar _ = testing.Short\n", 0},
			{"package a\n\nimport \"fmt\"\n\nfunc helper() { fmt.Println(1) }\n\nvar _ = helper\n", 0},
			{"package a\n\nfunc helper() {}\n\nvar _ = helper\n", 0},
			{"", 0},
		},
		tests: []Test{
			{"it's \"refused\"", "if x := `a\n b`; len(x) != 4 {\n\tt.Fatal(x)\n}", "' OR \"1\"\n*/"},
			{"whole", "func TestWhole(t *testing.T) {\n\tt.Run(\"inner\", func(t *testing.T) { t.Parallel() })\n}", "x"},
		},
		env: []string{"GOWORK=off", "GOFLAGS=", "GOTOOLCHAIN=local"},
	},
	{
		name: "exunit", framework: "exunit", language: syntax.Elixir, file: "a_test.exs", command: program("elixir"), passed: "\n%d test",
		suites: []suite{
			{"ExUnit.start()\n\ndefmodule ATest do\n  use ExUnit.Case\n\n  test \"b\" do\n    assert true\n  end\nend\n", 1},
			// A suite of the same name, one-liners, a helper behind the tests, and a module behind the suite.
			{"ExUnit.start()\n\ndefmodule ATest do\n  use ExUnit.Case, async: true\n\n  setup do: %{x: 1}\n\n  describe \"security\" do\n    test \"b\", %{x: x}, do: assert(helper(x) == 1)\n  end\n\n  defp helper(x), do: x\nend\n\ndefmodule Other do\nend\n", 1},
			{"ExUnit.start()\n\ndefmodule ATest do\n  use ExUnit.Case\nend\n", 0},
			{"ExUnit.start()\n", 0},
		},
		tests: []Test{
			{"it's \"#{refused}\"", "x = \"\"\"\na\n  b\n\"\"\"\nassert x == \"a\\n  b\\n\"", "' OR \"1\""},
			{"whole", "test \"whole\" do\n  assert true\nend", "x"},
			{"whole again", "test \"whole\" do\n  assert 1\nend", "x"},
			{"a suite", "describe \"of its own\" do\n  test \"a\" do\n    assert true\n  end\nend", "x"},
			{strings.Repeat("long ", 60), "assert true", "x"},
		},
	},
}

// TestRunnersRunThem runs files with inserted tests under the runners that are
// installed: all of their tests are found, and pass.
func TestRunnersRunThem(t *testing.T) {
	for _, r := range runners {
		t.Run(r.name, func(t *testing.T) {
			if r.command(t, r.file) == nil {
				t.Skipf("%s is not installed here; hack/deps.sh runners installs what Debian has", r.name)
			}
			for _, s := range r.suites {
				for _, tests := range [][]Test{r.tests[:1], r.tests[1:], r.tests} {
					got, err := Generate(Request{Content: s.content, Language: r.language, Framework: r.framework, Tests: tests})
					if err != nil {
						t.Fatal(err)
					}
					r.run(t, got.Content, s.tests+len(tests))
				}
			}
		})
	}
}

// run runs a file and expects so many tests to pass.
func (r *runner) run(t *testing.T, content string, tests int) {
	t.Helper()
	folder := t.TempDir()
	for name, text := range r.others {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, r.file), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	var out string
	for _, args := range r.command(t, r.file) {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = folder
		cmd.Env = append(append(os.Environ(), "HOME="+folder), r.env...)
		if r.language == syntax.Go { // its cache is in the home
			cmd.Env = append(os.Environ(), r.env...)
		}
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s\n%s", args, err, text, content)
		}
		out = string(text)
	}
	passed := strings.Contains(out, fmt.Sprintf(r.passed, tests))
	if r.language == syntax.Go {
		passed = tests == strings.Count(out, `"Action":"pass"`)-1-strings.Count(out, `"Action":"pass","Package":"a","Test":"TestWhole/inner"`)
	}
	if !passed {
		t.Fatalf("not %d tests:\n%s\n%s", tests, out, content)
	}
}
