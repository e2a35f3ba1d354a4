package flags

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

const (
	// settle is how long the directory must be quiet before the file is read:
	// a writer that is no kubelet truncates and fills it in two steps.
	settle = 20 * time.Millisecond
	// recheck is how often the file is looked at without a notice: a watch
	// can be lost, and the directory may not have existed at first.
	recheck = 10 * time.Second
	// kubeletLink is the symbolic link whose replacement publishes a new
	// version of everything in a mounted ConfigMap.
	kubeletLink = "..data"
)

// Run keeps the flags up to date until ctx ends, and then returns nil. It
// fails only when the system gives no watches at all. A store of defaults has
// nothing to watch.
func (s *Store) Run(ctx context.Context) error {
	if s.dir == "" {
		<-ctx.Done()
		return nil // when answers were last given is found out when it is asked for
	}
	return s.run(ctx, recheck)
}

func (s *Store) run(ctx context.Context, recheck time.Duration) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching the flags: %w", err)
	}
	defer func() { _ = watcher.Close() }()
	s.watch(watcher)
	// What changed between Open and the watch would otherwise go unnoticed.
	s.reload()

	ticker := time.NewTicker(recheck)
	defer ticker.Stop()
	var quiet <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-watcher.Events:
			if name := filepath.Base(event.Name); name == kubeletLink || name == contract.FlagsFile {
				quiet = time.After(settle)
			}
		case err := <-watcher.Errors:
			s.log.Warn("the watch on the flags failed; the file is read every few seconds anyway", "error", err)
		case <-quiet:
			quiet = nil
			s.reload()
		case <-ticker.C:
			// The directory may have been replaced, which ends its watch.
			s.watch(watcher)
			s.reload()
			s.usage.look(s.now())
		}
	}
}

// watch watches the directory, not the file, which the kubelet never touches.
// A failure is reported by reload: what cannot be watched cannot be read.
func (s *Store) watch(watcher *fsnotify.Watcher) {
	if err := watcher.Add(s.dir); err != nil {
		s.log.Debug("the flags directory cannot be watched", "error", err)
	}
}
