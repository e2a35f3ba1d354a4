package flags

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// required are the flags that this version's code asks for: those of app.Flags.
var required = [...]flag{flagBlog, flagDisplayDraftBlogPosts}

// PreflightCatalog is the catalogue as a preflight reports it, in the order of
// declaration.
func PreflightCatalog() []contract.CatalogFlag {
	all := make([]contract.CatalogFlag, 0, len(catalogue))
	for _, known := range catalogue {
		all = append(all, contract.CatalogFlag{Key: known.Key, Type: string(flagd.Boolean)})
	}
	for _, f := range required {
		all[f].Required = true
	}
	return all
}

// CheckFile holds the flags file in dir to the catalogue. A file that cannot be
// read, and a required flag of the wrong type, are problems; a required flag that
// the file does not declare is a note, with the nearest one that it does.
func CheckFile(dir string) (problems, notes []string) {
	file, err := readFile(dir)
	if err != nil {
		return []string{err.Error() + ": mount the flags that the operator publishes"}, nil
	}
	definitions, err := flagd.Decode(file)
	if err != nil {
		return []string{err.Error()}, nil
	}
	types := make(map[string]flagd.Type, len(definitions))
	keys := make([]string, 0, len(definitions))
	for i := range definitions {
		types[definitions[i].Key] = definitions[i].Type
		keys = append(keys, definitions[i].Key)
	}
	// A flag that the catalogue knows is not another one under a wrong name.
	strange := slices.DeleteFunc(keys, func(key string) bool {
		return slices.ContainsFunc(catalogue[:], func(known Known) bool { return known.Key == key })
	})
	for _, known := range PreflightCatalog() {
		actual, declared := types[known.Key]
		switch {
		case declared && string(actual) != known.Type:
			text := fmt.Sprintf("flag %q is declared as %s, this version needs %s: declare it anew with that type",
				known.Key, actual, known.Type)
			if known.Required {
				problems = append(problems, text)
			} else {
				notes = append(notes, text)
			}
		case !declared && known.Required:
			notes = append(notes, missing(known.Key, strange))
		}
	}
	return problems, notes
}

func missing(key string, declared []string) string {
	if near := nearestDeclared(key, declared); near != "" {
		return fmt.Sprintf("image needs flag %q; declared: %q", key, near)
	}
	return fmt.Sprintf("image needs flag %q, and nothing like it is declared", key)
}

// nearestDeclared is the declared key that was most likely meant, "" when none is
// near: one that contains the key or is contained in it, word by word, or one
// that is few letters away.
func nearestDeclared(key string, declared []string) string {
	best, least := "", max(2, len(key)/3)+1
	for _, other := range declared {
		distance := edits(key, other)
		switch {
		case strings.Contains("_"+other+"_", "_"+key+"_"):
			distance = min(distance, 1)
		case strings.Contains("_"+key+"_", "_"+other+"_"):
			distance = min(distance, 2)
		}
		if distance < least {
			best, least = other, distance
		}
	}
	return best
}

// edits is the Levenshtein distance, in bytes: keys are ASCII.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, cost)
		}
	}
	return row[len(b)]
}
