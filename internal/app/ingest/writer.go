package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// Store is where the writer puts batches. app.CodeValidation means that what is
// in a batch can never be stored; after any other error it is tried again.
type Store interface {
	// Apply stores batches and settles them, all or nothing; again, it changes
	// nothing. The tally leaves out batches that were settled before.
	Apply(ctx context.Context, batches []app.Batch) (app.Tally, error)
	// ApplySuspect is Apply for one batch, whose bad events become dead letters.
	ApplySuspect(ctx context.Context, batch app.Batch) (app.Tally, error)
	// Bury makes dead letters of all of a batch.
	Bury(ctx context.Context, batch app.Batch, reason error) (app.Tally, error)
	// BuryRaw keeps what does not even decode.
	BuryRaw(ctx context.Context, payload []byte, reason error) error
	// ReportSpooled says what waits in the spool.
	ReportSpooled(ctx context.Context, accounts []app.SourceAccount) error
}

// WriterOptions configure a Writer. Zero numbers mean the defaults.
type WriterOptions struct {
	Spool *Spool
	Store Store
	Log   *slog.Logger
	Now   func() time.Time
	// Count learns what became of events. It must not block.
	Count func(kind app.EventType, outcome app.Outcome, n int)
	// Describe makes an error fit for the log.
	Describe func(error) string
	// Writers is how many write at a time; default 2.
	Writers int
	// Batches is the most batches written in one transaction; default 32.
	Batches int
	// RetryMin and RetryMax bound the pause after a failure; defaults 100 ms
	// and 5 s.
	RetryMin, RetryMax time.Duration
	// ReportEvery is how often the ledger hears of what is spooled; default 5 s.
	ReportEvery time.Duration
}

// Writer empties the spool into the store.
type Writer struct {
	o       WriterOptions
	breaker *breaker
}

// NewWriter returns a writer; Run makes it work.
func NewWriter(o WriterOptions) (*Writer, error) {
	if o.Spool == nil || o.Store == nil || o.Log == nil || o.Count == nil || o.Now == nil || o.Describe == nil {
		return nil, errors.New("ingest.NewWriter: a required option is missing")
	}
	setDefault(&o.Writers, 2)
	setDefault(&o.Batches, 32)
	setDefault(&o.RetryMin, 100*time.Millisecond)
	setDefault(&o.RetryMax, 5*time.Second)
	setDefault(&o.ReportEvery, 5*time.Second)
	return &Writer{o: o, breaker: newBreaker(o.RetryMin, o.RetryMax, o.Now)}, nil
}

func setDefault[T int | time.Duration](value *T, fallback T) {
	if *value <= 0 {
		*value = fallback
	}
}

// Run writes until ctx ends. What it does not come to stays in the spool.
func (w *Writer) Run(ctx context.Context) {
	var group sync.WaitGroup
	for range w.o.Writers {
		group.Go(func() {
			for ctx.Err() == nil {
				w.settle(ctx, w.fetch(ctx))
			}
		})
	}
	group.Go(func() { w.report(ctx) })
	group.Wait()
}

// Drain waits until nothing of this process is left in the spool.
func (w *Writer) Drain(ctx context.Context) error {
	for w.o.Spool.Pending() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// Away says whether the last try to write failed.
func (w *Writer) Away() bool { return w.breaker.open() }

// delivery is one batch that was handed to the writer.
type delivery struct {
	msg      jetstream.Msg
	batch    app.Batch
	sequence uint64
	// old batches come from an earlier life of this process.
	old bool
}

// fetch waits a moment for the next batches.
func (w *Writer) fetch(ctx context.Context) []delivery {
	s := w.o.Spool
	if err := s.ensure(ctx); err != nil {
		pause(ctx, w.o.RetryMax/2)
		return nil
	}
	msgs := w.take(ctx, s.consumer.FetchNoWait, w.o.Batches)
	if len(msgs) == 0 {
		// Ending a fetch early may lose what is being delivered until its time has
		// run out: this one ends by itself.
		msgs = w.take(ctx, func(n int) (jetstream.MessageBatch, error) {
			return s.consumer.Fetch(n, jetstream.FetchMaxWait(time.Second))
		}, 1)
	}
	return w.decode(ctx, msgs)
}

func (w *Writer) take(ctx context.Context, fetch func(int) (jetstream.MessageBatch, error), most int) []jetstream.Msg {
	batch, err := fetch(most)
	if err != nil {
		if ctx.Err() == nil {
			pause(ctx, 100*time.Millisecond)
		}
		return nil
	}
	msgs := make([]jetstream.Msg, 0, most)
	for msg := range batch.Messages() {
		msgs = append(msgs, msg)
	}
	return msgs
}

// decode leaves out what cannot be read, after it is safe elsewhere.
func (w *Writer) decode(ctx context.Context, msgs []jetstream.Msg) []delivery {
	deliveries := make([]delivery, 0, len(msgs))
	for _, msg := range msgs {
		batch, err := decode(msg.Data())
		if err != nil {
			w.undecodable(ctx, msg, err)
			continue
		}
		d := delivery{msg: msg, batch: batch}
		if meta, err := msg.Metadata(); err == nil {
			d.sequence = meta.Sequence.Stream
			d.old = d.sequence <= w.o.Spool.oldUntil
		}
		deliveries = append(deliveries, d)
	}
	return deliveries
}

// undecodable leaves what a newer version wrote to a newer version, and keeps
// what is damaged as a dead letter.
func (w *Writer) undecodable(ctx context.Context, msg jetstream.Msg, reason error) {
	if errors.Is(reason, errNewer) {
		w.o.Log.Warn("a batch in the spool was written by a newer version and waits for it")
		_ = msg.NakWithDelay(30 * time.Second) // else it comes back by itself
		return
	}
	if !w.breaker.enter(ctx) {
		return
	}
	err := w.o.Store.BuryRaw(context.WithoutCancel(ctx), msg.Data(), reason)
	w.left(err)
	if err == nil {
		w.o.Log.Error("a damaged batch was taken out of the spool and kept as a dead letter", "bytes", len(msg.Data()))
		_ = msg.Term() // else it is buried twice
	}
}

// settle returns when the batches are stored, or ctx ended: then they come
// back.
func (w *Writer) settle(ctx context.Context, deliveries []delivery) {
	if len(deliveries) == 0 {
		return
	}
	batches := make([]app.Batch, len(deliveries))
	for i := range deliveries {
		batches[i] = deliveries[i].batch
	}
	tally, err := w.try(ctx, deliveries, func(ctx context.Context) (app.Tally, error) { return w.o.Store.Apply(ctx, batches) })
	switch {
	case app.CodeOf(err) == app.CodeValidation && len(deliveries) > 1:
		for i := range deliveries {
			w.settle(ctx, deliveries[i:i+1])
		}
		return
	case app.CodeOf(err) == app.CodeValidation:
		tally, err = w.suspect(ctx, deliveries, err)
	}
	if err != nil {
		return // ctx ended
	}
	for fate, n := range tally {
		w.o.Count(fate.Type, fate.Outcome, n)
	}
	for i := range deliveries {
		w.o.Spool.accounts.settle(&deliveries[i])
		_ = deliveries[i].msg.Ack() // else it comes back, and changes nothing
	}
}

// suspect separates what the database refuses from what it takes.
func (w *Writer) suspect(ctx context.Context, deliveries []delivery, reason error) (app.Tally, error) {
	batch := deliveries[0].batch
	w.o.Log.Error("the database refuses a funnel event; it is kept as a dead letter", "batch_events", batch.Count(), "reason", w.o.Describe(reason))
	tally, err := w.try(ctx, deliveries, func(ctx context.Context) (app.Tally, error) { return w.o.Store.ApplySuspect(ctx, batch) })
	if app.CodeOf(err) == app.CodeValidation {
		reason = err
		tally, err = w.try(ctx, deliveries, func(ctx context.Context) (app.Tally, error) { return w.o.Store.Bury(ctx, batch, reason) })
	}
	if app.CodeOf(err) == app.CodeValidation {
		// Nothing of it can be stored in any form: leave it where it is.
		w.o.Log.Error("a batch can be stored in no form and stays in the spool", "reason", w.o.Describe(err))
		pause(ctx, w.o.RetryMax)
	}
	return tally, err
}

// try repeats work until it works or is refused. It answers an error of another
// kind only when ctx ended.
func (w *Writer) try(
	ctx context.Context, held []delivery, work func(context.Context) (app.Tally, error),
) (app.Tally, error) {
	for {
		if !w.enter(ctx, held) {
			return nil, ctx.Err()
		}
		tally, err := work(context.WithoutCancel(ctx))
		if app.CodeOf(err) == app.CodeValidation {
			w.left(nil) // the database is there
			return nil, err
		}
		w.left(err)
		if err == nil {
			return tally, nil
		}
	}
}

// enter waits for the breaker, and meanwhile tells the spool that the batches
// are still being worked on.
func (w *Writer) enter(ctx context.Context, held []delivery) bool {
	for {
		waitCtx, cancel := context.WithTimeout(ctx, ackWait/4)
		ok := w.breaker.enter(waitCtx)
		cancel()
		if ok || ctx.Err() != nil {
			return ok
		}
		for i := range held {
			_ = held[i].msg.InProgress() // else it comes back, and changes nothing
		}
	}
}

func (w *Writer) left(err error) {
	switch news := w.breaker.leave(err == nil); {
	case !news:
	case err == nil:
		w.o.Log.Info("funnel events are stored again", "spooled", w.o.Spool.Pending())
	default:
		w.o.Log.Warn("funnel events cannot be stored at the moment; they wait in the spool", "reason", w.o.Describe(err))
	}
}

// report tells the ledger what is spooled, when it changed and now and then.
func (w *Writer) report(ctx context.Context) {
	const restEvery = 6 // rounds
	last := ""
	for round := 0; ; round++ {
		if !pause(ctx, w.o.ReportEvery) {
			return
		}
		if w.breaker.open() {
			continue
		}
		accounts := w.o.Spool.Accounts()
		now := fmt.Sprint(accounts)
		if now == last && round%restEvery != 0 {
			continue
		}
		if err := w.o.Store.ReportSpooled(ctx, accounts); err != nil {
			continue // the writer finds out, and says so
		}
		last = now
		w.o.Spool.forget(accounts)
	}
}

func (s *Spool) forget(reported []app.SourceAccount) {
	s.appending.Lock()
	current := s.source
	s.appending.Unlock()
	s.accounts.forget(current, reported)
}

// pause answers false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
