package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/app/web"
)

// answerFunc answers a question about the funnel, as the API does and as a table.
type answerFunc func(ctx context.Context, store *postgres.Store, complete app.Completeness) (body any, s sheet, err error)

// askFunnel parses the flags of a question, asks it, and prints the answer. What
// is wrong with a flag is told before the database is asked.
func (p *program) askFunnel(ctx context.Context, set *flag.FlagSet, args []string, prepare func(now time.Time) (answerFunc, error)) error {
	output := addOutputFlags(set)
	if err := p.parse(set, args); err != nil {
		return err
	}
	if err := output.check(set.Name()); err != nil {
		return err
	}
	answer, err := prepare(p.now())
	if err != nil {
		return wrongFlag(set.Name(), err)
	}
	store, err := p.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	complete, err := store.Completeness(ctx)
	if err != nil {
		return fmt.Errorf("%s: %s", set.Name(), postgres.Redact(err))
	}
	body, s, err := answer(ctx, store, complete)
	if err != nil {
		return fmt.Errorf("%s: %s", set.Name(), postgres.Redact(err))
	}
	s.notes = append(s.notes, completenessNote(complete))
	return output.print(p.stdout, body, s)
}

// wrongFlag names the flag that stands for a field.
func wrongFlag(command string, err error) error {
	invalid, ok := errors.AsType[*app.Error](err)
	if !ok || len(invalid.Fields) == 0 {
		return err
	}
	f := invalid.Fields[0]
	return usagef("%s: --%s %s", command, strings.ReplaceAll(f.Field, "_", "-"), f.Message)
}

// rangeFlags are the days that a question is about.
type rangeFlags struct{ from, to *string }

func addRangeFlags(set *flag.FlagSet) rangeFlags {
	return rangeFlags{
		from: set.String("from", "", fmt.Sprintf("first day, YYYY-MM-DD in UTC; default %d days before the last", app.DefaultSummaryDays)),
		to:   set.String("to", "", "last day, included; default today"),
	}
}

func (r rangeFlags) period(now time.Time) (app.Period, error) { return app.Days(*r.from, *r.to, now) }

func addWindowFlag(set *flag.FlagSet) *int {
	return set.Int("window", app.DefaultWindowDays, "days from the entry in which a later stage counts")
}

// about heads a table.
func about(what string, period app.Period) string {
	return fmt.Sprintf("%s, %s to %s (UTC)", what, period.Since.Format(time.DateOnly), period.LastDay().Format(time.DateOnly))
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

func percent(rate string) string { return rate + "%" }

const immatureNote = "not mature: somebody who entered still has time; the later stages will grow"

func (p *program) funnelOrdered(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("funnel ordered", flag.ContinueOnError)
	days, window := addRangeFlags(set), addWindowFlag(set)
	start := set.String("start", string(app.StageVisit), "the stage that is entered: visit, signup, api_key or activation")
	return p.askFunnel(ctx, set, args, func(now time.Time) (answerFunc, error) {
		question, err := app.NewFunnelQuestion(*days.from, *days.to, *start, *window, now)
		return func(ctx context.Context, store *postgres.Store, complete app.Completeness) (any, sheet, error) {
			answer, err := store.Ordered(ctx, question, now)
			if err != nil {
				return nil, sheet{}, err
			}
			body := web.NewOrderedBody(answer, complete)
			return body, orderedSheet(answer, body), nil
		}, err
	})
}

func orderedSheet(answer app.FunnelAnswer, body web.OrderedBody) sheet {
	s := sheet{
		title:  about(fmt.Sprintf("Persons in order, within %d days of their entry", body.WindowDays), answer.Question.Period),
		header: []string{"stage", "persons", "of_before", "of_first"}, words: 1,
	}
	for i, stage := range body.Stages {
		row := []string{stage.Stage, count(stage.Persons), "", ""}
		if i > 0 {
			row[2], row[3] = percent(stage.Rate), percent(stage.Overall)
		}
		s.rows = append(s.rows, row)
	}
	if answer.Question.Stages[0] == app.StageVisit {
		s.notes = append(s.notes, fmt.Sprintf("%d of the first had signed up before they came; %d signups had no visit before them in these days",
			answer.Returning, answer.Unseen))
	}
	if !answer.Mature {
		s.notes = append(s.notes, immatureNote)
	}
	return s
}

func (p *program) funnelTiming(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("funnel timing", flag.ContinueOnError)
	days := addRangeFlags(set)
	return p.askFunnel(ctx, set, args, func(now time.Time) (answerFunc, error) {
		period, err := days.period(now)
		return func(ctx context.Context, store *postgres.Store, complete app.Completeness) (any, sheet, error) {
			steps, err := store.Timing(ctx, period)
			s := sheet{
				title:  about("Time between the stages", period),
				header: []string{"from", "to", "entered", "reached", "rate", "median", "p90"}, words: 2,
			}
			for _, t := range steps {
				s.rows = append(s.rows, []string{
					string(t.From), string(t.To), count(t.Entered), count(t.Reached), percent(app.Rate(t.Reached, t.Entered)),
					t.Median.String(), t.P90.String(),
				})
			}
			return web.NewTimingBody(period, steps, complete), s, err
		}, err
	})
}

func (p *program) funnelDropOff(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("funnel drop-off", flag.ContinueOnError)
	days := addRangeFlags(set)
	after := set.Int("after", 7, "days at a stage after which somebody stalls")
	list := set.Bool("list", false, "list the customers who stall instead of counting them")
	limit := addLimitFlag(set)
	return p.askFunnel(ctx, set, args, func(now time.Time) (answerFunc, error) {
		period, err := days.period(now)
		if err != nil {
			return nil, err
		}
		question := app.DropOffQuestion{Period: period}
		if question.After, err = app.Window("after", *after); err != nil {
			return nil, err
		}
		question.Most, err = app.PageSize("limit", *limit)
		return func(ctx context.Context, store *postgres.Store, complete app.Completeness) (any, sheet, error) {
			answer, err := store.DropOff(ctx, question, now)
			if *list {
				return web.NewDropOffBody(question, answer, complete), stalledSheet(answer, now), err
			}
			return web.NewDropOffBody(question, answer, complete), dropOffSheet(question, answer), err
		}, err
	})
}

func addLimitFlag(set *flag.FlagSet) *int {
	return set.Int("limit", app.DefaultFunnelPage, fmt.Sprintf("how many customers, at most %d", app.MaxFunnelPage))
}

func dropOffSheet(question app.DropOffQuestion, answer app.DropOffAnswer) sheet {
	s := sheet{
		title:  about("Where customers stall", question.Period),
		header: []string{"stage", "next", "reached", "went_on", "stalled", "waiting", "drop_off", "severity"}, words: 2,
	}
	for _, d := range answer.Stages {
		s.rows = append(s.rows, []string{
			string(d.Stage), string(d.Next), count(d.Reached), count(d.WentOn), count(d.Stalled), count(d.Waiting), percent(d.Lost()), d.Severity(),
		})
	}
	s.notes = []string{"who has waited for less counts in no rate; --list names those who stall"}
	return s
}

func stalledSheet(answer app.DropOffAnswer, now time.Time) sheet {
	s := sheet{header: []string{"customer", "name", "email", "stage", "since", "days"}, words: 5}
	for _, c := range answer.Stalled {
		s.rows = append(s.rows, []string{
			count(c.CustomerID), c.Name, c.Email, string(c.Stage), c.At.UTC().Format(time.RFC3339), count(int64(now.Sub(c.At) / (24 * time.Hour))),
		})
	}
	if answer.Next != 0 {
		s.notes = []string{"there are more: raise --limit"}
	}
	return s
}

func (p *program) funnelCohorts(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("funnel cohorts", flag.ContinueOnError)
	weeks := set.Int("weeks", app.DefaultCohorts, "weeks, this one included")
	zone := set.String("tz", "UTC", "time zone in which weeks begin on Monday")
	window := addWindowFlag(set)
	return p.askFunnel(ctx, set, args, func(now time.Time) (answerFunc, error) {
		periods, err := app.CohortWeeks(now, *weeks, *zone)
		if err != nil {
			return nil, err
		}
		within, err := app.Window("window", *window)
		return func(ctx context.Context, store *postgres.Store, complete app.Completeness) (any, sheet, error) {
			cohorts, err := store.Cohorts(ctx, periods, within, now)
			body := web.NewCohortsBody(*zone, within, cohorts, complete)
			s := sheet{
				title:  fmt.Sprintf("Signups by week (%s), within %d days of each one's signup", *zone, *window),
				header: []string{"week", "signups", "api_key", "first_call", "second_call", "ever_second", "mature"}, words: 1,
			}
			for _, c := range body.Cohorts {
				mature := "yes"
				if !c.Mature {
					mature = "no"
				}
				s.rows = append(s.rows, []string{
					c.Week, count(c.Signups), percent(c.APIKeyRate), percent(c.ActivatedRate), percent(c.RetainedRate), count(c.EverRetained), mature,
				})
			}
			return body, s, err
		}, err
	})
}

func (p *program) funnelSources(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("funnel sources", flag.ContinueOnError)
	days, window := addRangeFlags(set), addWindowFlag(set)
	by := set.String("by", string(app.BySource), "source, medium or campaign")
	return p.askFunnel(ctx, set, args, func(now time.Time) (answerFunc, error) {
		period, err := days.period(now)
		if err != nil {
			return nil, err
		}
		within, err := app.Window("window", *window)
		if err != nil {
			return nil, err
		}
		kind, err := app.ParseSourceKind("by", *by)
		return func(ctx context.Context, store *postgres.Store, complete app.Completeness) (any, sheet, error) {
			sources, err := store.Sources(ctx, period, kind, within)
			body := web.NewSourcesBody(period, kind, within, app.Mature(period.Until, within, now), sources, complete)
			return body, sourcesSheet(period, body), err
		}, err
	})
}

func sourcesSheet(period app.Period, body web.SourcesBody) sheet {
	s := sheet{
		title:  about(fmt.Sprintf("By %s of the first touch, within %d days of each one's signup", body.By, body.WindowDays), period),
		header: []string{body.By, "visitors", "signups", "signup_rate", "api_key", "first_call", "second_call", "retained_rate"}, words: 1,
	}
	for _, c := range body.Sources {
		s.rows = append(s.rows, []string{
			c.Value, count(c.Visitors), count(c.Signups), percent(c.SignupRate), count(c.APIKeys), count(c.Activated), count(c.Retained), percent(c.RetainedRate),
		})
	}
	if !body.Mature {
		s.notes = append(s.notes, immatureNote)
	}
	return s
}

func (p *program) funnelJourneys(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("funnel journeys", flag.ContinueOnError)
	activated := set.String("completed-activation", "", "true or false: only those who made their first call, or have not")
	retained := set.String("completed-retention", "", "true or false: only those who made their second call, or have not")
	since := set.String("since", "", "only those who signed up on this day (UTC) or later")
	source := set.String("source", "", "only those with this utm_source")
	limit := addLimitFlag(set)
	before := set.Int64("cursor", 0, "go on after this customer: the value of next of the page before")
	return p.askFunnel(ctx, set, args, func(time.Time) (answerFunc, error) {
		question, err := app.NewJourneyQuestion(*activated, *retained, *since, *source)
		if err != nil {
			return nil, err
		}
		question.Before = max(0, *before)
		question.Most, err = app.PageSize("limit", *limit)
		return func(ctx context.Context, store *postgres.Store, complete app.Completeness) (any, sheet, error) {
			journeys, next, err := store.Journeys(ctx, question)
			s := sheet{header: []string{"customer", "name", "email", "source", "signup", "api_key", "first_call", "second_call", "calls"}, words: 8}
			for _, j := range journeys {
				s.rows = append(s.rows, []string{
					count(j.CustomerID), j.Name, j.Email, j.UTM.Source, moment(j.SignupAt), moment(j.APIKeyCreatedAt), moment(j.FirstCallAt), moment(j.SecondCallAt),
					count(j.APICalls),
				})
			}
			if next != 0 {
				s.notes = append(s.notes, fmt.Sprintf("there are more: --cursor %d", next))
			}
			return web.NewJourneysBody(journeys, next, complete), s, err
		}, err
	})
}

// moment is a time as it stands in a table.
func moment(at time.Time) string {
	if at.IsZero() {
		return none
	}
	return at.UTC().Format(time.RFC3339)
}
