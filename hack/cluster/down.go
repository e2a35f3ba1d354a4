package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// downCommand stops the cluster and removes every trace of it.
func downCommand(ctx context.Context, c *cluster, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("down takes no arguments, got %q", args[0])
	}
	if err := requireRoot(); err != nil {
		return err
	}
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.refuseForeignDir(); err != nil {
		return err
	}
	if err := c.takeDown(ctx); err != nil {
		return err
	}
	c.out.say("the cluster is down")
	return nil
}

// stateEntries are names that only this tool makes in a folder.
var stateEntries = []string{"settings.json", "before.json", "pids", "pki", "containerd", "containerd-state", "kubelet", "etcd", "postgres"}

// hasRemains says whether the state directory holds anything of ours.
func (c *cluster) hasRemains() bool {
	return slices.ContainsFunc(stateEntries, func(name string) bool {
		_, err := os.Lstat(c.path(name))
		return err == nil
	})
}

// refuseForeignDir protects a folder that is somebody else's from being used,
// and deleted, as a state directory.
func (c *cluster) refuseForeignDir() error {
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && len(entries) == 0) || c.hasRemains() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking into the state directory: %w", err)
	}
	return fmt.Errorf("%s holds files that are not a cluster's (%s, …): set %s to an empty or new folder",
		c.dir, entries[0].Name(), dirEnv)
}

// takeDown undoes everything, and goes on when a part fails: what is left is
// said at the end.
func (c *cluster) takeDown(ctx context.Context) error {
	// An interrupted removal is worse than a slow one.
	ctx = context.WithoutCancel(ctx)
	state, err := c.loadBefore()
	problems := []error{err}
	problems = append(problems, c.stopServers()...)
	problems = append(problems, c.killContainers()...)
	problems = append(problems,
		c.unmountAll(),
		c.removeNetwork(ctx),
		removeRules(ctx, state.KubeChains),
		c.removeCgroups(ctx),
		state.restore(c),
	)
	if err := errors.Join(problems...); err != nil {
		return err
	}
	if len(state.Sysctls) == 0 && c.hasRemains() {
		c.out.say("the record of the kernel's settings is lost: they stay as the cluster set them")
	}
	if state.KubeChains {
		c.out.say("the KUBE-* firewall chains stay: another node of this machine had some before")
	}
	return c.removeState()
}

// stopServers ends the servers together. They get little time: what they would
// still write is about to be deleted.
func (c *cluster) stopServers() []error {
	const patience = 2 * time.Second
	var wait sync.WaitGroup
	problems := make([]error, len(componentNames))
	for i, name := range slices.Sorted(maps.Keys(componentNames)) {
		comp := component{name: name}
		if name == "postgres" {
			comp.gently = gentleStop(syscall.SIGINT)
		}
		wait.Go(func() { problems[i] = c.stopWithin(comp, patience) })
	}
	wait.Wait()
	return append(problems, c.stopStrays(patience))
}

// killContainers ends the shims of our containerd and every process in our
// control groups. Shims are ours when they speak to our socket.
func (c *cluster) killContainers() []error {
	var problems []error
	shims := slices.Collect(maps.Keys(c.proc.ours(c.dir, map[string]bool{shimName: true})))
	sockets := c.shimSockets(shims)
	problems = append(problems, c.endAll(shims, syscall.SIGKILL, stopPatience))
	setup, err := machineCgroups()
	if err != nil {
		return problems // without control groups no container has run
	}
	for range int(stopPatience / pollEvery) {
		members := setup.members()
		if len(members) == 0 {
			break
		}
		for _, pid := range members {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				problems = append(problems, fmt.Errorf("ending container process %d: %w", pid, err))
			}
		}
		time.Sleep(pollEvery)
	}
	for _, socket := range sockets {
		if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, fmt.Errorf("removing a shim's socket: %w", err))
		}
	}
	return problems
}

// socketDir is where shims put their sockets, outside our state and shared with
// any other containerd.
const socketDir = "/run/containerd/s/"

// shimSockets lists the sockets of our shims: those that run have them open,
// and containerd notes each beside its container.
func (c *cluster) shimSockets(shims []process) []string {
	var sockets []string
	if table, err := readFile(filepath.Join(string(c.proc), "net", "unix")); err == nil {
		for _, who := range shims {
			sockets = append(sockets, unixPaths(string(table), socketDir, c.proc.sockets(who.pid))...)
		}
	}
	notes, err := filepath.Glob(c.path("containerd-state", "io.containerd.runtime.v2.task", "k8s.io", "*", "address"))
	if err != nil {
		return sockets // only a malformed pattern
	}
	for _, note := range notes {
		data, err := readFile(note)
		path, isUnix := strings.CutPrefix(strings.TrimSpace(string(data)), "unix://")
		if err == nil && isUnix && strings.HasPrefix(path, socketDir) {
			sockets = append(sockets, path)
		}
	}
	return sockets
}

func (c *cluster) removeCgroups(ctx context.Context) error {
	setup, err := machineCgroups()
	if err != nil {
		return nil //nolint:nilerr // without control groups no container has run
	}
	// A group may be busy for a moment after its last process has gone.
	for range 20 {
		if err = setup.remove(ctx); err == nil {
			return nil
		}
		time.Sleep(pollEvery)
	}
	return err
}

// mountsBelow lists the mount points inside a directory, deepest last mounted
// first, from the text of /proc/mounts.
func mountsBelow(mounts, dir string) []string {
	var points []string
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		// The kernel writes blanks and backslashes in octal.
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(fields[1])
		if strings.HasPrefix(point, dir+"/") {
			points = append(points, point)
		}
	}
	slices.Reverse(points)
	return points
}

func (c *cluster) unmountAll() error {
	mounts, err := readFile("/proc/mounts")
	if err != nil {
		return fmt.Errorf("reading the mounts: %w", err)
	}
	const detach = 2 // MNT_DETACH; named here so that other systems compile this, to say they cannot
	var problems []error
	for _, point := range mountsBelow(string(mounts), c.dir) {
		if err := syscall.Unmount(point, detach); err != nil {
			problems = append(problems, fmt.Errorf("unmounting %s: %w", point, err))
		}
	}
	return errors.Join(problems...)
}

// removeState deletes the state directory, never through a mount.
func (c *cluster) removeState() error {
	mounts, err := readFile("/proc/mounts")
	if err != nil {
		return fmt.Errorf("reading the mounts: %w", err)
	}
	if left := mountsBelow(string(mounts), c.dir); len(left) > 0 {
		return fmt.Errorf("still mounted, so %s stays: %s", c.dir, strings.Join(left, ", "))
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("removing the state: %w", err)
	}
	return nil
}
