// Package promql checks PromQL that people wrote, so that a mistake is told
// with its place and its remedy before a Prometheus refuses the whole file. It
// wraps the parser of Prometheus and keeps it out of every other package.
package promql

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// Bounds of an expression that somebody writes by hand: characters, and how
// deeply its parts may be nested.
const (
	MaxLength = 2048
	MaxDepth  = 40
)

// Kind is what an expression evaluates to.
type Kind int

const (
	// Vector is an instant vector: a value for each series.
	Vector Kind = iota
	// Scalar is a single number without labels.
	Scalar
)

// Error is what is wrong with an expression, where, and how to mend it.
type Error struct {
	// Line and Column of the first offending character, from 1.
	Line, Column int
	// Problem says what is wrong, Fix what to do about it.
	Problem, Fix string
}

// Position is line:column.
func (e *Error) Position() string { return fmt.Sprintf("%d:%d", e.Line, e.Column) }

// Error gives line:column, problem and remedy.
func (e *Error) Error() string { return e.Position() + ": " + e.Problem + ": " + e.Fix }

// expressions is safe for concurrent use.
var expressions = parser.NewParser(parser.Options{})

// Check parses an expression whose value can be compared with a number, and
// tells its kind, or what is wrong with it.
func Check(expression string) (Kind, *Error) {
	if len(expression) > MaxLength {
		return 0, &Error{
			1, 1, fmt.Sprintf("the expression has %d characters, more than %d", len(expression), MaxLength),
			"move a part of it into a recording rule",
		}
	}
	if strings.TrimSpace(expression) == "" {
		return 0, &Error{1, 1, "the expression is empty", "write a PromQL expression, for example up{job=\"rsolv\"}"}
	}
	if depth, at := nesting(expression); depth > MaxDepth {
		return 0, at.error(expression, fmt.Sprintf("the expression is nested more than %d deep", MaxDepth), "move a part of it into a recording rule")
	}
	tree, err := expressions.ParseExpr(expression)
	if err != nil {
		return 0, syntaxError(expression, err)
	}
	switch tree.Type() {
	case parser.ValueTypeVector:
		return Vector, nil
	case parser.ValueTypeScalar:
		return Scalar, nil
	case parser.ValueTypeMatrix:
		return 0, at(tree).error(expression, "the expression gives a range of values for each series, which has no single value to compare",
			"put it into a function such as rate(), increase() or max_over_time()")
	default:
		return 0, at(tree).error(expression, fmt.Sprintf("the expression gives a %s, which cannot be compared with a number", tree.Type()),
			"write an expression whose value is a number")
	}
}

// position is an offset into an expression, in bytes.
type position int

func at(node parser.Node) position { return position(node.PositionRange().Start) }

// error makes an Error of an offset.
func (p position) error(expression, problem, fix string) *Error {
	before := expression[:min(max(int(p), 0), len(expression))]
	line := strings.Count(before, "\n")
	return &Error{line + 1, len(before) - strings.LastIndexByte(before, '\n'), problem, fix}
}

// nesting counts brackets, which is what the parser recurses on, without
// looking into strings. It answers the greatest depth and where it is reached.
func nesting(expression string) (depth int, where position) {
	open := 0
	var quote byte
	for i := 0; i < len(expression); i++ {
		c := expression[i]
		switch {
		case quote != 0:
			if c == '\\' && quote != '`' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '(' || c == '[' || c == '{':
			if open++; open > depth {
				depth, where = open, position(i)
			}
		case c == ')' || c == ']' || c == '}':
			open--
		}
	}
	return depth, where
}

// syntaxError takes the first of the parser's errors, which is the cause of
// the others.
func syntaxError(expression string, err error) *Error {
	var all parser.ParseErrors
	var one *parser.ParseErr
	switch {
	case errors.As(err, &all) && len(all) > 0:
		one = &all[0]
	case errors.As(err, &one):
	default:
		return &Error{1, 1, err.Error(), fixFor(err.Error())}
	}
	problem := one.Err.Error()
	return position(one.PositionRange.Start).error(expression, problem, fixFor(problem))
}

// fixes pairs a part of the parser's words with a remedy; the first that is
// found counts.
var fixes = []struct{ words, fix string }{
	{": '$'", "use one of the words that stand for something: $selector, $namespace or $deployment"},
	{"unclosed left parenthesis", "close it with )"},
	{"unclosed left bracket", "close it with ]"},
	{"unexpected end of input inside braces", "close the label matchers with }"},
	{"inside braces", "close the label matchers with } before it"},
	{"unexpected right", "remove it, or open it before"},
	{"unterminated", "close the string with the quote that it begins with"},
	{"unknown function", "use a function that Prometheus knows; see the list of its query functions"},
	{"missing unit character", "write a duration with its unit: 30s, 5m or 1h"},
	{"duration", "write a duration with its unit: 30s, 5m or 1h"},
	{"expected type range vector", "give it a range, for example [5m]"},
	{"expected type instant vector", "give it series, not a range: remove the [..] or put it into rate()"},
	{"expected type", "give it what it expects"},
	{"argument(s) in call", "see how many arguments the function takes"},
	{"unexpected end of input", "complete the expression"},
	{"vector selector must contain", "narrow it by a metric name or a label that is not empty"},
	{"comparisons between scalars must use BOOL", "write bool after the comparison"},
}

func fixFor(problem string) string {
	for _, f := range fixes {
		if strings.Contains(problem, f.words) {
			return f.fix
		}
	}
	return "correct the expression there; the query page of Prometheus shows the same error"
}
