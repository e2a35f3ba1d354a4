package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestParseRecord(t *testing.T) {
	t.Parallel()
	if got, err := parseRecord("18653 98765\n"); err != nil || got != (process{18653, 98765}) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, text := range []string{"", "18653", "x 1", "1 5", "-4 5", "18653 soon"} {
		if got, err := parseRecord(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

// newTestDir is a cluster whose folders exist.
func newTestDir(t *testing.T) *cluster {
	t.Helper()
	c := testCluster(t, t.TempDir())
	for _, dir := range []string{"pids", "logs"} {
		if err := makeDir(c.path(dir)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func healthy(context.Context) error { return nil }

func sleeper(t *testing.T, ready func(context.Context) error) component {
	t.Helper()
	path, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	return component{name: "sleeper", path: path, args: []string{"300"}, ready: ready, patience: 300 * time.Millisecond}
}

func TestComponentLife(t *testing.T) {
	t.Parallel()
	c := newTestDir(t)
	comp := sleeper(t, healthy)
	t.Cleanup(func() {
		if err := c.stop(comp); err != nil {
			t.Error(err)
		}
	})
	if started, err := c.ensure(t.Context(), comp); err != nil || !started {
		t.Fatalf("started %v, %v", started, err)
	}
	first, ok := c.running("sleeper")
	if !ok {
		t.Fatal("it was started and does not run")
	}
	if started, err := c.ensure(t.Context(), comp); err != nil || started {
		t.Errorf("a healthy component was started again: %v, %v", started, err)
	}

	// One that hangs is replaced.
	checks := 0
	comp.ready = func(context.Context) error {
		if who, ok := c.running("sleeper"); ok && who == first {
			checks++
			return errors.New("hangs")
		}
		return nil
	}
	if started, err := c.ensure(t.Context(), comp); err != nil || !started || checks == 0 {
		t.Errorf("a hung component: started %v after %d checks, %v", started, checks, err)
	}
	second, ok := c.running("sleeper")
	if !ok || second == first || c.proc.alive(first) {
		t.Errorf("%v runs after %v, which lives: %v", second, first, c.proc.alive(first))
	}
	if err := c.stop(comp); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.running("sleeper"); ok || c.proc.alive(second) {
		t.Error("it was stopped and runs")
	}
	if err := c.stop(comp); err != nil {
		t.Errorf("stopping again: %v", err)
	}
}

func TestReusedProcessID(t *testing.T) {
	t.Parallel()
	c := newTestDir(t)
	self, err := c.proc.find(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// The same id, an older start: the process that wrote this is gone.
	record := process{self.pid, self.start - 1}
	if err := os.WriteFile(c.pidPath("etcd"), fmt.Appendf(nil, "%d %d\n", record.pid, record.start), 0o600); err != nil {
		t.Fatal(err)
	}
	if who, ok := c.running("etcd"); ok {
		t.Errorf("%v, this very test, is taken for etcd", who)
	}
	if err := c.stop(component{name: "etcd"}); err != nil {
		t.Error(err)
	}
}

func TestStartThatFails(t *testing.T) {
	t.Parallel()
	c := newTestDir(t)
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	never := func(context.Context) error { return errors.New("no answer") }
	comp := component{name: "broken", path: shell, args: []string{"-c", "echo no such flag >&2; exit 3"}, ready: never, patience: time.Minute}
	_, err = c.ensure(t.Context(), comp)
	if err == nil {
		t.Fatal("a component that ended at once was taken for started")
	}
	for _, part := range []string{"broken ended at once", "exit status 3", "no such flag", c.logPath("broken")} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	slow := sleeper(t, never)
	t.Cleanup(func() {
		if err := c.stop(slow); err != nil {
			t.Error(err)
		}
	})
	if _, err := c.ensure(t.Context(), slow); err == nil || !strings.Contains(err.Error(), "not ready after 300ms: no answer") {
		t.Errorf("got %v", err)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	c := testCluster(t, t.TempDir()+"/state")
	unlock, err := c.lock()
	if err != nil {
		t.Fatal(err)
	}
	waited, taken := make(chan struct{}), make(chan error)
	go func() {
		second, err := lockFile(c.dir+".lock", func() { close(waited) })
		if err == nil {
			second()
		}
		taken <- err
	}()
	<-waited
	select {
	case err := <-taken:
		t.Fatalf("two commands hold the lock (%v)", err)
	case <-time.After(50 * time.Millisecond):
	}
	unlock()
	if err := <-taken; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(c.dir + ".lock"); !os.IsNotExist(err) {
		t.Errorf("the lock file stays: %v", err)
	}
}
