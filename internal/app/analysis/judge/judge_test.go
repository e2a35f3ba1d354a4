package judge

import (
	"strings"
	"testing"
)

func TestClassOf(t *testing.T) {
	for path, want := range map[string]PathClass{
		"node_modules/a.js": Vendor, "/vendor/a.rb": Vendor, "dist/b.js": Vendor, "a.min.js": Vendor, "lib/third-party/a.js": Vendor, "src/distance/a.js": Application,
		"test/a.js": Test, "spec/x.rb": Test, "src/a.test.ts": Test, "a_spec.rb": Test, "src/__tests__/a.js": Test, "latest/a.js": Application, "tests/test_a.py": Test,
		"config/a.rb": Config, "webpack.prod.js": Config, "src/configure/a.js": Application, "": Application, "/": Application, `src\test\a.js`: Test,
	} {
		if got := ClassOf(path); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
}

func TestTypeOf(t *testing.T) {
	for text, want := range map[string]Type{
		"sql_injection": SQLInjection, "SqlInjection": SQLInjection, "SQL Injection": SQLInjection, "sqli": SQLInjection, "js_eval_injection": CodeInjection,
		"Cross-Site Scripting": XSS, "insecure-deserialization": Deserialization, "WEAK_CRYPTO": WeakHash, "something else": "somethingelse",
	} {
		if got := TypeOf(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestScale(t *testing.T) {
	source := `function helper(v) { return v }
function handler(req) {
  db.query('SELECT ' + req.query.a)
  const a = req.query.a
  db.query('SELECT ' + a)
  const b = a, c = b
  db.query('SELECT ' + c)
  db.query('SELECT ' + userInput)
  db.query('SELECT ' + somewhere())
  db.query('SELECT ' + escapeHtml(req.query.a))
  db.query('SELECT ' + helper(req.query.a))
}
`
	for _, c := range []struct {
		file       string
		line       int
		confidence float64
		valid      bool
		level      int
		words      string
	}{
		{"a.js", 3, 0.95, true, 1, "req.query.a"},
		{"a.js", 5, 0.85, true, 2, "through a"},
		{"a.js", 7, 0.75, true, 3, "steps"},
		{"a.js", 8, 0.60, true, 3, "userInput is named like input"},
		{"a.js", 9, 0.40, true, 4, "not in this file"},
		{"a.js", 10, 0.475, true, 1, "not a safeguard"},
		{"a.js", 11, 0.85, true, 2, "req.query.a"},
		{"config/a.js", 3, 0.475, true, 1, "req.query.a"},
		{"node_modules/a.js", 3, 0.095, false, 1, "Filtered: vendor file with low confidence"},
		{"test/a.js", 3, 0.19, false, 1, "Filtered: test file with low confidence"},
	} {
		v := NewFile(c.file, source).Judge(Finding{Type: "sqli", File: c.file, Line: c.line, Code: "db.query("})
		if d := v.Confidence - c.confidence; d > 1e-9 || d < -1e-9 || v.Valid != c.valid || v.Context.TaintLevel != c.level || !strings.Contains(v.Reason, c.words) || v.Context.EnclosingFunction != "handler" {
			t.Errorf("%s:%d: %+v %+v", c.file, c.line, v, v.Context)
		}
	}
}

// Without a line, or with one that has moved, the code is looked for.
func TestMovedLines(t *testing.T) {
	source := "\n\n// db.query('SELECT ' + req.query.a)\nf()\ndb.query('SELECT ' + req.query.a)\n"
	for _, line := range []int{0, 4, 5, 6, 99} {
		v := NewFile("a.js", source).Judge(Finding{Type: "sqli", File: "a.js", Line: line, Code: "db.query('SELECT ' + req.query.a)"})
		if line != 0 && line != 4 && !v.Valid {
			t.Errorf("line %d: %+v", line, v)
		}
	}
}
