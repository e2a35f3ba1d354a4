package flagd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

var semVerRelations = []string{"=", "!=", "<", "<=", ">", ">=", "~", "^"}

// compileSemVer compares versions. What is no version gives nothing.
func compileSemVer(c *compiler, arguments []any, path string, depth int) (node, *Problem) {
	parts, problem := c.expressions(arguments, path, depth)
	if problem != nil {
		return nil, problem
	}
	relation, ok := parts[1].value.(string)
	if !ok || !slices.Contains(semVerRelations, relation) {
		return nil, &Problem{clipPath(path + "[1]"), fmt.Sprintf("is %q", clip(toText(parts[1].value))), "use one of: " + strings.Join(semVerRelations, " ")}
	}
	versions := [2]func(*machine, any) (version, bool){}
	for i, at := range []int{0, 2} {
		part := parts[at]
		if !part.fixed {
			versions[i] = func(m *machine, data any) (version, bool) { return parseVersion(part.run(m, data)) }
			continue
		}
		parsed, ok := parseVersion(part.value)
		if !ok {
			return nil, &Problem{clipPath(fmt.Sprintf("%s[%d]", path, at)), fmt.Sprintf("is %q, which is no version", clip(toText(part.value))), "write one like 1.4.0"}
		}
		versions[i] = func(*machine, any) (version, bool) { return parsed, true }
	}
	return func(m *machine, data any) any {
		a, ok := versions[0](m, data)
		b, ok2 := versions[1](m, data)
		if !ok || !ok2 {
			return nil
		}
		return related(a, relation, b)
	}, nil
}

// version is a semantic version. Numbers are kept as texts without leading
// zeros, so that none is too large.
type version struct {
	core       [3]string
	prerelease string
}

// parseVersion reads a version with or without a leading v. Minor and patch
// may be left out; what follows a + does not count.
func parseVersion(value any) (version, bool) {
	number, ok := value.(float64)
	text, isText := value.(string)
	if ok {
		text = numberText(number)
	} else if !isText || len(text) > 256 {
		return version{}, false
	}
	if text != "" && (text[0] == 'v' || text[0] == 'V') {
		text = text[1:]
	}
	text, build, hasBuild := strings.Cut(text, "+")
	core, prerelease, hasPrerelease := strings.Cut(text, "-")
	numbers := strings.Split(core, ".")
	if len(numbers) > 3 || len(numbers) < 3 && (hasBuild || hasPrerelease) ||
		hasBuild && !validIdentifiers(build, false) || hasPrerelease && !validIdentifiers(prerelease, true) {
		return version{}, false
	}
	v := version{core: [3]string{"0", "0", "0"}, prerelease: prerelease}
	for i, number := range numbers {
		if !isNumeric(number) || number[0] == '0' && number != "0" {
			return version{}, false
		}
		v.core[i] = number
	}
	return v, true
}

func validIdentifiers(text string, strict bool) bool {
	for identifier := range strings.SplitSeq(text, ".") {
		for _, c := range []byte(identifier) {
			if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				return false
			}
		}
		if identifier == "" || strict && isNumeric(identifier) && identifier[0] == '0' && identifier != "0" {
			return false
		}
	}
	return true
}

func isNumeric(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

func related(a version, relation string, b version) bool {
	switch relation {
	case "~":
		return a.core[0] == b.core[0] && a.core[1] == b.core[1]
	case "^":
		return a.core[0] == b.core[0]
	}
	order := compareVersions(a, b)
	switch relation {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	default:
		return order >= 0
	}
}

func compareVersions(a, b version) int {
	for i := range a.core {
		if order := compareNumeric(a.core[i], b.core[i]); order != 0 {
			return order
		}
	}
	switch {
	case a.prerelease == b.prerelease:
		return 0
	case a.prerelease == "":
		return 1
	case b.prerelease == "":
		return -1
	}
	return slices.CompareFunc(strings.Split(a.prerelease, "."), strings.Split(b.prerelease, "."), func(x, y string) int {
		switch numericX, numericY := isNumeric(x), isNumeric(y); {
		case numericX && numericY:
			return compareNumeric(x, y)
		case numericX:
			return -1
		case numericY:
			return 1
		default:
			return cmp.Compare(x, y)
		}
	})
}

func compareNumeric(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}
