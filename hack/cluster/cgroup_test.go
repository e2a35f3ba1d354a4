package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	mountsV1 = `proc /proc proc rw 0 0
tmpfs /sys/fs/cgroup tmpfs rw,mode=755 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0
`
	mountsHybrid = mountsV1 + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
	mountsV2     = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n"
)

func TestDetectCgroups(t *testing.T) {
	t.Parallel()
	v1 := []string{"/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpuset", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/systemd"}
	for label, test := range map[string]struct {
		mounts  string
		systemd bool
		want    cgroupSetup
		err     string
	}{
		"version 1":                   {mountsV1, false, cgroupSetup{1, "cgroupfs", "/rsolv-cluster", v1}, ""},
		"version 1 with systemd":      {mountsV1, true, cgroupSetup{1, "cgroupfs", "/rsolv-cluster", v1}, ""},
		"hybrid":                      {mountsHybrid, true, cgroupSetup{1, "cgroupfs", "/rsolv-cluster", append(v1, "/sys/fs/cgroup/unified")}, ""},
		"version 2":                   {mountsV2, false, cgroupSetup{2, "cgroupfs", "/rsolv-cluster", []string{"/sys/fs/cgroup"}}, ""},
		"version 2 with systemd":      {mountsV2, true, cgroupSetup{2, "systemd", "/", []string{"/sys/fs/cgroup"}}, ""},
		"none":                        {"proc /proc proc rw 0 0\n", false, cgroupSetup{}, "cpu, cpuset, memory, pids are not mounted"},
		"version 1 without memory":    {strings.ReplaceAll(mountsV1, "memory", "misc"), false, cgroupSetup{}, "controllers memory are not mounted"},
		"version 2 somewhere else":    {"cgroup2 /mnt/cgroup2 cgroup2 rw 0 0\n", false, cgroupSetup{}, "mount cgroup2 there"},
		"a name that looks like them": {"cgroup /mnt/sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n", false, cgroupSetup{}, "are not mounted"},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			got, err := detectCgroups(test.mounts, test.systemd)
			if (err == nil) != (test.err == "") || (err != nil && !strings.Contains(err.Error(), test.err)) {
				t.Fatalf("got error %v, want one with %q", err, test.err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(cgroupSetup{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestCgroupTree makes and removes groups in plain folders, which behave like
// groups but for the files the kernel puts in.
func TestCgroupTree(t *testing.T) {
	t.Parallel()
	a, b := t.TempDir(), t.TempDir()
	setup := cgroupSetup{version: 1, driver: "cgroupfs", root: "/" + ruleTag, mounts: []string{a, b}}
	if err := setup.create(); err != nil {
		t.Fatal(err)
	}
	pod := filepath.Join(a, ruleTag, "kubepods", "pod1")
	if err := os.MkdirAll(pod, 0o700); err != nil {
		t.Fatal(err)
	}
	procs := filepath.Join(pod, "cgroup.procs")
	if err := os.WriteFile(procs, []byte("42\n7\n42\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a, "cgroup.procs"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{7, 42}, setup.members()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if err := setup.remove(t.Context()); err == nil {
		t.Error("a group that is not empty was removed")
	}
	if err := os.Remove(procs); err != nil {
		t.Fatal(err)
	}
	if err := setup.remove(t.Context()); err != nil {
		t.Error(err)
	}
	if err := setup.remove(t.Context()); err != nil {
		t.Errorf("removing again: %v", err)
	}
	for _, mount := range []string{a, b} {
		if _, err := os.Stat(filepath.Join(mount, ruleTag)); !os.IsNotExist(err) {
			t.Errorf("the group in %s is still there", mount)
		}
	}
}

func TestDelegate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := delegate(dir); err == nil {
		t.Error("a folder without cgroup.controllers was accepted")
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.controllers"), []byte("memory\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := delegate(dir); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	if err != nil || string(got) != "+memory" {
		t.Errorf("wrote %q, %v", got, err)
	}
}
