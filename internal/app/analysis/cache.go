package analysis

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/judge"
)

// Key names a verdict: the customer, the finding without its id, and what is in
// the file.
type Key [32]byte

func digest(content string) [32]byte { return sha256.Sum256([]byte(content)) }

// KeyOf makes the key of a finding in a file of the given digest.
func KeyOf(customer int64, f judge.Finding, content [32]byte) Key {
	h := sha256.New()
	var number [8]byte
	put := func(n int) {
		binary.BigEndian.PutUint64(number[:], uint64(n)) //nolint:gosec // a hash takes any bits
		h.Write(number[:])
	}
	put(int(customer))
	put(f.Line)
	for _, text := range []string{string(judge.TypeOf(f.Type)), f.File, f.Code} {
		put(len(text))
		h.Write([]byte(text))
	}
	h.Write(content[:])
	return Key(h.Sum(nil))
}

// Cache keeps verdicts for a while, the newest and most asked for.
type Cache struct {
	size int
	ttl  time.Duration
	now  func() time.Time

	mu      sync.Mutex
	entries map[Key]*list.Element
	order   *list.List // the most recently used in front
}

type cached struct {
	key     Key
	verdict judge.Verdict
	until   time.Time
}

// NewCache makes a cache for size verdicts, each kept for ttl.
func NewCache(size int, ttl time.Duration, now func() time.Time) *Cache {
	return &Cache{size: size, ttl: ttl, now: now, entries: map[Key]*list.Element{}, order: list.New()}
}

// Get finds a verdict that has not expired.
func (c *Cache) Get(k Key) (judge.Verdict, bool) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[k]
	if !ok {
		return judge.Verdict{}, false
	}
	entry := e.Value.(*cached) //nolint:forcetypeassert // put there below
	if !now.Before(entry.until) {
		c.drop(e)
		return judge.Verdict{}, false
	}
	c.order.MoveToFront(e)
	return entry.verdict, true
}

// Put keeps a verdict.
func (c *Cache) Put(k Key, v judge.Verdict) {
	until := c.now().Add(c.ttl)
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[k]; ok {
		c.drop(e)
	}
	c.entries[k] = c.order.PushFront(&cached{key: k, verdict: v, until: until})
	for c.order.Len() > c.size {
		c.drop(c.order.Back())
	}
}

func (c *Cache) drop(e *list.Element) {
	c.order.Remove(e)
	delete(c.entries, e.Value.(*cached).key) //nolint:forcetypeassert // put there by Put
}

// Len is how many verdicts there are.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}
