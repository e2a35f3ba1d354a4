package insert

import (
	"slices"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

var families = map[string]family{
	"vitest": javascript{}, "jest": javascript{}, "mocha": javascript{}, "rspec": ruby{}, "minitest": ruby{minitest: true},
	"pytest": python{}, "unittest": python{unittest: true}, "phpunit": phpunit{}, "junit": junit{}, "gotest": gotest{}, "exunit": exunit{},
}

// frameworks are those of each language, the usual one first.
var frameworks = map[syntax.Language][]string{
	syntax.JavaScript: {"jest", "vitest", "mocha"}, syntax.TypeScript: {"vitest", "jest", "mocha"}, syntax.Ruby: {"rspec", "minitest"},
	syntax.Python: {"pytest", "unittest"}, syntax.PHP: {"phpunit"}, syntax.Java: {"junit"}, syntax.Go: {"gotest"}, syntax.Elixir: {"exunit"},
}

// Languages are those that tests can be inserted in.
func Languages() []syntax.Language {
	return []syntax.Language{syntax.JavaScript, syntax.TypeScript, syntax.Ruby, syntax.Python, syntax.PHP, syntax.Java, syntax.Go, syntax.Elixir}
}

// familyOf is how a framework's tests look. own says whether the language is
// the framework's; otherwise they look as is usual in the language.
func familyOf(framework string, language syntax.Language) (f family, own bool) {
	known := frameworks[language]
	if slices.Contains(known, framework) {
		return families[framework], true
	}
	return families[known[0]], false
}
