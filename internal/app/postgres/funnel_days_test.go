package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

func TestStoreDay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.exec(t, "SELECT create_funnel_partition_if_not_exists('2025-11-01')")
	id := b.onboard(t, "ops@kiln.example", noon, app.Touch{UTM: app.UTM{Source: "hn"}})
	for _, want := range []string{"1 0 {\"hn\": 1} 0.00", "1 1 {\"hn\": 1} 100.00", "1 1 {\"hn\": 1} 100.00"} {
		if err := b.RollUp(t.Context(), noon.Add(time.Minute), 0); err != nil {
			t.Fatal(err)
		}
		got := one[string](t, b, `SELECT concat_ws(' ', signups, activated_users, top_utm_sources, api_key_to_activation_rate)
			FROM funnel_metrics WHERE period_type = 'day' AND period_start = '2025-11-04' AND period_end = '2025-11-05'`)
		if got != want {
			t.Errorf("stored %q, want %q", got, want)
		}
		if _, err := b.WriteEvents(t.Context(), []app.Event{call(id, noon.Add(time.Hour))}); err != nil {
			t.Fatal(err)
		}
	}
	// The days of the month that is kept, their two weeks, and the month.
	got := one[string](t, b, "SELECT string_agg(concat_ws(' ', period_type, period_start, signups), ', ' ORDER BY period_type, period_start) FROM funnel_metrics")
	if want := "day 2025-11-01 0, day 2025-11-02 0, day 2025-11-03 0, day 2025-11-04 1, month 2025-11-01 1, week 2025-10-27 0, week 2025-11-03 1"; got != want {
		t.Errorf("stored %s, want %s", got, want)
	}
	if _, err := b.SetInternal(t.Context(), id, true); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, b, "SELECT count(*)::int FROM funnel_metrics WHERE period_start = '2025-11-04'"); n != 0 {
		t.Error("a stored day still counts a customer who is internal now")
	}
}

// However many pods there are, the days are stored once in a while.
func TestRollUpHasOneWriter(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.onboard(t, "ops@kiln.example", noon, app.Touch{})
	stored := func() string {
		return one[string](t, b, "SELECT coalesce(string_agg(signups::text, ' ' ORDER BY period_start), '') FROM funnel_metrics WHERE period_type = 'day'")
	}
	rollUp := func(fresh time.Duration) {
		t.Helper()
		if err := b.RollUp(t.Context(), noon, fresh); err != nil {
			t.Fatal(err)
		}
	}
	b.exec(t, "SELECT pg_advisory_lock($1)", int64(upkeepLock))
	rollUp(0)
	if got := stored(); got != "" {
		t.Errorf("beside another writer: stored %q", got)
	}
	b.exec(t, "SELECT pg_advisory_unlock($1)", int64(upkeepLock))
	rollUp(time.Hour)
	b.onboard(t, "second@kiln.example", noon, app.Touch{})
	for _, tt := range []struct {
		fresh time.Duration
		want  string
	}{{time.Hour, "0 1"}, {0, "0 2"}} {
		rollUp(tt.fresh)
		if got := stored(); got != tt.want {
			t.Errorf("fresh for %v: stored %q, want %q", tt.fresh, got, tt.want)
		}
	}
}

// However a day was stored, what comes after it is in the next answer.
func TestStoredDaysAreNeverStale(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	at := noon.Add(-time.Hour)
	write := func(events ...app.Event) {
		t.Helper()
		if _, err := b.WriteEvents(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	hn := app.UTM{Source: "hn"}
	write(view("one", at, hn), view("two", at, app.UTM{}), view("", at, app.UTM{}))
	late := view("three", at, hn) // minted now, stored at the end
	staff := b.onboard(t, "staff@kiln.example", at, app.Touch{VisitorID: "two"})
	if err := b.RollUp(t.Context(), noon, 0); err != nil {
		t.Fatal(err)
	}
	day := app.Day(noon)
	for _, step := range []struct {
		about string
		do    func()
		want  app.Counts
		hn    int64
	}{
		{"as it was stored", func() {}, app.Counts{Visits: 3, Visitors: 2, Signups: 1, APIKeys: 1}, 1},
		{"a visit after it", func() { write(view("one", noon, hn)) }, app.Counts{Visits: 4, Visitors: 2, Signups: 1, APIKeys: 1}, 2},
		{"somebody new", func() { write(view("four", noon, hn)) }, app.Counts{Visits: 5, Visitors: 3, Signups: 1, APIKeys: 1}, 3},
		{"a late visit", func() { write(late) }, app.Counts{Visits: 6, Visitors: 4, Signups: 1, APIKeys: 1}, 4},
		{"stored again", func() {
			if err := b.RollUp(t.Context(), noon.Add(time.Minute), 0); err != nil {
				t.Fatal(err)
			}
		}, app.Counts{Visits: 6, Visitors: 4, Signups: 1, APIKeys: 1}, 4},
		{"a call", func() { write(call(staff, noon)) }, app.Counts{Visits: 6, Visitors: 4, Signups: 1, APIKeys: 1, Activated: 1}, 4},
	} {
		step.do()
		want := app.Summary{Period: day, Counts: step.want, TopSources: map[string]int64{"hn": step.hn}, TopCampaigns: map[string]int64{}}
		got, err := b.Summary(t.Context(), day)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", step.about, diff)
		}
		days, err := b.Days(t.Context(), day, noon)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]app.Summary{want}, days); diff != "" {
			t.Errorf("%s, by day: %s", step.about, diff)
		}
	}
	if n := one[int](t, b, "SELECT count(*)::int FROM funnel_notes"); n != 0 {
		t.Errorf("%d notes are left of what is stored", n)
	}
	// The events may go; what is stored stays.
	b.exec(t, "DELETE FROM funnel_events")
	if got, err := b.Summary(t.Context(), day); err != nil || got.Counts.Visits != 6 || got.Counts.Visitors != 4 {
		t.Errorf("without the events: %+v, %v", got.Counts, err)
	}
}

func TestSourcesPastTheTop(t *testing.T) {
	t.Parallel()
	counts := map[string]int64{}
	for i := range app.MaxSources + 3 {
		counts[fmt.Sprintf("s%02d", i)] = 1
	}
	counts["large"] = 9
	got := app.TopAndOther(counts, app.MaxSources)
	if len(got) != app.MaxSources+1 || got["large"] != 9 || got[app.SourceOther] != 4 || got["s48"] != 1 {
		t.Errorf("got %v", got)
	}
	if top := app.Top(got, 2); len(top) != 2 || top["large"] != 9 || top["s00"] != 1 {
		t.Errorf("top is %v", top)
	}
}
