package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	kubernetesVersion = "v1.37.2"
	etcdVersion       = "v3.6.5"
)

// The modules the binaries are built from, with every dependency pinned. A
// folder with a go.mod cannot be embedded, hence the file names; `pin` renews
// them.
//
//go:embed modules/*.mod modules/*.sum
var pinned embed.FS

//go:embed pause/main.go
var pauseSource []byte

// program is one binary: the package it is built from, the pinned module that
// package is found through, and how long a first build takes on two cores.
type program struct {
	name, pkg, module, firstBuild string
}

var programs = []program{
	{"etcd", "go.etcd.io/etcd/server/v3", "etcd", "about 1 min"},
	{"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", "k8s", "about 4 min"},
	{"kubectl", "k8s.io/kubernetes/cmd/kubectl", "k8s", "about 30 s"},
	{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", "k8s", "about 2 min"},
	{"kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", "k8s", "about 20 s"},
	{"kubelet", "k8s.io/kubernetes/cmd/kubelet", "k8s", "about 30 s"},
	{"kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy", "k8s", "about 20 s"},
}

// binaryDir is the folder of the built binaries: one for each pair of versions.
func binaryDir(cache string) string {
	return filepath.Join(cache, "k8s-"+kubernetesVersion+"-etcd-"+etcdVersion)
}

func binariesCommand(ctx context.Context, out *progress, args []string) error {
	cache, err := cacheDir(os.Getenv)
	if err != nil {
		return err
	}
	if slices.Contains(args, "--print-dir") {
		_, err := fmt.Println(binaryDir(cache))
		return err
	}
	chosen, err := choosePrograms(args)
	if err != nil {
		return err
	}
	return buildPrograms(ctx, out, cache, chosen)
}

func choosePrograms(names []string) ([]program, error) {
	if len(names) == 0 {
		return programs, nil
	}
	var chosen []program
	for _, name := range names {
		at := slices.IndexFunc(programs, func(p program) bool { return p.name == name })
		if at < 0 {
			known := make([]string, 0, len(programs))
			for _, p := range programs {
				known = append(known, p.name)
			}
			return nil, fmt.Errorf("unknown binary %q: choose among %s", name, strings.Join(known, ", "))
		}
		chosen = append(chosen, programs[at])
	}
	return chosen, nil
}

// buildPrograms builds what is not there yet. A lock keeps two builds apart;
// a binary appears under its name only when it is whole.
func buildPrograms(ctx context.Context, out *progress, cache string, chosen []program) error {
	dir := binaryDir(cache)
	missing := func() []program {
		return slices.DeleteFunc(slices.Clone(chosen), func(p program) bool { return executable(filepath.Join(dir, p.name)) })
	}
	if len(missing()) == 0 {
		return nil
	}
	if err := checkGo(); err != nil {
		return err
	}
	unlock, err := lockFile(filepath.Join(dir, ".lock"), func() { out.say("waiting for another build of the Kubernetes binaries") })
	if err != nil {
		return err
	}
	defer unlock()
	for _, p := range missing() {
		what := fmt.Sprintf("building %s (%s the first time)", p.name, p.firstBuild)
		if err := out.during(what, func() error { return buildProgram(ctx, cache, p) }); err != nil {
			return fmt.Errorf("building %s: %w", p.name, err)
		}
	}
	return nil
}

func checkGo() error {
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("go is not in PATH: the Kubernetes binaries are built from their Go modules")
	}
	return nil
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func buildProgram(ctx context.Context, cache string, p program) error {
	source := filepath.Join(binaryDir(cache), "src", p.module)
	if err := writeModule(source, p.module); err != nil {
		return err
	}
	return goBuild(ctx, source, filepath.Join(binaryDir(cache), p.name), kubernetesLinkFlags(p.module), p.pkg)
}

// kubernetesLinkFlags stamps the version, which the API server answers with
// and clients compare.
func kubernetesLinkFlags(module string) string {
	flags := "-s -w"
	if module != "k8s" {
		return flags
	}
	const version = " -X k8s.io/component-base/version."
	numbers := strings.Split(strings.TrimPrefix(kubernetesVersion, "v"), ".")
	return flags + version + "gitVersion=" + kubernetesVersion + version + "gitMajor=" + numbers[0] + version + "gitMinor=" + numbers[1]
}

// goBuild builds a static binary beside its destination and moves it there.
func goBuild(ctx context.Context, dir, to, linkFlags, what string) error {
	temp := to + ".new"
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", linkFlags, "-o", temp, what) //nolint:gosec // builds pinned modules
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if _, err := output(cmd); err != nil {
		return err
	}
	return os.Rename(temp, to)
}

// writeModule lays out a pinned module in the cache.
func writeModule(dir, module string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a cache without secrets
		return fmt.Errorf("creating the build folder: %w", err)
	}
	for _, ext := range []string{"mod", "sum"} {
		data, err := pinned.ReadFile("modules/" + module + "." + ext)
		if err != nil {
			return fmt.Errorf("reading the pinned module: %w", err)
		}
		if err := writeFile(filepath.Join(dir, "go."+ext), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// buildSmall builds a program of one file and returns its path. The name in
// the cache changes with the source.
func buildSmall(ctx context.Context, cache, name string, source []byte) (string, error) {
	sum := sha256.Sum256(source)
	path, err := filepath.Abs(filepath.Join(binaryDir(cache), fmt.Sprintf("%s-%x", name, sum[:6])))
	if err != nil || executable(path) {
		return path, err
	}
	dir := filepath.Join(binaryDir(cache), "src", name)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a cache without secrets
		return "", fmt.Errorf("creating the build folder: %w", err)
	}
	if err := writeFile(filepath.Join(dir, "main.go"), source, 0o644); err != nil {
		return "", err
	}
	if err := goBuild(ctx, dir, path, "-s -w", "main.go"); err != nil {
		return "", fmt.Errorf("building the program %s: %w", name, err)
	}
	return path, nil
}
