package flags

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// Change is a flag that answers otherwise in another file.
type Change struct {
	Key string
	// Before and After are the answers to the first context for which they
	// differ, as an operator would write them.
	Before, After string
	// Contexts is for how many contexts the answers differ.
	Contexts int
}

// Diff evaluates the flags of two files for each of the contexts, which must
// not be empty, and returns those whose values differ, sorted by key. A flag
// that the app knows and a file does not declare has its default there.
func Diff(before, after []byte, contexts []*flagd.Context) ([]Change, error) {
	old, err := flagd.Parse(before)
	if err != nil {
		return nil, fmt.Errorf("the first file: %w", err)
	}
	next, err := flagd.Parse(after)
	if err != nil {
		return nil, fmt.Errorf("the second file: %w", err)
	}
	keys := slices.Concat(old.Keys(), next.Keys())
	slices.Sort(keys)
	var changes []Change
	for _, key := range slices.Compact(keys) {
		change := Change{Key: key}
		for _, context := range contexts {
			was, is := answer(old, key, context), answer(next, key, context)
			if was.Why() == is.Why() && bytes.Equal(was.JSON, is.JSON) || was.OK() && is.OK() && bytes.Equal(was.JSON, is.JSON) {
				continue
			}
			if change.Contexts++; change.Contexts == 1 {
				change.Before, change.After = describe(&was), describe(&is)
			}
		}
		if change.Contexts > 0 {
			changes = append(changes, change)
		}
	}
	return changes, nil
}

func answer(set *flagd.Set, key string, context *flagd.Context) flagd.Result {
	result := set.Evaluate(key, context)
	if known, ok := find(key); ok && result.Code == flagd.NotFound {
		return known.result()
	}
	return result
}

// describe writes an answer for people.
func describe(r *flagd.Result) string {
	if !r.OK() {
		return r.Why()
	}
	const limit = 60
	value := string(r.JSON)
	if len(value) > limit {
		value = value[:limit] + "…"
	}
	return fmt.Sprintf("%s (%s)", value, cmp.Or(r.Variant, "the app's default"))
}
