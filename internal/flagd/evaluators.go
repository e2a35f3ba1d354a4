package flagd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// MaxEvaluators bounds the shared evaluators of a file.
const MaxEvaluators = 64

// Evaluators are rules by name that the rules of several flags refer to by
// {"$ref": name}. They are put into the rules that refer to them, so that
// every flag stands on its own.
type Evaluators map[string]json.RawMessage

// Validate returns Problems, or nil: an evaluator must be a rule, and must not
// refer to itself by any way around.
func (e Evaluators) Validate() error {
	if len(e) > MaxEvaluators {
		return Problems{{"evaluators", fmt.Sprintf("has %d entries", len(e)), fmt.Sprintf("write at most %d", MaxEvaluators)}}
	}
	var problems Problems
	for _, name := range sortedKeys(e) {
		if problem := e.check(name); problem != nil {
			problem.Field = "evaluators[" + clip(name) + "]" + strings.TrimPrefix(problem.Field, "targeting")
			problems = append(problems, *problem)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return problems
}

func (e Evaluators) check(name string) *Problem {
	if noRule(e[name]) {
		return &Problem{"targeting", "is empty", "write a JSON Logic rule or remove the evaluator"}
	}
	rule, problem := e.inline(e[name], []string{name})
	if problem == nil {
		_, _, problem = compileRule(rule)
	}
	return problem
}

// Inline returns a flag's rules with every evaluator that they refer to put in
// place. Rules that refer to none come back as they are. The error is a
// Problem of the field targeting.
func (e Evaluators) Inline(targeting json.RawMessage) (json.RawMessage, error) {
	rule, problem := e.inline(targeting, nil)
	if problem != nil {
		return nil, *problem
	}
	return rule, nil
}

func (e Evaluators) inline(targeting json.RawMessage, within []string) (json.RawMessage, *Problem) {
	if !bytes.Contains(targeting, []byte("ref")) && !bytes.Contains(targeting, []byte(`\u`)) {
		return targeting, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(targeting))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return targeting, nil //nolint:nilerr // compiling says what is wrong with the JSON
	}
	in := inliner{evaluators: e, within: within}
	tree, problem := in.walk(tree, "targeting", 0)
	if problem != nil || in.put == 0 {
		return targeting, problem
	}
	raw, err := marshal(tree)
	if err != nil {
		return nil, &Problem{"targeting", "cannot be written: " + err.Error(), "simplify the rules"}
	}
	return raw, nil
}

// inliner puts evaluators into one flag's rules. Its counts keep evaluators
// that refer to one another many times from growing without bounds.
type inliner struct {
	evaluators Evaluators
	// within are the evaluators around the place that is looked at.
	within     []string
	nodes, put int
}

func (in *inliner) walk(tree any, path string, depth int) (any, *Problem) {
	in.nodes++
	if in.nodes > MaxNodes || depth > MaxDepth {
		return nil, &Problem{"targeting", fmt.Sprintf("has more than %d operations and values, or more than %d levels, once its evaluators are put in", MaxNodes, MaxDepth), "simplify the rules or the evaluators"}
	}
	var problem *Problem
	switch tree := tree.(type) {
	case []any:
		whole := make([]any, len(tree))
		for i := range tree {
			if whole[i], problem = in.walk(tree[i], fmt.Sprintf("%s[%d]", path, i), depth+1); problem != nil {
				return nil, problem
			}
		}
		return whole, nil
	case map[string]any:
		if reference, ok := tree[refName]; ok && len(tree) == 1 {
			return in.refer(reference, path+"."+refName, depth)
		}
		whole := make(map[string]any, len(tree))
		for _, name := range sortedKeys(tree) {
			// The arguments of an operation are on a level with it.
			if whole[name], problem = in.walk(tree[name], path+"."+name, depth); problem != nil {
				return nil, problem
			}
		}
		return whole, nil
	default:
		return tree, nil
	}
}

func (in *inliner) refer(reference any, path string, depth int) (any, *Problem) {
	name, ok := reference.(string)
	if !ok {
		return nil, &Problem{clipPath(path), "is no name", `name an evaluator, for example {"$ref": "is_customer"}`}
	}
	if slices.Contains(in.within, name) {
		return nil, &Problem{clipPath(path), fmt.Sprintf("goes in a circle: %s", strings.Join(append(slices.Clone(in.within), name), " refers to ")), "break the circle"}
	}
	raw, ok := in.evaluators[name]
	if !ok {
		return nil, &Problem{clipPath(path), fmt.Sprintf("refers to %q, which is no evaluator", clip(name)), in.evaluators.suggest(name)}
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return nil, &Problem{clipPath(path), fmt.Sprintf("refers to %q, which is no JSON", clip(name)), "correct the evaluator"}
	}
	in.put++
	in.within = append(in.within, name)
	whole, problem := in.walk(tree, path+"("+clip(name)+")", depth)
	in.within = in.within[:len(in.within)-1]
	return whole, problem
}

func (e Evaluators) suggest(name string) string {
	if len(e) == 0 {
		return "there are none; declare it or write its rule here"
	}
	if near := Nearest(name, sortedKeys(e)); near != "" {
		return fmt.Sprintf("use %q or declare it", near)
	}
	return "use one of: " + strings.Join(sortedKeys(e), ", ")
}
