package funnel_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/funnel"
	"github.com/rsolv-dev/rsolv-operator/internal/app/metrics"
)

// sink is a database of the test's making.
type sink struct {
	write func(ctx context.Context, events []app.Event) (app.Tally, error)

	mu      sync.Mutex
	stored  map[app.EventID]app.Event
	batches int
}

func (s *sink) WriteEvents(ctx context.Context, events []app.Event) (app.Tally, error) {
	if s.write != nil {
		if tally, err := s.write(ctx, events); err != nil {
			return tally, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches++
	tally := app.Tally{}
	for _, e := range events {
		if s.stored == nil {
			s.stored = map[app.EventID]app.Event{}
		}
		s.stored[e.ID] = e
		tally.Add(e.Type, app.OutcomeStored, 1)
	}
	return tally, nil
}

// counter is a ledger.
type counter struct {
	mu    sync.Mutex
	tally app.Tally
}

func (c *counter) count(kind app.EventType, outcome app.Outcome, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tally == nil {
		c.tally = app.Tally{}
	}
	c.tally.Add(kind, outcome, n)
}

func (c *counter) total(outcome app.Outcome) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tally.Total(outcome)
}

func start(tb testing.TB, s *sink, c *counter, change func(*funnel.Options)) *funnel.Tracker {
	tb.Helper()
	o := funnel.Options{
		Sink: s, Log: slog.New(slog.DiscardHandler), Count: c.count,
		BatchWait: time.Millisecond, RetryMin: time.Millisecond, RetryMax: 4 * time.Millisecond,
	}
	if change != nil {
		change(&o)
	}
	tracker, err := funnel.New(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	return tracker
}

func event(i int) *app.Event {
	return &app.Event{
		Type: app.EventPageView, CustomerID: int64(i), At: time.Unix(int64(1762257600+i), 0),
		Touch: app.Touch{UserAgent: "a\x00b"},
	}
}

func closeIn(tb testing.TB, tracker *funnel.Tracker, d time.Duration) error {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), d)
	defer cancel()
	return tracker.Close(ctx)
}

func TestCloseStoresWhatWasAccepted(t *testing.T) {
	t.Parallel()
	s, c := &sink{}, &counter{}
	tracker := start(t, s, c, nil)
	const n = 5000
	var wg sync.WaitGroup
	for part := range 5 {
		wg.Go(func() {
			for i := range n / 5 {
				tracker.Track(event(part*n + i))
			}
		})
	}
	wg.Wait()
	if err := closeIn(t, tracker, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if len(s.stored) != n || c.total(app.OutcomeAccepted) != n || c.total(app.OutcomeStored) != n || tracker.Len() != 0 {
		t.Errorf("%d stored, ledger %v", len(s.stored), c.tally)
	}
	if s.batches > n/10 {
		t.Errorf("%d batches for %d events: they are not batched", s.batches, n)
	}
	for _, e := range s.stored {
		if e.ID == (app.EventID{}) || e.Touch.UserAgent != "ab" {
			t.Fatalf("an event was stored unprepared: %+v", e)
		}
	}
	tracker.Track(event(1))
	if c.total(app.OutcomeDroppedClosed) != 1 {
		t.Error("an event after Close is not counted as dropped")
	}
}

func TestTrackNeverBlocks(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s, c := &sink{write: func(context.Context, []app.Event) (app.Tally, error) { <-release; return nil, nil }}, &counter{}
	tracker := start(t, s, c, func(o *funnel.Options) { o.Capacity, o.BatchSize = 10, 2 })
	const n = 100
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range n {
			tracker.Track(event(i))
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("Track blocks on a full queue")
	}
	accepted, dropped := c.total(app.OutcomeAccepted), c.total(app.OutcomeDroppedFull)
	if accepted+dropped != n || dropped < n-12-1 {
		t.Errorf("%d accepted and %d dropped of %d with room for 12", accepted, dropped, n)
	}
	close(release)
	if err := closeIn(t, tracker, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if stored := c.total(app.OutcomeStored); stored != accepted {
		t.Errorf("%d stored of %d accepted", stored, accepted)
	}
}

func TestOutageLosesNothing(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	s, c := &sink{write: func(context.Context, []app.Event) (app.Tally, error) {
		switch n := tries.Add(1); {
		case n < 4:
			return nil, app.Unavailable(errors.New("away"))
		case n < 12:
			return nil, errors.New("of a kind that nobody thought of")
		}
		return nil, nil
	}}, &counter{}
	tracker := start(t, s, c, func(o *funnel.Options) { o.BatchSize = 10 })
	for i := range 100 {
		tracker.Track(event(i))
	}
	if err := closeIn(t, tracker, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if c.total(app.OutcomeStored) != 100 || tries.Load() < 12 {
		t.Errorf("after %d tries: ledger %v", tries.Load(), c.tally)
	}
}

func TestShutdownDuringAnOutageCountsWhatIsLost(t *testing.T) {
	t.Parallel()
	s, c := &sink{write: func(context.Context, []app.Event) (app.Tally, error) {
		return nil, app.Unavailable(errors.New("away"))
	}}, &counter{}
	tracker := start(t, s, c, func(o *funnel.Options) { o.BatchSize = 7 })
	for i := range 100 {
		tracker.Track(event(i))
	}
	if err := closeIn(t, tracker, 50*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close = %v, want DeadlineExceeded", err)
	}
	if lost := c.total(app.OutcomeDroppedShutdown); lost != 100 {
		t.Errorf("%d counted as lost, want 100", lost)
	}
}

func TestPoisonIsSeparated(t *testing.T) {
	t.Parallel()
	s, c := &sink{write: func(_ context.Context, events []app.Event) (app.Tally, error) {
		for _, e := range events {
			if e.CustomerID == 13 || e.CustomerID == 77 {
				return nil, &app.Error{Code: app.CodeValidation, Message: "refused"}
			}
		}
		return nil, nil
	}}, &counter{}
	tracker := start(t, s, c, func(o *funnel.Options) { o.BatchSize, o.BatchWait = 100, time.Second })
	for i := range 100 {
		tracker.Track(event(i))
	}
	if err := closeIn(t, tracker, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	want := app.Tally{
		{Type: app.EventPageView, Outcome: app.OutcomeAccepted}: 100, {Type: app.EventPageView, Outcome: app.OutcomeStored}: 98,
		{Type: app.EventPageView, Outcome: app.OutcomeDroppedRefused}: 2,
	}
	if diff := cmp.Diff(want, c.tally); diff != "" {
		t.Error(diff)
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	t.Parallel()
	if _, err := funnel.New(t.Context(), funnel.Options{}); err == nil {
		t.Error("a tracker without a sink")
	}
}

// BenchmarkChannelSend is the least that handing an event to another goroutine
// can cost: a buffered channel and nothing else.
func BenchmarkChannelSend(b *testing.B) {
	events := make(chan *app.Event, 1<<20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range events {
		}
	}()
	e := event(1)
	b.ReportAllocs()
	for b.Loop() {
		events <- e
	}
	close(events)
	<-done
}

// BenchmarkTrack measures the request path's part of tracking, counters
// included, while the queue has room: dropped/op is zero.
func BenchmarkTrack(b *testing.B) {
	m, err := metrics.New(prometheus.NewRegistry(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	const capacity = 1 << 20
	var dropped atomic.Int64
	tracker, err := funnel.New(b.Context(), funnel.Options{
		Sink: discard{}, Log: slog.New(slog.DiscardHandler), Capacity: capacity,
		Count: func(kind app.EventType, outcome app.Outcome, n int) {
			if outcome == app.OutcomeDroppedFull {
				dropped.Add(int64(n))
			}
			m.CountEvents(kind, outcome, n)
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	e := event(1)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		tracker.Track(e)
		if n++; n%(capacity/2) == 0 {
			b.StopTimer()
			for tracker.Len() > 0 {
				time.Sleep(time.Millisecond)
			}
			b.StartTimer()
		}
	}
	b.ReportMetric(float64(dropped.Load())/float64(b.N), "dropped/op")
	if err := closeIn(b, tracker, time.Minute); err != nil {
		b.Fatal(err)
	}
}

// discard keeps nothing.
type discard struct{}

func (discard) WriteEvents(context.Context, []app.Event) (app.Tally, error) { return nil, nil }
