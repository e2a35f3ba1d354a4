package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWeeks(t *testing.T) {
	t.Parallel()
	// The clock went back in Berlin on Sunday, 26 October 2025: that week has an
	// hour more, and its end is another hour of UTC than its beginning.
	weeks, err := CohortWeeks(time.Date(2025, 10, 26, 23, 30, 0, 0, time.UTC), 3, "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range weeks {
		got = append(got, w.Since.UTC().Format(time.RFC3339)+" "+w.Until.Sub(w.Since).String())
	}
	want := []string{"2025-10-12T22:00:00Z 168h0m0s", "2025-10-19T22:00:00Z 169h0m0s", "2025-10-26T23:00:00Z 168h0m0s"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, zone := range []string{"Local", "Mars/Olympus", "../etc/passwd"} {
		if _, err := CohortWeeks(time.Now(), 1, zone); CodeOf(err) != CodeValidation {
			t.Errorf("%s: %v", zone, err)
		}
	}
}

func TestDropOffGrades(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		wentOn, stalled int64
		want            string
	}{
		{0, 0, "0.00 0.00 ok"},
		{0, 1, "0.00 100.00 critical"},
		{9, 91, "9.00 91.00 critical"},
		{10, 90, "10.00 90.00 high"},
		{29, 71, "29.00 71.00 high"},
		{30, 70, "30.00 70.00 medium"},
		{1, 2, "33.33 66.67 medium"},
		{49, 51, "49.00 51.00 medium"},
		{1, 1, "50.00 50.00 ok"},
		{1, 0, "100.00 0.00 ok"},
	} {
		d := DropOff{Reached: tt.wentOn + tt.stalled + 5, WentOn: tt.wentOn, Stalled: tt.stalled, Waiting: 5}
		if got := fmt.Sprint(d.Rate(), " ", d.Lost(), " ", d.Severity()); got != tt.want {
			t.Errorf("%d of %d: %s, want %s", tt.wentOn, tt.wentOn+tt.stalled, got, tt.want)
		}
	}
}

// What is not whole never reads 100.00.
func TestCompletenessRoundsDown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		settled, accepted int64
		want              string
	}{{0, 0, "100.00"}, {5, 5, "100.00"}, {999_999, 1_000_000, "99.99"}, {1, 2, "50.00"}, {0, 3, "0.00"}} {
		if got := (Completeness{Accepted: tt.accepted, Settled: tt.settled}).Events(); got != tt.want {
			t.Errorf("%d of %d: %s, want %s", tt.settled, tt.accepted, got, tt.want)
		}
	}
}

func TestLargestSources(t *testing.T) {
	t.Parallel()
	got := LargestSources([]SourceCount{
		{Value: "c", Visitors: 9}, {Value: "a", Signups: 2, Visitors: 1}, {Value: "d", Visitors: 1, Signups: 1, Retained: 1}, {Value: "b", Signups: 2, Visitors: 3},
	}, 2)
	want := []SourceCount{{Value: "b", Signups: 2, Visitors: 3}, {Value: "a", Signups: 2, Visitors: 1}, {Value: SourceOther, Visitors: 10, Signups: 1, Retained: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
