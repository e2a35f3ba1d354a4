package flags

import (
	"log/slog"
	"sync/atomic"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// snapshot is one flags file, evaluated for the catalogue once when it is
// loaded, so that asking for a flag without rules is an index into an array.
// It never changes but for warned.
type snapshot struct {
	// digest is empty in the snapshot of defaults, which no file made.
	digest string
	set    *flagd.Set
	values [flagCount]bool
	// targeted flags depend on whom and when is asked, and are evaluated each
	// time.
	targeted [flagCount]bool
	// unanswered says why the file gave no value for a flag; empty when it
	// did.
	unanswered [flagCount]string
	warned     [flagCount]atomic.Bool
}

func defaults() *snapshot {
	s := &snapshot{set: &flagd.Set{}}
	for i, known := range catalogue {
		s.values[i] = known.Default
	}
	return s
}

func load(file []byte) (*snapshot, error) {
	set, err := flagd.Parse(file)
	if err != nil {
		return nil, err
	}
	s := defaults()
	s.digest, s.set = contract.FlagsDigest(file), set
	for i, known := range catalogue {
		if s.targeted[i] = set.Targeted(known.Key); s.targeted[i] {
			continue
		}
		if value, result := set.Boolean(known.Key, nil); result.OK() {
			s.values[i] = value
		} else {
			s.unanswered[i] = result.Why()
		}
	}
	return s, nil
}

// value never leaves an absent flag unsaid: the first question for it in each
// snapshot is logged.
func (s *snapshot) value(f flag, context *flagd.Context, log *slog.Logger) bool {
	why := s.unanswered[f]
	if s.targeted[f] {
		value, result := s.set.Boolean(catalogue[f].Key, context)
		if result.OK() {
			return value
		}
		why = result.Why()
	}
	if why != "" && !s.warned[f].Swap(true) {
		log.Warn("the flags file gives no value for a flag, using the default",
			"flag", catalogue[f].Key, "default", s.values[f], "reason", why, "digest", s.digest)
	}
	return s.values[f]
}
