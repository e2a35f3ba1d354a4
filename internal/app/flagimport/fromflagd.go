package flagimport

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// Flagd declares the flags of a file in flagd's format. Shared evaluators are
// put into the flags that refer to them. known are whom the proof asks about,
// beside nobody and whoever the rules name.
func Flagd(app string, file []byte, known []Subject) (Result, error) {
	definitions, err := flagd.Decode(file)
	if err != nil {
		return Result{}, err
	}
	set, err := flagd.Compile(definitions)
	if err != nil {
		return Result{}, err
	}
	var result Result
	var originals []original
	owner := map[string]string{}
	all := append([]Subject{{}}, known...)
	for i := range definitions {
		definition := &definitions[i]
		flag, err := declare(definition, app)
		if err == nil && owner[flag.Key] != "" {
			err = fmt.Errorf("its key would be %q, as that of %q: rename one of them", flag.Key, owner[flag.Key])
		}
		if err != nil {
			result.Problems = append(result.Problems, Problem{definition.Key, err.Error()})
			continue
		}
		owner[flag.Key] = definition.Key
		result.Flags, originals = append(result.Flags, flag), append(originals, evaluated{set, definition.Key})
		all = append(all, named(definition.Targeting)...)
	}
	result.Proof = prove(result.Flags, originals, all)
	return result, nil
}

// evaluated answers as flagd does.
type evaluated struct {
	set *flagd.Set
	key string
}

func (e evaluated) answer(s Subject) (value string, known bool) { return here(e.set, e.key, s), true }

// variantName is how a variant of a FeatureFlag may be called, and misread are
// the names that YAML takes for something else.
var (
	variantName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,62}$`)
	misread     = map[string]string{
		"on": enabled, "y": enabled, "yes": enabled, "true": enabled,
		"off": disabled, "n": disabled, "no": disabled, "false": disabled, "null": "none",
	}
)

func declare(d *flagd.Definition, app string) (Flag, error) {
	key, err := keyFor(d.Key, app)
	if err != nil {
		return Flag{}, err
	}
	if d.DefaultVariant == "" {
		return Flag{}, fmt.Errorf("it has no defaultVariant, which a FeatureFlag needs: give it one, or state: DISABLED with any")
	}
	flag := Flag{Source: d.Key, Key: key, Type: d.Type, Disabled: d.Disabled}
	if key != d.Key {
		flag.Notes = append(flag.Notes, fmt.Sprintf("was called %q; the app must ask for %q", d.Key, key))
	}
	names, err := rename(d.Variants)
	if err != nil {
		return Flag{}, err
	}
	for _, v := range d.Variants {
		flag.Variants = append(flag.Variants, flagd.Variant{Name: names[v.Name], Value: v.Value})
		if names[v.Name] != v.Name {
			flag.Notes = append(flag.Notes, fmt.Sprintf("variant %q is now %q", v.Name, names[v.Name]))
		}
	}
	flag.DefaultVariant = names[d.DefaultVariant]
	if flag.Targeting, err = (&rewriter{names: names, was: d.Key, is: key}).rewrite(d.Targeting); err != nil {
		return Flag{}, err
	}
	_, err = flag.Definition()
	return flag, err
}

// rename gives names that a FeatureFlag may have.
func rename(variants []flagd.Variant) (map[string]string, error) {
	names, taken := map[string]string{}, map[string]string{}
	for _, v := range variants {
		name := v.Name
		if other, ok := misread[strings.ToLower(name)]; ok {
			name = other
		}
		if !variantName.MatchString(name) {
			return nil, fmt.Errorf("variant %q cannot be called so in a FeatureFlag: rename it to letters, digits, _, . and -", v.Name)
		}
		if other, twice := taken[name]; twice {
			return nil, fmt.Errorf("variants %q and %q would both be called %q: rename one of them", other, v.Name, name)
		}
		names[v.Name], taken[name] = name, v.Name
	}
	return names, nil
}

// rewriter changes rules for the new names of the flag and its variants.
type rewriter struct {
	names   map[string]string
	was, is string
}

func (r *rewriter) rewrite(targeting json.RawMessage) (json.RawMessage, error) {
	var tree any
	if len(targeting) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(targeting, &tree); err != nil {
		return nil, fmt.Errorf("reading targeting: %w", err)
	}
	if r.was != r.is {
		tree = r.keepBuckets(tree)
	}
	tree, err := r.result(tree)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("writing targeting: %w", err)
	}
	return raw, nil
}

// keepBuckets writes down the key that rules count by.
func (r *rewriter) keepBuckets(tree any) any {
	switch tree := tree.(type) {
	case []any:
		for i := range tree {
			tree[i] = r.keepBuckets(tree[i])
		}
	case map[string]any:
		if name, ok := tree["var"]; ok && len(tree) == 1 && (name == "$flagd.flagKey" || fmt.Sprint(name) == "[$flagd.flagKey]") {
			return r.was
		}
		for name := range tree {
			tree[name] = r.keepBuckets(tree[name])
		}
		if shares, ok := tree["fractional"].([]any); ok && len(shares) > 0 {
			if _, isShare := shares[0].([]any); isShare {
				bucket := map[string]any{"cat": []any{r.was, map[string]any{"var": "targetingKey"}}}
				subject := map[string]any{"!=": []any{map[string]any{"var": "targetingKey"}, nil}}
				tree["fractional"] = append([]any{bucket}, shares...)
				return map[string]any{"if": []any{subject, tree}} // nobody is in no share
			}
		}
	}
	return tree
}

// result renames variants where rules give them.
func (r *rewriter) result(tree any) (any, error) {
	if !r.renamed() {
		return tree, nil
	}
	switch tree := tree.(type) {
	case nil:
		return nil, nil
	case string:
		return r.names[tree], nil
	case bool:
		return r.names[fmt.Sprint(tree)], nil
	case map[string]any:
		for name, arguments := range tree {
			return r.operation(tree, name, arguments)
		}
	}
	return nil, fmt.Errorf("its rules compute the name of a variant that has to be renamed: rename the variants first")
}

func (r *rewriter) renamed() bool {
	for was, is := range r.names {
		if was != is {
			return true
		}
	}
	return false
}

// truths are the operations that give true or false.
var truths = []string{"==", "===", "!=", "!==", "<", "<=", ">", ">=", "!", "!!", "in", "all", "some", "none", "starts_with", "ends_with", "sem_ver", "percentage_of_actors"}

func (r *rewriter) operation(tree map[string]any, name string, arguments any) (any, error) {
	list, isList := arguments.([]any)
	if !isList {
		list = []any{arguments}
	}
	switch {
	case name == "if" || name == "?:":
		return map[string]any{name: list}, r.branches(list)
	case name == "fractional":
		return map[string]any{name: list}, r.shares(list)
	case slices.Contains(truths, name):
		return map[string]any{"if": []any{tree, r.names["true"], r.names["false"]}}, nil
	default:
		return nil, fmt.Errorf("its rules compute the name of a variant by %q, and variants have to be renamed: rename them first", name)
	}
}

// branches renames what a condition leads to, in place.
func (r *rewriter) branches(list []any) error {
	for i := range list {
		if i%2 == 0 && i != len(list)-1 {
			continue // a condition
		}
		renamed, err := r.result(list[i])
		if err != nil {
			return err
		}
		list[i] = renamed
	}
	return nil
}

// shares renames what is handed out by percentage, in place.
func (r *rewriter) shares(list []any) error {
	for _, argument := range list {
		share, ok := argument.([]any)
		if !ok || len(share) == 0 {
			continue // what is counted by
		}
		renamed, err := r.result(share[0])
		if err != nil {
			return err
		}
		share[0] = renamed
	}
	return nil
}

// named are subjects with the texts that rules compare with, as targeting keys
// and as members of groups: whoever the rules know.
func named(targeting json.RawMessage) []Subject {
	var tree any
	if json.Unmarshal(targeting, &tree) != nil {
		return nil
	}
	texts, names := map[string]bool{}, map[string]bool{}
	var walk func(any)
	walk = func(tree any) {
		switch tree := tree.(type) {
		case string:
			texts[tree] = true
		case []any:
			for _, element := range tree {
				walk(element)
			}
		case map[string]any:
			if name, ok := tree["var"].(string); ok {
				names[name] = true
				return
			}
			for _, element := range tree {
				walk(element)
			}
		}
	}
	walk(tree)
	var list []Subject
	for _, text := range slices.Sorted(maps.Keys(texts)) {
		list = append(list, Subject{Actor: text}, Subject{Actor: "somebody:else", Groups: []string{text}})
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if name != "" && name != "targetingKey" && name != "groups" && !strings.ContainsAny(name, ".$") {
				list = append(list, Subject{Actor: "somebody:else", Attributes: map[string]any{name: text}})
			}
		}
	}
	return list
}
