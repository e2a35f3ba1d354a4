package flagd

import (
	"fmt"
	"slices"
	"strings"
)

// operator is one operation that rules may use.
type operator struct {
	// least and most arguments; most 0 is no bound.
	least, most int
	// build makes the operation of its compiled arguments.
	build func(arguments []expression) node
	// special makes it of the arguments as they are written, when that
	// matters; build is nil then.
	special func(c *compiler, arguments []any, path string, depth int) (node, *Problem)
	// gives is what the operation's result always is, where that is known.
	gives outcome
}

type outcome int

const (
	givesAnything outcome = iota
	givesBoolean
	givesList
)

func (o operator) takes() string {
	switch {
	case o.most == 0:
		return fmt.Sprintf("%d or more", o.least)
	case o.least == o.most:
		return fmt.Sprintf("exactly %d", o.least)
	default:
		return fmt.Sprintf("%d to %d", o.least, o.most)
	}
}

// operators are those of JSON Logic, those of flagd, and percentage_of_actors.
var operators map[string]operator

//nolint:gochecknoinits // the table refers to functions that look into it
func init() {
	operators = map[string]operator{
		"var":          {most: 2, special: compileVar},
		"missing":      {build: missing, gives: givesList},
		"missing_some": {least: 2, most: 2, build: missingSome, gives: givesList},

		"if":  {least: 1, build: conditional},
		"?:":  {least: 1, build: conditional},
		"or":  {least: 1, build: either},
		"and": {least: 1, build: both},
		"!":   {least: 1, most: 1, build: not, gives: givesBoolean},
		"!!":  {least: 1, most: 1, build: is, gives: givesBoolean},
		"==":  {least: 2, most: 2, build: comparing(alike), gives: givesBoolean},
		"!=":  {least: 2, most: 2, build: comparing(func(a, b any) bool { return !alike(a, b) }), gives: givesBoolean},
		"===": {least: 2, most: 2, build: comparing(same), gives: givesBoolean},
		"!==": {least: 2, most: 2, build: comparing(func(a, b any) bool { return !same(a, b) }), gives: givesBoolean},
		"<":   {least: 2, most: 3, build: ordering(less), gives: givesBoolean},
		"<=":  {least: 2, most: 3, build: ordering(lessOrSame), gives: givesBoolean},
		">":   {least: 2, most: 3, build: ordering(func(a, b any) bool { return less(b, a) }), gives: givesBoolean},
		">=":  {least: 2, most: 3, build: ordering(func(a, b any) bool { return lessOrSame(b, a) }), gives: givesBoolean},

		"+":   {least: 1, build: sum},
		"-":   {least: 1, most: 2, build: difference},
		"*":   {least: 1, build: product},
		"/":   {least: 2, most: 2, build: quotient},
		"%":   {least: 2, most: 2, build: remainder},
		"max": {least: 1, build: extreme(func(a, b float64) bool { return a > b })},
		"min": {least: 1, build: extreme(func(a, b float64) bool { return a < b })},

		"map":    {least: 2, most: 2, build: mapped, gives: givesList},
		"filter": {least: 2, most: 2, build: filtered, gives: givesList},
		"reduce": {least: 3, most: 3, build: reduced},
		"all":    {least: 2, most: 2, build: all, gives: givesBoolean},
		"some":   {least: 2, most: 2, build: some, gives: givesBoolean},
		"none":   {least: 2, most: 2, build: none, gives: givesBoolean},
		"merge":  {build: merged, gives: givesList},

		"in":          {least: 2, most: 2, build: contained, gives: givesBoolean},
		"cat":         {build: joined},
		"substr":      {least: 2, most: 3, build: substring},
		"starts_with": {least: 2, most: 2, build: affixed(strings.HasPrefix), gives: givesBoolean},
		"ends_with":   {least: 2, most: 2, build: affixed(strings.HasSuffix), gives: givesBoolean},
		"sem_ver":     {least: 3, most: 3, special: compileSemVer, gives: givesBoolean},
		"fractional":  {least: 1, special: compileFractional},

		percentageOfActors: {least: 3, most: 3, special: compilePercentage, gives: givesBoolean},
	}
}

// suggestOperator says what to write instead of an unknown operator.
func suggestOperator(name string) string {
	if near := Nearest(name, sortedKeys(operators)); near != "" {
		return `use "` + near + `"`
	}
	return "use one of: " + strings.Join(sortedKeys(operators), " ")
}

// Nearest returns the one of names that name was most likely meant to be, or
// nothing when none is near.
func Nearest(name string, names []string) string {
	best, distance := "", len(name)/2+1
	for _, candidate := range names {
		if d := editDistance(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	if best != "" || len(name) < 3 {
		return best
	}
	for _, candidate := range names {
		if len(candidate) >= 3 && (strings.Contains(candidate, name) || strings.Contains(name, candidate)) {
			return candidate
		}
	}
	return ""
}

// editDistance is Levenshtein's, over at most MaxNameBytes bytes of each.
func editDistance(a, b string) int {
	a, b = a[:min(len(a), MaxNameBytes)], b[:min(len(b), MaxNameBytes)]
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
			row[j+1] = slices.Min([]int{cost, row[j] + 1, diagonal + 1})
		}
	}
	return row[len(b)]
}
