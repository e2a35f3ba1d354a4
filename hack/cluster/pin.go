package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// pin renews the pinned files of one module for a version. The constant in
// build.go is then changed by hand; a test compares the two.
func pin(ctx context.Context, out *progress, args []string) error {
	if len(args) != 2 || !strings.HasPrefix(args[1], "v") {
		return fmt.Errorf("pin wants a module and a version, such as: pin k8s %s", kubernetesVersion)
	}
	const modules = "hack/cluster/modules"
	if _, err := os.Stat(modules); err != nil {
		return errors.New("pin writes hack/cluster/modules: run it at the root of the repository")
	}
	module, err := moduleNamed(args[0])
	if err != nil {
		return err
	}
	module.version = args[1]
	var staging []string
	if module.name == "k8s" {
		if staging, err = stagingModules(ctx, module.version); err != nil {
			return err
		}
		out.say("%d staging modules in Kubernetes %s", len(staging), module.version)
	}
	text := wrapperModule(module.name, module.path, module.version, staging)
	if err := out.during("pinning "+module.name, func() error { return tidyInto(ctx, modules, module.name, text) }); err != nil {
		return fmt.Errorf("pinning %s: %w", module.name, err)
	}
	return nil
}

// stagingModules reads from the go.mod of Kubernetes which of its modules are
// published separately: it replaces them by folders nobody else has.
func stagingModules(ctx context.Context, version string) ([]string, error) {
	found, err := download(ctx, "k8s.io/kubernetes@"+version)
	if err != nil {
		return nil, err
	}
	text, err := readFile(found.GoMod)
	if err != nil {
		return nil, fmt.Errorf("reading the go.mod of Kubernetes: %w", err)
	}
	return parseStaging(string(text)), nil
}

// downloaded is where the Go command keeps a module.
type downloaded struct{ Dir, GoMod string }

func download(ctx context.Context, module string) (downloaded, error) {
	var found downloaded
	answer, err := run(ctx, "go", "mod", "download", "-json", module)
	if err != nil {
		return found, fmt.Errorf("fetching %s: %w", module, err)
	}
	if err := json.Unmarshal([]byte(answer), &found); err != nil {
		return found, fmt.Errorf("reading the answer of go mod download: %w", err)
	}
	return found, nil
}

var stagingLine = regexp.MustCompile(`(?m)^\s*(?:replace\s+)?(k8s\.io/\S+)\s+=>\s+\./staging/`)

func parseStaging(goMod string) []string {
	var names []string
	for _, match := range stagingLine.FindAllStringSubmatch(goMod, -1) {
		names = append(names, match[1])
	}
	return names
}

// wrapperModule is the go.mod of a module that exists to build programs of
// another. Staging modules carry the version of Kubernetes with v0 for v1.
func wrapperModule(name, wanted, version string, staging []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "module rsolv.local/%s\n\ngo 1.26.0\n\nrequire %s %s\n", name, wanted, version)
	for _, module := range staging {
		fmt.Fprintf(&b, "\nreplace %s => %s v0.%s\n", module, module, strings.TrimPrefix(version, "v1."))
	}
	return b.String()
}

func tidyInto(ctx context.Context, modules, name, goMod string) error {
	dir, err := os.MkdirTemp("", "pin-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	var imports strings.Builder
	imports.WriteString("//go:build tools\n\npackage tools\n\nimport (\n")
	for _, p := range slices.Concat(programs, monitoringPrograms) {
		if p.module == name {
			fmt.Fprintf(&imports, "\t_ %q\n", p.pkg)
		}
	}
	for file, text := range map[string]string{"go.mod": goMod, "tools.go": imports.String() + ")\n"} {
		if err := writeFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "go", "mod", "tidy")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off")
	if _, err := output(cmd); err != nil {
		return err
	}
	for _, ext := range []string{"mod", "sum"} {
		data, err := readFile(filepath.Join(dir, "go."+ext))
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(modules, name+"."+ext), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
