package flagd

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// checkResults finds what rules give that is no variant, as far as it can be
// known without evaluating them.
func (d *Definition) checkResults(tree any, path string) *Problem {
	switch tree := tree.(type) {
	case nil:
		return nil
	case string:
		return d.checkVariantName(tree, path)
	case bool:
		return d.checkVariantName(strconv.FormatBool(tree), path)
	case float64:
		return d.checkVariantName(numberText(tree), path)
	case map[string]any:
		return d.checkOperationResults(tree, path)
	default:
		return &Problem{clipPath(path), "gives a list", "give the name of a variant"}
	}
}

func (d *Definition) checkVariantName(name, path string) *Problem {
	if d.has(name) {
		return nil
	}
	return &Problem{clipPath(path), fmt.Sprintf("gives %q, which is not a variant", clip(name)), "use one of: " + strings.Join(d.names(), ", ")}
}

func (d *Definition) checkOperationResults(tree map[string]any, path string) *Problem {
	name, arguments, problem := theOperation(tree, path)
	if problem != nil {
		return problem
	}
	path += "." + name
	switch name {
	case "if", "?:":
		return d.checkBranches(arguments, path)
	case "fractional":
		return d.checkShares(arguments, path)
	}
	switch operators[name].gives {
	case givesList:
		return &Problem{clipPath(path), "gives a list", "give the name of a variant"}
	case givesBoolean:
		if !d.has("true") || !d.has("false") {
			return &Problem{
				clipPath(path), "gives true or false, which are not variants",
				fmt.Sprintf(`wrap it: {"if": [{%q: …}, %q]}`, name, slices.Max(d.names())),
			}
		}
	}
	return nil
}

// checkBranches looks at what follows a condition, and at what follows none.
func (d *Definition) checkBranches(arguments []any, path string) *Problem {
	for i, argument := range arguments {
		if i%2 == 0 && i != len(arguments)-1 {
			continue // a condition
		}
		if problem := d.checkResults(argument, fmt.Sprintf("%s[%d]", path, i)); problem != nil {
			return problem
		}
	}
	return nil
}

func (d *Definition) checkShares(arguments []any, path string) *Problem {
	for i, argument := range arguments {
		share, ok := argument.([]any)
		if !ok || len(share) == 0 {
			continue // the bucketing value
		}
		if problem := d.checkResults(share[0], fmt.Sprintf("%s[%d][0]", path, i)); problem != nil {
			return problem
		}
	}
	return nil
}

// jsonText quotes a value in a message.
func jsonText(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		return "no JSON"
	}
	return string(raw)
}
