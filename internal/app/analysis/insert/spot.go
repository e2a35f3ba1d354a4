package insert

import (
	"strings"
)

// spot is a place in a file.
type spot struct {
	at               uint32 // where to insert, in bytes
	indent           string
	strategy, parent string
	// inline says that code stands before at on its line, or behind it.
	before, behind bool
	// keyword and suite are the names that the file calls its tests and suites.
	keyword, suite string
	// sibling is the last test there is; 0 for none.
	sibling uint32
	style   string
}

// closing is the indentation of what follows on the same line.
func (s *spot) closing(f *file) string { return strings.TrimSuffix(s.indent, f.unit) }

func lineOf(src string, at int) int { return strings.Count(src[:min(at, len(src))], "\n") + 1 }

// after makes the spot behind a node: on a line of its own where the node ends
// its line.
func (f *file) after(n uint32) *spot {
	end := f.Nodes[n].End
	rest := f.src[end:]
	line, _, more := strings.Cut(rest, "\n")
	trimmed := strings.TrimSpace(strings.TrimRight(strings.TrimSpace(line), ";,"))
	s := &spot{at: end, indent: f.indentOf(n), sibling: n}
	switch {
	case trimmed == "" || strings.HasPrefix(trimmed, "//") || strings.HasPrefix(trimmed, "#"):
		s.at = end + uint32(len(line)) //nolint:gosec // within the file
		if more {
			s.at++
		} else {
			s.before = true
		}
	default:
		if strings.HasPrefix(rest, ";") {
			s.at++
		}
		s.before, s.behind = true, true
	}
	return s
}

// end makes the spot before what closes a body that ends at a byte.
func (f *file) end(closer uint32, indent string) *spot {
	start := strings.LastIndexByte(f.src[:closer], '\n') + 1
	s := &spot{at: closer, indent: indent}
	if strings.TrimSpace(f.src[start:closer]) == "" && start > 0 {
		s.at = uint32(start) //nolint:gosec // within the file
		return s
	}
	s.before, s.behind = true, true
	return s
}

// indentOf is the white space before the line of a node.
func (f *file) indentOf(n uint32) string {
	start := f.Nodes[n].Start
	from := strings.LastIndexByte(f.src[:start], '\n') + 1
	line := f.src[from:start]
	return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
}
