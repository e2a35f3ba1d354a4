package flags

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

const (
	// outcomesLimit bounds the outcomes that are told apart: series of the
	// metric, and entries of the report. What is beyond counts as one.
	outcomesLimit = 4096
	// unknownLimit bounds the unknown keys that are remembered.
	unknownLimit = 32
	// beyondLimit is the flag under which outcomes beyond the limit count.
	beyondLimit = "other"
)

// outcome is what an evaluation is counted under.
type outcome struct{ flag, variant, reason string }

// tally counts one outcome. Counting is one atomic addition; when it was last
// seen is found out by looking at the count every few seconds.
type tally struct {
	count atomic.Uint64
	// seen and last belong to usage.look.
	seen uint64
	last time.Time
}

// usage is what a store was asked for since it was made. It is bounded, and
// safe for concurrent use.
type usage struct {
	since   time.Time
	tallies sync.Map // of outcome to *tally
	size    atomic.Int64
	// looking guards what look writes, and the unknown keys.
	looking      sync.Mutex
	unknown      map[string]bool
	unknownAsked atomic.Uint64
	sample       sample
}

func newUsage(now time.Time) *usage { return &usage{since: now, unknown: map[string]bool{}} }

// of finds the tally of an outcome.
func (u *usage) of(o outcome) *tally {
	if found, ok := u.tallies.Load(o); ok {
		return found.(*tally)
	}
	if u.size.Load() >= outcomesLimit {
		o = outcome{flag: beyondLimit}
	}
	found, loaded := u.tallies.LoadOrStore(o, &tally{})
	if !loaded {
		u.size.Add(1)
	}
	return found.(*tally)
}

// count counts an evaluation, and keeps its context every now and then.
func (u *usage) count(r *flagd.Result, context *flagd.Context, names []string) {
	if r.Code == flagd.NotFound {
		u.countUnknown(r.Key)
		return
	}
	t := u.of(outcome{r.Key, r.Variant, r.Why()})
	if sampled(t.count.Add(1)) {
		u.sample.keep(r.Key, context, names)
	}
}

func (u *usage) countUnknown(key string) {
	u.unknownAsked.Add(1)
	if !flagd.ValidKey(key) {
		return // anybody can ask for anything; what is no key is not repeated
	}
	u.looking.Lock()
	defer u.looking.Unlock()
	if len(u.unknown) < unknownLimit {
		u.unknown[key] = true
	}
}

// look notes which outcomes were seen since the last look.
func (u *usage) look(now time.Time) {
	u.looking.Lock()
	defer u.looking.Unlock()
	u.tallies.Range(func(_, value any) bool {
		t := value.(*tally)
		if count := t.count.Load(); count != t.seen {
			t.seen, t.last = count, now
		}
		return true
	})
}

// report sums up what was asked for. declared tells whether a key that was
// unknown is known by now.
func (u *usage) report(now time.Time, declared func(key string) bool) contract.FlagsUsage {
	u.look(now)
	u.looking.Lock()
	defer u.looking.Unlock()
	report := contract.FlagsUsage{Since: u.since.UTC(), Evaluations: []contract.FlagEvaluations{}, UnknownAsked: u.unknownAsked.Load()}
	u.tallies.Range(func(key, value any) bool {
		o, t := key.(outcome), value.(*tally)
		if t.seen > 0 {
			report.Evaluations = append(report.Evaluations, contract.FlagEvaluations{
				Flag: o.flag, Variant: o.variant, Reason: o.reason, Count: t.seen, Last: t.last.UTC().Truncate(time.Second),
			})
		}
		return true
	})
	slices.SortFunc(report.Evaluations, func(a, b contract.FlagEvaluations) int {
		return cmp.Or(strings.Compare(a.Flag, b.Flag), strings.Compare(a.Variant, b.Variant), strings.Compare(a.Reason, b.Reason))
	})
	for key := range u.unknown {
		if declared(key) {
			delete(u.unknown, key)
			continue
		}
		report.Unknown = append(report.Unknown, key)
	}
	slices.Sort(report.Unknown)
	return report
}

// Usage reports what the store was asked for: by the app's code, and by
// clients of the evaluation protocol, for whom fetching all flags is asking for
// each of them.
func (s *Store) Usage() contract.FlagsUsage {
	set := s.current.Load().set
	return s.usage.report(s.now(), func(key string) bool { return set.Has(key) })
}

// Contexts reports whom the store was asked about lately.
func (s *Store) Contexts() contract.FlagsSample {
	evaluations := map[string]uint64{}
	s.usage.tallies.Range(func(key, value any) bool {
		evaluations[key.(outcome).flag] += value.(*tally).count.Load()
		return true
	})
	return s.usage.sample.report(s.now(), evaluations)
}

// CountEvaluations calls each with the evaluations so far by flag, variant and
// reason, and returns how many asked for flags that do not exist.
func (s *Store) CountEvaluations(each func(flag, variant, reason string, count uint64)) (unknown uint64) {
	s.usage.tallies.Range(func(key, value any) bool {
		o := key.(outcome)
		each(o.flag, o.variant, o.reason, value.(*tally).count.Load())
		return true
	})
	return s.usage.unknownAsked.Load()
}
