package flags

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

const (
	// sampledFlags bounds the flags of which contexts are kept.
	sampledFlags = 512
	// sampleLife is how long a context is kept.
	sampleLife = time.Hour
	// sampleEvery is how many evaluations with one outcome pass between two
	// that are kept, after the first few.
	sampleEvery, sampleFirst = 16, 16
	// valueLimit and groupsLimit bound what is kept of an attribute.
	valueLimit, groupsLimit = 256, 32
)

// groupsAttribute is what the rules of FeatureFlags call a subject's groups.
const groupsAttribute = "groups"

// sampled tells whether the n-th evaluation with an outcome is to be kept.
func sampled(n uint64) bool { return n <= sampleFirst || n%sampleEvery == 0 }

// sample keeps whom flags were asked about lately, in memory alone. Of an
// evaluation it keeps the targeting key and the attributes that some rule of
// the flags in use asks for: what no rule looks at is not kept, so that what
// a client sends along about people goes no further.
type sample struct {
	mu    sync.Mutex
	flags map[string]*ring
	// off keeps nothing.
	off bool
}

// ring holds the last contexts of a flag.
type ring struct {
	kept [contract.FlagContextsLimit]keptContext
	next int
}

type keptContext struct {
	at      time.Time
	context map[string]any
}

func (s *sample) keep(flag string, context *flagd.Context, names []string) {
	if s.off || context == nil {
		return
	}
	reduced := reduce(context, names)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flags == nil {
		s.flags = map[string]*ring{}
	}
	r := s.flags[flag]
	if r == nil {
		if len(s.flags) >= sampledFlags {
			return
		}
		r = &ring{}
		s.flags[flag] = r
	}
	r.kept[r.next%len(r.kept)] = keptContext{context.Time, reduced}
	r.next++
}

// reduce leaves what rules ask for.
func reduce(context *flagd.Context, names []string) map[string]any {
	reduced := map[string]any{}
	if context.TargetingKey != "" && len(context.TargetingKey) <= valueLimit {
		reduced["targetingKey"] = context.TargetingKey
	}
	for name, value := range context.Attributes {
		if name != groupsAttribute && !slices.Contains(names, name) {
			continue
		}
		if small, ok := plain(value); ok {
			reduced[name] = small
		}
	}
	return reduced
}

// plain lets through short scalars and short lists of them.
func plain(value any) (any, bool) {
	switch v := value.(type) {
	case string:
		return v, len(v) <= valueLimit
	case []string:
		return v, len(v) <= groupsLimit
	case []any:
		return v, len(v) <= groupsLimit && !slices.ContainsFunc(v, func(element any) bool {
			_, isList := element.([]any)
			_, ok := plain(element)
			return isList || !ok
		})
	case map[string]any, nil:
		return nil, false
	default:
		return v, true
	}
}

func (s *sample) report(now time.Time, evaluations map[string]uint64) contract.FlagsSample {
	s.mu.Lock()
	defer s.mu.Unlock()
	report := contract.FlagsSample{Flags: []contract.FlagContexts{}}
	for flag, count := range evaluations {
		if count == 0 {
			continue
		}
		contexts := contract.FlagContexts{Flag: flag, Evaluations: count, Contexts: []map[string]any{}}
		if r := s.flags[flag]; r != nil {
			contexts.Contexts = r.young(now)
		}
		report.Flags = append(report.Flags, contexts)
	}
	slices.SortFunc(report.Flags, func(a, b contract.FlagContexts) int { return strings.Compare(a.Flag, b.Flag) })
	return report
}

// young are the contexts that are not too old, the newest last.
func (r *ring) young(now time.Time) []map[string]any {
	contexts := []map[string]any{}
	for i := range r.kept {
		kept := r.kept[(r.next+i)%len(r.kept)]
		if kept.context != nil && now.Sub(kept.at) <= sampleLife {
			contexts = append(contexts, kept.context)
		}
	}
	return contexts
}
