package flags

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// start runs the store until the test ends and checks that it ends cleanly.
func start(t *testing.T, s *Store, recheck time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.run(ctx, recheck) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestRunFollowsTheKubelet(t *testing.T) {
	t.Parallel()
	m := &mount{tb: t, dir: t.TempDir()}
	off, on := file(boolean("blog", "disabled")), file(boolean("blog", "enabled"))
	m.publish(off)
	log := &journal{}
	s, err := Open(m.dir, log.logger())
	must(t, err)
	start(t, s, time.Hour) // the watch alone
	for range 3 {
		m.publish(on)
		eventually(t, "the flag is on", s.Blog)
		if want := (contract.FlagsStatus{Digest: contract.FlagsDigest(on), Flags: 1}); s.Status() != want {
			t.Errorf("status %+v, want %+v", s.Status(), want)
		}
		m.publish(off)
		eventually(t, "the flag is off", func() bool { return !s.Blog() })
	}

	m.publish(on)
	eventually(t, "the flag is on", s.Blog)
	m.publish([]byte("{"))
	eventually(t, "the bad file is reported", func() bool { return s.Status().Error != "" })
	if !s.Blog() || s.Status().Digest != contract.FlagsDigest(on) || s.Status().Flags != 1 {
		t.Errorf("the last good flags are gone: Blog() = %v, %+v", s.Blog(), s.Status())
	}
	s.reload()
	s.reload()
	if n := log.count("cannot be used"); n != 1 {
		t.Errorf("one bad file was logged %d times", n)
	}
	m.publish(on)
	eventually(t, "the good file is back", func() bool { return s.Status().Error == "" })
}

func TestRunFollowsAPlainFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir, slog.New(slog.DiscardHandler))
	must(t, err)
	start(t, s, time.Hour)
	must(t, os.WriteFile(filepath.Join(dir, contract.FlagsFile), file(boolean("blog", "enabled")), 0o600))
	eventually(t, "the flag is on", s.Blog)
	must(t, os.Remove(filepath.Join(dir, contract.FlagsFile)))
	eventually(t, "the absence is reported", func() bool { return s.Status().Error != "" })
	if !s.Blog() {
		t.Error("removing the file switched the flag off")
	}
}

func TestRunRechecksWithoutAWatch(t *testing.T) {
	t.Parallel()
	m := &mount{tb: t, dir: filepath.Join(t.TempDir(), "later")}
	s, err := Open(m.dir, slog.New(slog.DiscardHandler))
	must(t, err)
	start(t, s, 5*time.Millisecond)
	must(t, os.Mkdir(m.dir, 0o755))
	m.publish(file(boolean("blog", "enabled")))
	eventually(t, "the file of a directory that came later is read", s.Blog)
	must(t, os.RemoveAll(m.dir))
	eventually(t, "its loss is reported", func() bool { return s.Status().Error != "" })
	must(t, os.Mkdir(m.dir, 0o755))
	m.n = 0
	m.publish(file(boolean("blog", "disabled")))
	eventually(t, "the new directory is read", func() bool { return !s.Blog() })
}
