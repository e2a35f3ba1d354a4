package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

// callers is what is known about the customers whose calls are applied. The
// rows of their journeys are locked, which makes "first" and "second" exact,
// however many pods and calls there are at once.
type callers struct {
	journeys map[int64]app.Journey
	changed  map[int64]bool
	// known are the calls that were stored before. It is exact: nobody else can
	// be storing one of a locked journey.
	known   map[app.EventID]bool
	reached []db.InsertMilestoneParams
}

func readCallers(ctx context.Context, q *db.Queries, batches []app.Batch) (*callers, error) {
	c := &callers{journeys: map[int64]app.Journey{}, changed: map[int64]bool{}, known: map[app.EventID]bool{}}
	var customers []int64
	var calls []pgtype.UUID
	for _, b := range batches {
		for i := range b.Events {
			if b.Events[i].Type == app.EventAPICall {
				customers = append(customers, b.Events[i].CustomerID)
				calls = append(calls, pgID(b.Events[i].ID))
			}
		}
		for _, d := range b.Calls {
			customers = append(customers, d.CustomerID)
		}
	}
	if len(customers) == 0 {
		return c, nil
	}
	// Sorted, so that two writers lock in the same order.
	slices.Sort(customers)
	if err := c.lock(ctx, q, slices.Compact(customers)); err != nil {
		return nil, err
	}
	stored, err := q.KnownEvents(ctx, calls)
	if err != nil {
		return nil, fmt.Errorf("finding known events: %w", err)
	}
	for _, id := range stored {
		c.known[id.Bytes] = true
	}
	return c, nil
}

// lock reads the journeys of those customers that exist, making the missing ones.
func (c *callers) lock(ctx context.Context, q *db.Queries, ids []int64) error {
	if err := q.EnsureJourneys(ctx, ids); err != nil {
		return fmt.Errorf("making journeys: %w", err)
	}
	rows, err := q.LockJourneys(ctx, ids)
	if err != nil {
		return fmt.Errorf("locking journeys: %w", err)
	}
	for _, r := range rows {
		c.journeys[r.CustomerID] = app.Journey{
			CustomerID: r.CustomerID, SignupAt: timeOf(r.SignupAt), APIKeyCreatedAt: timeOf(r.ApiKeyCreatedAt),
			FirstCallAt: timeOf(r.FirstApiCallAt), SecondCallAt: timeOf(r.SecondApiCallAt), APICalls: r.ApiCalls,
		}
	}
	return nil
}

// call decides one call: its type, and whether it is to be stored.
func (c *callers) call(e app.Event, done app.Tally) (app.Event, bool) {
	journey, exists := c.journeys[e.CustomerID]
	switch {
	case !exists:
		done.Add(e.Type, app.OutcomeDroppedOrphaned, 1)
		return e, false
	case c.known[e.ID]:
		done.Add(e.Type, app.OutcomeDeduplicated, 1)
		return e, false
	}
	c.known[e.ID] = true
	next, kind, stage := journey.Call(e.At)
	c.advance(next)
	if stage != "" {
		c.reach(next, e.ID, stage)
	}
	e.Type = kind
	return e, true
}

// counted marks the event of a call that a process counted, and that reached a
// stage nevertheless: the events of the first calls are still on their way, or
// were lost with their process. Its call is one of those counted.
const counted = `{"counted": true}`

// deltas applies what sources counted, and returns the events that stand for
// the stages reached by it.
func (c *callers) deltas(ctx context.Context, q *db.Queries, batches []app.Batch, done app.Tally) ([]app.Event, error) {
	type key struct {
		boot     app.SourceID
		sequence uint64
	}
	var p db.InsertCallDeltasParams
	waiting := map[key]app.Calls{}
	for _, b := range batches {
		for _, d := range b.Calls {
			if _, exists := c.journeys[d.CustomerID]; !exists {
				done.Add(app.EventAPICall, app.OutcomeDroppedOrphaned, int(d.Count))
				continue
			}
			waiting[key{d.Boot, d.Sequence}] = d
			p.Boots, p.Sequences = append(p.Boots, pgUUID(d.Boot)), append(p.Sequences, int64(d.Sequence)) //nolint:gosec // a count
			p.CustomerIds = append(p.CustomerIds, d.CustomerID)
			p.Calls, p.FirstAts = append(p.Calls, d.Count), append(p.FirstAts, d.First)
			p.SecondAts, p.LastAts = append(p.SecondAts, orEpoch(d.Second)), append(p.LastAts, d.Last)
		}
	}
	if len(p.Sequences) == 0 {
		return nil, nil
	}
	fresh, err := q.InsertCallDeltas(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("inserting counted calls: %w", err)
	}
	var reached []app.Event
	for _, row := range fresh {
		k := key{row.Boot.Bytes, uint64(row.Sequence)} //nolint:gosec // a count
		d := waiting[k]
		delete(waiting, k)
		next, stages := c.journeys[d.CustomerID].Count(d)
		for _, stage := range stages {
			e := app.Event{
				ID: app.NewEventID(d.Last), Type: stage.EventType(), CustomerID: d.CustomerID, At: next.Reached(stage), Metadata: counted,
			}
			c.reach(next, e.ID, stage)
			reached = append(reached, e)
		}
		c.advance(next)
		done.Add(app.EventAPICall, app.OutcomeStored, int(d.Count))
	}
	for _, d := range waiting {
		done.Add(app.EventAPICall, app.OutcomeDeduplicated, int(d.Count))
	}
	return reached, nil
}

func (c *callers) advance(next app.Journey) {
	c.journeys[next.CustomerID], c.changed[next.CustomerID] = next, true
}

func (c *callers) reach(next app.Journey, event app.EventID, stage app.Stage) {
	c.reached = append(c.reached, db.InsertMilestoneParams{
		CustomerID: next.CustomerID, Stage: string(stage), EventID: pgID(event), ReachedAt: next.Reached(stage),
	})
}

// store writes the journeys that changed, and the milestones.
func (c *callers) store(ctx context.Context, q *db.Queries) error {
	if len(c.changed) == 0 {
		return nil
	}
	var p db.UpdateJourneyCallsParams
	for _, id := range slices.Sorted(maps.Keys(c.changed)) {
		j := c.journeys[id]
		p.CustomerIds, p.ApiCalls = append(p.CustomerIds, id), append(p.ApiCalls, j.APICalls)
		p.FirstAts, p.SecondAts = append(p.FirstAts, orEpoch(j.FirstCallAt)), append(p.SecondAts, orEpoch(j.SecondCallAt))
		p.ToFirsts = append(p.ToFirsts, orMinusOne(app.Seconds(j.APIKeyCreatedAt, j.FirstCallAt)))
		p.ToSeconds = append(p.ToSeconds, orMinusOne(app.Seconds(j.FirstCallAt, j.SecondCallAt)))
	}
	if err := q.UpdateJourneyCalls(ctx, p); err != nil {
		return fmt.Errorf("updating journeys: %w", err)
	}
	for _, m := range c.reached {
		if _, err := q.InsertMilestone(ctx, m); err != nil {
			return fmt.Errorf("inserting the milestone %s: %w", m.Stage, err)
		}
	}
	return nil
}

// orEpoch stands for the zero time in arrays, which hold no NULL here.
func orEpoch(t time.Time) time.Time {
	if t.IsZero() {
		return time.Unix(0, 0)
	}
	return t
}

func orMinusOne(n *int64) int64 {
	if n == nil {
		return -1
	}
	return *n
}
