package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// What an erased customer's browser left is gone from every table, and what
// still waits in a spool is dropped as it comes; what it does later is not.
func TestEraseCoversSpoolAndDeadLetters(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.months(t)
	now := time.Now()
	if _, err := b.MakePartitions(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	before := view("leaving", now.Add(-time.Hour), app.UTM{})
	bad := view("leaving", now.Add(-time.Hour), app.UTM{})
	bad.Touch.Path = strings.Repeat("x", 3000)
	report := view("leaving", now.Add(-time.Hour), app.UTM{})
	report.Type, report.Name = app.EventAnalytics, "form"
	other := view("staying", now.Add(-time.Hour), app.UTM{})
	if _, err := b.ApplySuspect(t.Context(), batchOf(before, bad, report, other)); err != nil {
		t.Fatal(err)
	}
	id := b.onboard(t, "leaving@kiln.example", now.Add(-time.Minute), app.Touch{VisitorID: "leaving"})
	const left = `SELECT concat_ws(' ', (SELECT count(*) FROM funnel_events WHERE visitor_id = 'leaving'),
		(SELECT count(*) FROM analytics_events WHERE visitor_id = 'leaving'), (SELECT count(*) FROM funnel_dead_letters),
		(SELECT count(*) FROM funnel_events WHERE visitor_id = 'staying'))`
	if got := one[string](t, b, left); got != "3 1 1 1" {
		t.Fatalf("before: %s", got)
	}
	if err := b.Erase(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got := one[string](t, b, left); got != "0 0 0 1" {
		t.Errorf("after: %s", got)
	}
	spooled := batchOf(view("leaving", now.Add(-30*time.Minute), app.UTM{}), view("staying", now, app.UTM{}), view("leaving", now.Add(time.Hour), app.UTM{}))
	tally := b.apply(t, spooled)
	if tally.Total(app.OutcomeDroppedOrphaned) != 1 || tally.Total(app.OutcomeStored) != 2 {
		t.Errorf("what waited comes to %v", tally)
	}
	buried := view("leaving", now.Add(-30*time.Minute), app.UTM{})
	if tally, err := b.Bury(t.Context(), batchOf(buried), errRefused); err != nil || tally.Total(app.OutcomeDroppedOrphaned) != 1 {
		t.Errorf("buried: %v, %v", tally, err)
	}
	if l := b.ledger(t); !l.Balanced() || l.DeadLetters != 0 {
		t.Errorf("the ledger is %+v", l)
	}
}

// A letter is stored when what was wrong has been put right, once.
func TestReplayDeadLetters(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.months(t)
	bad := view("v", noon, app.UTM{})
	bad.Touch.Path = strings.Repeat("x", 3000)
	if _, err := b.ApplySuspect(t.Context(), batchOf(bad)); err != nil {
		t.Fatal(err)
	}
	customer := b.onboard(t, "ops@kiln.example", noon, app.Touch{})
	counted := batchOf()
	counted.Calls = []app.Calls{{Boot: counted.Source, Sequence: 1, CustomerID: customer, Count: 2, First: noon, Second: noon, Last: noon}}
	counted.Total = 2
	if _, err := b.Bury(t.Context(), counted, errRefused); err != nil {
		t.Fatal(err)
	}
	if err := b.BuryRaw(t.Context(), []byte{1, 2}, errRefused); err != nil {
		t.Fatal(err)
	}
	letters, err := b.DeadLetters(t.Context(), 0, 10)
	if err != nil || len(letters) != 3 || letters[0].Type != "page_view" || letters[2].Bytes != 2 {
		t.Fatalf("%+v, %v", letters, err)
	}
	replay := func(i int) app.Code { return app.CodeOf(b.ReplayDeadLetter(t.Context(), letters[i].ID, noon)) }
	if code := replay(0); code != app.CodeValidation {
		t.Errorf("it is as wrong as before, and the answer %q", code)
	}
	b.exec(t, `DO $$ DECLARE c record; BEGIN
		FOR c IN SELECT con.conrelid::regclass AS part, con.conname FROM pg_constraint con JOIN pg_class r ON r.oid = con.conrelid
			WHERE r.relname LIKE 'funnel_events%' AND con.contype = 'c' AND pg_get_constraintdef(con.oid) LIKE '%page_path%'
			ORDER BY r.relkind = 'p' DESC LOOP
			EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', c.part, c.conname);
		END LOOP; END $$`)
	for i, want := range []app.Code{"", "", app.CodeValidation} {
		if code := replay(i); code != want {
			t.Errorf("letter %d: %q", i, code)
		}
	}
	if code := replay(0); code != app.CodeNotFound {
		t.Errorf("a second time: %q", code)
	}
	const query = `SELECT concat_ws(' ', (SELECT count(*) FROM funnel_events WHERE visitor_id = 'v'), (SELECT api_calls FROM customer_journeys),
		(SELECT count(*) FROM funnel_dead_letters))`
	if got := one[string](t, b, query); got != "1 2 1" {
		t.Errorf("stored %s", got)
	}
	if l := b.ledger(t); !l.Balanced() {
		t.Errorf("the ledger is %+v", l)
	}
}
