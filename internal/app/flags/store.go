// Package flags answers the app's questions about feature flags from the file
// that the operator mounts, and notices when it changes. Flags without rules
// are evaluated when the file is loaded; a question for one costs an atomic
// load.
package flags

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// Store holds the flags in use. It is safe for concurrent use.
type Store struct {
	dir     string
	log     *slog.Logger
	now     func() time.Time
	current atomic.Pointer[state]
	// changed is closed when other flags come into use.
	changed atomic.Pointer[chan struct{}]
	// loading serialises loads; questions never wait for it.
	loading sync.Mutex
	usage   *usage
}

// state is what the store knows at one moment.
type state struct {
	*snapshot
	// problem says why the newest file is not in use; empty when it is.
	problem string
}

// Defaults returns a store without a file: every flag has its default.
func Defaults(log *slog.Logger) *Store {
	s := &Store{log: log, now: time.Now} //nolint:forbidigo // rules may ask for the time; tests replace it
	s.usage = newUsage(s.now())
	s.current.Store(&state{snapshot: defaults(s.usage)})
	first := make(chan struct{})
	s.changed.Store(&first)
	return s
}

// Changed returns a channel that is closed when other flags come into use than
// those of the moment. Ask for it before looking at the flags.
func (s *Store) Changed() <-chan struct{} { return *s.changed.Load() }

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
	return contract.FlagsStatus{Digest: now.digest, Flags: now.set.Len(), Error: now.problem}
}

// value evaluates a flag of the catalogue for nobody in particular.
func (s *Store) value(f flag) bool {
	now := s.current.Load()
	if now.targeted[f] {
		return now.value(f, &flagd.Context{Time: s.now()}, s)
	}
	return now.value(f, nil, s)
}

// SampleContexts says whether contexts are kept for Contexts; they are unless
// it is told otherwise. Call it before the store is used.
func (s *Store) SampleContexts(keep bool) { s.usage.sample.off = !keep }

// Evaluate evaluates a flag of the file by its key. A context without a time
// is one of now. A flag that the app knows and the file does not declare has
// its default, with reason DEFAULT.
func (s *Store) Evaluate(key string, context *flagd.Context) flagd.Result {
	now := s.current.Load()
	context = s.timed(context)
	result := now.set.Evaluate(key, context)
	if result.Code == flagd.NotFound {
		if known, ok := find(key); ok {
			result = known.result()
		}
	}
	s.usage.count(&result, context, now.attributes)
	return result
}

// EvaluateAll is All on behalf of a client, and counts as asking for each flag.
func (s *Store) EvaluateAll(context *flagd.Context) []flagd.Result {
	context = s.timed(context)
	results, names := s.All(context), s.current.Load().attributes
	for i := range results {
		s.usage.count(&results[i], context, names)
	}
	return results
}

// All evaluates every flag of the file, and those that the app knows beside
// them, in the order of their keys. All results are of one file. It counts as
// no question for a flag; see EvaluateAll.
func (s *Store) All(context *flagd.Context) []flagd.Result {
	set := s.current.Load().set
	results := make([]flagd.Result, 0, set.Len()+len(catalogue))
	declared := make(map[string]bool, set.Len())
	for result := range set.All(s.timed(context)) {
		results, declared[result.Key] = append(results, result), true
	}
	for _, known := range catalogue {
		if !declared[known.Key] {
			results = append(results, known.result())
		}
	}
	slices.SortFunc(results, func(a, b flagd.Result) int { return cmp.Compare(a.Key, b.Key) })
	return results
}

func (s *Store) timed(context *flagd.Context) *flagd.Context {
	if context == nil {
		return &flagd.Context{Time: s.now()}
	}
	if context.Time.IsZero() {
		timed := *context
		timed.Time = s.now()
		return &timed
	}
	return context
}

// Booleans calls each with every flag that the app knows and the value that it
// has now for nobody in particular. It counts as no question for a flag.
func (s *Store) Booleans(each func(key string, value bool)) {
	now, context := s.current.Load(), s.timed(nil)
	for i, known := range catalogue {
		value := now.values[i]
		if now.targeted[i] {
			if targeted, result := now.set.Boolean(known.Key, context); result.OK() {
				value = targeted
			}
		}
		each(known.Key, value)
	}
}

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
	if after.snapshot != before.snapshot {
		next := make(chan struct{})
		close(*s.changed.Swap(&next))
	}
	switch {
	case after.problem != "" && after.problem != before.problem:
		s.log.Error("the flags file cannot be used, keeping the flags as they are", "problem", after.problem, "digest", after.digest)
	case after.digest != before.digest:
		s.log.Info("flags loaded", "digest", after.digest, "flags", after.set.Len())
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
	next, err := load(file, s.usage)
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
