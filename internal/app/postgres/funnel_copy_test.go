package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// Many events go in by COPY; what is there already, and what the database
// refuses, is told apart all the same.
func TestManyEvents(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.months(t)
	views := func(n int) []app.Event {
		events := make([]app.Event, n)
		for i := range events {
			events[i] = view(fmt.Sprint("v", i), noon.Add(time.Duration(i)*time.Millisecond), app.UTM{Source: "hn"})
			events[i].Touch.Referrer, events[i].Metadata = "https://duckduckgo.com/", `{"n":1}`
		}
		return events
	}
	first := views(200)
	if n := b.apply(t, batchOf(first...)).Total(app.OutcomeStored); n != 200 {
		t.Errorf("%d of 200 are stored", n)
	}
	again := append(views(100), first[:50]...)
	tally := b.apply(t, batchOf(again...))
	if tally.Total(app.OutcomeStored) != 100 || tally.Total(app.OutcomeDeduplicated) != 50 {
		t.Errorf("of 100 new ones and 50 that are there it is %v", tally)
	}
	bad := views(100)
	bad[70].Touch.Path = strings.Repeat("x", 3000)
	bad[80].Touch.Network = "nonsense"
	if _, err := b.Apply(t.Context(), []app.Batch{batchOf(bad...)}); app.CodeOf(err) != app.CodeValidation {
		t.Fatalf("two that the database refuses: %v", err)
	}
	tally, err := b.ApplySuspect(t.Context(), batchOf(bad...))
	if err != nil || tally.Total(app.OutcomeStored) != 98 || tally.Total(app.OutcomeDroppedRefused) != 2 {
		t.Errorf("one by one it is %v, %v", tally, err)
	}
	const query = `SELECT concat_ws(' ', count(*), count(DISTINCT id), count(*) FILTER (WHERE referrer_class = 'search' AND ip_network = '203.0.113.0/24'
		AND utm_source = 'hn' AND utm_medium IS NULL AND customer_id IS NULL AND metadata = '{"n":1}' AND occurred_at >= $1),
		(SELECT count(*) FROM funnel_dead_letters)) FROM funnel_events`
	if got := one[string](t, b, query, noon); got != "398 398 398 2" {
		t.Errorf("stored %s", got)
	}
}
