//go:build cgo

package syntax

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// What a parse is given up for leaves nothing behind: the next one is whole.
func TestGivingUp(t *testing.T) {
	source := []byte(strings.Repeat("f(a, [b, {c: d}]);\n", 5_000))
	whole, err := Parse(JavaScript, "a.js", source)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := parse(JavaScript, "a.js", source, time.Nanosecond, memoryLimit); !errors.Is(err, ErrTooLong) {
			t.Errorf("without time: %v", err)
		}
		if _, err := parse(JavaScript, "a.js", source, time.Hour, 2<<20); !errors.Is(err, ErrTooMuch) {
			t.Errorf("with 2 MiB: %v", err)
		}
		again, err := parse(JavaScript, "a.js", source, time.Hour, memoryLimit)
		if err != nil || len(again.Nodes) != len(whole.Nodes) || again.Errors != 0 {
			t.Fatalf("after giving up: %v, %d nodes where %d are", err, len(again.Nodes), len(whole.Nodes))
		}
	}
}

// Files of all languages parsed at once are parsed one behind the other.
func TestParseAtOnce(t *testing.T) {
	var group sync.WaitGroup
	for i := range 45 {
		file := "a" + []string{".js", ".ts", ".tsx", ".py", ".rb", ".php", ".java", ".go", ".ex"}[i%9]
		group.Go(func() {
			source := strings.Repeat(fmt.Sprintf("f(a%d);\n", i), 200)
			tree, err := Parse(LanguageOf(file), file, []byte(source))
			if err != nil || tree.Text(0) != source && !strings.HasPrefix(source, strings.TrimSpace(tree.Text(0))) {
				t.Errorf("%s: %v", file, err)
			}
		})
	}
	group.Wait()
}
