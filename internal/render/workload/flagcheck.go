package workload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// FlagTypes reads a published flags file: the type of each flag by its key,
// Boolean, String, Number or Object. It is nil, with an error, for a file that
// is none.
func FlagTypes(file []byte) (map[string]string, error) {
	var content struct {
		Flags map[string]struct {
			Variants map[string]json.RawMessage `json:"variants"`
		} `json:"flags"`
	}
	if err := json.Unmarshal(file, &content); err != nil {
		return nil, fmt.Errorf("reading the flags file: %w", err)
	}
	types := make(map[string]string, len(content.Flags))
	for key, flag := range content.Flags {
		types[key] = ""
		for _, value := range flag.Variants { // all of one type
			types[key] = typeOf(value)
			break
		}
	}
	return types, nil
}

// KeptFlags reads a published flags file: the keys of the flags in it that
// nobody declares any more.
func KeptFlags(file []byte) map[string]bool {
	var content struct {
		Flags map[string]struct {
			Metadata map[string]any `json:"metadata"`
		} `json:"flags"`
	}
	if err := json.Unmarshal(file, &content); err != nil {
		return nil
	}
	kept := map[string]bool{}
	for key, flag := range content.Flags {
		if deleted, _ := flag.Metadata[contract.FlagMetadataDeleted].(bool); deleted {
			kept[key] = true
		}
	}
	return kept
}

// CheckKept returns a problem for each flag that an image needs and that is
// served only because it does: its FeatureFlag was deleted.
func CheckKept(required []v1alpha1.RequiredFlag, kept map[string]bool) []Problem {
	var problems []Problem
	for _, flag := range required {
		if kept[flag.Key] {
			problems = append(problems, Problem{v1alpha1.ReasonFlagDeleted, fmt.Sprintf(
				"image needs flag %q, whose FeatureFlag was deleted; its last definition goes on being served: create a FeatureFlag with key %s, or roll out an image that does not need it",
				flag.Key, flag.Key)})
		}
	}
	return problems
}

func typeOf(value json.RawMessage) string {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return ""
	}
	switch value[0] {
	case 't', 'f':
		return "Boolean"
	case '"':
		return "String"
	case '{', '[':
		return "Object"
	default:
		return "Number"
	}
}

// CheckFlags compares the flags that an image needs with those that are
// published, and returns everything that is wrong at once. A flag under nearly
// the right name is named, for that is the usual mistake.
func CheckFlags(required []v1alpha1.RequiredFlag, published map[string]string) []Problem {
	needed := map[string]bool{}
	for _, flag := range required {
		needed[flag.Key] = true
	}
	spare := slices.DeleteFunc(slices.Sorted(maps.Keys(published)), func(key string) bool { return needed[key] })
	var problems []Problem
	for _, flag := range required {
		declared, ok := published[flag.Key]
		switch {
		case !ok:
			problems = append(problems, Problem{v1alpha1.ReasonFlagMissing, missingFlag(flag.Key, near(flag.Key, spare))})
		case flag.Type != "" && declared != "" && declared != flag.Type:
			problems = append(problems, Problem{v1alpha1.ReasonFlagMismatch, fmt.Sprintf(
				"image needs flag %q of type %s; it is declared as %s: declare it anew with type %s",
				flag.Key, flag.Type, declared, flag.Type)})
		}
	}
	return problems
}

func missingFlag(key string, near []string) string {
	if len(near) == 0 {
		return fmt.Sprintf("image needs flag %q; nothing like it is declared: create a FeatureFlag with key %s", key, key)
	}
	quoted := make([]string, len(near))
	for i, other := range near {
		quoted[i] = fmt.Sprintf("%q", other)
	}
	return fmt.Sprintf("image needs flag %q; declared: %s: create a FeatureFlag with key %s, and delete the other unless it is meant",
		key, strings.Join(quoted, ", "), key)
}

// CheckUnmet names flags that an image needs and cannot be given, however they
// are declared. An image of the app has none; another one may.
func CheckUnmet(keys []string) []Problem {
	problems := make([]Problem, len(keys))
	for i, key := range keys {
		problems[i] = Problem{v1alpha1.ReasonFlagMissing, fmt.Sprintf(
			"image needs flag %q, which no FeatureFlag can give it: a key is words of a-z and 0-9 joined by _, of at most 63 characters, and an image may need 256; correct the image", key)}
	}
	return problems
}

// nearLimit bounds how many near misses are named.
const nearLimit = 3

// near lists the candidates that look like key, the likest first: those that
// have a word more or less at one end, and those a few letters away.
func near(key string, candidates []string) []string {
	type candidate struct {
		key      string
		distance int
	}
	var found []candidate
	for _, other := range candidates {
		distance := editDistance(key, other)
		switch {
		case extends(key, other) || extends(other, key):
			found = append(found, candidate{other, 0})
		case distance <= max(1, len(key)/3):
			found = append(found, candidate{other, distance})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.distance - b.distance })
	var keys []string
	for _, c := range found[:min(nearLimit, len(found))] {
		keys = append(keys, c.key)
	}
	return keys
}

// extends tells whether long is short with whole words before or behind it.
func extends(short, long string) bool {
	return strings.HasPrefix(long, short+"_") || strings.HasSuffix(long, "_"+short)
}

// editDistance counts the letters to insert, delete or replace.
func editDistance(a, b string) int {
	previous := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := range len(a) {
		current := make([]int, len(b)+1)
		current[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			current[j+1] = min(previous[j+1]+1, current[j]+1, previous[j]+cost)
		}
		previous = current
	}
	return previous[len(b)]
}
