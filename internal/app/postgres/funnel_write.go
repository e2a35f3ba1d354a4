package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

// writeTimeout bounds one batch. It is longer than operationTimeout: nobody
// waits for it.
const writeTimeout = 15 * time.Second

// WriteEvents stores page views and API calls in one transaction, all or
// nothing, and moves the journeys of the callers. Writing an event again
// changes nothing, so a batch whose outcome is unknown can be repeated.
// CodeUnavailable says that repeating later may help; CodeValidation that it
// cannot.
func (s *Store) WriteEvents(ctx context.Context, events []app.Event) (app.Tally, error) {
	ctx, cancel := context.WithTimeout(withWait(ctx), writeTimeout)
	defer cancel()
	var done app.Tally
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		done = app.Tally{}
		q := s.q.WithTx(tx)
		var calls, rest []app.Event
		for _, e := range events {
			if e.Type == app.EventAPICall {
				calls = append(calls, e)
			} else {
				rest = append(rest, e)
			}
		}
		calls, err := settleCalls(ctx, q, calls, done)
		if err != nil {
			return err
		}
		batch := slices.Concat(calls, rest)
		// One order for every batch, so that two of them never deadlock on ids.
		slices.SortFunc(batch, func(a, b app.Event) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		stored, err := q.InsertEvents(ctx, eventParams(batch))
		if err != nil {
			return fmt.Errorf("inserting funnel events: %w", err)
		}
		for _, e := range batch {
			done.Add(e.Type, app.OutcomeKnown, 1)
		}
		for _, kind := range stored {
			done.Add(app.EventType(kind), app.OutcomeKnown, -1)
			done.Add(app.EventType(kind), app.OutcomeStored, 1)
		}
		return linkVisits(ctx, q, rest)
	})
	if err != nil {
		return nil, writeErr(err)
	}
	return done, nil
}

// writeErr tells what can never be stored from what cannot be stored now. Only
// what Postgres says of the values themselves is a refusal: data exceptions (22)
// and broken constraints (23). Whatever else happens, known or not, passes or is
// put right by people, and must not cost what came meanwhile.
func writeErr(err error) error {
	if app.CodeOf(err) == app.CodeValidation {
		return err
	}
	pgErr, said := errors.AsType[*pgconn.PgError](err)
	if said && (strings.HasPrefix(pgErr.Code, "22") || strings.HasPrefix(pgErr.Code, "23")) {
		return &app.Error{Code: app.CodeValidation, Message: "the database refuses the event", Err: err}
	}
	return unavailable(err)
}

// settleCalls moves the journeys of the callers and returns the calls to
// store, their types settled. The journey's row lock makes "first" and
// "second" exact, however many pods and calls there are at once.
func settleCalls(ctx context.Context, q *db.Queries, calls []app.Event, done app.Tally) ([]app.Event, error) {
	if len(calls) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(calls, func(a, b app.Event) int { return a.At.Compare(b.At) })
	c, err := readCallers(ctx, q, calls)
	if err != nil {
		return nil, err
	}
	kept := make([]app.Event, 0, len(calls))
	changed := map[int64]bool{}
	for _, call := range calls {
		call, stage, keep := c.settle(call, done)
		if !keep {
			continue
		}
		kept = append(kept, call)
		if stage == "" {
			continue
		}
		if err := insertMilestone(ctx, q, stage, call); err != nil {
			return nil, err
		}
		changed[call.CustomerID] = true
	}
	return kept, updateJourneys(ctx, q, c.journeys, changed)
}

// callers is what is known about the customers of a batch of calls.
type callers struct {
	// retained customers need no lock any more: nothing can change for them.
	retained map[int64]bool
	// journeys are the others', locked.
	journeys map[int64]app.Journey
	known    map[app.EventID]bool
}

func readCallers(ctx context.Context, q *db.Queries, calls []app.Event) (callers, error) {
	c := callers{retained: map[int64]bool{}}
	ids := customerIDs(calls)
	retained, err := q.RetainedCustomers(ctx, ids)
	if err != nil {
		return callers{}, fmt.Errorf("reading which callers are retained: %w", err)
	}
	for _, id := range retained {
		c.retained[id] = true
	}
	moving := slices.DeleteFunc(ids, func(id int64) bool { return c.retained[id] })
	if c.journeys, err = lockJourneys(ctx, q, moving); err != nil {
		return callers{}, err
	}
	c.known, err = knownEvents(ctx, q, calls, len(c.journeys) > 0)
	return c, err
}

// settle decides one call: its type, the stage it reaches, and whether it is
// to be stored.
func (c *callers) settle(call app.Event, done app.Tally) (app.Event, app.Stage, bool) {
	if c.retained[call.CustomerID] {
		return call, "", true // storing it twice is harmless
	}
	journey, exists := c.journeys[call.CustomerID]
	if !exists {
		done.Add(call.Type, app.OutcomeOrphaned, 1)
		return call, "", false
	}
	if c.known[call.ID] {
		done.Add(call.Type, app.OutcomeKnown, 1)
		return call, "", false
	}
	c.known[call.ID] = true
	next, kind, stage := journey.Call(call.At)
	c.journeys[call.CustomerID] = next
	call.Type = kind
	return call, stage, true
}

func customerIDs(events []app.Event) []int64 {
	ids := make([]int64, 0, len(events))
	for _, e := range events {
		ids = append(ids, e.CustomerID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// lockJourneys returns the journeys of those customers that exist, making the
// missing ones. Ids are sorted, so that two batches lock in the same order.
func lockJourneys(ctx context.Context, q *db.Queries, ids []int64) (map[int64]app.Journey, error) {
	journeys := make(map[int64]app.Journey, len(ids))
	if len(ids) == 0 {
		return journeys, nil
	}
	if err := q.EnsureJourneys(ctx, ids); err != nil {
		return nil, fmt.Errorf("making journeys: %w", err)
	}
	rows, err := q.LockJourneys(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("locking journeys: %w", err)
	}
	for _, r := range rows {
		journeys[r.CustomerID] = app.Journey{
			CustomerID: r.CustomerID, SignupAt: timeOf(r.SignupAt), APIKeyCreatedAt: timeOf(r.ApiKeyCreatedAt),
			FirstCallAt: timeOf(r.FirstApiCallAt), SecondCallAt: timeOf(r.SecondApiCallAt),
		}
	}
	return journeys, nil
}

// knownEvents finds the calls that were stored before. It is exact for locked
// journeys, and of use for them alone: nobody else can be storing one of theirs.
func knownEvents(ctx context.Context, q *db.Queries, calls []app.Event, locked bool) (map[app.EventID]bool, error) {
	known := map[app.EventID]bool{}
	if !locked {
		return known, nil
	}
	ids := make([]pgtype.UUID, len(calls))
	for i, call := range calls {
		ids[i] = pgID(call.ID)
	}
	stored, err := q.KnownEvents(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("finding known events: %w", err)
	}
	for _, id := range stored {
		known[id.Bytes] = true
	}
	return known, nil
}

func updateJourneys(ctx context.Context, q *db.Queries, journeys map[int64]app.Journey, changed map[int64]bool) error {
	for id := range changed {
		j := journeys[id]
		err := q.UpdateJourneyCalls(ctx, db.UpdateJourneyCallsParams{
			CustomerID: id, FirstApiCallAt: nullTime(j.FirstCallAt), SecondApiCallAt: nullTime(j.SecondCallAt),
			ApiKeyToFirstCallSeconds: app.Seconds(j.APIKeyCreatedAt, j.FirstCallAt),
			FirstToSecondCallSeconds: app.Seconds(j.FirstCallAt, j.SecondCallAt),
			CompletedActivation:      j.Activated(), CompletedRetention: j.Retained(),
		})
		if err != nil {
			return fmt.Errorf("updating a journey: %w", err)
		}
	}
	return nil
}

// linkVisits gives journeys their first visit and campaign when the signup was
// stored before the visit that led to it.
func linkVisits(ctx context.Context, q *db.Queries, visits []app.Event) error {
	var p db.LateVisitsParams
	for _, v := range visits {
		if v.Type == app.EventPageView && v.Touch.VisitorID != "" {
			p.VisitorIds = append(p.VisitorIds, v.Touch.VisitorID)
			p.VisitedAts = append(p.VisitedAts, v.At)
		}
	}
	if len(p.VisitorIds) == 0 {
		return nil
	}
	if err := q.LockLinks(ctx, linkLock); err != nil {
		return fmt.Errorf("locking the visit links: %w", err)
	}
	if _, err := q.LateVisits(ctx, p); err != nil {
		return fmt.Errorf("linking visits to journeys: %w", err)
	}
	if _, err := q.LateCampaigns(ctx, p.VisitorIds); err != nil {
		return fmt.Errorf("linking campaigns to journeys: %w", err)
	}
	return nil
}

func eventParams(events []app.Event) db.InsertEventsParams {
	var p db.InsertEventsParams
	for _, e := range events {
		t := e.Touch
		p.Ids = append(p.Ids, pgID(e.ID))
		p.EventTypes = append(p.EventTypes, string(e.Type))
		p.CustomerIds = append(p.CustomerIds, e.CustomerID)
		p.VisitorIds = append(p.VisitorIds, t.VisitorID)
		p.SessionIds = append(p.SessionIds, t.SessionID)
		p.PagePaths = append(p.PagePaths, t.Path)
		p.Referrers = append(p.Referrers, t.Referrer)
		p.UserAgents = append(p.UserAgents, t.UserAgent)
		p.IpNetworks = append(p.IpNetworks, t.Network)
		p.UtmSources = append(p.UtmSources, t.UTM.Source)
		p.UtmMediums = append(p.UtmMediums, t.UTM.Medium)
		p.UtmCampaigns = append(p.UtmCampaigns, t.UTM.Campaign)
		p.UtmTerms = append(p.UtmTerms, t.UTM.Term)
		p.UtmContents = append(p.UtmContents, t.UTM.Content)
		p.OccurredAts = append(p.OccurredAts, e.At)
	}
	return p
}
