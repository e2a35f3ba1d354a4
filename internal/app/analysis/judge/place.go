package judge

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
)

// place is where a finding is in its file.
type place struct {
	line       int
	start, end uint32 // bytes of the reported code, or of the line
	// comment and text are the nodes of the comment or of the text that the
	// reported code lies in; 0 for none.
	comment, text uint32
}

// place finds the reported code: on its line, near it, or anywhere when it is
// there once.
func (f *File) place(in Finding) place {
	snippet := strings.TrimSpace(firstLine(in.Code))
	line := in.Line
	if line < 1 || line > len(f.lines) {
		line = max(1, f.find(snippet, min(max(line, 1), len(f.lines))))
	} else if snippet != "" && !strings.Contains(f.lines[line-1], snippet) {
		if near := f.find(snippet, line); near != 0 {
			line = near
		}
	}
	p := place{line: line}
	offset := uint32(0)
	for _, l := range f.lines[:line-1] {
		offset += uint32(len(l)) + 1 //nolint:gosec // files are smaller
	}
	text := f.lines[line-1]
	first := len(text) - len(strings.TrimLeft(text, " \t\r"))
	last := len(strings.TrimRight(text, " \t\r"))
	p.start, p.end = offset+uint32(first), offset+uint32(max(first, last)) //nolint:gosec // files are smaller
	if snippet == "" {
		f.cover(&p)
		return p
	}
	// The first occurrence in code counts; comments repeat code.
	found := false
	for at := 0; ; {
		i := strings.Index(text[at:], snippet)
		if i < 0 {
			break
		}
		q := place{line: line, start: offset + uint32(at+i), end: offset + uint32(at+i+len(snippet))} //nolint:gosec // files are smaller
		f.cover(&q)
		if !found || p.comment != 0 && q.comment == 0 {
			p, found = q, true
		}
		if q.comment == 0 {
			break
		}
		at += i + 1
	}
	if !found {
		f.cover(&p)
	}
	return p
}

func firstLine(text string) string {
	for l := range strings.SplitSeq(text, "\n") {
		if strings.TrimSpace(l) != "" {
			return l
		}
	}
	return ""
}

// find is the line nearest to one that has the snippet; 0 when none is within
// 20 lines, unless it is the only one in the file.
func (f *File) find(snippet string, near int) int {
	if len(snippet) < 4 {
		return 0
	}
	best, count := 0, 0
	for i, l := range f.lines {
		if !strings.Contains(l, snippet) {
			continue
		}
		count++
		if best == 0 || abs(i+1-near) < abs(best-near) {
			best = i + 1
		}
	}
	if count > 1 && abs(best-near) > 20 {
		return 0
	}
	return best
}

func abs(n int) int { return max(n, -n) }

// cover finds the comment or the text around a place.
func (f *File) cover(p *place) {
	end := max(p.end, p.start)
	for n := f.tree.At(p.start, end); n != 0; n = f.tree.Nodes[n].Parent {
		kind := f.tree.Kind(n)
		switch {
		case f.tree.IsComment(n):
			p.comment = n
			return
		case kind == "template_substitution" || kind == "interpolation":
			return
		case kind == "sigil" && template(f.tree.First(n)):
			return
		case isText(kind) && f.tree.Nodes[n].Start < p.start && end <= f.tree.Nodes[n].End:
			p.text = n
			return
		}
	}
}

func isText(kind string) bool {
	switch kind {
	case "string", "string_literal", "encapsed_string", "template_string", "heredoc", "nowdoc", "interpreted_string_literal", "raw_string_literal",
		"concatenated_string", "heredoc_body", "nowdoc_body", "string_fragment", "string_content", "heredoc_content", "text_block", "jsx_text", "charlist", "sigil", "quoted_atom":
		return true
	}
	return false
}

// template says whether an Elixir sigil of the name holds a template, which is
// code.
func template(sigil string) bool {
	return sigil == "H" || sigil == "E" || sigil == "L" || sigil == "LVN"
}

// textIsCode says whether text is where such a vulnerability is.
func (f *File) textIsCode(kind Type) bool { return kind == HardcodedSecret }

// enclosing is the name of the function around a place.
func (f *File) enclosing(p place) string {
	best := ""
	f.code.Root.Walk(func(n *code.Node) bool {
		if n.Op == code.Func && n.Start <= p.start && p.end <= n.End && n.Text != "" {
			best = n.Text
		}
		return n.Start <= p.end && p.start <= n.End || n.Op == code.Block
	})
	return best
}
