package judge

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestMutations judges files of the corpus that were damaged at random: cut,
// doubled, and with foreign characters in them.
func TestMutations(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"(", ")", "{", "}", "\"", "'", "`", "${", "#{", "=", ".", ",", "\n", "\x00", "\xff", "if", "return", "=>", "<?php", "def ", "end", "[", "]", "*", "&", "?", ":", "//", "/*", "do", "->", "|>", "fn ", "<-", `"""`, "~w(", "%{", "when "}
	for i, l := range corpus(t) {
		content := l.content
		for range 1 + random.IntN(4) {
			at := random.IntN(len(content) + 1)
			to := min(len(content), at+random.IntN(30))
			switch random.IntN(3) {
			case 0:
				content = content[:at] + content[to:]
			case 1:
				content = content[:at] + content[at:to] + content[at:]
			default:
				content = content[:at] + strings.Repeat(pieces[random.IntN(len(pieces))], 1+random.IntN(3)) + content[at:]
			}
		}
		file := NewFile(l.File, content)
		for _, kind := range append(Types(), Type(l.Type)) {
			for _, line := range []int{l.Line, 1 + random.IntN(30)} {
				if v := file.Judge(Finding{Type: string(kind), File: l.File, Line: line, Code: l.Code}); v.Reason == "" || v.Confidence <= 0 {
					t.Fatalf("%d: %+v", i, v)
				}
			}
		}
	}
}
