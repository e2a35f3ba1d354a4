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
	operatorVersion   = "v0.93.0"
	// prometheusVersion is that of the Go module; v0.310.0 is Prometheus 3.10.0.
	prometheusVersion = "v0.310.0"
	// alertmanagerVersion is the last one whose web interface lies in the module
	// as Go code: newer ones do not build without Node.js.
	alertmanagerVersion = "v0.31.1"
	blackboxVersion     = "v0.28.0"
)

// goModule is a published module that programs are built from; name is that of
// its files in modules/.
type goModule struct{ name, path, version string }

var goModules = []goModule{
	{"k8s", "k8s.io/kubernetes", kubernetesVersion},
	{"etcd", "go.etcd.io/etcd/server/v3", etcdVersion},
	{"prometheus-operator", "github.com/prometheus-operator/prometheus-operator", operatorVersion},
	{"prometheus", "github.com/prometheus/prometheus", prometheusVersion},
	{"alertmanager", "github.com/prometheus/alertmanager", alertmanagerVersion},
	{"blackbox", "github.com/prometheus/blackbox_exporter", blackboxVersion},
}

func moduleNamed(name string) (goModule, error) {
	at := slices.IndexFunc(goModules, func(m goModule) bool { return m.name == name })
	if at < 0 {
		known := make([]string, 0, len(goModules))
		for _, m := range goModules {
			known = append(known, m.name)
		}
		return goModule{}, fmt.Errorf("unknown module %q: choose among %s", name, strings.Join(known, ", "))
	}
	return goModules[at], nil
}

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

// dir is the folder that the program is kept in: one for each pair of versions
// of Kubernetes and etcd, and one for each version of any other module.
func (p program) dir(cache string) string {
	if p.module == "k8s" || p.module == "etcd" {
		return binaryDir(cache)
	}
	module, err := moduleNamed(p.module)
	if err != nil {
		panic(err) // a slip in the table of programs
	}
	return filepath.Join(cache, module.name+"-"+module.version)
}

func (p program) path(cache string) string { return filepath.Join(p.dir(cache), p.name) }

// binaryDir is the folder of the Kubernetes binaries and etcd.
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
	all := slices.Concat(programs, monitoringPrograms)
	for _, name := range names {
		at := slices.IndexFunc(all, func(p program) bool { return p.name == name })
		if at < 0 {
			known := make([]string, 0, len(all))
			for _, p := range all {
				known = append(known, p.name)
			}
			return nil, fmt.Errorf("unknown binary %q: choose among %s", name, strings.Join(known, ", "))
		}
		chosen = append(chosen, all[at])
	}
	return chosen, nil
}

// buildPrograms builds what is not there yet. A lock keeps two builds apart;
// a binary appears under its name only when it is whole.
func buildPrograms(ctx context.Context, out *progress, cache string, chosen []program) error {
	missing := func() []program {
		return slices.DeleteFunc(slices.Clone(chosen), func(p program) bool { return executable(p.path(cache)) })
	}
	if len(missing()) == 0 {
		return nil
	}
	if err := checkGo(); err != nil {
		return err
	}
	unlock, err := lockFile(filepath.Join(chosen[0].dir(cache), ".lock"), func() { out.say("waiting for another build of the same binaries") })
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
	source := filepath.Join(p.dir(cache), "src", p.module)
	if err := writeModule(source, p.module); err != nil {
		return err
	}
	return goBuild(ctx, source, p.path(cache), linkFlags(p.module), p.pkg)
}

// linkFlags stamps the version, which the API server answers with and clients
// compare, and which Prometheus and its companions tell as build_info.
func linkFlags(module string) string {
	const flags = "-s -w"
	if release := monitoringRelease(module); release != "" {
		return flags + " -X github.com/prometheus/common/version.Version=" + release
	}
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
