package flags

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// metadataObject is the name in a published flag's metadata under which the
// name of its FeatureFlag stands. A last good definition is one that the same
// object had.
const metadataObject = "object"

// candidate is a flag on its way into the file.
type candidate struct {
	verdict Verdict
	// entry is the definition, when it is valid.
	entry *flagd.Entry
	// lastGood is what the object has in the published file, and
	// lastDefault its default variant.
	lastGood    *flagd.Entry
	lastDefault string
}

func judge(in Input, published map[string]publishedFlag, needed []string) []*candidate {
	candidates := make([]*candidate, 0, len(in.Flags))
	owners := map[string]*candidate{}
	for _, flag := range in.Flags {
		if flag.DeletionTimestamp != nil {
			continue
		}
		c := &candidate{verdict: Verdict{Flag: flag, Key: Key(flag)}}
		candidates = append(candidates, c)
		if old, ok := published[c.verdict.Key]; ok && old.definition.Type == flagd.Type(flag.Spec.Type) &&
			(old.object == flag.Name || slices.Contains(needed, c.verdict.Key)) {
			c.lastGood, c.lastDefault = &old.entry, old.definition.DefaultVariant
		}
		if owner := owners[c.verdict.Key]; owner == nil || c.older(owner) {
			owners[c.verdict.Key] = c
		}
	}
	evaluators := Evaluators(in.App)
	for _, c := range candidates {
		c.check(in.App, evaluators, owners[c.verdict.Key])
	}
	return candidates
}

// older tells who keeps a key. Creation times have whole seconds; among equal
// ones the published object keeps it, then the first by name.
func (c *candidate) older(other *candidate) bool {
	mine, theirs := c.verdict.Flag, other.verdict.Flag
	if order := mine.CreationTimestamp.Compare(theirs.CreationTimestamp.Time); order != 0 {
		return order < 0
	}
	if (c.lastGood == nil) != (other.lastGood == nil) {
		return c.lastGood != nil
	}
	return cmp.Compare(mine.Name, theirs.Name) < 0
}

func (c *candidate) check(app *v1alpha1.RsolvDeployment, evaluators flagd.Evaluators, owner *candidate) {
	flag, v := c.verdict.Flag, &c.verdict
	var prefixes []string
	if app.Spec.Flags != nil {
		prefixes = app.Spec.Flags.ReservedPrefixes
	}
	if !flagd.ValidKey(v.Key) {
		v.Reason = v1alpha1.ReasonInvalidDefinition
		v.Message = fmt.Sprintf("key %q is not lower_snake_case of at most %d characters; make a new FeatureFlag with a key like early_access", v.Key, flagd.MaxNameBytes)
		return
	}
	if err := flagd.CheckPrefix(v.Key, app.Name, prefixes); err != nil {
		v.Reason, v.Message = v1alpha1.ReasonReservedPrefix, err.Error()+" (keys are immutable: make a new FeatureFlag and delete this one)"
		return
	}
	if owner != c {
		v.Reason = v1alpha1.ReasonDuplicateKey
		v.Message = fmt.Sprintf("key %q belongs to the older FeatureFlag %q; delete one of the two", v.Key, owner.verdict.Flag.Name)
		// The published definition under this key is the owner's to keep.
		c.lastGood, c.lastDefault = nil, ""
		return
	}
	definition, problems := Definition(flag, evaluators)
	if err := definition.Validate(); err != nil {
		problems = append(problemsOf(err), problems...)
	}
	if len(problems) > 0 {
		v.Reason, v.Message = v1alpha1.ReasonInvalidDefinition, describe(flag, problems)
		return
	}
	entry, err := definition.Entry()
	if err != nil {
		v.Reason, v.Message = v1alpha1.ReasonInvalidDefinition, err.Error()
		return
	}
	c.entry = &entry
}

// problemsOf takes apart what Validate returned.
func problemsOf(err error) flagd.Problems {
	if problems, ok := errors.AsType[flagd.Problems](err); ok {
		return problems
	}
	return flagd.Problems{{Field: "definition", What: "is wrong: " + err.Error(), Fix: "correct it"}}
}

// describe names the fields as they are called in the FeatureFlag.
func describe(flag *v1alpha1.FeatureFlag, problems flagd.Problems) string {
	problems = slices.Clone(problems)
	for i := range problems {
		if flag.Spec.Targeting == nil && strings.HasPrefix(problems[i].Field, "targeting") {
			problems[i].Field = "rules as " + problems[i].Field
		}
		problems[i].Field = "spec." + problems[i].Field
	}
	return problems.Error()
}

// Key is the key that the app asks for.
func Key(flag *v1alpha1.FeatureFlag) string {
	if flag.Spec.Key != "" {
		return flag.Spec.Key
	}
	return flagd.KeyFromName(flag.Name)
}

// Evaluators are the rules that the app's flags share.
func Evaluators(app *v1alpha1.RsolvDeployment) flagd.Evaluators {
	if app.Spec.Flags == nil {
		return nil
	}
	evaluators := make(flagd.Evaluators, len(app.Spec.Flags.Evaluators))
	for _, evaluator := range app.Spec.Flags.Evaluators {
		evaluators[evaluator.Name] = evaluator.Rule.Raw
	}
	return evaluators
}

// Definition is the flag in flagd's terms, with the evaluators that it refers
// to put in. It need not be valid, and lacks its rules when there are problems
// with them.
func Definition(flag *v1alpha1.FeatureFlag, evaluators flagd.Evaluators) (flagd.Definition, flagd.Problems) {
	definition := flagd.Definition{
		Key:            Key(flag),
		Type:           flagd.Type(flag.Spec.Type),
		Disabled:       flag.Spec.State == v1alpha1.FlagDisabled,
		DefaultVariant: flag.Spec.DefaultVariant,
		Metadata:       map[string]any{metadataObject: flag.Name},
	}
	for _, variant := range flag.Spec.Variants {
		definition.Variants = append(definition.Variants, flagd.Variant{Name: variant.Name, Value: variant.Value.Raw})
	}
	if len(flag.Spec.Variants) == 0 && flag.Spec.Type == v1alpha1.FlagBoolean {
		definition.Variants = []flagd.Variant{
			{Name: v1alpha1.VariantEnabled, Value: json.RawMessage("true")},
			{Name: v1alpha1.VariantDisabled, Value: json.RawMessage("false")},
		}
	}
	rules, problems := targeting(flag, evaluators)
	definition.Targeting = rules
	return definition, append(problems, checkLifecycle(flag)...)
}

type publishedFlag struct {
	definition flagd.Definition
	entry      flagd.Entry
	object     string
}

func readPublished(file []byte) map[string]publishedFlag {
	definitions, err := flagd.Decode(file)
	if err != nil {
		return nil
	}
	published := make(map[string]publishedFlag, len(definitions))
	for _, definition := range definitions {
		entry, err := definition.Entry()
		object, _ := definition.Metadata[metadataObject].(string)
		if err == nil {
			published[definition.Key] = publishedFlag{definition, entry, object}
		}
	}
	return published
}
