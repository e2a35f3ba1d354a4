package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// tools are the programs of the distribution that the cluster is made with.
type tools struct {
	containerd, ctr, iptables, ip string
	pluginDir                     string // CNI plugins
	postgresDir                   string // initdb, postgres, pg_isready, psql
}

// requirement is one thing to find on the machine and the Debian package that
// brings it.
type requirement struct {
	what, debian string
	find         func() string // empty: missing
	keep         func(*tools, string)
}

var requirements = []requirement{
	{"containerd", "containerd", lookup("containerd"), func(t *tools, p string) { t.containerd = p }},
	{"ctr", "containerd", lookup("ctr"), func(t *tools, p string) { t.ctr = p }},
	{shimName, "containerd", lookup(shimName), func(*tools, string) {}},
	{"runc", "runc", lookup("runc"), func(*tools, string) {}},
	{"the CNI plugin ptp", "containernetworking-plugins", folderWith("ptp", "/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"), func(t *tools, p string) { t.pluginDir = p }},
	{"iptables", "iptables", lookup("iptables"), func(t *tools, p string) { t.iptables = p }},
	{"ip", "iproute2", lookup("ip"), func(t *tools, p string) { t.ip = p }},
	{"nsenter", "util-linux", lookup("nsenter"), func(*tools, string) {}},
	{"mount", "mount", lookup("mount"), func(*tools, string) {}},
	{"PostgreSQL's server", "postgresql", folderWith("initdb", postgresDirs()...), func(t *tools, p string) { t.postgresDir = p }},
}

func lookup(name string) func() string {
	return func() string {
		path, err := exec.LookPath(name)
		if err != nil {
			return ""
		}
		return path
	}
}

// folderWith returns the first folder that holds a program. Patterns are
// expanded, the newest version first.
func folderWith(program string, patterns ...string) func() string {
	return func() string {
		for _, pattern := range patterns {
			folders, err := filepath.Glob(pattern)
			if err != nil {
				continue // only a malformed pattern, and these are constants
			}
			slices.SortFunc(folders, newestFirst)
			for _, folder := range folders {
				if executable(filepath.Join(folder, program)) {
					return folder
				}
			}
		}
		return ""
	}
}

func postgresDirs() []string {
	return []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/bin"}
}

// newestFirst orders version folders: 16 before 9.6, as lengths tell.
func newestFirst(a, b string) int {
	if len(a) != len(b) {
		return len(b) - len(a)
	}
	return strings.Compare(b, a)
}

// findTools looks for every requirement and returns the missing ones.
func findTools() (t tools, missing []requirement) {
	for _, r := range requirements {
		path := r.find()
		if path == "" {
			missing = append(missing, r)
			continue
		}
		r.keep(&t, path)
	}
	return t, missing
}

// ensureTools installs what is missing from Debian's archive.
func (c *cluster) ensureTools(ctx context.Context) (tools, error) {
	found, missing := findTools()
	if len(missing) == 0 {
		return found, nil
	}
	names, packages := describeMissing(missing)
	if _, err := exec.LookPath("apt-get"); err != nil {
		return tools{}, fmt.Errorf("missing on this machine: %s. It has no apt-get to install them with: "+
			"install them, or set KUBECONFIG to a cluster you have", strings.Join(names, ", "))
	}
	err := c.out.during("installing "+strings.Join(packages, " "), func() error { return install(ctx, packages) })
	if err != nil {
		return tools{}, fmt.Errorf("installing %s: %w", strings.Join(packages, " "), err)
	}
	found, missing = findTools()
	if len(missing) > 0 {
		names, _ := describeMissing(missing)
		return tools{}, fmt.Errorf("installed %s, and still missing: %s", strings.Join(packages, " "), strings.Join(names, ", "))
	}
	return found, nil
}

func describeMissing(missing []requirement) (names, packages []string) {
	for _, r := range missing {
		names = append(names, r.what)
		if !slices.Contains(packages, r.debian) {
			packages = append(packages, r.debian)
		}
	}
	return names, packages
}

// install runs apt-get, with fresh package lists only when the old ones do not
// serve.
func install(ctx context.Context, packages []string) error {
	allowed, err := forbidServices()
	if err != nil {
		return err
	}
	defer allowed()
	args := append([]string{"install", "-y", "-q", "--no-install-recommends"}, packages...)
	if listsPresent() {
		if err := aptGet(ctx, args...); err == nil {
			return nil
		}
	}
	if err := aptGet(ctx, "update", "-q"); err != nil {
		return err
	}
	return aptGet(ctx, args...)
}

func listsPresent() bool {
	lists, err := filepath.Glob("/var/lib/apt/lists/*_Packages*")
	return err == nil && len(lists) > 0
}

func aptGet(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-o", "DPkg::Lock::Timeout=300"}, args...)...) //nolint:gosec // a fixed program
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	_, err := output(cmd)
	return err
}

const (
	policyPath = "/usr/sbin/policy-rc.d"
	policyText = "#!/bin/sh\n# rsolv-cluster: packages are wanted, not their services\nexit 101\n"
)

// forbidServices keeps packages from starting services of their own while they
// are installed: the cluster runs its own containerd and PostgreSQL.
func forbidServices() (allow func(), err error) {
	old, err := readFile(policyPath)
	switch {
	case err == nil && string(old) != policyText:
		return func() {}, nil // the machine has a policy; it is not ours to change
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("reading %s: %w", policyPath, err)
	}
	if err := writeFile(policyPath, []byte(policyText), 0o755); err != nil {
		return nil, err
	}
	return func() { _ = os.Remove(policyPath) }, nil // removed again by the next install at the latest
}
