package ratelimit

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// pool is a storage in memory, which counts what it gives.
type pool struct {
	mu    sync.Mutex
	used  map[key]map[time.Time]int
	calls int
	fail  error
	hold  chan struct{}
}

func (p *pool) LeaseSlices(ctx context.Context, leases []Lease) ([]Slice, error) {
	p.mu.Lock()
	hold := p.hold
	p.calls++
	p.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return nil, p.fail
	}
	slices := make([]Slice, len(leases))
	for i, l := range leases {
		k := key{l.Action, l.Subject}
		if p.used == nil {
			p.used = map[key]map[time.Time]int{}
		}
		if p.used[k] == nil {
			p.used[k] = map[time.Time]int{}
		}
		granted := min(l.Want, l.Limit-p.used[k][l.Window])
		p.used[k][l.Window] += granted
		slices[i] = Slice{granted, l.Limit - p.used[k][l.Window]}
	}
	return slices, nil
}

func (p *pool) ForgetWindows(context.Context, time.Time) error { return nil }

// clock is set by the test.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 10, 0, time.UTC)} }

func take(t *testing.T, l *Limiter, n, limit int) (allowed int) {
	t.Helper()
	for range n {
		if l.Take(t.Context(), "a", "7", limit).Allowed {
			allowed++
		}
	}
	return allowed
}

func TestOneProcessHasTheWholeLimit(t *testing.T) {
	t.Parallel()
	c, p := newClock(), &pool{}
	l := New(p, c.now, nil)
	if got := take(t, l, 700, 500); got != 500 {
		t.Errorf("%d of 700 were allowed, want 500", got)
	}
	d := l.Take(t.Context(), "a", "7", 500)
	if d.Allowed || d.Remaining != 0 || d.Limit != 500 || !d.Reset.Equal(time.Date(2026, 3, 1, 12, 1, 0, 0, time.UTC)) {
		t.Errorf("after the limit: %+v", d)
	}
	c.add(time.Minute)
	if d := l.Take(t.Context(), "a", "7", 500); !d.Allowed || d.Remaining != 499 {
		t.Errorf("in the next window: %+v", d)
	}
	if d := l.Take(t.Context(), "a", "8", 500); !d.Allowed || d.Remaining != 499 {
		t.Errorf("somebody else: %+v", d)
	}
}

func TestManyProcessesNeverExceedTheLimit(t *testing.T) {
	t.Parallel()
	c, p := newClock(), &pool{}
	var mu sync.Mutex
	total := 0
	var wg sync.WaitGroup
	for range 4 {
		l := New(p, c.now, nil)
		for range 8 {
			wg.Go(func() {
				got := 0
				for range 100 {
					if l.Take(context.WithoutCancel(t.Context()), "a", "7", 500).Allowed {
						got++
					}
				}
				mu.Lock()
				defer mu.Unlock()
				total += got
			})
		}
	}
	wg.Wait()
	if total > 500 || total < 450 {
		t.Errorf("%d were allowed over all processes, want at most 500 and not far below", total)
	}
}

func TestWarmCallersWaitForNothing(t *testing.T) {
	t.Parallel()
	c, p := newClock(), &pool{}
	l := New(p, c.now, nil)
	take(t, l, 20, 500)
	c.add(48 * time.Second)
	l.prepare(t.Context(), c.now().Truncate(Window).Add(Window))
	c.add(5 * time.Second)
	p.mu.Lock()
	p.hold = make(chan struct{}) // whoever asks now would wait
	p.mu.Unlock()
	d := l.Take(t.Context(), "a", "7", 500)
	if !d.Allowed || d.Remaining != 499 {
		t.Errorf("with the slice leased ahead: %+v", d)
	}
}

func TestWithoutStorageEachProcessLimitsAlone(t *testing.T) {
	t.Parallel()
	c, p := newClock(), &pool{fail: errors.New("away")}
	var failures int
	l := New(p, c.now, func(error) { failures++ })
	if got := take(t, l, 30, 20); got != 20 {
		t.Errorf("%d of 30 were allowed, want 20", got)
	}
	if failures != 1 {
		t.Errorf("the storage was asked %d times while it was away, want once", failures)
	}
	p.mu.Lock()
	p.fail = nil
	p.mu.Unlock()
	c.add(time.Minute)
	if got := take(t, l, 30, 20); got != 20 || p.used[key{"a", "7"}] == nil {
		t.Errorf("after it came back: %d, used %v", got, p.used)
	}
}

// While the storage answers slowly, requests wait for their slices, so that the
// limit holds; once it has failed, they do not.
func TestSlowIsNotAway(t *testing.T) {
	t.Parallel()
	c, p := newClock(), &pool{hold: make(chan struct{})}
	l := New(p, c.now, nil)
	answered := make(chan Decision)
	go func() { answered <- l.Take(context.WithoutCancel(t.Context()), "a", "7", 500) }()
	select {
	case d := <-answered:
		t.Fatalf("it did not wait for its slice: %+v", d)
	case <-time.After(2 * doubt):
	}
	close(p.hold)
	if d := <-answered; !d.Allowed || d.Remaining != 499 {
		t.Errorf("with its slice: %+v", d)
	}
}

// Whoever went ahead without a slice has it taken from the next ones.
func TestWhatWasAllowedWithoutASliceIsPaidLater(t *testing.T) {
	t.Parallel()
	c, p := newClock(), &pool{hold: make(chan struct{})}
	l := New(p, c.now, nil)
	gone, leave := context.WithCancel(t.Context())
	leave()
	for range 30 {
		if d := l.Take(gone, "a", "7", 500); !d.Allowed {
			t.Fatalf("%+v", d)
		}
	}
	close(p.hold)
	if got := take(t, l, 700, 500); got != 470 {
		t.Errorf("%d were allowed after 30 without a slice, want 470", got)
	}
}

func TestSweepForgetsQuietCallers(t *testing.T) {
	t.Parallel()
	c, p := newClock(), &pool{}
	l := New(p, c.now, nil)
	take(t, l, 1, 500)
	c.add(3 * time.Minute)
	l.sweep(t.Context(), c.now())
	if len(l.buckets) != 0 {
		t.Errorf("%d callers are remembered", len(l.buckets))
	}
}

func BenchmarkTake(b *testing.B) {
	c, p := newClock(), &pool{}
	l := New(p, c.now, nil)
	b.ReportAllocs()
	for b.Loop() {
		l.Take(b.Context(), "a", "7", 1<<40)
	}
}
