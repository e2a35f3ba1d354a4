package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update to write it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// testCluster is a cluster with default settings and fixed folders.
func testCluster(t *testing.T, dir string) *cluster {
	t.Helper()
	defaults, err := resolveSettings(nil, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
	return &cluster{
		dir: dir, cache: "/var/cache/rsolv", settings: defaults, proc: "/proc",
		out: &progress{out: io.Discard, now: now, began: now()},
	}
}

func TestConfigurations(t *testing.T) {
	t.Parallel()
	c := testCluster(t, "/var/lib/rsolv-cluster")
	v1 := node{cgroup: cgroupSetup{version: 1, driver: "cgroupfs", root: "/rsolv-cluster"}, snapshotter: "overlayfs", pluginDir: "/usr/lib/cni"}
	v2 := node{cgroup: cgroupSetup{version: 2, driver: "systemd", root: "/"}, snapshotter: "native", pluginDir: "/opt/cni/bin"}
	golden(t, "containerd-v1.toml", c.containerdConfig(v1))
	golden(t, "containerd-v2-systemd.toml", c.containerdConfig(v2))
	golden(t, "pg_hba.conf", c.postgresHBA())
	for name, value := range map[string]any{
		"cni.json": c.cniConfig(), "proxy.json": c.proxyConfig(),
		"kubelet-v1.json": c.kubeletConfig(v1), "kubelet-v2-systemd.json": c.kubeletConfig(v2),
		"kubeconfig.json": kubeconfig(c.apiURL(), "admin", []byte("authority"), []byte("certificate"), []byte("key")),
		"probe-pod.json":  c.probePod(), "probe-service.json": probeService(),
	} {
		data, err := toJSON(value)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, string(data))
	}
}

// TestCommandLines keeps every server's arguments in view.
func TestCommandLines(t *testing.T) {
	t.Parallel()
	c := testCluster(t, "/var/lib/rsolv-cluster")
	var b strings.Builder
	for _, comp := range c.components(tools{containerd: "/usr/bin/containerd", postgresDir: "/usr/lib/postgresql/15/bin"}) {
		fmt.Fprintf(&b, "%s", comp.path)
		if comp.user != "" {
			fmt.Fprintf(&b, " (as %s)", comp.user)
		}
		fmt.Fprintf(&b, "\n  %s\n", strings.Join(comp.args, "\n  "))
		for _, l := range comp.listens {
			fmt.Fprintf(&b, "  listens on %s:%d (%s)\n", l.host, l.port, l.env)
		}
		// A process that no pid file tells of is found by this.
		if !mentions(comp.args, c.dir) || !componentNames[filepath.Base(comp.path)] {
			t.Errorf("%s could not be found again by its command line", comp.name)
		}
		if comp.name != filepath.Base(comp.path) {
			t.Errorf("the component %s runs %s: `down` looks for the pid file by the program's name", comp.name, comp.path)
		}
	}
	golden(t, "commands.txt", b.String())
}
