package alerts

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

func engine() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{MaxSamples: 1000, Timeout: time.Minute})
}

// evaluate asks a real PromQL engine, without any series.
func evaluate(t *testing.T, e *promql.Engine, expression string, at time.Time) promql.Vector {
	t.Helper()
	none := storage.QueryableFunc(func(int64, int64) (storage.Querier, error) { return storage.NoopQuerier(), nil })
	query, err := e.NewInstantQuery(t.Context(), none, nil, expression, at)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	defer query.Close()
	result := query.Exec(context.WithoutCancel(t.Context()))
	vector, err := result.Vector()
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return vector
}

// TestHoursAgreeWithGo compares the rendered expressions with Go's time
// package: around every change of the clocks, and at the edges of the hours on
// every day of a week around it.
func TestHoursAgreeWithGo(t *testing.T) {
	t.Parallel()
	for _, zoneName := range []string{
		"UTC", "Europe/Madrid", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe",
		"Asia/Kolkata", "Africa/Casablanca", "Pacific/Auckland", "Europe/Dublin",
	} {
		t.Run(zoneName, func(t *testing.T) {
			t.Parallel()
			location, err := time.LoadLocation(zoneName)
			if err != nil {
				t.Fatal(err)
			}
			declared := &v1alpha1.BusinessHours{
				Timezone: zoneName, From: "09:00", To: "18:00",
				Days: []v1alpha1.Weekday{"Fri", "Mon", "Tue", "Thu", "Sun"},
			}
			h, problem := newHours(declared, testTime)
			if problem != nil {
				t.Fatal(problem)
			}
			e := engine()
			open := h.open(h.localTime)
			check := func(at time.Time) {
				local := at.In(location)
				_, offset := local.Zone()
				if got := evaluate(t, e, h.localTime, at)[0].F; got != float64(at.Unix()+int64(offset)) {
					t.Errorf("at %s the local time is %s; want %s", at.UTC(), time.Unix(int64(got), 0).UTC(), local)
				}
				want := local.Weekday() != time.Wednesday && local.Weekday() != time.Saturday && local.Hour() >= 9 && local.Hour() < 18
				if got := len(evaluate(t, e, open, at)) > 0; got != want {
					t.Errorf("at %s open is %v; want %v", local, got, want)
				}
			}
			for _, at := range moments(location) {
				check(at)
			}
		})
	}
}

// moments are those at which something could go wrong within the horizon.
func moments(location *time.Location) []time.Time {
	start := time.Date(testTime.Year(), time.January, 1, 0, 0, 0, 0, time.UTC)
	end := start.AddDate(horizonYears, 0, 0)
	changes := []time.Time{start.AddDate(0, 0, 3), start.AddDate(1, 0, 0), end.AddDate(0, 0, -4)}
	for at := start; ; {
		_, next := at.In(location).ZoneBounds()
		if next.IsZero() || !next.Before(end) {
			break
		}
		changes = append(changes, next)
		at = next
	}
	var all []time.Time
	for _, change := range changes {
		all = append(all, change.Add(-time.Second), change, change.Add(time.Second))
		for day := -4; day <= 4; day++ {
			year, month, date := change.In(location).Date()
			for _, edge := range []time.Duration{9 * time.Hour, 18 * time.Hour} {
				at := time.Date(year, month, date+day, int(edge.Hours()), 0, 0, 0, location)
				if at.Before(start) || !at.Before(end) {
					continue
				}
				all = append(all, at.Add(-time.Second), at, at.Add(time.Minute))
			}
		}
	}
	return all
}

func TestHoursRenewal(t *testing.T) {
	t.Parallel()
	madrid := &v1alpha1.BusinessHours{Timezone: "Europe/Madrid", From: "09:00", To: "18:00"}
	nextYear := time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)

	first, _ := newHours(madrid, time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC))
	last, _ := newHours(madrid, nextYear.Add(-time.Nanosecond))
	if first.localTime != last.localTime {
		t.Errorf("the expression changes within the year:\n%s\n%s", first.localTime, last.localTime)
	}
	if !first.renewAt.Equal(nextYear) || !last.renewAt.Equal(nextYear) {
		t.Errorf("renewAt = %s and %s; want %s", first.renewAt, last.renewAt, nextYear)
	}
	renewed, _ := newHours(madrid, nextYear)
	if renewed.localTime == last.localTime {
		t.Error("the expression does not change with the year")
	}
	if n := strings.Count(first.localTime, "bool"); n != 2*horizonYears {
		t.Errorf("%d changes of the clocks within the horizon; want %d", n, 2*horizonYears)
	}
	if utc, _ := newHours(&v1alpha1.BusinessHours{Timezone: "UTC", From: "09:00", To: "18:00"}, testTime); !utc.renewAt.IsZero() {
		t.Errorf("a zone without daylight saving time is renewed at %s", utc.renewAt)
	}
	baseline := sample(t)
	baseline.Spec.BusinessHours.Timezone = "Europe/Madrid"
	if got := Rules(baseline, testTime).RenewAt; !got.Equal(nextYear) {
		t.Errorf("Rules(…).RenewAt = %s; want %s", got, nextYear)
	}
}

func TestHoursSpans(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		days     []v1alpha1.Weekday
		from, to string
		want     string
	}{
		"default days":  {nil, "09:00", "18:00", "(day_of_week(T) >= 1 <= 5)\nand (hour(T) * 60 + minute(T) >= 540 < 1080)"},
		"always":        {[]v1alpha1.Weekday{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}, "00:00", "24:00", "T > 0"},
		"to midnight":   {[]v1alpha1.Weekday{"Sat"}, "12:30", "24:00", "(day_of_week(T) == 6)\nand (hour(T) * 60 + minute(T) >= 750)"},
		"from midnight": {[]v1alpha1.Weekday{"Sun", "Sat"}, "00:00", "08:15", "(day_of_week(T) == 0 or day_of_week(T) == 6)\nand (hour(T) * 60 + minute(T) < 495)"},
	} {
		h, problem := newHours(&v1alpha1.BusinessHours{From: test.from, To: test.to, Days: test.days}, testTime)
		if problem != nil {
			t.Errorf("%s: %v", name, problem)
			continue
		}
		if got := h.open("T"); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, test.want)
		}
	}
}
