// Package flags answers the app's questions about feature flags from the file
// that the operator mounts, and notices when it changes. The file is
// evaluated when it is loaded; a question costs an atomic load.
package flags

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// Store holds the flags in use. It is safe for concurrent use.
type Store struct {
	dir     string
	log     *slog.Logger
	current atomic.Pointer[state]
	// loading serialises loads; questions never wait for it.
	loading sync.Mutex
}

// state is what the store knows at one moment.
type state struct {
	*snapshot
	// problem says why the newest file is not in use; empty when it is.
	problem string
}

// Defaults returns a store without a file: every flag has its default.
func Defaults(log *slog.Logger) *Store {
	s := &Store{log: log}
	s.current.Store(&state{snapshot: defaults()})
	return s
}

// Open returns a store of the flags file in dir. A file that is missing or
// cannot be used is no error: every flag then has its default until a good
// file comes, and Status says so. It fails only when dir is empty.
func Open(dir string, log *slog.Logger) (*Store, error) {
	if dir == "" {
		return nil, errors.New("opening the flags: the directory is empty; set " + contract.EnvFlagsDir + ", for example to " + contract.FlagsDir)
	}
	s := Defaults(log)
	s.dir = dir
	s.reload()
	return s, nil
}

// Status says which flags are in use, and why not the newest ones if so.
func (s *Store) Status() contract.FlagsStatus {
	now := s.current.Load()
	return contract.FlagsStatus{Digest: now.digest, Flags: now.count, Error: now.problem}
}

// Booleans calls each with every flag that the app knows and its value now. It
// counts as no question for a flag.
func (s *Store) Booleans(each func(key string, value bool)) {
	now := s.current.Load()
	for i := range catalogue {
		each(catalogue[i].Key, now.values[i])
	}
}

func (s *Store) value(f flag) bool { return s.current.Load().value(f, s.log) }

// reload takes over the file if its content changed. A file that cannot be
// used leaves the flags as they are. Each change is logged once, however often
// the same file is looked at.
func (s *Store) reload() {
	s.loading.Lock()
	defer s.loading.Unlock()
	before := s.current.Load()
	after := s.read(before)
	if after == before {
		return
	}
	s.current.Store(after)
	switch {
	case after.problem != "" && after.problem != before.problem:
		s.log.Error("the flags file cannot be used, keeping the flags as they are", "problem", after.problem, "digest", after.digest)
	case after.digest != before.digest:
		s.log.Info("flags loaded", "digest", after.digest, "flags", after.count)
	case after.problem == "" && before.problem != "":
		s.log.Info("the flags file is the one in use again", "digest", after.digest)
	}
}

// read returns the state after a look at the file: before itself when nothing
// changed.
func (s *Store) read(before *state) *state {
	file, err := readFile(s.dir)
	if err != nil {
		return before.refuse(err)
	}
	if before.digest == contract.FlagsDigest(file) {
		if before.problem == "" {
			return before
		}
		return &state{snapshot: before.snapshot}
	}
	next, err := load(file)
	if err != nil {
		return before.refuse(err)
	}
	return &state{snapshot: next}
}

func (s *state) refuse(err error) *state {
	if s.problem == err.Error() {
		return s
	}
	return &state{snapshot: s.snapshot, problem: err.Error()}
}

// readFile reads the flags file and not a byte more than the limit. The file
// may be a symbolic link within dir, as the kubelet makes it, but not out of
// it.
func readFile(dir string) ([]byte, error) {
	file, err := os.OpenInRoot(dir, contract.FlagsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s in %s", contract.FlagsFile, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the flags file: %w", err)
	}
	content, err := io.ReadAll(io.LimitReader(file, flagd.MaxFileBytes+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("reading the flags file: %w", err)
	}
	return content, nil
}
