package alerts

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/promql"
)

// placeholder is a word in an expression that stands for something of the
// baseline.
type placeholder struct{ word, text string }

func (c *compiler) placeholders() []placeholder {
	return []placeholder{{"$selector", c.matchers}, {"$namespace", c.namespace}, {"$deployment", c.service}}
}

// expand puts in what the words of an expression stand for. Names of
// namespaces and apps hold nothing that would end a string.
func (c *compiler) expand(written string) (string, *promql.Error) {
	if !strings.Contains(written, "$") {
		return written, nil
	}
	pairs := make([]string, 0, 6)
	for _, p := range c.placeholders() {
		pairs = append(pairs, p.word, p.text)
	}
	if len(written) > promql.MaxLength {
		_, err := promql.Check(written)
		return "", err
	}
	return strings.NewReplacer(pairs...).Replace(written), nil
}

// unexpand turns the position of an error in an expanded expression into the
// one in what was written. What is put in holds no line breaks.
func (c *compiler) unexpand(written string, err *promql.Error) *promql.Error {
	lines := strings.Split(written, "\n")
	if err == nil || err.Line > len(lines) {
		return err
	}
	type hole struct{ at, word, text int }
	var holes []hole
	line := lines[err.Line-1]
	for _, p := range c.placeholders() {
		for from := 0; ; {
			at := strings.Index(line[from:], p.word)
			if at < 0 {
				break
			}
			holes = append(holes, hole{from + at, len(p.word), len(p.text)})
			from += at + len(p.word)
		}
	}
	slices.SortFunc(holes, func(a, b hole) int { return cmp.Compare(a.at, b.at) })
	moved, shift := *err, 0
	for _, h := range holes {
		begin := h.at + shift // of the text, in the expanded line
		switch column := err.Column - 1; {
		case column < begin:
		case column < begin+h.text:
			moved.Column = h.at + 1
			return &moved
		default:
			shift += h.text - h.word
		}
	}
	moved.Column = err.Column - shift
	return &moved
}
