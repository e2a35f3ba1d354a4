package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

func TestStoreDay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.onboard(t, "ops@kiln.example", noon, app.Touch{UTM: app.UTM{Source: "hn"}})
	for _, want := range []string{"1 0 {\"hn\": 1} 0.00", "1 1 {\"hn\": 1} 100.00", "1 1 {\"hn\": 1} 100.00"} {
		if err := b.RollUp(t.Context(), noon, 0); err != nil {
			t.Fatal(err)
		}
		got := one[string](t, b, `SELECT concat_ws(' ', signups, activated_users, top_utm_sources, api_key_to_activation_rate)
			FROM funnel_metrics WHERE period_start = '2025-11-04' AND period_end = '2025-11-05'`)
		if got != want {
			t.Errorf("stored %q, want %q", got, want)
		}
		if _, err := b.WriteEvents(t.Context(), []app.Event{call(id, noon.Add(time.Hour))}); err != nil {
			t.Fatal(err)
		}
	}
	if n := one[int](t, b, "SELECT count(*)::int FROM funnel_metrics"); n != 2 {
		t.Errorf("%d rows for two days", n)
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
		return one[string](t, b, "SELECT coalesce(string_agg(signups::text, ' ' ORDER BY period_start), '') FROM funnel_metrics")
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

// Past days are as they were stored, today is not.
func TestDays(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	at := func(days int) time.Time { return noon.AddDate(0, 0, days) }
	b.onboard(t, "ops@kiln.example", noon, app.Touch{UTM: app.UTM{Source: "hn"}})
	if err := b.RollUp(t.Context(), noon, 0); err != nil {
		t.Fatal(err)
	}
	// These are not in the stored rows of their days.
	b.onboard(t, "late@kiln.example", noon, app.Touch{})
	if _, err := b.WriteEvents(t.Context(), []app.Event{view("v", at(-2), app.UTM{})}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		about   string
		now     time.Time
		signups int64
	}{{"the day itself", noon, 2}, {"the day after", at(1), 1}} {
		period := app.Period{Since: app.Day(at(-2)).Since, Until: app.Day(noon).Until}
		days, err := b.Days(t.Context(), period, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		none := map[string]int64{}
		want := []app.Summary{
			{Period: app.Day(at(-2)), Counts: app.Counts{Visits: 1, Visitors: 1}, TopSources: none, TopCampaigns: none},
			{Period: app.Day(at(-1)), TopSources: none, TopCampaigns: none},
			{
				Period: app.Day(noon), Counts: app.Counts{Signups: tt.signups, APIKeys: tt.signups},
				TopSources: map[string]int64{"hn": 1}, TopCampaigns: none,
			},
		}
		if diff := cmp.Diff(want, days); diff != "" {
			t.Errorf("%s: %s", tt.about, diff)
		}
	}
}
