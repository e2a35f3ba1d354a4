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

// spool is a spool of the test's making, with which it can fail.
type spool struct {
	fail func() error

	mu      sync.Mutex
	events  map[app.EventID]app.Event
	calls   []app.Calls
	batches int
}

func (s *spool) Append(_ context.Context, events []app.Event, calls []app.Calls) error {
	if s.fail != nil {
		if err := s.fail(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches++
	for _, e := range events {
		if s.events == nil {
			s.events = map[app.EventID]app.Event{}
		}
		s.events[e.ID] = e
	}
	s.calls = append(s.calls, calls...)
	return nil
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

func start(tb testing.TB, s *spool, c *counter, change func(*funnel.Options)) *funnel.Tracker {
	tb.Helper()
	o := funnel.Options{
		Spool: s, Log: slog.New(slog.DiscardHandler), Now: time.Now, Count: c.count,
		BatchWait: time.Millisecond, CountWait: 5 * time.Millisecond,
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

func view(i int) *app.Event {
	return &app.Event{Type: app.EventPageView, At: second(i), Touch: app.Touch{UserAgent: "a\x00b"}}
}

func call(customer int64, i int) *app.Event {
	return &app.Event{Type: app.EventAPICall, CustomerID: customer, At: second(i)}
}

func second(i int) time.Time { return time.Unix(int64(1762257600+i), 0).UTC() }

func closeIn(tb testing.TB, tracker *funnel.Tracker, d time.Duration) error {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), d)
	defer cancel()
	return tracker.Close(ctx)
}

func TestCloseSpoolsWhatWasTaken(t *testing.T) {
	t.Parallel()
	s, c := &spool{}, &counter{}
	tracker := start(t, s, c, nil)
	const n = 5000
	var wg sync.WaitGroup
	for part := range 5 {
		wg.Go(func() {
			for i := range n / 5 {
				tracker.Track(view(part*n + i))
			}
		})
	}
	wg.Wait()
	if err := closeIn(t, tracker, time.Minute); err != nil {
		t.Fatal(err)
	}
	if len(s.events) != n || c.total(app.OutcomeAccepted) != n || tracker.Len() != 0 {
		t.Errorf("%d spooled, ledger %v, %d wait", len(s.events), c.tally, tracker.Len())
	}
	if s.batches > n/10 {
		t.Errorf("%d batches for %d events: they are not batched", s.batches, n)
	}
	for _, e := range s.events {
		if e.ID == (app.EventID{}) || e.Touch.UserAgent != "ab" {
			t.Fatalf("an event was spooled unprepared: %+v", e)
		}
	}
	tracker.Track(view(1))
	if err := tracker.Accept(t.Context(), view(1)); app.CodeOf(err) != app.CodeUnavailable {
		t.Errorf("Accept after Close = %v", err)
	}
	if c.total(app.OutcomeRejectedClosed) != 2 {
		t.Error("events after Close are not counted as rejected")
	}
}

// The first two calls of a customer are events, whatever else is called; the
// others are counted, with their two smallest times.
func TestCallsAreCountedFromTheThirdOn(t *testing.T) {
	t.Parallel()
	s, c := &spool{}, &counter{}
	tracker := start(t, s, c, func(o *funnel.Options) { o.CountWait = time.Hour })
	for _, e := range []*app.Event{call(1, 10), call(2, 11), call(1, 12), call(1, 15), call(1, 5), call(1, 20), call(2, 21), call(2, 22)} {
		tracker.Track(e)
	}
	if got := tracker.Len(); got > 8 {
		t.Errorf("%d wait of 8", got)
	}
	if err := closeIn(t, tracker, time.Minute); err != nil {
		t.Fatal(err)
	}
	want := []app.Calls{
		{Sequence: 2, CustomerID: 1, Count: 3, First: second(5), Second: second(15), Last: second(20)},
		{Sequence: 1, CustomerID: 2, Count: 1, First: second(22), Last: second(22)},
	}
	if s.calls[0].CustomerID == 2 {
		s.calls[0], s.calls[1] = s.calls[1], s.calls[0]
	}
	if s.calls[0].Sequence == s.calls[1].Sequence || s.calls[0].Boot == (app.SourceID{}) || s.calls[0].Boot != s.calls[1].Boot {
		t.Errorf("the counted calls have no keys of their own: %+v", s.calls)
	}
	for i := range s.calls {
		s.calls[i].Boot, s.calls[i].Sequence = app.SourceID{}, want[i].Sequence
	}
	if diff := cmp.Diff(want, s.calls); diff != "" {
		t.Error(diff)
	}
	if len(s.events) != 4 || c.total(app.OutcomeAccepted) != 8 || tracker.Len() != 0 {
		t.Errorf("%d events, ledger %v, %d wait", len(s.events), c.tally, tracker.Len())
	}
}

// A full ring costs visits, and never a call.
func TestTrackNeverBlocks(t *testing.T) {
	t.Parallel()
	stuck, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s, c := &spool{fail: func() error { once.Do(func() { close(stuck) }); <-release; return nil }}, &counter{}
	tracker := start(t, s, c, func(o *funnel.Options) { o.Capacity, o.BatchSize = 10, 2 })
	tracker.Track(view(0))
	<-stuck // from here on nothing leaves the ring
	const n = 100
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range n {
			tracker.Track(view(i))
			tracker.Track(call(int64(i), i))
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("Track blocks on a full ring")
	}
	if err := tracker.Accept(t.Context(), view(1)); app.CodeOf(err) != app.CodeUnavailable {
		t.Errorf("Accept on a full ring = %v", err)
	}
	rejected := c.total(app.OutcomeRejectedFull)
	if rejected < n-10 {
		t.Errorf("%d rejected of %d visits with room for 10", rejected, n)
	}
	close(release)
	if err := closeIn(t, tracker, time.Minute); err != nil {
		t.Fatal(err)
	}
	calls := len(s.calls)
	for _, e := range s.events {
		if e.Type == app.EventAPICall {
			calls++
		}
	}
	if calls != n || c.total(app.OutcomeAccepted) != 1+2*n+1-rejected {
		t.Errorf("%d of %d calls, ledger %v", calls, n, c.tally)
	}
}

// While nothing can be spooled, whoever waits is told so, visits are given up,
// and calls wait: each is there once when it is over.
func TestSpoolFails(t *testing.T) {
	t.Parallel()
	var failing atomic.Bool
	failing.Store(true)
	s, c := &spool{fail: func() error {
		if failing.Load() {
			return errors.New("no room")
		}
		return nil
	}}, &counter{}
	tracker := start(t, s, c, nil)
	for i := range 30 {
		tracker.Track(call(int64(i%10), i))
	}
	for range 3 {
		if err := tracker.Accept(t.Context(), view(1)); app.CodeOf(err) != app.CodeUnavailable {
			t.Errorf("Accept = %v, want CodeUnavailable", err)
		}
	}
	tracker.Track(view(2))
	failing.Store(false)
	if err := closeIn(t, tracker, time.Minute); err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, e := range s.events {
		if e.Type == app.EventAPICall {
			calls++
		}
	}
	for _, counted := range s.calls {
		calls += int(counted.Count)
	}
	if calls != 30 || tracker.Len() != 0 {
		t.Errorf("%d of 30 calls are spooled, %d wait", calls, tracker.Len())
	}
	if c.total(app.OutcomeRejectedFull) < 3 || c.total(app.OutcomeAccepted)+c.total(app.OutcomeRejectedFull) != 34 {
		t.Errorf("ledger %v", c.tally)
	}
}

func TestShutdownWithoutASpoolCountsWhatIsLost(t *testing.T) {
	t.Parallel()
	s, c := &spool{fail: func() error { return errors.New("gone") }}, &counter{}
	tracker := start(t, s, c, func(o *funnel.Options) { o.BatchSize = 7 })
	for i := range 100 {
		tracker.Track(call(int64(i%20), i))
	}
	if err := closeIn(t, tracker, 50*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close = %v, want DeadlineExceeded", err)
	}
	if lost := c.total(app.OutcomeRejectedClosed); lost != 100 || tracker.Len() != 0 {
		t.Errorf("%d counted as lost and %d waiting, want 100 and none", lost, tracker.Len())
	}
}

// Accept answers when its event is durable, and many share one batch.
func TestAcceptWaitsForTheSpool(t *testing.T) {
	t.Parallel()
	s, c := &spool{}, &counter{}
	s.fail = func() error { time.Sleep(2 * time.Millisecond); return nil }
	tracker := start(t, s, c, nil)
	var wg sync.WaitGroup
	const n = 400
	for i := range n {
		wg.Go(func() {
			e := view(i)
			e.ID = app.NewEventID(second(i))
			if err := tracker.Accept(t.Context(), e); err != nil {
				t.Error(err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if _, ok := s.events[e.ID]; !ok {
				t.Error("an event was acknowledged before it was spooled")
			}
		})
	}
	wg.Wait()
	if s.batches > n/4 {
		t.Errorf("%d batches for %d events", s.batches, n)
	}
	if err := closeIn(t, tracker, time.Second); err != nil {
		t.Error(err)
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	t.Parallel()
	if _, err := funnel.New(t.Context(), funnel.Options{}); err == nil {
		t.Error("a tracker without a spool")
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
	e := view(1)
	b.ReportAllocs()
	for b.Loop() {
		events <- e
	}
	close(events)
	<-done
}

// BenchmarkTrack measures the request path's part of tracking, counters
// included, while the ring has room: rejected/op is zero.
func BenchmarkTrack(b *testing.B) { benchmarkTrack(b, func(i int) *app.Event { return viewed }) }

// BenchmarkTrackCall is the same for calls, of a thousand customers in turn.
func BenchmarkTrackCall(b *testing.B) {
	calls := make([]*app.Event, 1000)
	for i := range calls {
		calls[i] = call(int64(i), i)
	}
	benchmarkTrack(b, func(i int) *app.Event { return calls[i%len(calls)] })
}

var viewed = view(1)

func benchmarkTrack(b *testing.B, event func(i int) *app.Event) {
	b.Helper()
	m, err := metrics.New(prometheus.NewRegistry(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	const capacity = 1 << 20
	var rejected atomic.Int64
	tracker, err := funnel.New(b.Context(), funnel.Options{
		Spool: discard{}, Log: slog.New(slog.DiscardHandler), Now: time.Now, Capacity: capacity,
		Count: func(kind app.EventType, outcome app.Outcome, n int) {
			if outcome == app.OutcomeRejectedFull {
				rejected.Add(int64(n))
			}
			m.CountEvents(kind, outcome, n)
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		tracker.Track(event(n))
		if n++; n%(capacity/2) == 0 {
			b.StopTimer()
			for tracker.Len() > 0 {
				time.Sleep(time.Millisecond)
			}
			b.StartTimer()
		}
	}
	b.ReportMetric(float64(rejected.Load())/float64(b.N), "rejected/op")
	if err := closeIn(b, tracker, time.Minute); err != nil {
		b.Fatal(err)
	}
}

// discard keeps nothing.
type discard struct{}

func (discard) Append(context.Context, []app.Event, []app.Calls) error { return nil }
