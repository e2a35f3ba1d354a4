package insert

import (
	"regexp"
)

// balanced counts what opens and what closes in Elixir, for want of a grammar.
func balanced(src string) int {
	return len(elixirOpens.FindAllString(src, -1)) - len(elixirCloses.FindAllString(src, -1))
}

var (
	elixirOpens  = regexp.MustCompile(`(?m)\bdo\s*$|\bfn\b`)
	elixirCloses = regexp.MustCompile(`(?m)^\s*end\b|\send\b`)
)
