package web

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// FunnelRange is the days that a question is about.
type FunnelRange struct {
	From string `query:"from" doc:"First day, YYYY-MM-DD in UTC; 30 days before the last by default." example:"2025-11-01"`
	To   string `query:"to" doc:"Last day, included; today by default." example:"2025-11-30"`
}

// FunnelWindow is how long a conversion may take.
type FunnelWindow struct {
	Window int `query:"window" default:"14" minimum:"1" maximum:"366" doc:"Days from the entry in which a later stage counts; the instant at their end is in."`
}

// FunnelPage is a page of customers.
type FunnelPage struct {
	Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"500" doc:"Customers on a page."`
	Cursor string `query:"cursor" doc:"The value of next of the page before."`
}

type (
	dailyInput   struct{ FunnelRange }
	timingInput  struct{ FunnelRange }
	orderedInput struct {
		FunnelRange
		FunnelWindow
		Start string `query:"start" default:"visit" enum:"visit,signup,api_key,activation" doc:"The stage that is entered."`
	}
	dropOffInput struct {
		FunnelRange
		FunnelPage
		After int `query:"after" default:"7" minimum:"1" maximum:"366" doc:"Days at a stage after which somebody stalls."`
	}
	cohortsInput struct {
		FunnelWindow
		Weeks    int    `query:"weeks" default:"12" minimum:"1" maximum:"106" doc:"Weeks, this one included."`
		TimeZone string `query:"tz" default:"UTC" doc:"In which weeks begin on Monday." example:"Europe/Berlin"`
	}
	sourcesInput struct {
		FunnelRange
		FunnelWindow
		By string `query:"by" default:"source" enum:"source,medium,campaign"`
	}
	journeysInput struct {
		FunnelPage
		Activated string `query:"completed_activation" enum:"true,false" doc:"Only those who made their first call, or have not."`
		Retained  string `query:"completed_retention" enum:"true,false" doc:"Only those who made their second call, or have not."`
		Since     string `query:"since" format:"date" doc:"Only those who signed up on this day (UTC) or later."`
		Source    string `query:"source" maxLength:"100" doc:"Only those with this utm_source."`
	}
)

type bodyOf[B any] struct{ Body B }

// funnelQuery adds one question about the funnel to the API; answer gets the
// completeness that stands beside it.
func funnelQuery[I, B any](s *server, name, summary, about string, answer func(context.Context, *I, app.Completeness) (B, error)) {
	register(s, s.authenticated(huma.Operation{
		OperationID: "funnel-" + name, Method: http.MethodGet, Path: "/api/v1/funnel/" + name,
		Summary: summary, Description: about + " Needs the permission admin. Internal customers, smoke tests among them, are not counted.",
		Tags: []string{"funnel"}, Errors: []int{http.StatusUnprocessableEntity},
	}, app.PermissionAdmin), func(ctx context.Context, in *I) (*bodyOf[B], error) {
		complete, err := s.d.Funnel.Completeness(ctx)
		if err != nil {
			return nil, err
		}
		body, err := answer(ctx, in, complete)
		if err != nil {
			return nil, err
		}
		return &bodyOf[B]{Body: body}, nil
	})
}

func (s *server) registerFunnelQueries() {
	funnelQuery(s, "daily", "The conversion funnel of each day", "The figures of the summary, day by day.", s.funnelDaily)
	funnelQuery(s, "ordered", "How far persons come, in order and in time",
		"Persons who entered the first stage in the period, and how many of them reached each later one, in order, within the window from their entry, even when that is past the period.", s.funnelOrdered)
	funnelQuery(s, "timing", "How long customers take between the stages", "Of customers who came to a stage in the period.", s.funnelTiming)
	funnelQuery(s, "drop-off", "Where customers stall, and who", "Of customers who reached a stage in the period.", s.funnelDropOff)
	funnelQuery(s, "cohorts", "How far the signups of each week come", "By the week of the signup.", s.funnelCohorts)
	funnelQuery(s, "sources", "What comes of each source or campaign",
		"Customers belong to the first campaign that one of their browsers came by, or else to the one of their signup.", s.funnelSources)
	funnelQuery(s, "journeys", "The way of each customer", "The newest customers first.", s.funnelJourneys)
}

func (s *server) funnelDaily(ctx context.Context, in *dailyInput, c app.Completeness) (DailyBody, error) {
	now := s.d.Now()
	period, err := app.Days(in.From, in.To, now)
	if err != nil {
		return DailyBody{}, err
	}
	days, err := s.d.Funnel.Days(ctx, period, now)
	if err != nil {
		return DailyBody{}, err
	}
	return NewDailyBody(days, c), nil
}

func (s *server) funnelOrdered(ctx context.Context, in *orderedInput, c app.Completeness) (OrderedBody, error) {
	now := s.d.Now()
	question, err := app.NewFunnelQuestion(in.From, in.To, in.Start, in.Window, now)
	if err != nil {
		return OrderedBody{}, err
	}
	answer, err := s.d.Funnel.Ordered(ctx, question, now)
	if err != nil {
		return OrderedBody{}, err
	}
	return NewOrderedBody(answer, c), nil
}

func (s *server) funnelTiming(ctx context.Context, in *timingInput, c app.Completeness) (TimingBody, error) {
	period, err := app.Days(in.From, in.To, s.d.Now())
	if err != nil {
		return TimingBody{}, err
	}
	steps, err := s.d.Funnel.Timing(ctx, period)
	if err != nil {
		return TimingBody{}, err
	}
	return NewTimingBody(period, steps, c), nil
}

func (s *server) funnelDropOff(ctx context.Context, in *dropOffInput, c app.Completeness) (DropOffBody, error) {
	now := s.d.Now()
	period, err := app.Days(in.From, in.To, now)
	if err != nil {
		return DropOffBody{}, err
	}
	q := app.DropOffQuestion{Period: period, Most: in.Limit}
	if q.After, err = app.Window("after", in.After); err != nil {
		return DropOffBody{}, err
	}
	if q.Before, err = parseCursor(in.Cursor); err != nil {
		return DropOffBody{}, err
	}
	answer, err := s.d.Funnel.DropOff(ctx, q, now)
	if err != nil {
		return DropOffBody{}, err
	}
	return NewDropOffBody(q, answer, c), nil
}

func (s *server) funnelCohorts(ctx context.Context, in *cohortsInput, c app.Completeness) (CohortsBody, error) {
	now := s.d.Now()
	weeks, err := app.CohortWeeks(now, in.Weeks, in.TimeZone)
	if err != nil {
		return CohortsBody{}, err
	}
	window, err := app.Window("window", in.Window)
	if err != nil {
		return CohortsBody{}, err
	}
	cohorts, err := s.d.Funnel.Cohorts(ctx, weeks, window, now)
	if err != nil {
		return CohortsBody{}, err
	}
	return NewCohortsBody(in.TimeZone, window, cohorts, c), nil
}

func (s *server) funnelSources(ctx context.Context, in *sourcesInput, c app.Completeness) (SourcesBody, error) {
	now := s.d.Now()
	period, err := app.Days(in.From, in.To, now)
	if err != nil {
		return SourcesBody{}, err
	}
	window, err := app.Window("window", in.Window)
	if err != nil {
		return SourcesBody{}, err
	}
	by, err := app.ParseSourceKind("by", in.By)
	if err != nil {
		return SourcesBody{}, err
	}
	sources, err := s.d.Funnel.Sources(ctx, period, by, window)
	if err != nil {
		return SourcesBody{}, err
	}
	return NewSourcesBody(period, by, window, app.Mature(period.Until, window, now), sources, c), nil
}

func (s *server) funnelJourneys(ctx context.Context, in *journeysInput, c app.Completeness) (JourneysBody, error) {
	before, err := parseCursor(in.Cursor)
	if err != nil {
		return JourneysBody{}, err
	}
	question, err := app.NewJourneyQuestion(in.Activated, in.Retained, in.Since, in.Source)
	if err != nil {
		return JourneysBody{}, err
	}
	question.Before, question.Most = before, in.Limit
	journeys, next, err := s.d.Funnel.Journeys(ctx, question)
	if err != nil {
		return JourneysBody{}, err
	}
	return NewJourneysBody(journeys, next, c), nil
}

// parseCursor reads the id that a page goes on after.
func parseCursor(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, app.Invalid(app.FieldError{Field: "cursor", Message: "is none of ours: use the value of next of the page before"})
	}
	return id, nil
}
