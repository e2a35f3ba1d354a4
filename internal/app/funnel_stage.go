package app

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// StageVisit is the stage before the signup: a page was seen. Persons come to
// it again and again; the stages after it are reached once.
const StageVisit Stage = "visit"

// FunnelStages lists the five stages in their order.
func FunnelStages() []Stage {
	return []Stage{StageVisit, StageSignup, StageAPIKey, StageActivation, StageRetention}
}

// StagesFrom is the funnel from a stage on, or CodeValidation when a funnel
// cannot begin with it.
func StagesFrom(field, first string) ([]Stage, error) {
	stages := FunnelStages()
	at := slices.Index(stages, Stage(first))
	if at < 0 || at == len(stages)-1 {
		return nil, Invalid(FieldError{Field: field, Message: fmt.Sprintf(
			"is %q: a funnel begins with visit, signup, api_key or activation", first)})
	}
	return stages[at:], nil
}

// Bounds of the window in which a conversion counts, in days after the entry.
const (
	MinWindowDays     = 1
	MaxWindowDays     = 366
	DefaultWindowDays = 14
)

// Window is a number of days as the time in which a conversion counts: the
// instant at its end is in it.
func Window(field string, days int) (time.Duration, error) {
	if days < MinWindowDays || days > MaxWindowDays {
		return 0, Invalid(FieldError{Field: field, Message: fmt.Sprintf(
			"must be between %d and %d days, got %d", MinWindowDays, MaxWindowDays, days)})
	}
	return time.Duration(days) * 24 * time.Hour, nil
}

// FunnelQuestion asks for an ordered funnel: of the persons who enter the first
// stage in the period, how many reach each later one, in order, within the
// window from their entry.
type FunnelQuestion struct {
	Period Period
	// Stages begin with the one that is entered; see StagesFrom.
	Stages []Stage
	Window time.Duration
}

// FunnelAnswer is an ordered funnel. A person is a customer with all browsers
// that are known to be the customer's, or a browser of nobody known.
type FunnelAnswer struct {
	Question FunnelQuestion
	// Persons are those who came as far as each of the question's stages.
	Persons []int64
	// Returning are those of the first number who had signed up before they came
	// in the period; zero for funnels that do not begin with the visit.
	Returning int64
	// Unseen are the signups of the period without a visit before them in it:
	// they never entered. Zero for other funnels, too.
	Unseen int64
	// Mature says that the window of everybody who entered was over.
	Mature bool
}

// Mature says whether everybody who entered until then has had the window.
func Mature(until time.Time, window time.Duration, now time.Time) bool {
	return !now.Before(until.Add(window))
}

// StageTiming is how long customers took from one stage to the next.
type StageTiming struct {
	From, To Stage
	// Entered came to From in the period; Reached of them came to To since.
	Entered, Reached int64
	// Median and P90 are of those who reached it, zero without any.
	Median, P90 time.Duration
}

// Severities of a stage, by the share that goes on.
const (
	SeverityOK       = "ok"
	SeverityMedium   = "medium"
	SeverityHigh     = "high"
	SeverityCritical = "critical"
)

// DropOff is what became of the customers who reached a stage in a period.
type DropOff struct {
	Stage, Next Stage
	Reached     int64
	// WentOn reached the next stage; Stalled have not for longer than the
	// question allows; Waiting have not yet.
	WentOn, Stalled, Waiting int64
}

// Rate is the share that went on, of those who did or stalled.
func (d DropOff) Rate() string { return Rate(d.WentOn, d.WentOn+d.Stalled) }

// Lost is the share that stalled, the rest of Rate.
func (d DropOff) Lost() string {
	if d.WentOn+d.Stalled == 0 {
		return "0.00"
	}
	hundredths := 10000 - hundredthsOf(d.WentOn, d.WentOn+d.Stalled)
	return fmt.Sprintf("%d.%02d", hundredths/100, hundredths%100)
}

// Severity grades the stage: below 10 percent going on is critical, below 30
// high, below 50 medium. A stage that nobody has decided about is ok.
func (d DropOff) Severity() string {
	decided := d.WentOn + d.Stalled
	switch {
	case decided == 0 || d.WentOn*2 >= decided:
		return SeverityOK
	case d.WentOn*10 < decided:
		return SeverityCritical
	case d.WentOn*10 < decided*3:
		return SeverityHigh
	default:
		return SeverityMedium
	}
}

// StalledCustomer is one who does not go on.
type StalledCustomer struct {
	CustomerID  int64
	Name, Email string
	// Stage is the last that was reached, At when.
	Stage Stage
	At    time.Time
}

// DropOffQuestion asks where the customers stall who reached a stage in the
// period.
type DropOffQuestion struct {
	Period Period
	// After is how long somebody may take before it is called stalling.
	After time.Duration
	// Before, when it is not zero, lists customers of smaller ids: the next page.
	Before int64
	// Most is how many customers are listed.
	Most int
}

// DropOffAnswer has one entry for each of the stages signup, api_key and
// activation, and a page of those who stall, the newest customers first.
type DropOffAnswer struct {
	Stages  []DropOff
	Stalled []StalledCustomer
	// Next is Before of the next page; zero when there is none.
	Next int64
}

// Cohort are the customers who signed up in one week.
type Cohort struct {
	// Since is the first instant of the week, Until the first after it.
	Since, Until time.Time
	Signups      int64
	// APIKeys, Activated and Retained came that far within the window from
	// their own signup.
	APIKeys, Activated, Retained int64
	// EverRetained made their second call at all.
	EverRetained int64
	// Mature says that everybody of the cohort has had the window.
	Mature bool
}

// Weeks are the weeks, from Monday to Monday in a time zone, of which at least
// a part lies in the last n, this one included. They follow daylight saving.
func Weeks(now time.Time, n int, zone *time.Location) []Period {
	local := now.In(zone)
	year, month, day := local.Date()
	monday := day - (int(local.Weekday())+6)%7
	weeks := make([]Period, n)
	for i := range weeks {
		first := monday - 7*(n-1-i)
		weeks[i] = Period{
			Since: time.Date(year, month, first, 0, 0, 0, 0, zone), Until: time.Date(year, month, first+7, 0, 0, 0, 0, zone),
		}
	}
	return weeks
}

// Bounds of the number of weeks that are asked for.
const (
	MaxCohorts     = 106
	DefaultCohorts = 12
)

// CohortWeeks checks what cohorts are asked for.
func CohortWeeks(now time.Time, weeks int, zone string) ([]Period, error) {
	if weeks < 1 || weeks > MaxCohorts {
		return nil, Invalid(FieldError{Field: "weeks", Message: fmt.Sprintf("must be between 1 and %d, got %d", MaxCohorts, weeks)})
	}
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return nil, Invalid(FieldError{Field: "tz", Message: fmt.Sprintf(
			"is %q, which is no time zone: use a name such as UTC or Europe/Berlin", zone)})
	}
	return Weeks(now, weeks, location), nil
}

// SourceKind is what customers are told apart by.
type SourceKind string

// The kinds of sources.
const (
	BySource   SourceKind = "source"
	ByMedium   SourceKind = "medium"
	ByCampaign SourceKind = "campaign"
)

// ParseSourceKind checks a kind.
func ParseSourceKind(field, text string) (SourceKind, error) {
	switch kind := SourceKind(text); kind {
	case BySource, ByMedium, ByCampaign:
		return kind, nil
	}
	return "", Invalid(FieldError{Field: field, Message: fmt.Sprintf("is %q: use source, medium or campaign", text)})
}

// Sources are told by their values; these two stand for what has none, and for
// the smaller ones together.
const (
	SourceNone  = "(none)"
	SourceOther = "(other)"
	// MaxSources is how many values are told apart.
	MaxSources = 50
)

// SourceCount is what came of one source in a period.
type SourceCount struct {
	Value string
	// Visitors saw a page in the period by a link of this source.
	Visitors int64
	// Signups are customers who signed up in the period and whose first campaign
	// was this; of them, APIKeys, Activated and Retained came that far within the
	// window from their signup.
	Signups, APIKeys, Activated, Retained int64
}

// LargestSources sorts by signups, then visitors, and adds up all past most.
func LargestSources(counts []SourceCount, most int) []SourceCount {
	slices.SortFunc(counts, func(x, y SourceCount) int {
		switch {
		case x.Signups != y.Signups:
			return int(y.Signups - x.Signups)
		case x.Visitors != y.Visitors:
			return int(y.Visitors - x.Visitors)
		default:
			return strings.Compare(x.Value, y.Value)
		}
	})
	if len(counts) <= most {
		return counts
	}
	other := SourceCount{Value: SourceOther}
	for _, c := range counts[most:] {
		other.Visitors += c.Visitors
		other.Signups += c.Signups
		other.APIKeys += c.APIKeys
		other.Activated += c.Activated
		other.Retained += c.Retained
	}
	return append(counts[:most:most], other)
}

// JourneyQuestion asks for journeys, the newest customers first.
type JourneyQuestion struct {
	// Activated and Retained, where set, choose those who are or are not.
	Activated, Retained *bool
	// Since, when it is not zero, leaves out who signed up before.
	Since time.Time
	// Source, when it is not empty, is the utm_source of the journey.
	Source string
	// Before, when it is not zero, answers customers of smaller ids: the next
	// page.
	Before int64
	Most   int
}

// Bounds of the size of a page of customers.
const (
	MaxFunnelPage     = 500
	DefaultFunnelPage = 50
)

// JourneyOf is one customer's journey with whose it is. Zero times are stages
// that were not reached.
type JourneyOf struct {
	Journey
	Name, Email  string
	FirstVisitAt time.Time
	UTM          UTM
}

// Completeness is how far the figures can be trusted.
type Completeness struct {
	// Accepted events were acknowledged; Settled of them are stored, known to be
	// repetitions, or dropped for a reason that is counted.
	Accepted, Settled int64
	// Reconciled is the last nightly comparison with the accounts; nil before
	// the first.
	Reconciled *Reconciliation
}

// Events is the settled share in percent.
func (c Completeness) Events() string { return share(c.Settled, c.Accepted) }

// Milestones is the share of signups and first keys that the funnel knew of at
// the last comparison; "" before the first.
func (c Completeness) Milestones() string {
	r := c.Reconciled
	if r == nil {
		return ""
	}
	return share(r.Signups+r.Keys, r.Customers+r.Keyed)
}

// share is Rate, but only what is whole is 100.00, and nothing of nothing is.
func share(part, whole int64) string {
	switch {
	case part >= whole:
		return "100.00"
	case hundredthsOf(part, whole) == 10000:
		return "99.99"
	default:
		return Rate(part, whole)
	}
}

func hundredthsOf(part, whole int64) int64 { return (part*20000 + whole) / (2 * whole) }

// NewFunnelQuestion checks what an ordered funnel is asked for.
func NewFunnelQuestion(from, to, start string, windowDays int, now time.Time) (FunnelQuestion, error) {
	var q FunnelQuestion
	var err error
	if q.Period, err = Days(from, to, now); err != nil {
		return q, err
	}
	if q.Stages, err = StagesFrom("start", start); err != nil {
		return q, err
	}
	q.Window, err = Window("window", windowDays)
	return q, err
}

// NewJourneyQuestion checks filters: "true", "false" or "" for either, and a day
// or "".
func NewJourneyQuestion(activated, retained, since, source string) (JourneyQuestion, error) {
	q := JourneyQuestion{Source: source, Most: DefaultFunnelPage}
	for _, f := range []struct {
		field, text string
		to          **bool
	}{{"completed_activation", activated, &q.Activated}, {"completed_retention", retained, &q.Retained}} {
		if f.text == "" {
			continue
		}
		yes := f.text == "true"
		if !yes && f.text != "false" {
			return q, Invalid(FieldError{Field: f.field, Message: fmt.Sprintf("is %q: use true or false", f.text)})
		}
		*f.to = &yes
	}
	var err error
	q.Since, err = parseDay("since", since, time.Time{})
	return q, err
}

// PageSize checks how many customers are listed.
func PageSize(field string, n int) (int, error) {
	if n < 1 || n > MaxFunnelPage {
		return 0, Invalid(FieldError{Field: field, Message: fmt.Sprintf("must be between 1 and %d, got %d", MaxFunnelPage, n)})
	}
	return n, nil
}
