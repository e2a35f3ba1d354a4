// Package funnel takes events off the request path: a bounded queue, from which
// one goroutine writes micro-batches to a sink.
package funnel

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// Sink stores batches, all or nothing. Storing an event again is harmless.
// app.CodeValidation means that at least one of the events can never be stored;
// after any other error the batch is repeated.
type Sink interface {
	WriteEvents(ctx context.Context, events []app.Event) (app.Tally, error)
}

// Options configure a Tracker. Zero numbers mean the defaults.
type Options struct {
	Sink Sink
	Log  *slog.Logger
	// Count learns what became of events. It must not block.
	Count func(kind app.EventType, outcome app.Outcome, n int)
	// Capacity is the number of events that may wait; default 65,536.
	Capacity int
	// BatchSize is the most events written at once; default 512.
	BatchSize int
	// BatchWait is how long a batch stays open for more events; default 20 ms.
	BatchWait time.Duration
	// RetryMin and RetryMax bound the pause before a batch is repeated;
	// defaults 100 ms and 5 s.
	RetryMin, RetryMax time.Duration
}

// Tracker implements app.Tracker.
type Tracker struct {
	o      Options
	queue  chan *app.Event
	closed atomic.Bool
	once   sync.Once
	stop   chan struct{} // closed when Close was called
	done   chan struct{} // closed when the last event is settled
	// abandon ends waiting for a sink that does not come back.
	abandon context.CancelFunc
	ctx     context.Context
	// unhealthy is whether the last write failed; the worker's own.
	unhealthy bool
}

// New starts a tracker. It runs until Close, whether ctx has ended or not.
func New(ctx context.Context, o Options) (*Tracker, error) {
	if o.Sink == nil || o.Log == nil || o.Count == nil {
		return nil, errors.New("funnel.New needs a sink, a logger and a counter")
	}
	setDefault(&o.Capacity, 65536)
	setDefault(&o.BatchSize, 512)
	setDefault(&o.BatchWait, 20*time.Millisecond)
	setDefault(&o.RetryMin, 100*time.Millisecond)
	setDefault(&o.RetryMax, 5*time.Second)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t := &Tracker{
		o: o, queue: make(chan *app.Event, o.Capacity), stop: make(chan struct{}), done: make(chan struct{}),
		ctx: ctx, abandon: cancel,
	}
	go t.run()
	return t, nil
}

func setDefault[T int | time.Duration](value *T, fallback T) {
	if *value <= 0 {
		*value = fallback
	}
}

// Track implements app.Tracker.
func (t *Tracker) Track(event *app.Event) {
	kind := event.Type
	if t.closed.Load() {
		t.o.Count(kind, app.OutcomeDroppedClosed, 1)
		return
	}
	select {
	case t.queue <- event:
		t.o.Count(kind, app.OutcomeAccepted, 1)
	default:
		t.o.Count(kind, app.OutcomeDroppedFull, 1)
	}
}

// Len is the number of events that wait.
func (t *Tracker) Len() int { return len(t.queue) }

// Close refuses further events and waits until all accepted ones are stored.
// When ctx ends first, the rest is counted as dropped and ctx's error returned.
// Stop whatever calls Track before.
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
	batch := make([]app.Event, 0, t.o.BatchSize)
	for {
		batch = t.collect(batch[:0])
		if len(batch) == 0 {
			return
		}
		t.write(batch)
	}
}

// collect waits for a first event and then a moment for more. An empty batch
// means that the tracker is closed and the queue empty.
func (t *Tracker) collect(batch []app.Event) []app.Event {
	select {
	case e := <-t.queue:
		batch = append(batch, prepare(e))
	case <-t.stop:
		return t.rest(batch)
	}
	timer := time.NewTimer(t.o.BatchWait)
	defer timer.Stop()
	for len(batch) < t.o.BatchSize {
		select {
		case e := <-t.queue:
			batch = append(batch, prepare(e))
		case <-timer.C:
			return batch
		case <-t.stop:
			return t.rest(batch)
		}
	}
	return batch
}

// rest takes what is there without waiting.
func (t *Tracker) rest(batch []app.Event) []app.Event {
	for len(batch) < t.o.BatchSize {
		select {
		case e := <-t.queue:
			batch = append(batch, prepare(e))
		default:
			return batch
		}
	}
	return batch
}

// prepare does what need not be done on the request path.
func prepare(e *app.Event) app.Event {
	event := *e
	if event.ID == (app.EventID{}) {
		event.ID = app.NewEventID(event.At)
	}
	event.Touch = event.Touch.Clipped()
	return event
}

// write settles a batch: it returns when every event of it is counted.
func (t *Tracker) write(batch []app.Event) {
	pause := t.o.RetryMin
	for {
		tally, err := t.o.Sink.WriteEvents(t.ctx, batch)
		if err == nil {
			t.recovered()
			for fate, n := range tally {
				t.o.Count(fate.Type, fate.Outcome, n)
			}
			return
		}
		if app.CodeOf(err) == app.CodeValidation && t.ctx.Err() == nil {
			t.bisect(batch, err)
			return
		}
		t.failed(err)
		// Up to half as long again, so that pods do not return all at once.
		wait := pause + rand.N(pause/2+1) //nolint:gosec // jitter, not a secret
		select {
		case <-t.ctx.Done():
			t.drop(batch, app.OutcomeDroppedShutdown)
			return
		case <-time.After(wait):
		}
		pause = min(2*pause, t.o.RetryMax)
	}
}

// bisect separates the event that cannot be stored from those that can.
func (t *Tracker) bisect(batch []app.Event, err error) {
	if len(batch) == 1 {
		t.o.Log.Error("a funnel event is refused by the database and dropped",
			"type", batch[0].Type, "event", batch[0].ID.String(), "error", err)
		t.drop(batch, app.OutcomeDroppedRefused)
		return
	}
	half := len(batch) / 2
	t.write(batch[:half])
	t.write(batch[half:])
}

func (t *Tracker) drop(batch []app.Event, outcome app.Outcome) {
	for _, e := range batch {
		t.o.Count(e.Type, outcome, 1)
	}
}

func (t *Tracker) failed(err error) {
	if !t.unhealthy {
		t.unhealthy = true
		t.o.Log.Warn("funnel events cannot be stored at the moment; they wait in memory", "error", err)
	}
}

func (t *Tracker) recovered() {
	if t.unhealthy {
		t.unhealthy = false
		t.o.Log.Info("funnel events are stored again", "waiting", len(t.queue))
	}
}
