package naming

import (
	"cmp"
	"math"
	"path"
	"slices"
	"strings"
)

// Recommendation is a candidate with its fit, from 0 to 1.5.
type Recommendation struct {
	Path   string  `json:"path"`
	Score  float64 `json:"score"`
	Reason string  `json:"reason"`
}

// Fallback is where a new test file belongs when no candidate fits.
type Fallback struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Bonuses on top of the fit of files and folders, which is at most 1.
const (
	moduleBonus    = 0.3
	directoryBonus = 0.2
)

// Rank orders candidates by how well they fit a source file, the best first.
func Rank(source string, candidates []string) []Recommendation {
	out := make([]Recommendation, len(candidates))
	for i, candidate := range candidates {
		out[i] = score(source, candidate)
	}
	slices.SortStableFunc(out, func(a, b Recommendation) int { return cmp.Compare(b.Score, a.Score) })
	return out
}

func score(source, test string) Recommendation {
	s, t := segments(source), segments(test)
	total := filePart(s, t) + directoryPart(source, test)
	module := len(s) > 0 && len(t) > 0 && s[len(s)-1] == t[len(t)-1]
	sd, td := structure(source), structure(test)
	directory := len(sd) > 0 && slices.Equal(sd, td)
	if module {
		total += moduleBonus
	}
	if directory {
		total += directoryBonus
	}
	total = math.Round(total*1e9) / 1e9
	return Recommendation{Path: test, Score: total, Reason: reason(total, module, directory)}
}

func reason(total float64, module, directory bool) string {
	const close = 1e-9
	switch {
	case total >= 1.5-close && module && directory:
		return "Exact match: a direct unit test of the file, in the same directory structure"
	case total >= 1.2-close && module:
		return "Direct unit test of the vulnerable module"
	case total >= 1.0-close && directory:
		return "Tests in the same directory structure"
	case total >= 0.7-close:
		return "Related test file"
	case total >= 0.4-close:
		return "Possibly related test file"
	default:
		return "Distant test file"
	}
}

// segments are the names in a path without extensions and test affixes.
func segments(p string) []string {
	var out []string
	for _, s := range parts(p) {
		if s = stem(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func parts(p string) []string {
	var out []string
	for s := range strings.SplitSeq(strings.ReplaceAll(p, `\`, "/"), "/") {
		if s != "" && s != "." && s != ".." {
			out = append(out, s)
		}
	}
	return out
}

func stem(s string) string {
	for range 2 {
		if ext := path.Ext(s); ext != "" && ext != s {
			s = strings.TrimSuffix(s, ext)
		}
	}
	s = strings.TrimPrefix(s, "test_")
	for _, suffix := range []string{"_test", "_spec", ".test", ".spec", "Spec", "Test"} {
		if short := strings.TrimSuffix(s, suffix); short != "" {
			s = short
		}
	}
	return s
}

func filePart(source, test []string) float64 {
	if len(source) == 0 || len(test) == 0 {
		return 0
	}
	s, t := source[len(source)-1], test[len(test)-1]
	folders := source[:len(source)-1]
	switch {
	case s == t, slices.Contains(folders, t):
		return 0.5
	case alike(s, t):
		return 0.4
	}
	for _, f := range folders {
		if strings.Contains(t, f) || strings.Contains(f, t) {
			return 0.3
		}
	}
	return 0
}

// alike compares two names without their plural endings.
func alike(a, b string) bool {
	sa, sb := singular(a), singular(b)
	return jaro(sa, sb) > 0.85 || sa == sb || a == sb || b == sa || strings.HasPrefix(sa, sb) || strings.HasPrefix(sb, sa)
}

func singular(s string) string {
	for _, end := range []string{"ies", "es", "s"} {
		if short, ok := strings.CutSuffix(s, end); ok && short != "" {
			return short
		}
	}
	return s
}

var prefixes = []string{"lib", "test", "spec", "src", "__tests__", "tests", "app"}

func directories(p string) []string {
	all := parts(p)
	if len(all) == 0 {
		return nil
	}
	return all[:len(all)-1]
}

// unprefixed is the list of folders without a first one that only says that
// there is source, or tests.
func unprefixed(dirs []string) []string {
	if len(dirs) > 0 && slices.Contains(prefixes, dirs[0]) {
		return dirs[1:]
	}
	return dirs
}

func directoryPart(source, test string) float64 {
	sd, td := directories(source), directories(test)
	a, b := unprefixed(sd), unprefixed(td)
	total := 0.0
	switch {
	case len(a) == 0 && len(b) == 0:
		total = 0.5
	default:
		common, all := overlap(a, b)
		if all > 0 {
			total = 0.5 * float64(common) / float64(all)
		}
		if common > 0 {
			total += 0.2
		}
		total = min(0.5, total)
	}
	if slices.Equal(a, b) && len(a) < len(sd) && len(b) < len(td) && !conventional(sd[0], td[0]) {
		total -= 0.01
	}
	return total
}

// conventional says whether two first folders are a language's own pair of
// source and tests.
func conventional(a, b string) bool {
	for _, pair := range [][2]string{{"lib", "test"}, {"spec", "test"}, {"app", "spec"}, {"app", "test"}, {"lib", "spec"}} {
		if a == pair[0] && b == pair[1] || a == pair[1] && b == pair[0] {
			return true
		}
	}
	return false
}

func overlap(a, b []string) (common, all int) {
	set := map[string]int{}
	for _, s := range a {
		set[s] |= 1
	}
	for _, s := range b {
		set[s] |= 2
	}
	for _, sides := range set {
		if sides == 3 {
			common++
		}
	}
	return common, len(set)
}

// structure are the folders without all that only say that there is source, or
// tests.
func structure(p string) []string {
	return slices.DeleteFunc(slices.Clone(directories(p)), func(d string) bool { return slices.Contains(prefixes, d) })
}

var fallbacks = map[string][2]string{
	"rspec": {"spec", "_spec.rb"}, "minitest": {"test", "_test.rb"}, "vitest": {"test", ".test.ts"}, "jest": {"test", ".test.js"}, "mocha": {"test", ".test.js"},
	"pytest": {"tests", "_test.py"}, "unittest": {"tests", "_test.py"}, "phpunit": {"tests", "Test.php"}, "junit": {"src/test/java", "Test.java"},
	"exunit": {"test", "_test.exs"}, "gotest": {"", "_test.go"},
}

// FallbackPath is where a new security test of a source file belongs.
func FallbackPath(source, framework string) Fallback {
	framework = Framework(framework)
	f, ok := fallbacks[framework]
	if !ok {
		f = [2]string{"test", "_test" + path.Ext(source)}
	}
	base := path.Base(source)
	if base == "." || base == "/" {
		base = "new"
	}
	base, _, _ = strings.Cut(base, ".")
	out := []string{}
	switch framework {
	case "gotest": // beside the source
		out = append(out, directories(source)...)
		base += "_security"
	case "phpunit", "junit":
		out = append(append(out, f[0], "security"), structure(source)...)
		base = Pascal(base) + "Security"
	default:
		out = append(append(out, f[0], "security"), structure(source)...)
		base += "_security"
	}
	return Fallback{Path: path.Join(append(out, base+f[1])...), Reason: "No suitable test file was found: create one for the security tests"}
}

// jaro is the Jaro similarity of two texts, from 0 to 1.
func jaro(a, b string) float64 {
	s, t := []rune(a), []rune(b)
	if len(s) == 0 || len(t) == 0 {
		if len(s) == len(t) {
			return 1
		}
		return 0
	}
	reach := max(max(len(s), len(t))/2-1, 0)
	usedS, usedT := make([]bool, len(s)), make([]bool, len(t))
	matches := 0
	for i := range s {
		for j := max(0, i-reach); j < min(len(t), i+reach+1); j++ {
			if !usedT[j] && s[i] == t[j] {
				usedS[i], usedT[j] = true, true
				matches++
				break
			}
		}
	}
	if matches == 0 {
		return 0
	}
	swaps, j := 0, 0
	for i := range s {
		if !usedS[i] {
			continue
		}
		for !usedT[j] {
			j++
		}
		if s[i] != t[j] {
			swaps++
		}
		j++
	}
	m := float64(matches)
	return (m/float64(len(s)) + m/float64(len(t)) + (m-float64(swaps)/2)/m) / 3
}
