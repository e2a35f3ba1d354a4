package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

func openSpool(tb testing.TB, dir string, maxBytes int64) *Spool {
	tb.Helper()
	s, err := OpenEmbedded(tb.Context(), EmbeddedOptions{
		Dir: dir, MaxBytes: maxBytes, Host: "test", Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func views(n int) []app.Event {
	events := make([]app.Event, n)
	for i := range events {
		events[i] = app.Event{
			ID: app.NewEventID(noon), Type: app.EventPageView, At: noon,
			Touch: app.Touch{VisitorID: fmt.Sprint(i), Path: "/pricing", Referrer: "https://news.example/item?id=1", UserAgent: "Mozilla/5.0 (X11; Linux x86_64)", Network: "203.0.113.0/24"},
		}
	}
	return events
}

// memory is a store that keeps what it is given, as the real one does: batches
// once each.
type memory struct {
	fail func(batches []app.Batch) error

	mu       sync.Mutex
	settled  map[string]bool
	events   map[app.EventID]int
	calls    int64
	buried   int
	raw      [][]byte
	reports  [][]app.SourceAccount
	applied  int
	accepted uint64
}

func (m *memory) Apply(_ context.Context, batches []app.Batch) (app.Tally, error) {
	if m.fail != nil {
		if err := m.fail(batches); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.settled == nil {
		m.settled, m.events = map[string]bool{}, map[app.EventID]int{}
	}
	m.applied++
	t := app.Tally{}
	for _, b := range batches {
		key := fmt.Sprint(b.Source, b.Number)
		if m.settled[key] {
			continue
		}
		m.settled[key] = true
		m.accepted = max(m.accepted, b.Total)
		for _, e := range b.Events {
			m.events[e.ID]++
			t.Add(e.Type, app.OutcomeStored, 1)
		}
		for _, c := range b.Calls {
			m.calls += c.Count
			t.Add(app.EventAPICall, app.OutcomeStored, int(c.Count))
		}
	}
	return t, nil
}

func (m *memory) ApplySuspect(ctx context.Context, batch app.Batch) (app.Tally, error) {
	good := batch
	good.Events = nil
	t := app.Tally{}
	for _, e := range batch.Events {
		if e.Name == "poison" {
			m.mu.Lock()
			m.buried++
			m.mu.Unlock()
			t.Add(e.Type, app.OutcomeDroppedRefused, 1)
			continue
		}
		good.Events = append(good.Events, e)
	}
	fail := m.fail
	m.fail = nil
	defer func() { m.fail = fail }()
	stored, err := m.Apply(ctx, []app.Batch{good})
	t.Merge(stored)
	return t, err
}

func (m *memory) Bury(context.Context, app.Batch, error) (app.Tally, error) {
	return nil, errors.New("not of this test")
}

func (m *memory) BuryRaw(_ context.Context, payload []byte, _ error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.raw = append(m.raw, payload)
	return nil
}

func (m *memory) ReportSpooled(_ context.Context, accounts []app.SourceAccount) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reports = append(m.reports, accounts)
	return nil
}

func (m *memory) stored() (events, repeated int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.events {
		events++
		repeated += n - 1
	}
	return events, repeated
}

type tallies struct {
	mu    sync.Mutex
	tally app.Tally
}

func (c *tallies) count(kind app.EventType, outcome app.Outcome, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tally == nil {
		c.tally = app.Tally{}
	}
	c.tally.Add(kind, outcome, n)
}

// write runs a writer until the function that it returns is called.
func write(tb testing.TB, s *Spool, store Store, c *tallies) (w *Writer, stop func()) {
	tb.Helper()
	w, err := NewWriter(WriterOptions{
		Spool: s, Store: store, Log: slog.New(slog.DiscardHandler), Now: time.Now, Count: c.count, Describe: error.Error,
		RetryMin: time.Millisecond, RetryMax: 5 * time.Millisecond, ReportEvery: 10 * time.Millisecond,
	})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(ctx) }()
	return w, func() { cancel(); <-ended }
}

func drain(tb testing.TB, w *Writer) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 30*time.Second)
	defer cancel()
	if err := w.Drain(ctx); err != nil {
		tb.Fatal("the spool does not empty")
	}
}

func TestWhatIsAppendedIsStored(t *testing.T) {
	t.Parallel()
	s, m, c := openSpool(t, t.TempDir(), 64<<20), &memory{}, &tallies{}
	defer func() { _ = s.Close() }()
	w, stop := write(t, s, m, c)
	defer stop()
	for i := range 50 {
		calls := []app.Calls{{Boot: s.source, Sequence: uint64(i), CustomerID: 1, Count: 3, First: noon, Second: noon, Last: noon}}
		if err := s.Append(t.Context(), views(10), calls); err != nil {
			t.Fatal(err)
		}
	}
	drain(t, w)
	if n, repeated := m.stored(); n != 500 || repeated != 0 || m.calls != 150 || m.accepted != 650 {
		t.Errorf("%d events, %d repeated, %d calls, %d accepted", n, repeated, m.calls, m.accepted)
	}
	if got := c.tally.Total(app.OutcomeStored); got != 650 {
		t.Errorf("%d counted as stored", got)
	}
	await(t, func() bool { holds, err := s.Holds(t.Context()); return err == nil && !holds })
}

// What a process leaves in its spool is there for the next one, accounted for
// under the name of the source that took it.
func TestSpoolOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openSpool(t, dir, 64<<20)
	first := s.source
	for range 20 {
		if err := s.Append(t.Context(), views(7), nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Pending(); got != 140 {
		t.Errorf("%d wait, want 140", got)
	}
	if _, err := OpenEmbedded(t.Context(), EmbeddedOptions{Dir: dir, MaxBytes: 1 << 20, Log: slog.New(slog.DiscardHandler), Now: time.Now}); err == nil ||
		!strings.Contains(err.Error(), "another process has it open") {
		t.Errorf("a second process on the folder: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openSpool(t, dir, 64<<20)
	defer func() { _ = s.Close() }()
	if err := s.Append(t.Context(), views(1), nil); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return s.Pending() == 141 })
	want := []app.SourceAccount{
		{Source: first, Host: "test", Spool: app.SpoolEmbedded, Accepted: 140, Spooled: 140},
		{Source: s.source, Host: "test", Spool: app.SpoolEmbedded, Accepted: 1, Spooled: 1},
	}
	await(t, func() bool { return len(s.Accounts()) == 2 })
	if diff := cmp.Diff(want, s.Accounts()); diff != "" {
		t.Error(diff)
	}
	m := &memory{}
	w, stop := write(t, s, m, &tallies{})
	drain(t, w)
	await(t, func() bool { return len(s.Accounts()) == 1 }) // the old one is settled and was reported so
	stop()
	if n, repeated := m.stored(); n != 141 || repeated != 0 {
		t.Errorf("%d events, %d repeated", n, repeated)
	}
}

// While the store is away everything stays where it is, few tries are made, and
// all of it arrives when it is back.
func TestOutageLosesNothing(t *testing.T) {
	t.Parallel()
	s, c := openSpool(t, t.TempDir(), 64<<20), &tallies{}
	defer func() { _ = s.Close() }()
	var mu sync.Mutex
	tries, away := 0, true
	m := &memory{fail: func([]app.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		tries++
		if away {
			return app.Unavailable(errors.New("away"))
		}
		return nil
	}}
	w, stop := write(t, s, m, c)
	defer stop()
	began := time.Now()
	for range 30 {
		if err := s.Append(t.Context(), views(10), nil); err != nil {
			t.Fatal(err)
		}
	}
	await(t, func() bool { mu.Lock(); defer mu.Unlock(); return tries >= 5 })
	mu.Lock()
	away = false
	if most := 10 + int(time.Since(began)/(3*time.Millisecond)); tries > most {
		t.Errorf("%d tries: nothing holds the writers back", tries)
	}
	mu.Unlock()
	drain(t, w)
	if n, repeated := m.stored(); n != 300 || repeated != 0 {
		t.Errorf("%d events, %d repeated", n, repeated)
	}
}

// One bad event costs itself alone.
func TestPoisonIsSeparated(t *testing.T) {
	t.Parallel()
	s, c := openSpool(t, t.TempDir(), 64<<20), &tallies{}
	defer func() { _ = s.Close() }()
	m := &memory{fail: func(batches []app.Batch) error {
		for _, b := range batches {
			for _, e := range b.Events {
				if e.Name == "poison" {
					return &app.Error{Code: app.CodeValidation, Message: "refused"}
				}
			}
		}
		return nil
	}}
	for i := range 20 {
		events := views(10)
		if i == 7 {
			events[3].Name = "poison"
		}
		if err := s.Append(t.Context(), events, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.publishOnce(t.Context(), rawMessage([]byte("\x01no batch at all"))); err != nil {
		t.Fatal(err)
	}
	w, err := NewWriter(WriterOptions{
		Spool: s, Store: m, Log: slog.New(slog.DiscardHandler), Now: time.Now, Count: c.count, Describe: error.Error, Writers: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	drain(t, w)
	await(t, func() bool { holds, err := s.Holds(t.Context()); return err == nil && !holds })
	if n, repeated := m.stored(); n != 199 || repeated != 0 || m.buried != 1 || len(m.raw) != 1 {
		t.Errorf("%d events, %d repeated, %d buried, %d raw", n, repeated, m.buried, len(m.raw))
	}
	if got := c.tally.Total(app.OutcomeDroppedRefused); got != 1 {
		t.Errorf("%d counted as refused", got)
	}
}

// A full spool refuses and says so; it takes events again when there is room.
func TestFullSpoolRefuses(t *testing.T) {
	t.Parallel()
	s := openSpool(t, t.TempDir(), 1<<20)
	defer func() { _ = s.Close() }()
	taken := 0
	var err error
	for range 100 {
		if err = s.Append(t.Context(), views(256), nil); err != nil {
			break
		}
		taken += 256
	}
	if !errors.Is(err, ErrFull) || !s.Full() || taken == 0 {
		t.Fatalf("after %d events: %v, full %v", taken, err, s.Full())
	}
	m := &memory{}
	w, stop := write(t, s, m, &tallies{})
	defer stop()
	drain(t, w)
	await(t, func() bool { return s.Append(t.Context(), views(1), nil) == nil })
	drain(t, w)
	if n, repeated := m.stored(); n != taken+1 || repeated != 0 {
		t.Errorf("%d events of %d, %d repeated", n, taken+1, repeated)
	}
	state, err := s.State(t.Context())
	if err != nil || state.MaxBytes != 1<<20 {
		t.Errorf("state %+v, %v", state, err)
	}
}

func TestSpoolNeedsAFolder(t *testing.T) {
	t.Parallel()
	_, err := OpenEmbedded(t.Context(), EmbeddedOptions{Dir: filepath.Join("/proc", "nothing"), Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err == nil || !strings.Contains(err.Error(), "/proc/nothing") {
		t.Errorf("got %v", err)
	}
}

func await(tb testing.TB, done func() bool) {
	tb.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			tb.Fatal("it does not happen")
		}
		time.Sleep(2 * time.Millisecond)
	}
}
