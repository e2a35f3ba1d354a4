package flags

import (
	"encoding/json"
	"errors"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

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
		return flagd.Targeting(Key(flag), rules(spec.Rules), flagd.Spread{Hash: string(spec.Hash), BucketKey: spec.BucketKey})
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

// rules are the same rules without the API's types.
func rules(declared []v1alpha1.FlagRule) []flagd.Rule {
	list := make([]flagd.Rule, len(declared))
	for i := range declared {
		rule := &declared[i]
		list[i] = flagd.Rule{Variant: rule.Variant, BucketBy: rule.BucketBy}
		for _, share := range rule.Rollout {
			list[i].Rollout = append(list[i].Rollout, flagd.Share{Variant: share.Variant, Percent: share.Percent.String()})
		}
		if when := rule.When; when != nil {
			list[i].Actors, list[i].Groups = when.Actors, when.Groups
		}
		if schedule := rule.Schedule; schedule != nil && schedule.From != nil {
			list[i].From = schedule.From.Time
		}
		if schedule := rule.Schedule; schedule != nil && schedule.Until != nil {
			list[i].Until = schedule.Until.Time
		}
	}
	return list
}
