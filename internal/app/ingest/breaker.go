package ingest

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// breaker keeps the writers from a database that does not answer: after a
// failure nobody tries for a while, then one does, and the others wait for what
// comes of it. The pause doubles with each failure.
type breaker struct {
	least, most time.Duration

	mu      sync.Mutex
	pause   time.Duration // zero while closed
	trying  bool
	changed chan struct{} // closed when a try has ended
	until   time.Time
	now     func() time.Time
}

func newBreaker(least, most time.Duration, now func() time.Time) *breaker {
	return &breaker{least: least, most: most, now: now, changed: make(chan struct{})}
}

// enter waits until the caller may try, and answers false when ctx ended first.
// Whoever entered must call leave.
func (b *breaker) enter(ctx context.Context) bool {
	for {
		wait, changed, ok := b.try()
		if ok {
			return true
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

func (b *breaker) try() (wait time.Duration, changed <-chan struct{}, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch left := b.until.Sub(b.now()); {
	case b.pause == 0:
		return 0, nil, true
	case b.trying:
		return time.Hour, b.changed, false
	case left > 0:
		return left, b.changed, false
	default:
		b.trying = true
		return 0, nil, true
	}
}

// leave tells what came of a try, and answers whether that is news.
func (b *breaker) leave(worked bool) (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.pause
	b.trying = false
	if worked {
		b.pause = 0
	} else {
		b.pause = max(b.least, min(2*b.pause, b.most))
		// Up to half as long again, so that pods do not return all at once.
		b.until = b.now().Add(b.pause + rand.N(b.pause/2+1)) //nolint:gosec // jitter, not a secret
	}
	close(b.changed)
	b.changed = make(chan struct{})
	return (was == 0) != (b.pause == 0)
}

// open says whether the last try failed.
func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pause > 0
}
