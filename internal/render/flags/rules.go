package flags

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// Attributes that rules ask the app for.
const (
	subjectAttribute = "targetingKey"
	groupsAttribute  = "groups"
)

// operation is one operation of JSON Logic.
type operation map[string]any

func op(name string, arguments ...any) operation { return operation{name: arguments} }

func attribute(name string) operation { return operation{"var": name} }

// targeting is the flag's rules in flagd's terms, empty when it has none.
func targeting(flag *v1alpha1.FeatureFlag, evaluators flagd.Evaluators) (json.RawMessage, flagd.Problems) {
	switch spec := &flag.Spec; {
	case spec.Targeting != nil:
		inlined, err := evaluators.Inline(spec.Targeting.Raw)
		if err != nil {
			return nil, flagd.Problems{problemOf(err)}
		}
		return inlined, nil
	case len(spec.Rules) > 0:
		return compileRules(spec, Key(flag))
	default:
		return nil, nil
	}
}

func problemOf(err error) flagd.Problem {
	if problem, ok := errors.AsType[flagd.Problem](err); ok {
		return problem
	}
	return flagd.Problem{Field: "targeting", What: "is wrong: " + err.Error(), Fix: "correct it"}
}

// compileRules makes one chain of conditions and variants. It ends with the
// rule that always applies, or else with nothing, which is the default.
func compileRules(spec *v1alpha1.FeatureFlagSpec, key string) (json.RawMessage, flagd.Problems) {
	var chain []any
	var problems flagd.Problems
	for i := range spec.Rules {
		rule := ruleOf{spec: spec, key: key, rule: &spec.Rules[i], field: fmt.Sprintf("rules[%d]", i)}
		if len(chain)%2 == 1 {
			problems = append(problems, flagd.Problem{
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
	raw, err := json.Marshal(operation{"if": chain})
	if err != nil {
		return nil, flagd.Problems{{Field: "rules", What: "cannot be written: " + err.Error(), Fix: "correct them"}}
	}
	return raw, nil
}

type ruleOf struct {
	spec  *v1alpha1.FeatureFlagSpec
	key   string
	rule  *v1alpha1.FlagRule
	field string
}

// compile returns the rule's condition, nil when it applies to everybody, and
// its result, which is a variant or an operation that gives one.
func (r *ruleOf) compile() (condition, result any, problems flagd.Problems) {
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
	when := r.rule.When
	if when == nil {
		return nil
	}
	var either []any
	if len(when.Actors) > 0 {
		either = append(either, op("in", attribute(subjectAttribute), when.Actors))
	}
	if len(when.Groups) > 0 {
		either = append(either, op("some", attribute(groupsAttribute), op("in", attribute(""), when.Groups)))
	}
	if len(either) > 1 {
		return []any{op("or", either...)}
	}
	return either
}

func (r *ruleOf) schedule() (conditions []any) {
	now := attribute("$flagd.timestamp")
	if schedule := r.rule.Schedule; schedule != nil && schedule.From != nil {
		conditions = append(conditions, op(">=", now, schedule.From.Unix()))
	}
	if schedule := r.rule.Schedule; schedule != nil && schedule.Until != nil {
		conditions = append(conditions, op("<", now, schedule.Until.Unix()))
	}
	return conditions
}

// everybody is 100 percent in the unit of percentages, a thousandth of one.
const everybody = 100_000

// rollout returns the conditions under which a subject is within the
// percentages, and the operation that gives the variant then.
func (r *ruleOf) rollout() (conditions []any, result any, problems flagd.Problems) {
	shares := r.rule.Rollout
	weights, total := make([]int, len(shares)), 0
	for i, share := range shares {
		weight, ok := thousandths(share.Percent)
		if !ok {
			field := fmt.Sprintf("%s.rollout[%s].percent", r.field, share.Variant)
			problems = append(problems, flagd.Problem{Field: field, What: fmt.Sprintf("is %q", share.Percent.String()), Fix: `write 0 to 100, for example 25 or "12.5"`})
		}
		weights[i], total = weight, total+weight
	}
	if total > everybody {
		problems = append(problems, flagd.Problem{
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
	if r.spec.Hash == v1alpha1.HashFunWithFlags {
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
	if r.spec.BucketKey != "" {
		return r.spec.BucketKey
	}
	return attribute("$flagd.flagKey")
}

// funWithFlags needs the name that the actors were counted by as it is
// written: its hash is no operation that takes another's result.
func (r *ruleOf) funWithFlags(subject any, total int) (conditions []any, result any, problems flagd.Problems) {
	if len(r.rule.Rollout) != 1 {
		return nil, nil, flagd.Problems{{Field: r.field + ".rollout", What: fmt.Sprintf("has %d variants under hash %s", len(r.rule.Rollout), v1alpha1.HashFunWithFlags), Fix: "write one"}}
	}
	name := cmp.Or(r.spec.BucketKey, r.key)
	return []any{op("percentage_of_actors", subject, name, float64(total)/everybody)}, r.rule.Rollout[0].Variant, nil
}

// thousandths reads a percentage as whole thousandths of one percent.
func thousandths(percent intstr.IntOrString) (int, bool) {
	text := strings.TrimSuffix(percent.String(), "%")
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
