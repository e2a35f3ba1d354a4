package app

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Bounds of the number of days a summary may look back.
const (
	MinSummaryDays     = 1
	MaxSummaryDays     = 366
	DefaultSummaryDays = 30
)

// Period is a half-open span of UTC calendar days: Since included, Until not.
// Both are midnights.
type Period struct {
	Since, Until time.Time
}

// LastDays is the period from the given number of days before today to today,
// today included: days+1 calendar days.
func LastDays(now time.Time, days int) (Period, error) {
	if days < MinSummaryDays || days > MaxSummaryDays {
		return Period{}, Invalid(FieldError{
			Field:   "days",
			Message: fmt.Sprintf("must be between %d and %d, got %d", MinSummaryDays, MaxSummaryDays, days),
		})
	}
	today := Day(now)
	return Period{Since: today.Since.AddDate(0, 0, -days), Until: today.Until}, nil
}

// Days is the period from one day to another, both included, as YYYY-MM-DD in
// UTC. An empty from is DefaultSummaryDays before to, an empty to is today.
func Days(from, to string, now time.Time) (Period, error) {
	today := Day(now)
	last, err := parseDay("to", to, today.Since)
	if err != nil {
		return Period{}, err
	}
	first, err := parseDay("from", from, last.AddDate(0, 0, -DefaultSummaryDays))
	if err != nil {
		return Period{}, err
	}
	switch {
	case last.After(today.Since):
		return Period{}, Invalid(FieldError{
			Field: "to", Message: fmt.Sprintf("is %s, which has not begun: use %s or before (UTC)", to, today.Since.Format(time.DateOnly)),
		})
	case first.After(last):
		return Period{}, Invalid(FieldError{Field: "from", Message: "is after to: exchange the two"})
	case first.Before(last.AddDate(0, 0, -MaxSummaryDays)):
		return Period{}, Invalid(FieldError{
			Field: "from", Message: fmt.Sprintf("is more than %d days before to: ask for less at a time", MaxSummaryDays),
		})
	}
	return Period{Since: first, Until: last.AddDate(0, 0, 1)}, nil
}

func parseDay(field, text string, fallback time.Time) (time.Time, error) {
	if text == "" {
		return fallback, nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, Invalid(FieldError{Field: field, Message: fmt.Sprintf("is %q: write a day such as 2025-11-04", text)})
	}
	return day, nil
}

// Day is the UTC calendar day that a time falls on.
func Day(at time.Time) Period {
	y, m, d := at.UTC().Date()
	midnight := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	return Period{Since: midnight, Until: midnight.AddDate(0, 0, 1)}
}

// LastDay is the last day that the period includes.
func (p Period) LastDay() time.Time { return p.Until.AddDate(0, 0, -1) }

// Counts are the numbers of one period.
type Counts struct {
	Visits    int64
	Visitors  int64
	Signups   int64
	APIKeys   int64
	Activated int64
	Retained  int64
}

// Rates are the four conversions between the five stages, as percentages with
// two decimals. They are not capped: a period may hold more keys than signups.
type Rates struct {
	VisitToSignup, SignupToAPIKey, APIKeyToActivation, ActivationToRetention string
}

// Rates computes the conversions.
func (c Counts) Rates() Rates {
	return Rates{
		VisitToSignup:         Rate(c.Signups, c.Visits),
		SignupToAPIKey:        Rate(c.APIKeys, c.Signups),
		APIKeyToActivation:    Rate(c.Activated, c.APIKeys),
		ActivationToRetention: Rate(c.Retained, c.Activated),
	}
}

// Rate is part of whole in percent with two decimals, half rounded up:
// "3.65". It is "0.00" when whole is zero. Neither may be negative.
func Rate(part, whole int64) string {
	if whole <= 0 || part <= 0 {
		return "0.00"
	}
	hundredths := hundredthsOf(part, whole)
	return fmt.Sprintf("%d.%02d", hundredths/100, hundredths%100)
}

// Summary is the funnel of one period.
type Summary struct {
	Period Period
	Counts Counts
	// TopSources and TopCampaigns count events by utm_source and utm_campaign;
	// the ten largest.
	TopSources   map[string]int64
	TopCampaigns map[string]int64
}

// TopValues is how many sources and campaigns a summary names.
const TopValues = 10

// Top are the largest of some counts; equal ones by name.
func Top(counts map[string]int64, most int) map[string]int64 {
	top := map[string]int64{}
	for _, name := range byCount(counts) {
		if name == SourceOther {
			continue // which is not one of them
		}
		if len(top) == most {
			break
		}
		top[name] = counts[name]
	}
	return top
}

// TopAndOther is Top, and the sum of all others as SourceOther.
func TopAndOther(counts map[string]int64, most int) map[string]int64 {
	top := Top(counts, most)
	for name, n := range counts {
		if _, named := top[name]; !named {
			top[SourceOther] += n
		}
	}
	return top
}

func byCount(counts map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(counts), func(x, y string) int {
		return cmp.Or(cmp.Compare(counts[y], counts[x]), strings.Compare(x, y))
	})
}
