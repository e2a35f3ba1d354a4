package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// cgroupSetup is how containers are accounted on this machine.
type cgroupSetup struct {
	version int      // 1 or 2
	driver  string   // cgroupfs or systemd
	root    string   // the kubelet's cgroupRoot, above every pod
	mounts  []string // mount points our groups are made in
}

func (s cgroupSetup) systemd() bool { return s.driver == "systemd" }

// detectCgroups reads /proc/mounts. Version 2 is in use when it is mounted at
// /sys/fs/cgroup itself; a version 2 mount below a tmpfs there belongs to
// systemd alone ("hybrid") and controls nothing. On version 2 systemd owns the
// tree where it runs, and must be asked for groups.
func detectCgroups(mounts string, systemdRuns bool) (cgroupSetup, error) {
	setup := cgroupSetup{driver: "cgroupfs", root: "/" + ruleTag}
	var controllers []string
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		point, kind := fields[1], fields[2]
		switch {
		case kind == "cgroup2" && point == "/sys/fs/cgroup":
			setup.version, setup.mounts = 2, []string{point}
			if systemdRuns {
				setup.driver, setup.root = "systemd", "/"
			}
			return setup, nil
		case kind == "cgroup" && strings.HasPrefix(point, "/sys/fs/cgroup/"):
			controllers = append(controllers, strings.Split(fields[3], ",")...)
			setup.mounts = append(setup.mounts, point)
		case kind == "cgroup2" && strings.HasPrefix(point, "/sys/fs/cgroup/"):
			setup.mounts = append(setup.mounts, point) // hybrid: runc makes groups here too
		}
	}
	var missing []string
	for _, needed := range []string{"cpu", "cpuset", "memory", "pids"} {
		if !slices.Contains(controllers, needed) {
			missing = append(missing, needed)
		}
	}
	if len(missing) > 0 {
		return cgroupSetup{}, fmt.Errorf("the control group controllers %s are not mounted under /sys/fs/cgroup: "+
			"mount cgroup2 there, or the version 1 controllers", strings.Join(missing, ", "))
	}
	setup.version = 1
	return setup, nil
}

// podSlice is what the kubelet calls its group where systemd manages them.
const podSlice = "kubepods.slice"

func systemdRuns() bool {
	info, err := os.Stat("/run/systemd/system")
	return err == nil && info.IsDir()
}

func machineCgroups() (cgroupSetup, error) {
	mounts, err := readFile("/proc/mounts")
	if err != nil {
		return cgroupSetup{}, fmt.Errorf("reading the mounts: %w", err)
	}
	return detectCgroups(string(mounts), systemdRuns())
}

// dirs lists where our groups are on disk.
func (s cgroupSetup) dirs() []string {
	name := ruleTag
	if s.systemd() {
		name = podSlice
	}
	var dirs []string
	for _, mount := range s.mounts {
		dirs = append(dirs, filepath.Join(mount, name))
	}
	return dirs
}

// create makes the group above all pods, which the kubelet wants to find.
// Systemd makes its own.
func (s cgroupSetup) create() error {
	if s.systemd() {
		return nil
	}
	if s.version == 2 {
		// Below a group, only what its parents hand down can be limited.
		if err := delegate(s.mounts[0]); err != nil {
			return err
		}
	}
	for _, dir := range s.dirs() {
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the mode of every control group
			return fmt.Errorf("making the control group: %w", err)
		}
		if s.version == 2 {
			if err := delegate(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// delegate enables every available controller of a version 2 group for the
// groups below it.
func delegate(dir string) error {
	available, err := readFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("reading the controllers of %s: %w", dir, err)
	}
	for controller := range strings.FieldsSeq(string(available)) {
		err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o600)
		if errors.Is(err, syscall.EBUSY) {
			return fmt.Errorf("%s holds processes, so it cannot be divided: this looks like the inside of a container; "+
				"move them to a group of their own first", dir)
		}
		if err != nil {
			return fmt.Errorf("enabling the controller %s in %s: %w", controller, dir, err)
		}
	}
	return nil
}

// members lists the processes inside our groups: the containers, and nothing
// else, wherever their shims have gone.
func (s cgroupSetup) members() []int {
	seen := map[int]bool{}
	for _, dir := range s.dirs() {
		for _, group := range groupsBelow(dir) {
			data, err := readFile(filepath.Join(group, "cgroup.procs"))
			if err != nil {
				continue // gone in this moment, with its processes
			}
			for field := range strings.FieldsSeq(string(data)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
					seen[pid] = true
				}
			}
		}
	}
	pids := make([]int, 0, len(seen))
	for pid := range seen {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids
}

// remove deletes our empty groups, deepest first.
func (s cgroupSetup) remove(ctx context.Context) error {
	if s.systemd() {
		_, _ = run(ctx, "systemctl", "stop", podSlice) // it may never have been made
	}
	var problems []error
	for _, dir := range s.dirs() {
		for _, group := range slices.Backward(groupsBelow(dir)) {
			if err := syscall.Rmdir(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
				problems = append(problems, fmt.Errorf("removing the control group %s: %w", group, err))
			}
		}
	}
	return errors.Join(problems...)
}

// groupsBelow lists a group and those inside it, outer ones first.
func groupsBelow(dir string) []string {
	var groups []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error { // a missing group is removed already
		if err == nil && d.IsDir() {
			groups = append(groups, path)
		}
		return nil
	})
	return groups
}
