package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// cluster is the one cluster of a machine: where it keeps its state and how it
// is set up. It holds no connections; every command finds out anew.
type cluster struct {
	dir      string // state
	cache    string // built binaries
	settings settings
	out      *progress
	proc     procfs
}

// newCluster finds the cluster of this machine, running or not.
func newCluster(out *progress) (*cluster, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("a local cluster needs Linux, this is %s: set KUBECONFIG to a cluster you have", runtime.GOOS)
	}
	dir, err := stateDir(os.Getenv)
	if err != nil {
		return nil, err
	}
	cache, err := cacheDir(os.Getenv)
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, cache: cache, out: out, proc: "/proc"}
	saved, err := loadSavedSettings(c.path("settings.json"))
	if err != nil {
		return nil, err
	}
	c.settings, err = resolveSettings(saved, os.Getenv)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// path is a file of the state directory.
func (c *cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

// exists says whether a state has been written.
func (c *cluster) exists() bool {
	_, err := os.Stat(c.path("settings.json"))
	return err == nil
}

func (c *cluster) adminKubeconfig() string { return c.path("admin.kubeconfig") }
func (c *cluster) socket() string          { return c.path("containerd.sock") }
func (c *cluster) apiURL() string {
	return fmt.Sprintf("https://%s:%d", c.settings.NodeIP, c.settings.Ports.API)
}

// requireRoot refuses early: nearly every step needs root, and the first one
// to fail would say so less clearly.
func requireRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("a local cluster needs root (network, mounts, control groups): run it with sudo, or set KUBECONFIG to a cluster you have")
	}
	return nil
}

// lock keeps two commands from changing the cluster at once. The lock file
// lies beside the state, since `down` removes the state.
func (c *cluster) lock() (unlock func(), err error) {
	return lockFile(c.dir+".lock", func() { c.out.say("waiting for another command on this cluster to end") })
}

// lockFile takes an exclusive lock that ends with the process at the latest.
func lockFile(path string, waiting func()) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // shared by every user of the machine
		return nil, fmt.Errorf("creating the lock: %w", err)
	}
	for {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600) //nolint:gosec // a path of our own
		if err != nil {
			return nil, fmt.Errorf("opening the lock: %w", err)
		}
		if err := flock(file, waiting); err != nil {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), file.Close())
		}
		// The holder before us may have removed the file: then the lock is on
		// a file nobody else will open.
		if sameFile(file, path) {
			return func() {
				_ = os.Remove(path)
				_ = file.Close() // closing releases the lock
			}, nil
		}
		_ = file.Close() // a lock on a file that is gone
	}
}

func flock(file *os.File, waiting func()) error {
	fd := int(file.Fd())
	err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		waiting()
		err = syscall.Flock(fd, syscall.LOCK_EX)
	}
	return err
}

func sameFile(file *os.File, path string) bool {
	held, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(held, named)
}
