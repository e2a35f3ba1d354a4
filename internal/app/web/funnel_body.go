package web

import (
	"strconv"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// CompletenessBody says how far the figures beside it can be trusted.
type CompletenessBody struct {
	Events     string     `json:"events" doc:"Share of the acknowledged events that is settled, in percent: stored, known to be a repetition, or dropped for a reason that the ledger tells." example:"100.00"`
	Milestones string     `json:"milestones,omitempty" doc:"Share of signups and first keys that the funnel knew of at the last nightly comparison with the accounts, in percent." example:"100.00"`
	Reconciled *time.Time `json:"reconciled_at,omitempty" doc:"When that was."`
}

// NewCompletenessBody encodes a completeness.
func NewCompletenessBody(c app.Completeness) CompletenessBody {
	body := CompletenessBody{Events: c.Events(), Milestones: c.Milestones()}
	if c.Reconciled != nil {
		at := c.Reconciled.At.UTC().Truncate(time.Second)
		body.Reconciled = &at
	}
	return body
}

// PeriodBody is a span of days.
type PeriodBody struct {
	Start string `json:"period_start" format:"date" doc:"First day, UTC."`
	End   string `json:"period_end" format:"date" doc:"Last day, UTC, included."`
}

func newPeriodBody(p app.Period) PeriodBody {
	return PeriodBody{Start: p.Since.Format(time.DateOnly), End: p.LastDay().Format(time.DateOnly)}
}

// DailyBody is the funnel of each day.
type DailyBody struct {
	PeriodBody
	Days         []SummaryBody    `json:"days" doc:"Ascending."`
	Completeness CompletenessBody `json:"completeness"`
}

// NewDailyBody encodes days, of which there is at least one.
func NewDailyBody(days []app.Summary, c app.Completeness) DailyBody {
	body := DailyBody{
		PeriodBody:   newPeriodBody(app.Period{Since: days[0].Period.Since, Until: days[len(days)-1].Period.Until}),
		Completeness: NewCompletenessBody(c),
	}
	for _, day := range days {
		body.Days = append(body.Days, NewSummaryBody(day))
	}
	return body
}

// OrderedStage is one stage of an ordered funnel.
type OrderedStage struct {
	Stage   string `json:"stage" enum:"visit,signup,api_key,activation,retention"`
	Persons int64  `json:"persons" doc:"Who came as far as this, in order and within the window."`
	Rate    string `json:"rate" doc:"Share of the stage before, in percent; 100.00 for the first." example:"42.00"`
	Overall string `json:"overall_rate" doc:"Share of the first stage, in percent." example:"3.10"`
}

// OrderedBody is an ordered funnel.
type OrderedBody struct {
	PeriodBody
	WindowDays   int              `json:"window_days"`
	Mature       bool             `json:"mature" doc:"False while somebody who entered still has some of the window: the later stages will grow."`
	Stages       []OrderedStage   `json:"stages"`
	Returning    int64            `json:"returning_customers" doc:"Of the first stage: who had signed up before the first visit in the period."`
	Unseen       int64            `json:"signups_without_visit" doc:"Signups of the period that no visit in it comes before; they never entered."`
	Completeness CompletenessBody `json:"completeness"`
}

// NewOrderedBody encodes an ordered funnel.
func NewOrderedBody(a app.FunnelAnswer, c app.Completeness) OrderedBody {
	body := OrderedBody{
		PeriodBody: newPeriodBody(a.Question.Period), WindowDays: days(a.Question.Window), Mature: a.Mature,
		Returning: a.Returning, Unseen: a.Unseen, Completeness: NewCompletenessBody(c),
	}
	for i, stage := range a.Question.Stages {
		body.Stages = append(body.Stages, OrderedStage{
			Stage: string(stage), Persons: a.Persons[i],
			Rate: app.Rate(a.Persons[i], a.Persons[max(0, i-1)]), Overall: app.Rate(a.Persons[i], a.Persons[0]),
		})
	}
	return body
}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }

// TimingBody is how long customers take.
type TimingBody struct {
	PeriodBody
	Steps        []TimingStep     `json:"steps"`
	Completeness CompletenessBody `json:"completeness"`
}

// TimingStep is the way from one stage to the next.
type TimingStep struct {
	From    string  `json:"from"`
	To      string  `json:"to"`
	Entered int64   `json:"entered" doc:"Customers who came to the first of the two in the period. Visits are those of people who signed up later."`
	Reached int64   `json:"reached" doc:"Of them, who came to the second since."`
	Rate    string  `json:"rate" doc:"reached of entered, in percent."`
	Median  float64 `json:"median_seconds" doc:"Of those who reached it; 0 without any."`
	P90     float64 `json:"p90_seconds"`
}

// NewTimingBody encodes timings.
func NewTimingBody(p app.Period, steps []app.StageTiming, c app.Completeness) TimingBody {
	body := TimingBody{PeriodBody: newPeriodBody(p), Completeness: NewCompletenessBody(c)}
	for _, t := range steps {
		body.Steps = append(body.Steps, TimingStep{
			From: string(t.From), To: string(t.To), Entered: t.Entered, Reached: t.Reached, Rate: app.Rate(t.Reached, t.Entered),
			Median: t.Median.Seconds(), P90: t.P90.Seconds(),
		})
	}
	return body
}

// DropOffBody is where customers stall, and who.
type DropOffBody struct {
	PeriodBody
	AfterDays    int              `json:"stalled_after_days"`
	Stages       []DropOffStage   `json:"stages"`
	Stalled      []StalledBody    `json:"stalled" doc:"The newest customers first."`
	Next         string           `json:"next,omitempty" doc:"The value of cursor for the next page."`
	Completeness CompletenessBody `json:"completeness"`
}

// DropOffStage is what became of those who reached a stage.
type DropOffStage struct {
	Stage    string `json:"stage"`
	Next     string `json:"next_stage"`
	Reached  int64  `json:"reached"`
	WentOn   int64  `json:"went_on"`
	Stalled  int64  `json:"stalled" doc:"Have not gone on for longer than stalled_after_days."`
	Waiting  int64  `json:"waiting" doc:"Have not gone on yet; no rate counts them."`
	Rate     string `json:"rate" doc:"went_on of went_on and stalled, in percent."`
	DropOff  string `json:"drop_off" doc:"The rest of rate."`
	Severity string `json:"severity" enum:"ok,medium,high,critical" doc:"By rate: below 10 critical, below 30 high, below 50 medium."`
}

// StalledBody is one customer who stalls.
type StalledBody struct {
	CustomerID int64     `json:"customer_id"`
	Name       string    `json:"name"`
	Email      string    `json:"email"`
	Stage      string    `json:"stage" doc:"The last that was reached."`
	Since      time.Time `json:"since"`
}

// NewDropOffBody encodes a drop-off.
func NewDropOffBody(q app.DropOffQuestion, a app.DropOffAnswer, c app.Completeness) DropOffBody {
	body := DropOffBody{
		PeriodBody: newPeriodBody(q.Period), AfterDays: days(q.After), Stalled: []StalledBody{}, Next: cursor(a.Next),
		Completeness: NewCompletenessBody(c),
	}
	for _, d := range a.Stages {
		body.Stages = append(body.Stages, DropOffStage{
			Stage: string(d.Stage), Next: string(d.Next), Reached: d.Reached, WentOn: d.WentOn, Stalled: d.Stalled,
			Waiting: d.Waiting, Rate: d.Rate(), DropOff: d.Lost(), Severity: d.Severity(),
		})
	}
	for _, s := range a.Stalled {
		body.Stalled = append(body.Stalled, StalledBody{
			CustomerID: s.CustomerID, Name: s.Name, Email: s.Email, Stage: string(s.Stage), Since: s.At.UTC(),
		})
	}
	return body
}

// cursor is the id after which a page goes on, "" when there is none.
func cursor(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}

// CohortsBody is how far the signups of each week came.
type CohortsBody struct {
	TimeZone     string           `json:"time_zone"`
	WindowDays   int              `json:"window_days"`
	Cohorts      []CohortBody     `json:"cohorts" doc:"Ascending."`
	Completeness CompletenessBody `json:"completeness"`
}

// CohortBody is one week.
type CohortBody struct {
	Week          string `json:"week" format:"date" doc:"The Monday it begins with, in the time zone."`
	Mature        bool   `json:"mature" doc:"False while somebody still has some of the window: the figures will grow."`
	Signups       int64  `json:"signups"`
	APIKeys       int64  `json:"api_keys"`
	Activated     int64  `json:"activated"`
	Retained      int64  `json:"retained"`
	APIKeyRate    string `json:"api_key_rate" doc:"Share of the signups, in percent, within the window from each one's signup."`
	ActivatedRate string `json:"activated_rate"`
	RetainedRate  string `json:"retained_rate"`
	EverRetained  int64  `json:"ever_retained" doc:"Made their second call whenever it was."`
}

// NewCohortsBody encodes cohorts.
func NewCohortsBody(zone string, window time.Duration, cohorts []app.Cohort, c app.Completeness) CohortsBody {
	body := CohortsBody{TimeZone: zone, WindowDays: days(window), Completeness: NewCompletenessBody(c)}
	for _, w := range cohorts {
		body.Cohorts = append(body.Cohorts, CohortBody{
			Week: w.Since.Format(time.DateOnly), Mature: w.Mature, Signups: w.Signups,
			APIKeys: w.APIKeys, Activated: w.Activated, Retained: w.Retained, EverRetained: w.EverRetained,
			APIKeyRate: app.Rate(w.APIKeys, w.Signups), ActivatedRate: app.Rate(w.Activated, w.Signups), RetainedRate: app.Rate(w.Retained, w.Signups),
		})
	}
	return body
}

// SourcesBody is what came of each source.
type SourcesBody struct {
	PeriodBody
	By           string           `json:"by" enum:"source,medium,campaign"`
	WindowDays   int              `json:"window_days"`
	Mature       bool             `json:"mature" doc:"False while somebody who signed up in the period still has some of the window."`
	Sources      []SourceBody     `json:"sources" doc:"By signups, the most first; (none) named no campaign, (other) is all past the first 50."`
	Completeness CompletenessBody `json:"completeness"`
}

// SourceBody is one source.
type SourceBody struct {
	Value         string `json:"value"`
	Visitors      int64  `json:"visitors" doc:"Who saw a page in the period by a link of this source."`
	Signups       int64  `json:"signups" doc:"Customers who signed up in the period, and whom this source brought first."`
	APIKeys       int64  `json:"api_keys"`
	Activated     int64  `json:"activated"`
	Retained      int64  `json:"retained"`
	SignupRate    string `json:"signup_rate" doc:"signups of visitors, in percent. Who came first by another source counts there as a signup, and here as a visitor."`
	ActivatedRate string `json:"activated_rate" doc:"Of the signups, within the window from each one's signup."`
	RetainedRate  string `json:"retained_rate"`
}

// NewSourcesBody encodes sources.
func NewSourcesBody(p app.Period, by app.SourceKind, window time.Duration, mature bool, sources []app.SourceCount, c app.Completeness) SourcesBody {
	body := SourcesBody{
		PeriodBody: newPeriodBody(p), By: string(by), WindowDays: days(window), Mature: mature, Sources: []SourceBody{},
		Completeness: NewCompletenessBody(c),
	}
	for _, s := range sources {
		body.Sources = append(body.Sources, SourceBody{
			Value: s.Value, Visitors: s.Visitors, Signups: s.Signups, APIKeys: s.APIKeys, Activated: s.Activated, Retained: s.Retained,
			SignupRate: app.Rate(s.Signups, s.Visitors), ActivatedRate: app.Rate(s.Activated, s.Signups), RetainedRate: app.Rate(s.Retained, s.Signups),
		})
	}
	return body
}

// JourneysBody is a page of journeys.
type JourneysBody struct {
	Journeys     []JourneyBody    `json:"journeys" doc:"The newest customers first."`
	Next         string           `json:"next,omitempty" doc:"The value of cursor for the next page."`
	Completeness CompletenessBody `json:"completeness"`
}

// JourneyBody is one customer's journey.
type JourneyBody struct {
	CustomerID int64      `json:"customer_id"`
	Name       string     `json:"name"`
	Email      string     `json:"email"`
	FirstVisit *time.Time `json:"first_visit_at,omitempty"`
	Signup     *time.Time `json:"signup_at,omitempty"`
	APIKey     *time.Time `json:"api_key_created_at,omitempty"`
	FirstCall  *time.Time `json:"first_api_call_at,omitempty"`
	SecondCall *time.Time `json:"second_api_call_at,omitempty"`
	APICalls   int64      `json:"api_calls"`
	Activated  bool       `json:"completed_activation"`
	Retained   bool       `json:"completed_retention"`
	Source     string     `json:"utm_source,omitempty"`
	Medium     string     `json:"utm_medium,omitempty"`
	Campaign   string     `json:"utm_campaign,omitempty"`
	Term       string     `json:"utm_term,omitempty"`
	Content    string     `json:"utm_content,omitempty"`
}

// NewJourneysBody encodes a page of journeys.
func NewJourneysBody(journeys []app.JourneyOf, next int64, c app.Completeness) JourneysBody {
	body := JourneysBody{Journeys: []JourneyBody{}, Next: cursor(next), Completeness: NewCompletenessBody(c)}
	for _, j := range journeys {
		body.Journeys = append(body.Journeys, JourneyBody{
			CustomerID: j.CustomerID, Name: j.Name, Email: j.Email, FirstVisit: optionalUTC(j.FirstVisitAt), Signup: optionalUTC(j.SignupAt),
			APIKey: optionalUTC(j.APIKeyCreatedAt), FirstCall: optionalUTC(j.FirstCallAt), SecondCall: optionalUTC(j.SecondCallAt),
			APICalls: j.APICalls, Activated: j.Activated(), Retained: j.Retained(),
			Source: j.UTM.Source, Medium: j.UTM.Medium, Campaign: j.UTM.Campaign, Term: j.UTM.Term, Content: j.UTM.Content,
		})
	}
	return body
}

// optionalUTC leaves the zero time out.
func optionalUTC(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}
