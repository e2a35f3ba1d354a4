package alerts

import (
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// Quantiles by the names that a latency gives them.
var Quantiles = map[string]string{"p50": "0.5", "p75": "0.75", "p90": "0.9", "p95": "0.95", "p99": "0.99"}

// QuantileOf asks for a quantile, such as 0.95, of a histogram. Rates are
// summed over all series with the same bound, and the same by label if there
// is one, before the quantile is taken. Without traffic there is no value.
func QuantileOf(s Source, quantile, by string) string {
	return "histogram_quantile(" + quantile + ", sum by (" + join("le", by) + ") (rate(" +
		s.Metric + "_bucket{" + s.Matchers + "}[" + s.Window + "]))) >= 0"
}

// RateBy asks for the rate of a histogram's observations, told apart by a
// label.
func RateBy(s Source, by string) string {
	return "sum by (" + by + ") (rate(" + s.Metric + "_count{" + s.Matchers + "}[" + s.Window + "]))"
}

// rate sums over all series, or over those with the same label.
func (c *compiler) rate(counter, matchers, by string) string {
	if by != "" {
		by = " by (" + by + ") "
	}
	return "sum" + by + "(rate(" + counter + "{" + matchers + "}[" + c.window + "]))"
}

// Selector is what every query of the baseline is narrowed to, with braces.
func Selector(baseline *v1alpha1.AlertBaseline) string {
	c := compiler{baseline: baseline, namespace: or(baseline.Namespace, "default"), service: baseline.Spec.DeploymentRef.Name}
	return "{" + c.selector() + "}"
}

// selector narrows every query of the baseline.
func (c *compiler) selector() string {
	if len(c.baseline.Spec.Selector) == 0 {
		return matcher("job", "=", c.service) + "," + matcher("namespace", "=", c.namespace)
	}
	var all string
	for _, label := range slices.Sorted(maps.Keys(c.baseline.Spec.Selector)) {
		all = join(all, matcher(label, "=", string(c.baseline.Spec.Selector[label])))
	}
	return all
}

func (c *compiler) checkSelector(t *v1alpha1.Threshold) *Problem {
	for label := range c.baseline.Spec.Selector {
		if !isLabelName(label) {
			return bad(t, "spec.selector", "\""+label+"\" is no label name", "use letters, digits and _, and begin with no digit")
		}
	}
	return nil
}

// patterns makes matchers of label patterns.
func patterns(t *v1alpha1.Threshold, field string, labels map[string]v1alpha1.LabelValue) (string, *Problem) {
	var all string
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		if !isLabelName(label) {
			return "", bad(t, field, "\""+label+"\" is no label name", "use letters, digits and _, and begin with no digit")
		}
		pattern := string(labels[label])
		if _, err := syntax.Parse(pattern, syntax.Perl); err != nil {
			return "", bad(t, field+"."+label, "\""+pattern+"\" is no regular expression", "write one in RE2 syntax, for example 5..")
		}
		operator := "=~"
		if pattern == regexp.QuoteMeta(pattern) {
			operator = "="
		}
		all = join(all, matcher(label, operator, pattern))
	}
	return all, nil
}

// endpoint matches a route, or with a trailing * all routes below it.
func endpoint(route string) string {
	if prefix, found := strings.CutSuffix(route, "*"); found {
		return matcher(contract.LabelPath, "=~", regexp.QuoteMeta(prefix)+".*")
	}
	return matcher(contract.LabelPath, "=", route)
}

// matcher quotes as Go does, which is how PromQL reads strings.
func matcher(label, operator, value string) string {
	return label + operator + strconv.Quote(value)
}

func join(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	default:
		return a + "," + b
	}
}

// isEndpoint accepts ^/[A-Za-z0-9._~{}/-]*\*?$.
func isEndpoint(route string) bool {
	route = strings.TrimSuffix(route, "*")
	if !strings.HasPrefix(route, "/") {
		return false
	}
	for i := range len(route) {
		if !isLetter(route[i]) && !isDigit(route[i]) && !strings.ContainsRune("._~{}/-", rune(route[i])) {
			return false
		}
	}
	return true
}

// isLabelName accepts ^[a-zA-Z_][a-zA-Z0-9_]*$, isMetricName colons besides.
func isLabelName(name string) bool { return isMetricName(name) && !strings.Contains(name, ":") }

func isMetricName(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isLetter(c) && c != '_' && c != ':' && (i == 0 || !isDigit(c)) {
			return false
		}
	}
	return name != ""
}

// isAlertName accepts ^[A-Z][A-Za-z0-9]*$.
func isAlertName(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isLetter(c) && !isDigit(c) {
			return false
		}
	}
	return name != "" && name[0] >= 'A' && name[0] <= 'Z'
}

// isName accepts ^[a-z]([-a-z0-9]*[a-z0-9])?$.
func isName(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (i == 0 || !isDigit(c) && (c != '-' || i == len(name)-1)) {
			return false
		}
	}
	return name != ""
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func contains(all []string, one string) bool { return slices.Contains(all, one) }
