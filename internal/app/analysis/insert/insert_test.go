package insert

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

var ready = map[syntax.Language]string{
	syntax.JavaScript: "it('rejects it', () => {\n  expect(1).toBe(1)\n})",
	syntax.Python:     "def test_rejects_it():\n    assert True",
	syntax.Ruby:       "it 'rejects it' do\n  expect(1).to eq(1)\nend",
}

func TestGenerate(t *testing.T) {
	for _, c := range []struct {
		name, framework string
		language        syntax.Language
		content, code   string
		want            string
		point           *Point
	}{
		{
			"a hook follows the last test", "vitest", syntax.TypeScript,
			"import { describe, it } from 'vitest'\n\ndescribe('a', () => {\n  it('b', () => {})\n\n  afterEach(() => {\n    reset()\n  })\n})\n", "expect(1).toBe(1)",
			"import { describe, it } from 'vitest'\n\ndescribe('a', () => {\n  it('b', () => {})\n\n  describe('security', () => {\n    it('it\\'s refused', async () => {\n      // Attack vector: x y\n      expect(1).toBe(1)\n    })\n  })\n\n  afterEach(() => {\n    reset()\n  })\n})\n",
			&Point{6, afterIt, parentSuite},
		},
		{
			"one line, tabs, double quotes", "jest", syntax.JavaScript,
			"describe.only(\"a\", function () {\ttest(\"b\", f); });\n", ready[syntax.JavaScript],
			"describe.only(\"a\", function () {\ttest(\"b\", f);\n\n  describe(\"security\", () => {\n    // it's refused\n    // Attack vector: x y\n    it('rejects it', () => {\n      expect(1).toBe(1)\n    })\n  });\n });\n",
			&Point{3, afterIt, parentSuite},
		},
		{
			"no direct tests", "mocha", syntax.JavaScript,
			"describe('a', () => {\n  describe('b', () => {\n    it('c', f)\n  })\n})", "f()",
			"describe('a', () => {\n  describe('b', () => {\n    it('c', f)\n  })\n\n  describe('security', () => {\n    it('it\\'s refused', async () => {\n      // Attack vector: x y\n      f()\n    })\n  })\n})",
			&Point{6, insideSuite, parentSuite},
		},
		{
			"no suite", "jest", syntax.JavaScript, "const a = 1", "f()",
			"const a = 1\n\ndescribe('security', () => {\n  it('it\\'s refused', async () => {\n    // Attack vector: x y\n    f()\n  })\n})\n", nil,
		},
		{
			"a class of tests", "pytest", syntax.Python,
			"class TestA:\n    def test_b(self):\n        pass\n\n    def helper(self):\n        pass\n", ready[syntax.Python],
			"class TestA:\n    def test_b(self):\n        pass\n\n    # it's refused\n    # Security test. Attack vector: x y\n    def test_rejects_it(self):\n        assert True\n\n    def helper(self):\n        pass\n",
			&Point{5, afterTest, parentClass},
		},
		{
			"functions alone, the first line without its indentation", "pytest", syntax.Python,
			"def test_a():\n    pass\n", "a = 1\n        assert a\n",
			"def test_a():\n    pass\n\n\nclass TestSecurity:\n    \"\"\"Security tests.\"\"\"\n\n    def test_it_s_refused(self):\n        \"\"\"it's refused.\n\n        Security test. Attack vector: x y\n        \"\"\"\n        a = 1\n        assert a\n",
			&Point{5, afterTest, parentModule},
		},
		{
			"rspec", "rspec", syntax.Ruby,
			"RSpec.describe A do\n  before { x }\n  it 'b' do\n    c\n  end\nend\n", ready[syntax.Ruby],
			"RSpec.describe A do\n  before { x }\n  it 'b' do\n    c\n  end\n\n  describe 'security' do\n    # it's refused\n    # Security test. Attack vector: x y\n    it 'rejects it' do\n      expect(1).to eq(1)\n    end\n  end\nend\n",
			&Point{7, afterIt, parentSuite},
		},
		{
			"minitest", "minitest", syntax.Ruby,
			"class ATest < Minitest::Test\n  def test_a\n    assert true\n  end\nend\n", "assert true",
			"class ATest < Minitest::Test\n  def test_a\n    assert true\n  end\n\n  # it's refused\n  def test_security_it_s_refused\n    # Attack vector: x y\n    assert true\n  end\nend\n",
			&Point{6, afterTest, parentClass},
		},
		{
			"phpunit", "phpunit", syntax.PHP,
			"<?php\nclass ATest extends TestCase\n{\n    public function testA(): void\n    {\n    }\n}\n", "$this->assertTrue(true);",
			"<?php\nclass ATest extends TestCase\n{\n    public function testA(): void\n    {\n    }\n\n    // it's refused\n    public function testSecurityItSRefused(): void\n    {\n        // Attack vector: x y\n        $this->assertTrue(true);\n    }\n}\n",
			&Point{8, afterTest, parentClass},
		},
		{
			"junit", "junit", syntax.Java,
			"class ATest {\n    @Test\n    void a() {\n    }\n}\n", "assertTrue(true);",
			"class ATest {\n    @Test\n    void a() {\n    }\n\n    // it's refused\n    @Test\n    void securityItSRefused() throws Exception {\n        // Attack vector: x y\n        assertTrue(true);\n    }\n}\n",
			&Point{6, afterTest, parentClass},
		},
		{
			"go", "gotest", syntax.Go,
			"package a\n\nfunc TestA(t *testing.T) {\n\tt.Log(1)\n}\n\nfunc helper() {}\n", "if f() {\n\tt.Fatal(1)\n}",
			"package a\n\nfunc TestA(t *testing.T) {\n\tt.Log(1)\n}\n\n// it's refused\nfunc TestSecurityItSRefused(t *testing.T) {\n\t// Attack vector: x y\n\tif f() {\n\t\tt.Fatal(1)\n\t}\n}\n\nfunc helper() {}\n",
			&Point{7, afterTest, parentModule},
		},
		{
			"exunit", "exunit", syntax.Elixir,
			"defmodule ATest do\n  use ExUnit.Case\n\n  test \"a\" do\n    assert true\n  end\nend\n", "assert true",
			"defmodule ATest do\n  use ExUnit.Case\n\n  test \"a\" do\n    assert true\n  end\n\n  describe \"security\" do\n    test \"it's refused\" do\n      # Attack vector: x y\n      assert true\n    end\n  end\nend\n",
			&Point{8, afterTest, parentModule},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Request{Content: c.content, Language: c.language, Framework: c.framework, Tests: []Test{{Name: "it's refused", Code: c.code, AttackVector: "x\ny"}}}
			got, err := Generate(r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.Content) + cmp.Diff(c.point, got.Point); diff != "" {
				t.Error(diff)
			}
			r.Content = got.Content
			if again, err := Generate(r); err != nil || again.Content != got.Content || again.Lines != 0 {
				t.Errorf("the second time: %v\n%s", err, again.Content)
			}
		})
	}
}

// ExUnit refuses names that are there already, and suites in suites.
func TestExUnitNames(t *testing.T) {
	content := "defmodule ATest do\n  use ExUnit.Case\n\n  describe \"security\" do\n    test \"n\", do: assert(true)\n  end\n\n  defp helper, do: 1\nend\n"
	suite := "describe \"of its own\" do\n  test \"a\" do\n    assert true\n  end\nend"
	got, err := Generate(Request{Content: content, Language: syntax.Elixir, Framework: "exunit", Tests: []Test{
		{"n", "assert 1", "v"}, {"n", "assert 2", "v"}, {"suite", suite, "v"}, {strings.Repeat("long ", 60), "assert 3", "v"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.TrimSpace(strings.Repeat("long ", 60))
	want := strings.Replace(content, "  defp helper", `  describe "security 2" do
    test "n" do
      # Attack vector: v
      assert 1
    end
  end

  describe "security 3" do
    test "n" do
      # Attack vector: v
      assert 2
    end
  end

  # suite
  # Security test. Attack vector: v
  describe "of its own" do
    test "a" do
      assert true
    end
  end

  describe "security 4" do
    # `+long+`
    test "`+strings.TrimSpace(long[:titleLimit])+`" do
      # Attack vector: v
      assert 3
    end
  end

  defp helper`, 1)
	if diff := cmp.Diff(want, got.Content); diff != "" {
		t.Error(diff)
	}
}

// Lines inside of texts keep their beginnings.
func TestTextsKeepTheirLines(t *testing.T) {
	code := "const s = `a\n  b\nc`\nexpect(s).toBe(1)"
	got, err := Generate(Request{Content: "describe('a', () => {\n    it('b', f)\n})\n", Language: syntax.JavaScript, Framework: "jest", Tests: []Test{{"n", code, "v"}}})
	if err != nil || !strings.Contains(got.Content, "`a\n  b\nc`\n") {
		t.Errorf("%v\n%s", err, got.Content)
	}
}

func TestBadTests(t *testing.T) {
	content := "describe('a', () => {})\n"
	for code, reason := range map[string]string{"it('a', () => {": "no valid javascript", "  ": "is empty", "})": "no valid javascript"} {
		_, err := Generate(Request{Content: content, Language: syntax.JavaScript, Framework: "jest", Tests: []Test{{"ok", "f()", "v"}, {"n", code, "v"}}})
		if bad, ok := errors.AsType[*BadTestError](err); !ok || bad.Index != 1 || !strings.Contains(bad.Reason, reason) {
			t.Errorf("%q: %v", code, err)
		}
	}
	// A broken file is no reason to refuse: it gets no more broken.
	got, err := Generate(Request{Content: "describe('a', () => {\n  it('b', () => {\n", Language: syntax.JavaScript, Framework: "jest", Tests: []Test{{"n", "f()", "v"}}})
	if err != nil {
		t.Log(err)
	} else if !strings.HasPrefix(got.Content, "describe('a'") {
		t.Error(got.Content)
	}
}
