package flags

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

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

func judge(in Input) []*candidate {
	published := readPublished(in.Published)
	candidates := make([]*candidate, 0, len(in.Flags))
	owners := map[string]*candidate{}
	for _, flag := range in.Flags {
		if flag.DeletionTimestamp != nil {
			continue
		}
		c := &candidate{verdict: Verdict{Flag: flag, Key: Key(flag)}}
		candidates = append(candidates, c)
		if old, ok := published[c.verdict.Key]; ok && old.object == flag.Name && old.definition.Type == flagd.Type(flag.Spec.Type) {
			c.lastGood, c.lastDefault = &old.entry, old.definition.DefaultVariant
		}
		if owner := owners[c.verdict.Key]; owner == nil || c.older(owner) {
			owners[c.verdict.Key] = c
		}
	}
	for _, c := range candidates {
		c.check(in.App, owners[c.verdict.Key])
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

func (c *candidate) check(app *v1alpha1.RsolvDeployment, owner *candidate) {
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
	definition := Definition(flag)
	entry, err := definition.Entry()
	if err != nil {
		v.Reason, v.Message = v1alpha1.ReasonInvalidDefinition, describe(err)
		return
	}
	c.entry = &entry
}

// describe names the fields as they are called in the FeatureFlag.
func describe(err error) string {
	var problems flagd.Problems
	if !errors.As(err, &problems) {
		return err.Error()
	}
	problems = slices.Clone(problems)
	for i := range problems {
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

// Definition is the flag in flagd's terms. It need not be valid.
func Definition(flag *v1alpha1.FeatureFlag) flagd.Definition {
	definition := flagd.Definition{
		Key:            Key(flag),
		Type:           flagd.Type(flag.Spec.Type),
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
	return definition
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
