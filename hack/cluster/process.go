package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// gentleStop is the signal that ends a server in order; zero is SIGTERM.
type gentleStop syscall.Signal

func (g gentleStop) signal() syscall.Signal {
	if g == 0 {
		return syscall.SIGTERM
	}
	return syscall.Signal(g)
}

const (
	pollEvery = 100 * time.Millisecond
	// stopPatience is how long a server may take to end in order.
	stopPatience = 10 * time.Second
	// oneTry is how long a server that is waited for may take to answer.
	oneTry = 5 * time.Second
	// maxLog is the size in bytes past which a log is set aside at the next start.
	maxLog = 20 << 20
)

func (c *cluster) logPath(name string) string { return c.path("logs", name+".log") }
func (c *cluster) pidPath(name string) string { return c.path("pids", name) }

// running returns the recorded process of a component, if it still runs.
func (c *cluster) running(name string) (process, bool) {
	data, err := readFile(c.pidPath(name))
	if err != nil {
		return process{}, false
	}
	who, err := parseRecord(string(data))
	if err != nil || !c.proc.alive(who) {
		return process{}, false
	}
	return who, true
}

// parseRecord reads a pid file: the id and the start time.
func parseRecord(text string) (process, error) {
	pid, start, ok := strings.Cut(strings.TrimSpace(text), " ")
	if !ok {
		return process{}, fmt.Errorf("%q is not a process id and a start time", text)
	}
	id, err := strconv.Atoi(pid)
	if err != nil || id <= 1 {
		return process{}, fmt.Errorf("%q is not a process id", pid)
	}
	ticks, err := strconv.ParseUint(start, 10, 64)
	if err != nil {
		return process{}, fmt.Errorf("%q is not a start time: %w", start, err)
	}
	return process{pid: id, start: ticks}, nil
}

// start runs a component in a session of its own, so that it outlives this
// command and the terminal. The channel delivers how it ended, if it does.
func (c *cluster) start(ctx context.Context, comp component) (<-chan error, error) {
	log, err := c.openLog(comp.name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()                                              // the child has its own descriptor
	cmd := exec.CommandContext(context.WithoutCancel(ctx), comp.path, comp.args...) //nolint:gosec // running servers is what this tool is for
	cmd.Dir = "/"
	cmd.Env = c.environment()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if comp.user != "" {
		if cmd.SysProcAttr.Credential, err = credential(comp.user); err != nil {
			return nil, err
		}
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", comp.name, err)
	}
	ended := make(chan error, 1)
	who, findErr := c.proc.find(cmd.Process.Pid)
	go func() { ended <- cmd.Wait() }()
	if findErr != nil {
		return ended, nil // it ended at once; the channel says how
	}
	record := fmt.Sprintf("%d %d\n", who.pid, who.start)
	return ended, writeFile(c.pidPath(comp.name), []byte(record), 0o644)
}

// keepToOurselves keeps the files that this program was started with, beyond
// the standard three, from the servers that it starts: they outlive it, and
// would hold on to them. A lock of whoever called it would never end.
func keepToOurselves() {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return // not this system's way to tell
	}
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// environment is what the servers see: no proxy between them, and the CNI
// plugins find the administration tools.
func (c *cluster) environment() []string {
	return []string{"PATH=" + binaryDir(c.cache) + ":" + os.Getenv("PATH"), "HOME=/root", "LANG=C.UTF-8"}
}

func (c *cluster) openLog(name string) (*os.File, error) {
	path := c.logPath(name)
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("setting the old log aside: %w", err)
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // a path of our own
}

func credential(name string) (*syscall.Credential, error) {
	who, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("looking up the user %s: %w", name, err)
	}
	uid, err := strconv.ParseUint(who.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s has the id %q: %w", name, who.Uid, err)
	}
	gid, err := strconv.ParseUint(who.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s has the group %q: %w", name, who.Gid, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// waitReady waits until a component works. ended may be nil for one that was
// started earlier.
func (c *cluster) waitReady(ctx context.Context, comp component, ended <-chan error, patience time.Duration) error {
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last error
	for {
		if last = attempt(ctx, comp.ready, oneTry); last == nil {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("%s ended at once (%w); the end of %s:%s", comp.name, orEnded(err), c.logPath(comp.name), c.logTail(comp.name))
		case <-ctx.Done():
			if outer.Err() != nil {
				return context.Cause(outer)
			}
			return fmt.Errorf("%s is not ready after %s: %w; the end of %s:%s",
				comp.name, patience, last, c.logPath(comp.name), c.logTail(comp.name))
		case <-time.After(pollEvery):
		}
	}
}

func orEnded(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// attempt gives one check a short while, so that a hung server does not use up
// the patience meant for a slow one.
func attempt(ctx context.Context, check func(context.Context) error, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return check(ctx)
}

func (c *cluster) logTail(name string) string {
	data, err := readFile(c.logPath(name))
	if err != nil {
		return ""
	}
	return indentTail(string(data), 8)
}

// stop ends a component by its recorded process and forgets it.
func (c *cluster) stop(comp component) error {
	return c.stopWithin(comp, stopPatience)
}

// stopWithin is stop with a limit on how long the server may take to end in
// order, before it is killed.
func (c *cluster) stopWithin(comp component, patience time.Duration) error {
	if who, ok := c.running(comp.name); ok {
		if err := c.end(who, comp.gently.signal(), patience); err != nil {
			return fmt.Errorf("stopping %s: %w", comp.name, err)
		}
	}
	if err := os.Remove(c.pidPath(comp.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting %s: %w", comp.name, err)
	}
	return nil
}

// end signals a process and waits for it to go, at last with SIGKILL.
func (c *cluster) end(who process, first syscall.Signal, patience time.Duration) error {
	for _, step := range []struct {
		signal   syscall.Signal
		patience time.Duration
	}{{first, patience}, {syscall.SIGKILL, 5 * time.Second}} {
		if !c.proc.alive(who) {
			return nil
		}
		if err := syscall.Kill(who.pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signalling process %d: %w", who.pid, err)
		}
		for range int(step.patience / pollEvery) {
			if !c.proc.alive(who) {
				return nil
			}
			time.Sleep(pollEvery)
		}
	}
	return fmt.Errorf("process %d does not end", who.pid)
}

// componentNames are the programs found again by their command lines when no
// pid file tells of them.
var componentNames = map[string]bool{
	"containerd": true, "etcd": true, "kube-apiserver": true, "kube-controller-manager": true,
	"kube-scheduler": true, "kubelet": true, "kube-proxy": true, "postgres": true,
}

const shimName = "containerd-shim-runc-v2"

// stopStrays ends processes of this cluster that no pid file tells of: a
// command was killed between starting a server and writing down its id. Shims
// are spared; their containers run on, and containerd finds them again.
func (c *cluster) stopStrays(patience time.Duration) error {
	recorded := map[process]bool{}
	for name := range componentNames {
		if who, ok := c.running(name); ok {
			recorded[who] = true
		}
	}
	var strays []process
	for who, name := range c.proc.ours(c.dir, componentNames) {
		if !recorded[who] {
			c.out.say("stopping a stray %s (pid %d)", name, who.pid)
			strays = append(strays, who)
		}
	}
	return c.endAll(strays, syscall.SIGTERM, patience)
}

// endAll ends several processes at once.
func (c *cluster) endAll(all []process, first syscall.Signal, patience time.Duration) error {
	var wait sync.WaitGroup
	errs := make([]error, len(all))
	for i, who := range all {
		wait.Go(func() { errs[i] = c.end(who, first, patience) })
	}
	wait.Wait()
	return errors.Join(errs...)
}
