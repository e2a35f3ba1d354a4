package docs

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// TestDependenciesAreExplained holds docs/architecture.md to go.mod: each
// direct dependency has its sentence, and none that is gone keeps one.
func TestDependenciesAreExplained(t *testing.T) {
	t.Parallel()
	direct := directDependencies(t)
	page, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "## Direct dependencies")
	if !found {
		t.Fatal("architecture.md has no section of direct dependencies")
	}
	explained := map[string]bool{}
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		names, _, _ := strings.Cut(line[2:], " | ")
		for name := range strings.SplitSeq(names, ", ") {
			explained[strings.Trim(name, "`")] = true
		}
	}
	for name := range direct {
		if !explained[name] {
			t.Errorf("%s is a direct dependency without a sentence", name)
		}
	}
	for name := range explained {
		if !direct[name] {
			t.Errorf("%s has a sentence and is no direct dependency", name)
		}
	}
}

func directDependencies(t *testing.T) map[string]bool {
	t.Helper()
	file, err := os.Open("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // it was only read
	direct := map[string]bool{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 2 && strings.HasPrefix(fields[1], "v") {
			direct[fields[0]] = true
		}
	}
	return direct
}
