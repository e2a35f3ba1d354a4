// Package export sends committed events to other systems, each by a cursor of
// its own: one that is dead holds up nobody, neither the others nor the events'
// way into the database.
package export

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// Store is where events and cursors are.
type Store interface {
	LeaseExport(ctx context.Context, name, holder string, lease time.Duration) (app.ExportPlace, bool, error)
	NextEvents(ctx context.Context, after app.ExportPlace, most int) ([]app.StoredEvent, error)
	MoveExport(ctx context.Context, name, holder string, to app.ExportPlace, done app.ExportTally) (bool, error)
}

// Request is one request to a destination, and the events that it carries.
type Request struct {
	Events []app.StoredEvent
	// Build makes it anew for each attempt.
	Build func(ctx context.Context) (*http.Request, error)
}

// Destination turns events into requests.
type Destination interface {
	// Name is the cursor's, and a label of metrics.
	Name() string
	// Requests leaves out the events that are not for the destination.
	Requests(events []app.StoredEvent, now time.Time) []Request
	// Dropped says whether the answer, although 2xx, means that nothing was
	// kept.
	Dropped(answer *http.Response) bool
}

// Metrics is what an export counts.
type Metrics interface {
	CountExport(destination, outcome string, n int)
	CountExportFailure(destination string)
	// SetExported tells when the last event that was dealt with happened.
	SetExported(destination string, at time.Time)
}

// Options of a Runner. Zero numbers mean the defaults.
type Options struct {
	Store       Store
	Destination Destination
	// Holder names this process.
	Holder  string
	Log     *slog.Logger
	Now     func() time.Time
	Metrics Metrics
	// Client sends; default one with a time-out of 10 s.
	Client *http.Client
	// Page is how many events are read at a time; default 200.
	Page int
	// Rest is between looks when there is nothing to send; default 5 s.
	Rest time.Duration
	// RetryMin and RetryMax bound the pause after a failure; defaults 1 s and
	// 5 min.
	RetryMin, RetryMax time.Duration
}

// lease is longer than a page takes at its slowest: a time-out a request, and
// the lease is renewed before each.
const lease = time.Minute

// Runner works on one export.
type Runner struct {
	o Options
	// done are events of the page at hand that need not be sent again after a
	// failure in the middle of it.
	done map[app.EventID]bool
	// refused are those of them that the destination will not have.
	refused int64
}

// New returns a runner; Run makes it work.
func New(o Options) (*Runner, error) {
	if o.Store == nil || o.Destination == nil || o.Holder == "" || o.Log == nil || o.Now == nil || o.Metrics == nil {
		return nil, errors.New("export.New: a required option is missing")
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 10 * time.Second}
	}
	setDefault(&o.Page, 200)
	setDefault(&o.Rest, 5*time.Second)
	setDefault(&o.RetryMin, time.Second)
	setDefault(&o.RetryMax, 5*time.Minute)
	return &Runner{o: o, done: map[app.EventID]bool{}}, nil
}

func setDefault[T int | time.Duration](value *T, fallback T) {
	if *value <= 0 {
		*value = fallback
	}
}

// Run exports until ctx ends.
func (r *Runner) Run(ctx context.Context) {
	name, pause := r.o.Destination.Name(), time.Duration(0)
	for ctx.Err() == nil {
		n, err := r.page(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if pause == 0 {
				r.o.Log.Warn("events cannot be exported at the moment; they wait in the database", "destination", name, "reason", err)
			}
			r.o.Metrics.CountExportFailure(name)
			pause = max(r.o.RetryMin, min(2*pause, r.o.RetryMax))
			wait(ctx, pause+rand.N(pause/2+1)) //nolint:gosec // jitter, not a secret
			continue
		case pause > 0:
			r.o.Log.Info("events are exported again", "destination", name)
		}
		if pause = 0; n == 0 {
			wait(ctx, r.o.Rest)
		}
	}
}

// page sends the next events and returns how many there were. Events are sent
// at least once: what was sent and not recorded, because the process died or the
// database went away between the two, is sent again.
func (r *Runner) page(ctx context.Context) (int, error) {
	d := r.o.Destination
	place, mine, err := r.o.Store.LeaseExport(ctx, d.Name(), r.o.Holder, lease)
	if err != nil || !mine {
		return 0, err
	}
	events, err := r.o.Store.NextEvents(ctx, place, r.o.Page)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	carried := 0
	for _, request := range d.Requests(events, r.o.Now()) {
		carried += len(request.Events)
		if r.done[request.Events[0].ID] {
			continue
		}
		if _, mine, err = r.o.Store.LeaseExport(ctx, d.Name(), r.o.Holder, lease); err != nil || !mine {
			return 0, err
		}
		taken, err := r.send(ctx, request)
		if err != nil {
			return 0, err
		}
		for i := range request.Events {
			r.done[request.Events[i].ID] = true
		}
		if !taken {
			r.refused += int64(len(request.Events))
		}
	}
	tally := app.ExportTally{Sent: int64(carried) - r.refused, Skipped: int64(len(events) - carried), Refused: r.refused}
	last := events[len(events)-1]
	if mine, err = r.o.Store.MoveExport(ctx, d.Name(), r.o.Holder, last.Place, tally); err != nil || !mine {
		return 0, err
	}
	clear(r.done)
	r.refused = 0
	r.o.Metrics.CountExport(d.Name(), "sent", int(tally.Sent))
	r.o.Metrics.CountExport(d.Name(), "skipped", int(tally.Skipped))
	r.o.Metrics.CountExport(d.Name(), "refused", int(tally.Refused))
	r.o.Metrics.SetExported(d.Name(), last.At)
	return len(events), nil
}

// send answers false when the destination will never take the events. Its error
// means that it may, later; it never holds the address, which may hold a secret.
func (r *Runner) send(ctx context.Context, request Request) (taken bool, err error) {
	built, err := request.Build(ctx)
	if err != nil {
		return false, fmt.Errorf("making the request: %w", err)
	}
	answer, err := r.o.Client.Do(built)
	if err != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		return false, fmt.Errorf("asking %s: %w", built.URL.Host, withoutURL(err))
	}
	if err := answer.Body.Close(); err != nil {
		return false, fmt.Errorf("reading the answer of %s: %w", built.URL.Host, err)
	}
	switch code := answer.StatusCode; {
	case code/100 == 2:
		return !r.o.Destination.Dropped(answer), nil
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity:
		r.o.Log.Warn("an export's destination refuses an event for good", "destination", r.o.Destination.Name(), "status", code)
		return false, nil
	default: // wrong credentials too: they are put right by people
		return false, fmt.Errorf("%s answers %s", built.URL.Host, answer.Status)
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
