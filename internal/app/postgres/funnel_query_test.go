package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// on is a time of November 2025.
func on(day, hour int) time.Time { return time.Date(2025, 11, day, hour, 0, 0, 0, time.UTC) }

var tenDays = app.Period{Since: on(1, 0), Until: on(11, 0)}

const twoDays = 48 * time.Hour

// history fills a database with a few people whose ways are known.
func history(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	hn, mail := app.UTM{Source: "hn", Campaign: "launch"}, app.UTM{Source: "mail", Medium: "letter"}
	events := []app.Event{
		view("stranger", on(1, 9), hn), view("stranger", on(2, 9), app.UTM{}),
		view("ada", on(1, 12), app.UTM{}), view("ada", on(3, 12), hn), view("ada", on(4, 11), mail),
		view("bob", on(2, 12), mail),
		view("cleo", on(6, 12), app.UTM{}),
		view("edge", on(10, 23), app.UTM{}),
		view("shared", on(1, 12), hn), view("shared", on(7, 12), mail),
		view("staff", on(5, 12), mail), view("", on(5, 12), app.UTM{}),
		view("before", on(1, 0).Add(-time.Microsecond), hn), view("after", on(11, 0), hn),
	}
	if _, err := b.WriteEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	sign := func(name, visitor string, at time.Time, utm app.UTM) int64 {
		return b.onboard(t, name+"@kiln.example", at, app.Touch{VisitorID: visitor, UTM: utm})
	}
	cleo := sign("cleo", "cleo", on(-10, 12), app.UTM{})
	ada := sign("ada", "ada", on(4, 12), mail)
	sign("bob", "bob", on(5, 12), app.UTM{})
	dora := sign("dora", "", on(7, 12), mail)
	sign("ed", "edge", on(12, 12), app.UTM{})
	sign("fay", "shared", on(2, 12), app.UTM{})
	sign("gus", "shared", on(8, 12), app.UTM{})
	staff := sign("staff", "staff", on(6, 12), app.UTM{})
	if _, err := b.SetInternal(t.Context(), staff, true); err != nil {
		t.Fatal(err)
	}
	calls := []app.Event{
		call(ada, on(4, 13)), call(ada, on(5, 12)), call(cleo, on(3, 12)), call(dora, on(8, 12)),
		call(staff, on(6, 13)), call(staff, on(6, 14)),
	}
	if _, err := b.WriteEvents(t.Context(), calls); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOrdered(t *testing.T) {
	t.Parallel()
	b := history(t)
	for _, tt := range []struct {
		about  string
		start  string
		window time.Duration
		now    time.Time
		want   app.FunnelAnswer
	}{
		// Ada's last visit before the signup is on the 4th, and all is within two
		// days of it; Bob came three days before; what Ed did after the period
		// counts; of the shared browser, each has the visits up to the own signup.
		{"from the visit", "visit", twoDays, on(13, 0), app.FunnelAnswer{
			Persons: []int64{7, 4, 4, 1, 1}, Returning: 1, Unseen: 1, Mature: true,
		}},
		{"the window's end is in it", "visit", 25 * time.Hour, on(12, 0), app.FunnelAnswer{
			Persons: []int64{7, 3, 3, 1, 1}, Returning: 1, Unseen: 1,
		}},
		{"and no more", "visit", 25*time.Hour - time.Microsecond, on(12, 0), app.FunnelAnswer{Persons: []int64{7, 3, 3, 1, 0}, Returning: 1, Unseen: 1}},
		{"from the signup", "signup", twoDays, on(13, 0), app.FunnelAnswer{Persons: []int64{5, 5, 2, 1}, Mature: true}},
		{"from the key", "api_key", 24 * time.Hour, on(13, 0), app.FunnelAnswer{Persons: []int64{5, 2, 1}, Mature: true}},
		{"from the first call", "activation", twoDays, on(12, 0), app.FunnelAnswer{Persons: []int64{3, 1}}},
	} {
		stages, err := app.StagesFrom("start", tt.start)
		if err != nil {
			t.Fatal(err)
		}
		tt.want.Question = app.FunnelQuestion{Period: tenDays, Stages: stages, Window: tt.window}
		got, err := b.Ordered(t.Context(), tt.want.Question, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.about, diff)
		}
	}
}

func TestTiming(t *testing.T) {
	t.Parallel()
	got, err := history(t).Timing(t.Context(), tenDays)
	if err != nil {
		t.Fatal(err)
	}
	want := []app.StageTiming{
		// First visits: Ada 72 h, Bob 72 h, Fay 24 h, Gus by the same browser 168 h, Ed 37 h.
		{From: app.StageVisit, To: app.StageSignup, Entered: 5, Reached: 5, Median: 72 * time.Hour, P90: 129*time.Hour + 36*time.Minute},
		{From: app.StageSignup, To: app.StageAPIKey, Entered: 5, Reached: 5},
		// Ada one hour, Dora 24: percentiles lie between.
		{From: app.StageAPIKey, To: app.StageActivation, Entered: 5, Reached: 2, Median: 12*time.Hour + 30*time.Minute, P90: 21*time.Hour + 42*time.Minute},
		{From: app.StageActivation, To: app.StageRetention, Entered: 3, Reached: 1, Median: 23 * time.Hour, P90: 23 * time.Hour},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDropOff(t *testing.T) {
	t.Parallel()
	b := history(t)
	question := app.DropOffQuestion{Period: tenDays, After: 7 * 24 * time.Hour, Most: 2}
	got, err := b.DropOff(t.Context(), question, on(14, 12))
	if err != nil {
		t.Fatal(err)
	}
	want := []app.DropOff{
		{Stage: app.StageSignup, Next: app.StageAPIKey, Reached: 5, WentOn: 5},
		{Stage: app.StageAPIKey, Next: app.StageActivation, Reached: 5, WentOn: 2, Stalled: 2, Waiting: 1},
		{Stage: app.StageActivation, Next: app.StageRetention, Reached: 3, WentOn: 1, Stalled: 1, Waiting: 1},
	}
	if diff := cmp.Diff(want, got.Stages); diff != "" {
		t.Error(diff)
	}
	var names []string
	for range 3 {
		for _, s := range got.Stalled {
			names = append(names, s.Email+" "+string(s.Stage))
		}
		if question.Before = got.Next; got.Next == 0 {
			break
		}
		if got, err = b.DropOff(t.Context(), question, on(14, 12)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"fay@kiln.example api_key", "bob@kiln.example api_key", "cleo@kiln.example activation"}, names); diff != "" {
		t.Errorf("by pages: %s", diff)
	}
}

func TestCohorts(t *testing.T) {
	t.Parallel()
	b := history(t)
	now := on(11, 12)
	weeks, err := app.CohortWeeks(now, 2, "America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	// Mondays begin at five in the morning here.
	b.onboard(t, "early@kiln.example", on(10, 4), app.Touch{})
	got, err := b.Cohorts(t.Context(), weeks, twoDays, now)
	if err != nil {
		t.Fatal(err)
	}
	want := []app.Cohort{
		{Since: weeks[0].Since, Until: weeks[0].Until, Signups: 5, APIKeys: 5, Activated: 2, Retained: 1, EverRetained: 1},
		{Since: weeks[1].Since, Until: weeks[1].Until, Signups: 1, APIKeys: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSources(t *testing.T) {
	t.Parallel()
	b := history(t)
	for kind, want := range map[app.SourceKind][]app.SourceCount{
		app.BySource: {
			// Ada came by hn first, whatever the signup says; Dora was never seen, and
			// her signup counts; Gus is not the one who came to the shared browser by hn.
			{Value: "mail", Visitors: 3, Signups: 3, APIKeys: 3, Activated: 1},
			{Value: "hn", Visitors: 3, Signups: 2, APIKeys: 2, Activated: 1, Retained: 1},
			{Value: app.SourceNone, Visitors: 4},
		},
		app.ByMedium: {
			{Value: "letter", Visitors: 3, Signups: 3, APIKeys: 3, Activated: 1},
			{Value: app.SourceNone, Visitors: 5, Signups: 2, APIKeys: 2, Activated: 1, Retained: 1},
		},
	} {
		got, err := b.Sources(t.Context(), tenDays, kind, twoDays)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
	}
}

func TestJourneys(t *testing.T) {
	t.Parallel()
	b := history(t)
	yes, no := true, false
	for _, tt := range []struct {
		about    string
		question app.JourneyQuestion
		want     []string
	}{
		{"all", app.JourneyQuestion{}, []string{"gus", "fay", "ed", "dora", "bob", "ada", "cleo"}},
		{"activated, not retained", app.JourneyQuestion{Activated: &yes, Retained: &no}, []string{"dora", "cleo"}},
		{"since a day", app.JourneyQuestion{Since: on(8, 0)}, []string{"gus", "ed"}},
		{"of a source", app.JourneyQuestion{Source: "hn", Retained: &no}, []string{"gus", "fay"}},
	} {
		var got []string
		for tt.question.Most = 2; ; {
			journeys, next, err := b.Journeys(t.Context(), tt.question)
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range journeys {
				got = append(got, j.Email[:len(j.Email)-len("@kiln.example")])
			}
			if tt.question.Before = next; next == 0 {
				break
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.about, diff)
		}
	}
}

func TestCompleteness(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ask := func() app.Completeness {
		t.Helper()
		c, err := b.Completeness(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := ask(); c.Events() != "100.00" || c.Milestones() != "" {
		t.Errorf("before anything: %q, %q", c.Events(), c.Milestones())
	}
	b.onboard(t, "ops@kiln.example", noon, app.Touch{})
	b.exec(t, "DELETE FROM funnel_milestones WHERE stage = 'signup'")
	if err := b.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	batch := batchOf(view("v", noon, app.UTM{}))
	batch.Total = 3 // two more were accepted, and are on their way or lost
	if _, err := b.Apply(t.Context(), []app.Batch{batch}); err != nil {
		t.Fatal(err)
	}
	if c := ask(); c.Events() != "33.33" || c.Milestones() != "50.00" {
		t.Errorf("with gaps: %q, %q", c.Events(), c.Milestones())
	}
}
