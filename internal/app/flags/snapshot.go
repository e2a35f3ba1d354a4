package flags

import (
	"log/slog"
	"sync/atomic"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// snapshot is one flags file, evaluated for the catalogue once when it is
// loaded, so that asking for a flag is an index into an array. It never
// changes but for warned.
type snapshot struct {
	// digest is empty in the snapshot of defaults, which no file made.
	digest string
	count  int
	values [flagCount]bool
	// unanswered says why the file gave no value for a flag; empty when it
	// did.
	unanswered [flagCount]flagd.Reason
	warned     [flagCount]atomic.Bool
}

func defaults() *snapshot {
	s := &snapshot{}
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
	s.digest, s.count = contract.FlagsDigest(file), set.Len()
	for i, known := range catalogue {
		if value, reason, ok := set.Boolean(known.Key); ok {
			s.values[i] = value
		} else {
			s.unanswered[i] = reason
		}
	}
	return s, nil
}

// value never leaves an absent flag unsaid: the first question for it in each
// snapshot is logged.
func (s *snapshot) value(f flag, log *slog.Logger) bool {
	if s.unanswered[f] != "" && !s.warned[f].Swap(true) {
		log.Warn("the flags file gives no value for a flag, using the default",
			"flag", catalogue[f].Key, "default", s.values[f], "reason", string(s.unanswered[f]), "digest", s.digest)
	}
	return s.values[f]
}
