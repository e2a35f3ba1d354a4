package flags

import (
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
	// tallies count the answers to flags without rules.
	tallies [flagCount]*tally
	// attributes are what rules ask for.
	attributes []string
}

func defaults(u *usage) *snapshot {
	s := &snapshot{set: &flagd.Set{}}
	for i, known := range catalogue {
		s.values[i] = known.Default
		s.tallies[i] = u.of(outcome{flag: known.Key, reason: string(flagd.Default)})
	}
	return s
}

func load(file []byte, u *usage) (*snapshot, error) {
	set, err := flagd.Parse(file)
	if err != nil {
		return nil, err
	}
	s := defaults(u)
	s.digest, s.set, s.attributes = contract.FlagsDigest(file), set, set.Attributes()
	for i, known := range catalogue {
		if s.targeted[i] = set.Targeted(known.Key); s.targeted[i] {
			continue
		}
		if value, result := set.Boolean(known.Key, nil); result.OK() {
			s.values[i], s.tallies[i] = value, u.of(outcome{known.Key, result.Variant, result.Why()})
		} else {
			s.unanswered[i] = result.Why()
		}
	}
	return s, nil
}

// value never leaves an absent flag unsaid: the first question for it in each
// snapshot is logged.
func (s *snapshot) value(f flag, context *flagd.Context, store *Store) bool {
	why := s.unanswered[f]
	if s.targeted[f] {
		value, result := s.set.Boolean(catalogue[f].Key, context)
		store.usage.count(&result, context, s.attributes)
		if result.OK() {
			return value
		}
		why = result.Why()
	} else {
		s.tallies[f].count.Add(1)
	}
	if why != "" && !s.warned[f].Swap(true) {
		store.log.Warn("the flags file gives no value for a flag, using the default",
			"flag", catalogue[f].Key, "default", s.values[f], "reason", why, "digest", s.digest)
	}
	return s.values[f]
}
