// Command licenses writes the notices of the modules that the given programs
// are built from, each text once:
//
//	go run ./hack/licenses ./cmd/app ./cmd/manager >THIRD_PARTY_LICENSES
//
// It fails when a module has no licence file, so that none is shipped without.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// module is what go list tells of one.
type module struct {
	Path, Version, Dir string
	Main               bool
	Replace            *module
}

// notice is one text and the modules that come with it.
type notice struct {
	modules []string
	text    string
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

func run(packages []string, out io.Writer) error {
	modules, err := list(packages)
	if err != nil {
		return err
	}
	notices, err := read(modules)
	if err != nil {
		return err
	}
	return write(out, notices)
}

// list returns the modules that the packages are built from, by path.
func list(packages []string) ([]module, error) {
	if len(packages) == 0 {
		return nil, errors.New("name the packages of the programs, such as ./cmd/app")
	}
	cmd := exec.Command("go", append([]string{"list", "-deps", "-json=Module"}, packages...)...) //nolint:gosec,noctx // a tool of ours, ended with its caller
	cmd.Stderr = os.Stderr
	raw, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing the packages: %w", err)
	}
	known := map[string]module{}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	for {
		var pkg struct{ Module *module }
		err := decoder.Decode(&pkg)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading the list of packages: %w", err)
		}
		if pkg.Module == nil {
			continue // the standard library
		}
		m := *pkg.Module
		if m.Replace != nil {
			m.Dir = m.Replace.Dir
		}
		if !m.Main {
			known[m.Path] = m
		}
	}
	var modules []module
	for _, m := range known {
		modules = append(modules, m)
	}
	slices.SortFunc(modules, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return modules, nil
}

// read gathers the texts, modules with the same text together.
func read(modules []module) ([]notice, error) {
	var notices []notice
	place := map[string]int{}
	for _, m := range modules {
		text, err := textOf(m)
		if err != nil {
			return nil, err
		}
		i, ok := place[text]
		if !ok {
			i = len(notices)
			place[text] = i
			notices = append(notices, notice{text: text})
		}
		notices[i].modules = append(notices[i].modules, m.Path+" "+m.Version)
	}
	return notices, nil
}

// textOf joins the licence and notice files in a module's root.
func textOf(m module) (string, error) {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return "", fmt.Errorf("reading the module %s: %w", m.Path, err)
	}
	var texts []string
	found := false
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		licence := strings.HasPrefix(name, "LICENSE") || strings.HasPrefix(name, "LICENCE") || strings.HasPrefix(name, "COPYING")
		if e.IsDir() || !licence && !strings.HasPrefix(name, "NOTICE") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, e.Name()))
		if err != nil {
			return "", fmt.Errorf("reading the licence of %s: %w", m.Path, err)
		}
		texts, found = append(texts, strings.TrimSpace(string(text))), found || licence
	}
	if !found {
		return "", fmt.Errorf("the module %s %s has no licence file: leave it out, or find out under which terms it may be shipped", m.Path, m.Version)
	}
	return strings.Join(texts, "\n\n"), nil
}

func write(out io.Writer, notices []notice) error {
	for _, n := range notices {
		_, err := fmt.Fprintf(out, "%s\n\n%s\n\n%s\n\n", strings.Join(n.modules, "\n"), n.text, strings.Repeat("=", 79))
		if err != nil {
			return fmt.Errorf("writing the notices: %w", err)
		}
	}
	return nil
}
