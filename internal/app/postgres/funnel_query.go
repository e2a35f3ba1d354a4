package postgres

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

// queryTimeout bounds a question about the funnel, which may have to read many
// events.
const queryTimeout = 25 * time.Second

// idSlack is how much earlier than it happened an event may seem to have been
// taken, for the clocks of pods and of clients differ.
const idSlack = time.Hour

// ask runs the queries of one question on one snapshot.
func (s *Store) ask(ctx context.Context, about string, question func(ctx context.Context, q *db.Queries) error) error {
	ctx, cancel := context.WithTimeout(withWait(ctx), queryTimeout)
	defer cancel()
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return classify(pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error {
		return wrap("asking the funnel for "+about, question(ctx, s.q.WithTx(tx)))
	}))
}

// Ordered implements app.FunnelReader.
func (s *Store) Ordered(ctx context.Context, question app.FunnelQuestion, now time.Time) (app.FunnelAnswer, error) {
	answer := app.FunnelAnswer{Question: question, Mature: app.Mature(question.Period.Until, question.Window, now)}
	err := s.ask(ctx, "an ordered funnel", func(ctx context.Context, q *db.Queries) error {
		if question.Stages[0] == app.StageVisit {
			return orderedFromVisit(ctx, q, &answer)
		}
		return orderedFromStage(ctx, q, &answer)
	})
	return answer, err
}

func orderedFromVisit(ctx context.Context, q *db.Queries, answer *app.FunnelAnswer) error {
	period := answer.Question.Period
	customers, err := q.CustomersFromVisit(ctx, db.CustomersFromVisitParams{
		Seconds: answer.Question.Window.Seconds(), Since: period.Since, Until: period.Until,
		Oldest: period.Since.Add(-idSlack), Latest: period.Until.Add(lateMost),
	})
	if err != nil {
		return fmt.Errorf("customers: %w", err)
	}
	days, err := readVisits(ctx, q, period)
	if err != nil {
		return err
	}
	links, err := q.Links(ctx, period.Since)
	if err != nil {
		return fmt.Errorf("the browsers of customers: %w", err)
	}
	strangers, early := count(join(days), links)
	customers.Visit += early
	customers.ReturningCustomers += early
	answer.Persons = []int64{strangers + customers.Visit, customers.Signup, customers.ApiKey, customers.Activation, customers.Retention}
	answer.Returning, answer.Unseen = customers.ReturningCustomers, customers.Unseen
	return nil
}

// count counts the browsers of strangers, and the customers of early links, in
// visits.
func count(seen *visits, links []db.LinksRow) (strangers, early int64) {
	linked, customers := roaring.New(), map[int64]bool{}
	for _, l := range links {
		_, other := seen.others[l.Visitor.Bytes]
		known := l.Number > 0 && seen.numbered.Contains(uint32(l.Number)) //nolint:gosec // an integer column
		if l.Number > 0 {
			linked.Add(uint32(l.Number)) //nolint:gosec // as above
		}
		if l.Early && (other || known) {
			customers[l.CustomerID] = true
		}
	}
	return seen.strangers(linked), int64(len(customers))
}

func orderedFromStage(ctx context.Context, q *db.Queries, answer *app.FunnelAnswer) error {
	question := answer.Question
	row, err := q.CustomersFromStage(ctx, db.CustomersFromStageParams{
		Stage: string(question.Stages[0]), Seconds: question.Window.Seconds(), Since: question.Period.Since, Until: question.Period.Until,
	})
	if err != nil {
		return err
	}
	later := []int64{row.ApiKey, row.Activation, row.Retention}
	answer.Persons = append([]int64{row.Entered}, later[len(later)-len(question.Stages)+1:]...)
	return nil
}

// Timing implements app.FunnelReader.
func (s *Store) Timing(ctx context.Context, period app.Period) ([]app.StageTiming, error) {
	stages := app.FunnelStages()
	timings := make([]app.StageTiming, len(stages)-1)
	for i := range timings {
		timings[i] = app.StageTiming{From: stages[i], To: stages[i+1]}
	}
	err := s.ask(ctx, "timings", func(ctx context.Context, q *db.Queries) error {
		rows, err := q.StageTiming(ctx, db.StageTimingParams{Since: period.Since, Until: period.Until})
		for _, row := range rows {
			for i := range timings {
				if t := &timings[i]; string(t.To) == row.Step {
					t.Entered, t.Reached, t.Median, t.P90 = row.Entered, row.Reached, seconds(row.Median), seconds(row.P90)
				}
			}
		}
		return err
	})
	return timings, err
}

// seconds rounds to milliseconds: a percentile lies between two times.
func seconds(s float64) time.Duration {
	return time.Duration(math.Round(s*1000)) * time.Millisecond
}

// DropOff implements app.FunnelReader.
func (s *Store) DropOff(ctx context.Context, question app.DropOffQuestion, now time.Time) (app.DropOffAnswer, error) {
	stages := app.FunnelStages()[1:]
	answer := app.DropOffAnswer{Stages: make([]app.DropOff, len(stages)-1)}
	for i := range answer.Stages {
		answer.Stages[i] = app.DropOff{Stage: stages[i], Next: stages[i+1]}
	}
	period, stalledBefore := question.Period, now.Add(-question.After)
	err := s.ask(ctx, "the drop-off", func(ctx context.Context, q *db.Queries) error {
		rows, err := q.DropOff(ctx, db.DropOffParams{Since: period.Since, Until: period.Until, StalledBefore: stalledBefore})
		if err != nil {
			return err
		}
		for _, row := range rows {
			for i := range answer.Stages {
				if d := &answer.Stages[i]; string(d.Stage) == row.Stage {
					d.Reached, d.WentOn, d.Stalled = row.Reached, row.WentOn, row.Stalled
					d.Waiting = row.Reached - row.WentOn - row.Stalled
				}
			}
		}
		return listStalled(ctx, q, question, stalledBefore, &answer)
	})
	return answer, err
}

func listStalled(ctx context.Context, q *db.Queries, question app.DropOffQuestion, stalledBefore time.Time, answer *app.DropOffAnswer) error {
	rows, err := q.StalledCustomers(ctx, db.StalledCustomersParams{
		Since: question.Period.Since, Until: question.Period.Until, StalledBefore: stalledBefore,
		Before: beforeOrAll(question.Before), Most: onePastThePage(question.Most),
	})
	if err != nil {
		return fmt.Errorf("the customers: %w", err)
	}
	for _, row := range rows[:min(len(rows), question.Most)] {
		answer.Stalled = append(answer.Stalled, app.StalledCustomer{
			CustomerID: row.ID, Name: row.Name, Email: row.Email, Stage: app.Stage(row.Stage), At: row.At,
		})
	}
	if len(rows) > question.Most {
		answer.Next = answer.Stalled[len(answer.Stalled)-1].CustomerID
	}
	return nil
}

func beforeOrAll(before int64) int64 {
	if before == 0 {
		return math.MaxInt64
	}
	return before
}

// onePastThePage is how many rows tell whether there is another page.
func onePastThePage(most int) int32 {
	return int32(min(most, app.MaxFunnelPage)) + 1 //nolint:gosec // bounded
}

// Cohorts implements app.FunnelReader.
func (s *Store) Cohorts(ctx context.Context, weeks []app.Period, window time.Duration, now time.Time) ([]app.Cohort, error) {
	cohorts := make([]app.Cohort, len(weeks))
	p := db.CohortsParams{Seconds: window.Seconds()}
	for i, week := range weeks {
		cohorts[i] = app.Cohort{Since: week.Since, Until: week.Until, Mature: app.Mature(week.Until, window, now)}
		p.Numbers, p.Sinces, p.Untils = append(p.Numbers, int64(i)), append(p.Sinces, week.Since), append(p.Untils, week.Until)
	}
	err := s.ask(ctx, "cohorts", func(ctx context.Context, q *db.Queries) error {
		rows, err := q.Cohorts(ctx, p)
		for _, row := range rows {
			c := &cohorts[row.Number]
			c.Signups, c.APIKeys, c.Activated, c.Retained, c.EverRetained = row.Signups, row.ApiKeys, row.Activated, row.Retained, row.EverRetained
		}
		return err
	})
	return cohorts, err
}

// Sources implements app.FunnelReader.
func (s *Store) Sources(ctx context.Context, period app.Period, kind app.SourceKind, window time.Duration) ([]app.SourceCount, error) {
	counts := map[string]*app.SourceCount{}
	at := func(value string) *app.SourceCount {
		if value == "" {
			value = app.SourceNone
		}
		if counts[value] == nil {
			counts[value] = &app.SourceCount{Value: value}
		}
		return counts[value]
	}
	err := s.ask(ctx, "sources", func(ctx context.Context, q *db.Queries) error {
		visitors, err := q.SourcesOfVisitors(ctx, db.SourcesOfVisitorsParams{
			Kind: string(kind), Since: period.Since, Until: period.Until, Oldest: period.Since.Add(-idSlack),
		})
		if err != nil {
			return fmt.Errorf("visitors: %w", err)
		}
		for _, row := range visitors {
			at(row.Value).Visitors += row.Visitors
		}
		customers, err := q.SourcesOfCustomers(ctx, db.SourcesOfCustomersParams{
			Kind: string(kind), Seconds: window.Seconds(), Since: period.Since, Until: period.Until,
		})
		for _, row := range customers {
			c := at(row.Value)
			c.Signups, c.APIKeys, c.Activated, c.Retained = row.Signups, row.ApiKeys, row.Activated, row.Retained
		}
		return wrap("customers", err)
	})
	all := make([]app.SourceCount, 0, len(counts))
	for _, c := range counts {
		all = append(all, *c)
	}
	return app.LargestSources(all, app.MaxSources), err
}

// Journeys implements app.FunnelReader.
func (s *Store) Journeys(ctx context.Context, question app.JourneyQuestion) ([]app.JourneyOf, int64, error) {
	var journeys []app.JourneyOf
	var next int64
	err := s.ask(ctx, "journeys", func(ctx context.Context, q *db.Queries) error {
		rows, err := q.ListJourneys(ctx, db.ListJourneysParams{
			Before: beforeOrAll(question.Before), Activated: question.Activated, Retained: question.Retained,
			Since: nullTime(question.Since), Source: question.Source, Most: onePastThePage(question.Most),
		})
		for _, row := range rows[:min(len(rows), question.Most)] {
			journeys = append(journeys, app.JourneyOf{
				Journey: app.Journey{
					CustomerID: row.CustomerID, SignupAt: timeOf(row.SignupAt), APIKeyCreatedAt: timeOf(row.ApiKeyCreatedAt),
					FirstCallAt: timeOf(row.FirstApiCallAt), SecondCallAt: timeOf(row.SecondApiCallAt), APICalls: row.ApiCalls,
				},
				Name: row.Name, Email: row.Email, FirstVisitAt: timeOf(row.FirstVisitAt),
				UTM: app.UTM{Source: row.UtmSource, Medium: row.UtmMedium, Campaign: row.UtmCampaign, Term: row.UtmTerm, Content: row.UtmContent},
			})
		}
		if len(rows) > question.Most {
			next = journeys[len(journeys)-1].CustomerID
		}
		return err
	})
	return journeys, next, err
}

// Completeness implements app.FunnelReader.
func (s *Store) Completeness(ctx context.Context) (app.Completeness, error) {
	var c app.Completeness
	err := s.ask(ctx, "its completeness", func(ctx context.Context, q *db.Queries) error {
		settled, err := q.CountSettled(ctx)
		if err != nil {
			return err
		}
		c.Accepted, c.Settled = settled.Accepted, settled.Settled
		c.Reconciled, err = lastReconciliation(ctx, q)
		return err
	})
	return c, err
}
