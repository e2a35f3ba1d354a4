package insert

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

func largeSuite() string {
	var b strings.Builder
	b.WriteString("import { describe, it, expect } from 'vitest'\n\ndescribe('orders', () => {\n")
	for i := range 70 {
		fmt.Fprintf(&b, "  it('keeps order %d', async () => {\n    const got = await api.get(`/orders/${%d}`, { retry: %d })\n    expect(got.body.items.map((x) => x.id)).toEqual([%d, %d])\n  })\n", i, i, i, i, i+1)
	}
	return b.String() + "})\n"
}

// cpu reports the processor time of one run, whatever else runs beside it.
func cpu(b *testing.B) func() {
	b.Helper()
	started := syntax.CPU()
	return func() { b.ReportMetric(float64(syntax.CPU()-started)/1e6/float64(b.N), "cpu-ms") }
}

// BenchmarkParseSuite parses a test file of 280 lines.
func BenchmarkParseSuite(b *testing.B) {
	src := []byte(largeSuite())
	defer cpu(b)()
	for b.Loop() {
		if _, err := syntax.Parse(syntax.TypeScript, "a.ts", src); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGenerate inserts three tests in that file, and parses the result.
func BenchmarkGenerate(b *testing.B) {
	r := Request{Content: largeSuite(), Language: syntax.TypeScript, Framework: "vitest"}
	for i := range 3 {
		r.Tests = append(r.Tests, Test{Name: fmt.Sprint("refuses ", i), Code: "const got = await api.get(\"/orders/' OR 1=1\")\nexpect(got.status).toBe(400)", AttackVector: "' OR 1=1"})
	}
	defer cpu(b)()
	for b.Loop() {
		if _, err := Generate(r); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzGenerate inserts anything in anything without a panic, and never loses a
// byte of the file.
func FuzzGenerate(f *testing.F) {
	f.Add("describe('a', () => {})", "f()", "n", "v")
	f.Add("class TestA:\n  def test_a(self):\n    pass", "assert 1", "n", "v")
	f.Add("\x00\xff{(", "`", "\n", "*/")
	f.Fuzz(func(t *testing.T, content, code, name, vector string) {
		for _, s := range allSuites {
			got, err := Generate(Request{Content: content, Language: s.language, Framework: s.framework, Tests: []Test{{Name: name, Code: code, AttackVector: vector}}})
			if err != nil {
				continue
			}
			if len(got.Content) < len(content) {
				t.Fatalf("%s lost something:\n%q\n%q", s.framework, content, got.Content)
			}
		}
	})
}
