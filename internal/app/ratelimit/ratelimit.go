// Package ratelimit holds callers to a number of requests in a minute, over all
// processes, without a round trip on the request's way: each process leases a
// slice of what a window has left, takes from it, and asks for the next slice
// before the last is used up. The sum of all slices never exceeds the limit.
//
// A process may therefore refuse a little early, when another holds a slice
// that it does not use. While the storage is away, nobody is refused for that:
// each process holds the caller to the limit on its own. Slow is not away: a
// request waits for its slice as long as the storage has not failed.
package ratelimit

import (
	"context"
	"sync"
	"time"
)

// Window is how long a limit holds. Windows begin at whole minutes.
const Window = time.Minute

const (
	// patience is how long a request waits for the first slice of a caller that
	// was quiet, before it goes ahead without one. The storage says sooner that
	// it is away, if it says anything.
	patience = 5 * time.Second
	// doubt is the same after the storage failed, until it answers again.
	doubt = 250 * time.Millisecond
	// pause is how long the storage is left alone after it did not answer.
	pause = time.Second
	// ahead is how long before the next window the slices for it are leased.
	ahead = 3 * time.Second
	// batch is the most slices that one call leases.
	batch = 500
)

// Lease asks for a slice of a window.
type Lease struct {
	Action, Subject string
	Window          time.Time
	// Want is the size asked for, Limit what all slices may sum up to.
	Want, Limit int
}

// Slice is what a Lease got: Granted of what was asked for, and how many the
// window has left for further slices.
type Slice struct{ Granted, Left int }

// Store hands out slices; the answer has one for each lease, in their order.
type Store interface {
	LeaseSlices(ctx context.Context, leases []Lease) ([]Slice, error)
	// ForgetWindows deletes the windows that began before a time.
	ForgetWindows(ctx context.Context, before time.Time) error
}

// Decision is the answer to one request.
type Decision struct {
	Allowed   bool
	Limit     int
	Remaining int
	// Reset is when the next window begins.
	Reset time.Time
}

// Limiter decides. Use New.
type Limiter struct {
	store Store
	now   func() time.Time
	// failed learns of each error of the storage.
	failed func(error)

	mu        sync.Mutex
	buckets   map[key]*bucket
	awayUntil time.Time
	// doubtful is whether the storage failed when it was last asked.
	doubtful bool
}

type key struct{ action, subject string }

// bucket is what this process knows of one caller's window.
type bucket struct {
	limit  int
	window time.Time
	// left is what this process may still allow, pool what the window had left
	// for further slices when it was last asked.
	left, pool int
	// taken counts what this process allowed, unpaid what of it no slice was
	// there for: the next ones have to cover it.
	taken, unpaid int
	// asking is closed when the slice that was asked for has come; nil when
	// none was.
	asking chan struct{}
	// next is a slice of the window after this one.
	next       Slice
	nextWindow time.Time
}

// New returns a limiter. failed may be nil.
func New(store Store, now func() time.Time, failed func(error)) *Limiter {
	if failed == nil {
		failed = func(error) {}
	}
	return &Limiter{store: store, now: now, failed: failed, buckets: map[key]*bucket{}}
}

// Take allows or refuses one request of a subject, of which limit are allowed
// in a window.
func (l *Limiter) Take(ctx context.Context, action, subject string, limit int) Decision {
	k := key{action, subject}
	impatient := false
	var patient <-chan time.Time
	for {
		now := l.now()
		l.mu.Lock()
		b := l.bucket(k, limit, now)
		d, decided := l.decide(ctx, k, b, now, impatient)
		asking, wait := b.asking, patience
		if l.doubtful {
			wait = doubt
		}
		l.mu.Unlock()
		if decided {
			return d
		}
		if patient == nil {
			timer := time.NewTimer(wait)
			defer timer.Stop()
			patient = timer.C
		}
		select {
		case <-asking:
		case <-patient:
			impatient = true
		case <-ctx.Done():
			impatient = true // nobody waits for the answer
		}
	}
}

// bucket is the caller's bucket, brought into the window of now.
func (l *Limiter) bucket(k key, limit int, now time.Time) *bucket {
	b := l.buckets[k]
	window := now.Truncate(Window)
	if b == nil {
		b = &bucket{limit: limit, window: window, pool: limit}
		l.buckets[k] = b
	}
	if b.window.Before(window) {
		slice := Slice{Left: limit}
		if b.nextWindow.Equal(window) {
			slice = b.next
		}
		// A slice that is still on its way belongs to the old window and is not
		// taken into the new one.
		*b = bucket{limit: limit, window: window, left: slice.Granted, pool: slice.Left}
	}
	return b
}

// decide answers, unless it takes a slice that has yet to come. The caller
// holds the lock.
func (l *Limiter) decide(ctx context.Context, k key, b *bucket, now time.Time, impatient bool) (Decision, bool) {
	away := now.Before(l.awayUntil)
	switch {
	case b.left > 0:
		b.left--
		b.taken++
		if b.left < sliceOf(b.limit)/2 && b.pool > 0 && b.asking == nil && !away {
			l.ask(ctx, k, b, sliceOf(b.limit))
		}
		return b.decision(true), true
	case b.pool <= 0 || b.taken >= b.limit:
		return b.decision(false), true
	case away || impatient:
		b.taken++
		b.unpaid++
		return b.decision(true), true
	case b.asking == nil:
		l.ask(ctx, k, b, sliceOf(b.limit))
	}
	return Decision{}, false
}

func (b *bucket) decision(allowed bool) Decision {
	remaining := max(0, min(b.left+b.pool, b.limit-b.taken))
	if !allowed {
		remaining = 0
	}
	return Decision{Allowed: allowed, Limit: b.limit, Remaining: remaining, Reset: b.window.Add(Window)}
}

// receive adds a slice of the bucket's window, after what it owes.
func (b *bucket) receive(s Slice) {
	paid := min(b.unpaid, s.Granted)
	b.unpaid -= paid
	b.left += s.Granted - paid
	b.pool = s.Left
}

// sliceOf is how many are leased at once: a tenth of the limit.
func sliceOf(limit int) int { return max(1, limit/10) }

// ask asks for a slice in the background. The caller holds the lock.
func (l *Limiter) ask(ctx context.Context, k key, b *bucket, want int) {
	asking := make(chan struct{})
	b.asking = asking
	lease := Lease{Action: k.action, Subject: k.subject, Window: b.window, Want: min(want+b.unpaid, b.limit), Limit: b.limit}
	go func() {
		// The request that noticed may end before the slice comes.
		slices, err := l.store.LeaseSlices(context.WithoutCancel(ctx), []Lease{lease})
		l.mu.Lock()
		defer l.mu.Unlock()
		defer close(asking)
		if b.asking == asking {
			b.asking = nil
		}
		l.doubtful = err != nil
		if err != nil {
			l.awayUntil = l.now().Add(pause)
			l.failed(err)
			return
		}
		if b.window.Equal(lease.Window) && len(slices) == 1 {
			b.receive(slices[0])
		}
	}()
}

// Run leases slices of the coming window for callers that are active in this
// one, and forgets past windows, until ctx ends.
func (l *Limiter) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var prepared, swept time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := l.now()
		next := now.Truncate(Window).Add(Window)
		if next.Sub(now) <= ahead && next.After(prepared) {
			prepared = next
			l.prepare(ctx, next)
		}
		if now.Sub(swept) >= Window {
			swept = now
			l.sweep(ctx, now)
		}
	}
}

// prepare leases slices of the next window, no larger than what the caller
// used of this one.
func (l *Limiter) prepare(ctx context.Context, next time.Time) {
	var leases []Lease
	l.mu.Lock()
	for k, b := range l.buckets {
		if b.taken > 0 && b.window.Equal(next.Add(-Window)) {
			leases = append(leases, Lease{
				Action: k.action, Subject: k.subject, Window: next, Want: min(sliceOf(b.limit), b.taken), Limit: b.limit,
			})
		}
	}
	l.mu.Unlock()
	for len(leases) > 0 {
		part := leases[:min(batch, len(leases))]
		leases = leases[len(part):]
		slices, err := l.store.LeaseSlices(ctx, part)
		if err != nil {
			l.failed(err)
			return
		}
		l.mu.Lock()
		for i, slice := range slices {
			l.keep(key{part[i].Action, part[i].Subject}, next, slice)
		}
		l.mu.Unlock()
	}
}

// keep stores a slice that was leased ahead, wherever the clock is by now.
func (l *Limiter) keep(k key, window time.Time, slice Slice) {
	b := l.buckets[k]
	switch {
	case b == nil:
	case b.window.Equal(window):
		b.receive(Slice{slice.Granted, min(b.pool, slice.Left)})
	case b.window.Before(window):
		b.next, b.nextWindow = slice, window
	}
}

// sweep forgets who was quiet for two windows.
func (l *Limiter) sweep(ctx context.Context, now time.Time) {
	old := now.Truncate(Window).Add(-Window)
	l.mu.Lock()
	for k, b := range l.buckets {
		if b.window.Before(old) {
			delete(l.buckets, k)
		}
	}
	l.mu.Unlock()
	if err := l.store.ForgetWindows(ctx, old); err != nil && ctx.Err() == nil {
		l.failed(err)
	}
}
