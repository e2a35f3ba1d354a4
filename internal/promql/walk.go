package promql

import (
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Metrics are the names of the series that an expression reads, each once, in
// order. Selectors that name none are left out, as is what does not parse.
func Metrics(expression string) []string {
	tree, err := expressions.ParseExpr(expression)
	if err != nil {
		return nil
	}
	var names []string
	selectors(tree, func(s *parser.VectorSelector) {
		for _, m := range s.LabelMatchers {
			if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual && m.Value != "" {
				names = append(names, m.Value)
			}
		}
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// Normal is an expression in the one form of all that mean the same but for
// spaces, brackets and the order of matchers, whichever version of Prometheus
// printed it. A matcher that demands the value of the label is left out:
// prometheus-operator can be told to add one to every selector. What does not
// parse stays as it is.
func Normal(expression, label, value string) string {
	tree, err := expressions.ParseExpr(expression)
	if err != nil {
		return expression
	}
	selectors(tree, func(s *parser.VectorSelector) {
		s.LabelMatchers = slices.DeleteFunc(s.LabelMatchers, func(m *labels.Matcher) bool {
			return m.Name == label && m.Type == labels.MatchEqual && m.Value == value
		})
		slices.SortFunc(s.LabelMatchers, func(a, b *labels.Matcher) int {
			switch {
			case a.String() < b.String():
				return -1
			case a.String() > b.String():
				return 1
			default:
				return 0
			}
		})
	})
	return unwrap(tree).String()
}

// unwrap takes the brackets around a whole expression away.
func unwrap(tree parser.Expr) parser.Expr {
	for {
		brackets, ok := tree.(*parser.ParenExpr)
		if !ok {
			return tree
		}
		tree = brackets.Expr
	}
}

func selectors(tree parser.Expr, visit func(*parser.VectorSelector)) {
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			visit(s)
		}
		return nil
	})
}

// Read is a metric that an expression reads, and the labels without which the
// expression would not do what it says: those that it matches, and those that
// it tells results apart by.
type Read struct {
	Metric string
	Labels []string
}

// Reads lists the metrics that an expression reads, selector by selector.
func Reads(expression string) []Read {
	tree, err := expressions.ParseExpr(expression)
	if err != nil {
		return nil
	}
	var all []Read
	parser.Inspect(tree, func(node parser.Node, path []parser.Node) error {
		s, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		var r Read
		for _, m := range s.LabelMatchers {
			if m.Name == model.MetricNameLabel {
				r.Metric = m.Value
			} else {
				r.Labels = append(r.Labels, m.Name)
			}
		}
		for _, above := range path {
			if sum, ok := above.(*parser.AggregateExpr); ok && !sum.Without {
				r.Labels = append(r.Labels, sum.Grouping...)
			}
		}
		slices.Sort(r.Labels)
		r.Labels = slices.Compact(r.Labels)
		all = append(all, r)
		return nil
	})
	return all
}
