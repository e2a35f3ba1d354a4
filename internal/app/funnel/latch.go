package funnel

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

const (
	latchShards = 64
	// latchSize is how many customers a shard remembers. Forgetting one costs an
	// event or two more, nothing else: what was reached is decided where it is
	// stored.
	latchSize = 4096
)

// latch remembers whose first two calls this process has seen, and counts the
// later ones.
type latch struct {
	boot   app.SourceID
	shards [latchShards]latchShard
	// sequence is used by one goroutine, the one that takes.
	sequence uint64
}

type latchShard struct {
	mu      sync.Mutex
	seen    map[int64]uint8
	counted map[int64]*app.Calls
	_       [32]byte // shards are locked by many cores at once
}

func newLatch(boot app.SourceID) *latch {
	l := &latch{boot: boot}
	for i := range l.shards {
		l.shards[i].seen, l.shards[i].counted = map[int64]uint8{}, map[int64]*app.Calls{}
	}
	return l
}

func (l *latch) shard(customer int64) *latchShard {
	return &l.shards[uint64(customer)%latchShards] //nolint:gosec // any mapping will do
}

// first says whether this is one of the first two calls of a customer.
func (l *latch) first(customer int64) bool {
	s := l.shard(customer)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.seen[customer]
	if n >= 2 {
		return false
	}
	if len(s.seen) >= latchSize {
		clear(s.seen)
	}
	s.seen[customer] = n + 1
	return true
}

func (l *latch) count(customer int64, at time.Time) {
	s := l.shard(customer)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counted[customer]
	if c == nil {
		c = &app.Calls{CustomerID: customer}
		s.counted[customer] = c
	}
	c.Add(at)
}

// take moves what was counted to the end of list, numbered.
func (l *latch) take(list []app.Calls) []app.Calls {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		counted := s.counted
		if len(counted) == 0 {
			s.mu.Unlock()
			continue // the map stays where it is, and so do the calls to come
		}
		s.counted = make(map[int64]*app.Calls, len(counted))
		s.mu.Unlock()
		for _, customer := range slices.Sorted(maps.Keys(counted)) {
			l.sequence++
			c := *counted[customer]
			c.Boot, c.Sequence = l.boot, l.sequence
			list = append(list, c)
		}
	}
	return list
}
