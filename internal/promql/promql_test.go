package promql

import (
	"strings"
	"testing"
)

func TestCheckAccepts(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]Kind{
		`probe_success{instance=~".*/blog"}`:           Vector,
		`sum by (job) (rate(http_requests_total[5m]))`: Vector,
		`time() - 3600`: Scalar,
		`1`:             Scalar,
		"max(\n  up\n)": Vector,
		`label_replace(up, "x", "$1", "y", "((((((((.*")`:        Vector,
		strings.Repeat("(", 40) + "up" + strings.Repeat(")", 40): Vector,
	} {
		got, err := Check(expression)
		if err != nil || got != want {
			t.Errorf("Check(%q) = %v, %v; want %v", expression, got, err, want)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		expression string
		line, col  int
		problem    string
		fix        string
	}{
		"empty":             {" \n", 1, 1, "empty", "write a PromQL expression"},
		"unclosed":          {"sum(rate(x[5m])", 1, 16, "unclosed left parenthesis", "close it with )"},
		"second line":       {"sum(\n  rte(x[5m])\n)", 2, 3, `unknown function with name "rte"`, "a function that Prometheus knows"},
		"range vector":      {"x[5m]", 1, 1, "range of values", "rate()"},
		"string":            {`"down"`, 1, 1, "a string", "a number"},
		"rate without":      {"rate(x)", 1, 6, "expected type range vector", "[5m]"},
		"no matcher":        {`{job=""}`, 1, 1, "vector selector must contain", "metric name"},
		"label values":      {`up{job=rsolv}`, 1, 8, "unexpected identifier", "correct the expression"},
		"unknown unit":      {"rate(x[5y5])", 1, 8, "", "duration"},
		"stray":             {"up)", 1, 4, "unexpected right parenthesis", "remove it"},
		"half":              {"up ==", 1, 6, "unexpected end of input", "complete"},
		"too long":          {strings.Repeat("up + ", 500) + "up", 1, 1, "more than 2048", "recording rule"},
		"too deep":          {strings.Repeat("(", 41) + "up" + strings.Repeat(")", 41), 1, 41, "nested more than 40", "recording rule"},
		"scalar comparison": {"1 > 2", 1, 3, "comparisons between scalars", "bool"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, got := Check(test.expression)
			if got == nil {
				t.Fatalf("Check(%q) found nothing wrong", test.expression)
			}
			if got.Line != test.line || got.Column != test.col {
				t.Errorf("position %d:%d; want %d:%d (%v)", got.Line, got.Column, test.line, test.col, got)
			}
			if !strings.Contains(got.Problem, test.problem) {
				t.Errorf("problem %q lacks %q", got.Problem, test.problem)
			}
			if !strings.Contains(got.Fix, test.fix) {
				t.Errorf("fix %q lacks %q", got.Fix, test.fix)
			}
		})
	}
}

// The parser must never be able to take the manager down.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"up", "rate(x[5m])", "sum(", "x[", "\"", "{a=\"b\"} @ 5", "\xff", "1 + ) ("} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		_, err := Check(expression)
		if err != nil && (err.Line < 1 || err.Column < 1 || err.Problem == "" || err.Fix == "") {
			t.Errorf("Check(%q) = %#v", expression, err)
		}
	})
}
