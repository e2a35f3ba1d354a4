package web

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/ratelimit"
)

// heldLimits leases slices until it is held; then a lease waits for the end.
type heldLimits struct {
	ratelimit.Store
	held    atomic.Bool
	waiting atomic.Int64
	release chan struct{}
}

func (h *heldLimits) LeaseSlices(ctx context.Context, leases []ratelimit.Lease) ([]ratelimit.Slice, error) {
	if h.held.Load() {
		h.waiting.Add(1)
		<-h.release
	}
	return h.Store.LeaseSlices(ctx, leases)
}

func (h *heldLimits) ForgetWindows(context.Context, time.Time) error { return nil }

// quietUse stores no use of keys and hears of no changes: both are work beside
// the requests.
type quietUse struct{}

func (quietUse) TouchKeys(context.Context, map[int64]time.Time) error { return nil }

func (quietUse) ListenKeys(ctx context.Context, _ func(), _ func(string)) error {
	<-ctx.Done()
	return ctx.Err()
}

// A warm request asks the database nothing: not for its key, not for its limit,
// not for its place in the funnel. Queries are counted where they are sent.
func TestWarmRequestsAskNoDatabase(t *testing.T) {
	t.Parallel()
	limits := &heldLimits{release: make(chan struct{})}
	moment := time.Now().Truncate(time.Minute) // keys do not grow old, no minute ends
	s := newSite(t, dbtest.URL(t), func(d *Deps) {
		limits.Store = d.Limits
		d.Limits, d.KeyUse, d.Now = limits, quietUse{}, func() time.Time { return moment }
	})
	t.Cleanup(func() { close(limits.release) })
	registerPing(s)
	key := s.onboard(http.DefaultClient, "ops@kiln.example")
	ping := func() {
		t.Helper()
		if a := s.get("/api/ping", "X-Api-Key", key); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	ping()
	s.settle()
	limits.held.Store(true)
	const queries = "rsolv_prom_ex_ecto_query_duration_milliseconds"
	before := s.counter(queries)
	if before == 0 {
		t.Fatal("no query was counted: not even that for the key")
	}
	// As many as the slice that was leased has left. The next slice is asked for
	// meanwhile, and does not come: nobody waits for it.
	for range 49 {
		ping()
	}
	if more := s.counter(queries) - before; more != 0 {
		t.Errorf("49 warm requests asked the database %v times", more)
	}
	for deadline := time.Now().Add(time.Minute); limits.waiting.Load() != 1; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d slices were asked for ahead, want 1", limits.waiting.Load())
		}
	}
	// A call is tracked after its answer; the first one is stored as such.
	stored := func() (n float64) {
		for _, kind := range []app.EventType{app.EventFirstAPICall, app.EventAPICall} {
			n += s.counter("rsolv_funnel_events_total", "type", string(kind), "outcome", string(app.OutcomeStored))
		}
		return n
	}
	for deadline := time.Now().Add(time.Minute); stored() != 50; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%v of 50 calls are in the funnel", stored())
		}
	}
}
