// Package funnel takes events off the request path: a bounded ring, from which
// one goroutine makes micro-batches durable. Track is for what may be lost with
// the process in the moment before that, Accept for what is acknowledged.
package funnel

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// Spool makes events durable. After an error it may be that it did nevertheless;
// the same events, with the same ids, are appended again.
type Spool interface {
	Append(ctx context.Context, events []app.Event, calls []app.Calls) error
}

// Options configure a Tracker. Zero numbers mean the defaults.
type Options struct {
	Spool Spool
	Log   *slog.Logger
	Now   func() time.Time
	// Count learns what became of events. It must not block.
	Count func(kind app.EventType, outcome app.Outcome, n int)
	// Capacity is the number of events that may wait; default 65,536.
	Capacity int
	// BatchSize is the most events made durable at once; default 512.
	BatchSize int
	// BatchWait is how long a batch stays open for more events when nobody
	// waits for it; default 5 ms.
	BatchWait time.Duration
	// CountWait is how often counted calls are made durable; default 1 s.
	CountWait time.Duration
}

// batchBytes bounds a batch: the spool takes messages of at most a mebibyte.
const batchBytes = 256 << 10

// leftoversAtOnce is how many calls of earlier batches, and how many counted
// ones, a batch takes along.
const leftoversAtOnce = 512

// errClosed and errBusy say that an event was not taken.
var (
	errClosed = &app.Error{Code: app.CodeUnavailable, Message: "The server is shutting down; send it again", RetryAfter: time.Second}
	errBusy   = &app.Error{Code: app.CodeUnavailable, Message: "Too many events wait to be stored; send it again shortly", RetryAfter: 5 * time.Second}
)

// item is an event in the ring; done, when set, learns what became of it.
type item struct {
	event *app.Event
	done  chan error
}

// Tracker implements app.Tracker and app.Collector.
type Tracker struct {
	o      Options
	queue  chan item
	calls  *latch
	closed atomic.Bool
	// pending is how many events were taken and are not settled yet.
	pending atomic.Int64
	once    sync.Once
	stop    chan struct{} // closed when Close was called
	done    chan struct{} // closed when the last event is settled
	// abandon ends waiting for a spool that does not answer.
	abandon context.CancelFunc
	ctx     context.Context

	// What follows is the worker's own.

	events  []app.Event
	waiting []chan error
	// again are calls that could not be made durable; they may be by now, and
	// are appended again as they are.
	again     []app.Event
	counted   []app.Calls
	unhealthy bool
}

// New starts a tracker. It runs until Close, whether ctx has ended or not.
func New(ctx context.Context, o Options) (*Tracker, error) {
	if o.Spool == nil || o.Log == nil || o.Count == nil || o.Now == nil {
		return nil, errors.New("funnel.New needs a spool, a logger, a clock and a counter")
	}
	setDefault(&o.Capacity, 65536)
	setDefault(&o.BatchSize, 512)
	setDefault(&o.BatchWait, 5*time.Millisecond)
	setDefault(&o.CountWait, time.Second)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t := &Tracker{
		o: o, queue: make(chan item, o.Capacity), calls: newLatch(app.NewSourceID(o.Now())),
		stop: make(chan struct{}), done: make(chan struct{}), ctx: ctx, abandon: cancel,
		events: make([]app.Event, 0, o.BatchSize),
	}
	go t.run()
	return t, nil
}

func setDefault[T int | time.Duration](value *T, fallback T) {
	if *value <= 0 {
		*value = fallback
	}
}

// Track implements app.Tracker. The first two calls of a customer become
// events; later ones, and those that the ring has no room for, are counted.
func (t *Tracker) Track(event *app.Event) {
	if t.closed.Load() {
		t.o.Count(event.Type, app.OutcomeRejectedClosed, 1)
		return
	}
	t.pending.Add(1)
	call := event.Type == app.EventAPICall
	if call && !t.calls.first(event.CustomerID) {
		t.calls.count(event.CustomerID, event.At)
		return
	}
	select {
	case t.queue <- item{event: event}:
	default:
		if call {
			t.calls.count(event.CustomerID, event.At)
			return
		}
		t.pending.Add(-1)
		t.o.Count(event.Type, app.OutcomeRejectedFull, 1)
	}
}

// Accept implements app.Collector: it returns nil when the event is where a
// crash cannot reach it. The tracker owns the event from then on.
func (t *Tracker) Accept(ctx context.Context, event *app.Event) error {
	if t.closed.Load() {
		t.o.Count(event.Type, app.OutcomeRejectedClosed, 1)
		return errClosed
	}
	done := make(chan error, 1)
	t.pending.Add(1)
	select {
	case t.queue <- item{event: event, done: done}:
	default:
		t.pending.Add(-1)
		t.o.Count(event.Type, app.OutcomeRejectedFull, 1)
		return errBusy
	}
	select {
	case err := <-done:
		return err
	case <-t.done:
		// Closed between the check above and the ring; it may have been the last.
		select {
		case err := <-done:
			return err
		default:
			return errClosed
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Len is the number of events that wait to be made durable, counted calls each
// for itself.
func (t *Tracker) Len() int { return int(t.pending.Load()) }

// Close refuses further events and waits until all others are durable. When ctx
// ends first, the rest is counted as rejected and ctx's error returned. Stop
// whatever calls Track before.
func (t *Tracker) Close(ctx context.Context) error {
	t.closed.Store(true)
	t.once.Do(func() { close(t.stop) })
	defer t.abandon()
	select {
	case <-t.done:
		return nil
	case <-ctx.Done():
		t.abandon()
		<-t.done
		return ctx.Err()
	}
}

func (t *Tracker) run() {
	defer close(t.done)
	ticks := time.NewTicker(t.o.CountWait)
	defer ticks.Stop()
	for {
		select {
		case i := <-t.queue:
			t.add(i)
			t.fill()
		case <-ticks.C:
		case <-t.stop:
			t.finish()
			return
		}
		select {
		case <-ticks.C:
			t.counted = t.calls.take(t.counted)
		default:
			if len(t.events) == 0 {
				t.counted = t.calls.take(t.counted)
			}
		}
		t.flush()
	}
}

// fill adds what is in the ring. When somebody waits for the batch it takes
// what is there; else it stays open for a moment.
func (t *Tracker) fill() {
	size := t.size()
	var timer *time.Timer
	if len(t.waiting) > 0 {
		runtime.Gosched() // let those come who are about to
	}
	for len(t.events) < t.o.BatchSize && size < batchBytes {
		select {
		case i := <-t.queue:
			size += t.add(i)
			continue
		default:
		}
		if len(t.waiting) > 0 {
			return
		}
		if timer == nil {
			timer = time.NewTimer(t.o.BatchWait)
			defer timer.Stop()
		}
		select {
		case i := <-t.queue:
			size += t.add(i)
		case <-timer.C:
			return
		case <-t.stop:
			return
		}
	}
}

// finish makes everything durable that is left.
func (t *Tracker) finish() {
	for {
		for len(t.events) < t.o.BatchSize && t.size() < batchBytes {
			select {
			case i := <-t.queue:
				t.add(i)
				continue
			default:
			}
			break
		}
		t.counted = t.calls.take(t.counted)
		if len(t.events)+len(t.counted)+len(t.again) == 0 {
			return
		}
		t.flush()
		switch {
		case t.ctx.Err() != nil:
			t.giveUp()
			return
		case t.unhealthy:
			t.sleep(50 * time.Millisecond)
		}
	}
}

func (t *Tracker) size() int {
	size := 0
	for i := range t.events {
		size += eventSize(&t.events[i])
	}
	return size
}

// add does what need not be done on the request path, and returns the event's
// size.
func (t *Tracker) add(i item) int {
	event := *i.event
	if event.ID == (app.EventID{}) {
		event.ID = app.NewEventID(t.o.Now())
	}
	event.Touch = event.Touch.Clipped()
	t.events = append(t.events, event)
	if i.done != nil {
		t.waiting = append(t.waiting, i.done)
	}
	return eventSize(&event)
}

// eventSize is about what an event takes on the spool.
func eventSize(e *app.Event) int {
	touch := &e.Touch
	return 64 + len(touch.VisitorID) + len(touch.SessionID) + len(touch.Path) + len(touch.Referrer) + len(touch.UserAgent) +
		len(touch.UTM.Source) + len(touch.UTM.Medium) + len(touch.UTM.Campaign) + len(touch.UTM.Term) + len(touch.UTM.Content) +
		len(e.Site) + len(e.Key) + len(e.Name) + len(e.Metadata)
}

// flush makes the batch durable, and whatever earlier ones left.
func (t *Tracker) flush() {
	again := t.again[:min(len(t.again), leftoversAtOnce)]
	counted := t.counted[:min(len(t.counted), leftoversAtOnce)]
	events := append(t.events, again...) //nolint:gocritic // t.events is begun anew below
	if len(events)+len(counted) == 0 {
		return
	}
	err := t.o.Spool.Append(t.ctx, events, counted)
	for _, done := range t.waiting {
		if err != nil {
			done <- errBusy
		} else {
			done <- nil
		}
	}
	if err == nil {
		t.accepted(events, counted)
		t.again, t.counted = slices.Delete(t.again, 0, len(again)), slices.Delete(t.counted, 0, len(counted))
	} else {
		t.rejected(err)
	}
	t.events, t.waiting = t.events[:0], t.waiting[:0]
}

func (t *Tracker) accepted(events []app.Event, counted []app.Calls) {
	b := app.Batch{Events: events, Calls: counted}
	for fate, n := range b.Accepted() {
		t.o.Count(fate.Type, fate.Outcome, n)
	}
	t.pending.Add(-int64(b.Count()))
	if t.unhealthy {
		t.unhealthy = false
		t.o.Log.Info("events are spooled again", "waiting", t.Len())
	}
}

// rejected keeps the calls, which nobody sends again, and gives up the rest:
// whoever waits was told so, and visits are not worth a full memory.
func (t *Tracker) rejected(err error) {
	for i := range t.events {
		if e := t.events[i]; e.Type == app.EventAPICall {
			t.again = append(t.again, e)
		} else {
			t.pending.Add(-1)
			t.o.Count(e.Type, app.OutcomeRejectedFull, 1)
		}
	}
	if !t.unhealthy {
		t.unhealthy = true
		t.o.Log.Warn("events cannot be spooled at the moment: visits are counted as rejected, calls wait in memory", "reason", err)
	}
	t.sleep(20 * time.Millisecond)
}

// giveUp counts what is left as rejected.
func (t *Tracker) giveUp() {
	reject := func(kind app.EventType, n int) {
		t.pending.Add(-int64(n))
		t.o.Count(kind, app.OutcomeRejectedClosed, n)
	}
	for i := range t.again {
		reject(t.again[i].Type, 1)
	}
	for _, c := range t.counted {
		reject(app.EventAPICall, int(c.Count))
	}
	for {
		select {
		case i := <-t.queue:
			reject(i.event.Type, 1)
			if i.done != nil {
				i.done <- errClosed
			}
		default:
			return
		}
	}
}

func (t *Tracker) sleep(d time.Duration) {
	select {
	case <-t.ctx.Done():
	case <-time.After(d):
	}
}
