package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// A transaction that began earlier and commits later is not passed over, and
// nothing is read twice.
func TestExportsReadInTheOrderOfCommits(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.months(t)
	place, mine, err := b.LeaseExport(t.Context(), "x", "me", time.Minute)
	if err != nil || !mine {
		t.Fatal(mine, err)
	}
	if _, mine, err := b.LeaseExport(t.Context(), "x", "you", time.Minute); err != nil || mine {
		t.Errorf("two hold the lease: %v", err)
	}
	slow := connect(t, b.url)
	tx, err := slow.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	early := view("early", noon, app.UTM{})
	if _, err := tx.Exec(t.Context(), "INSERT INTO funnel_events (id, event_type, visitor_id, occurred_at) VALUES ($1::text::uuid, 'page_view', 'early', $2)",
		early.ID.String(), noon); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		b.apply(t, batchOf(view(fmt.Sprint("late", i), noon.Add(-time.Minute), app.UTM{})))
	}
	// read goes on in small steps until there is nothing more for now.
	var seen []string
	read := func() {
		t.Helper()
		for {
			events, err := b.NextEvents(t.Context(), place, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(events) == 0 {
				return
			}
			for _, e := range events {
				seen, place = append(seen, e.Touch.VisitorID), e.Place
			}
		}
	}
	read()
	for _, visitor := range seen {
		t.Errorf("%s is read although an earlier transaction runs", visitor)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Others of this server may write at the moment, in databases of their own:
	// their transactions hold nothing up for good.
	deadline := time.Now().Add(2 * time.Minute)
	for read(); len(seen) < 4 && time.Now().Before(deadline); read() {
		time.Sleep(10 * time.Millisecond)
	}
	if got := fmt.Sprint(seen); got != "[early late0 late1 late2]" {
		t.Errorf("read %s", got)
	}
	if ok, err := b.MoveExport(t.Context(), "x", "you", place, app.ExportTally{}); err != nil || ok {
		t.Errorf("somebody without the lease moves it: %v", err)
	}
	if ok, err := b.MoveExport(t.Context(), "x", "me", place, app.ExportTally{Sent: 4}); err != nil || !ok {
		t.Errorf("the holder does not: %v", err)
	}
	// A place of another server's time, as after restoring from a copy.
	b.exec(t, "UPDATE export_cursors SET stored_xid = 1::bigint << 40")
	if again, _, err := b.LeaseExport(t.Context(), "x", "me", time.Minute); err != nil || again.Transaction >= 1<<40 {
		t.Errorf("the cursor stays in the future: %+v, %v", again, err)
	}
}

func TestEachEvent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.months(t)
	b.apply(t, batchOf(view("v1", noon, app.UTM{Source: "hn"}), view("v2", noon.AddDate(0, 0, 1), app.UTM{})))
	n := 0
	day := noon.Truncate(24 * time.Hour)
	err := b.EachEvent(t.Context(), day, day.AddDate(0, 0, 1), func(e *app.StoredEvent) error {
		if n++; e.Touch.VisitorID != "v1" || e.Touch.UTM.Source != "hn" || !e.At.Equal(noon) || e.Touch.Network != "203.0.113.0/24" || e.Metadata != "{}" {
			t.Errorf("%+v", e)
		}
		return nil
	})
	if err != nil || n != 1 {
		t.Errorf("%d events, %v", n, err)
	}
}
