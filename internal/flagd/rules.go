package flagd

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rule is one rule of a flag, as people write it: who gets what, and when. All
// of its conditions must hold; a rule without any holds always.
type Rule struct {
	// Variant is for everybody that the rule applies to; Rollout, instead of
	// it, for percentages of them.
	Variant string
	Rollout []Share
	// BucketBy names the attribute that a rollout counts by; the targeting key
	// when empty.
	BucketBy string
	// Actors are targeting keys, and Groups what the attribute groups holds;
	// one of either is enough. Without both the rule is for everybody.
	Actors, Groups []string
	// From is the first moment, and Until the first after the last; zero for
	// no bound.
	From, Until time.Time
}

// Share is a variant and its percentage, 0 to 100 with up to three decimals.
type Share struct{ Variant, Percent string }

// HashFunWithFlags is the spread of FunWithFlags' percentage of actors.
const HashFunWithFlags = "fwf-sha256-16"

// Spread is how the percentages of rules choose their subjects.
type Spread struct {
	// Hash is HashFunWithFlags, or anything else for flagd's own.
	Hash string
	// BucketKey is what is counted by beside the subject; the flag's key when
	// empty.
	BucketKey string
}

// Attributes that rules ask for.
const (
	subjectAttribute = targetingKeyName
	groupsAttribute  = "groups"
)

// logic is one operation of JSON Logic.
type logic map[string]any

func op(name string, arguments ...any) logic { return logic{name: arguments} }

func attribute(name string) logic { return logic{"var": name} }

// Targeting is what rules are in JSON Logic: one chain of conditions and
// variants, of which the first that applies wins. It ends with the rule that
// always applies, or else with nothing, which is the default.
func Targeting(key string, rules []Rule, spread Spread) (json.RawMessage, Problems) {
	var chain []any
	var problems Problems
	for i := range rules {
		rule := ruleOf{spread: spread, key: key, rule: &rules[i], field: fmt.Sprintf("rules[%d]", i)}
		if len(chain)%2 == 1 {
			problems = append(problems, Problem{
				Field: rule.field, What: fmt.Sprintf("never applies, because rules[%d] applies to everybody", i-1), Fix: "put that rule last or give it a condition",
			})
			break
		}
		condition, result, wrong := rule.compile()
		if problems = append(problems, wrong...); len(wrong) > 0 {
			continue
		}
		if condition != nil {
			chain = append(chain, condition)
		}
		chain = append(chain, result)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	raw, err := json.Marshal(logic{"if": chain})
	if err != nil {
		return nil, Problems{{Field: "rules", What: "cannot be written: " + err.Error(), Fix: "correct them"}}
	}
	return raw, nil
}

type ruleOf struct {
	spread Spread
	key    string
	rule   *Rule
	field  string
}

// compile returns the rule's condition, nil when it applies to everybody, and
// its result, which is a variant or an operation that gives one.
func (r *ruleOf) compile() (condition, result any, problems Problems) {
	conditions := append(r.when(), r.schedule()...)
	if len(r.rule.Rollout) == 0 {
		result = r.rule.Variant
	} else {
		var counted []any
		counted, result, problems = r.rollout()
		conditions = append(conditions, counted...)
	}
	switch len(conditions) {
	case 0:
		return nil, result, problems
	case 1:
		return conditions[0], result, problems
	default:
		return op("and", conditions...), result, problems
	}
}

func (r *ruleOf) when() []any {
	var either []any
	if len(r.rule.Actors) > 0 {
		either = append(either, op("in", attribute(subjectAttribute), r.rule.Actors))
	}
	if len(r.rule.Groups) > 0 {
		either = append(either, op("some", attribute(groupsAttribute), op("in", attribute(""), r.rule.Groups)))
	}
	if len(either) > 1 {
		return []any{op("or", either...)}
	}
	return either
}

func (r *ruleOf) schedule() (conditions []any) {
	now := attribute("$flagd.timestamp")
	if !r.rule.From.IsZero() {
		conditions = append(conditions, op(">=", now, r.rule.From.Unix()))
	}
	if !r.rule.Until.IsZero() {
		conditions = append(conditions, op("<", now, r.rule.Until.Unix()))
	}
	return conditions
}

// everybody is 100 percent in the unit of percentages, a thousandth of one.
const everybody = 100_000

// rollout returns the conditions under which a subject is within the
// percentages, and the operation that gives the variant then.
func (r *ruleOf) rollout() (conditions []any, result any, problems Problems) {
	shares := r.rule.Rollout
	weights, total := make([]int, len(shares)), 0
	for i, share := range shares {
		weight, ok := thousandths(share.Percent)
		if !ok {
			field := fmt.Sprintf("%s.rollout[%s].percent", r.field, share.Variant)
			problems = append(problems, Problem{Field: field, What: fmt.Sprintf("is %q", share.Percent), Fix: `write 0 to 100, for example 25 or "12.5"`})
		}
		weights[i], total = weight, total+weight
	}
	if total > everybody {
		problems = append(problems, Problem{
			Field: r.field + ".rollout", What: "has percentages that sum to " + percentText(total), Fix: "make them sum to at most 100",
		})
	}
	if len(problems) > 0 {
		return nil, nil, problems
	}
	subject := attribute(subjectAttribute)
	if r.rule.BucketBy != "" {
		subject = attribute(r.rule.BucketBy)
	}
	if r.spread.Hash == HashFunWithFlags {
		return r.funWithFlags(subject, total)
	}
	unit := everybody
	for _, weight := range weights {
		unit = gcd(unit, weight)
	}
	bucket := op("cat", r.bucketKey(), subject)
	// Whoever cannot be counted is in no percentage.
	conditions = []any{op("!=", subject, nil)}
	if total < everybody {
		conditions = append(conditions, op("fractional", bucket, []any{true, total / unit}, []any{false, (everybody - total) / unit}))
	}
	if len(shares) == 1 {
		return conditions, shares[0].Variant, nil
	}
	// The same subject falls to the same place as in the condition, because
	// the weights have the same sum.
	spread := []any{bucket}
	for i, share := range shares {
		spread = append(spread, []any{share.Variant, weights[i] / unit})
	}
	if total < everybody {
		spread = append(spread, []any{nil, (everybody - total) / unit})
	}
	return conditions, op("fractional", spread...), nil
}

func (r *ruleOf) bucketKey() any {
	if r.spread.BucketKey != "" {
		return r.spread.BucketKey
	}
	return attribute("$flagd.flagKey")
}

// funWithFlags needs the name that the actors were counted by as it is
// written: its hash is no operation that takes another's result.
func (r *ruleOf) funWithFlags(subject any, total int) (conditions []any, result any, problems Problems) {
	if len(r.rule.Rollout) != 1 {
		return nil, nil, Problems{{Field: r.field + ".rollout", What: fmt.Sprintf("has %d variants under hash %s", len(r.rule.Rollout), HashFunWithFlags), Fix: "write one"}}
	}
	name := cmp.Or(r.spread.BucketKey, r.key)
	return []any{op("percentage_of_actors", subject, name, float64(total)/everybody)}, r.rule.Rollout[0].Variant, nil
}

// thousandths reads a percentage as whole thousandths of one percent.
func thousandths(percent string) (int, bool) {
	text := strings.TrimSuffix(percent, "%")
	number, err := strconv.ParseFloat(text, 64)
	scaled := math.Round(number * 1000)
	if err != nil || !(number >= 0 && number <= 100) || math.Abs(scaled-number*1000) > 1e-6 {
		return 0, false
	}
	return int(scaled), true
}

func percentText(thousandths int) string {
	return strconv.FormatFloat(float64(thousandths)/1000, 'f', -1, 64)
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
