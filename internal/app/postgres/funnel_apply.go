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

// writeTimeout bounds the application of batches. It is longer than
// operationTimeout: nobody waits for it.
const writeTimeout = 15 * time.Second

// Apply stores batches and settles them in the ledger, in one transaction, all
// or nothing. A batch that was applied before is left out, so that batches
// whose outcome is unknown can be applied again; the tally tells of the others.
// CodeUnavailable says that trying again later may help; CodeValidation that it
// cannot, because of what is in at least one of the events.
func (s *Store) Apply(ctx context.Context, batches []app.Batch) (app.Tally, error) {
	return s.apply(ctx, batches, insertEvents)
}

// ApplySuspect is Apply for a batch that Apply refused: the events that the
// database does not take become dead letters, the others are stored.
func (s *Store) ApplySuspect(ctx context.Context, batch app.Batch) (app.Tally, error) {
	return s.apply(ctx, []app.Batch{batch}, insertOrBury)
}

// Bury makes dead letters of everything in a batch.
func (s *Store) Bury(ctx context.Context, batch app.Batch, reason error) (app.Tally, error) {
	return s.apply(ctx, []app.Batch{{Source: batch.Source, Number: batch.Number, Total: batch.Total}},
		func(ctx context.Context, tx pgx.Tx, _ app.SourceID, _ []app.Event, done app.Tally) error {
			gone, err := readErased(ctx, tx)
			if err != nil {
				return err
			}
			for i := range batch.Events {
				if gone.has(&batch.Events[i]) {
					done.Add(batch.Events[i].Type, app.OutcomeDroppedOrphaned, 1)
					continue
				}
				if err := bury(ctx, tx, batch.Source, &batch.Events[i], reason); err != nil {
					return err
				}
				done.Add(batch.Events[i].Type, app.OutcomeDroppedRefused, 1)
			}
			for _, c := range batch.Calls {
				if err := buryCalls(ctx, tx, batch.Source, c, reason); err != nil {
					return err
				}
				done.Add(app.EventAPICall, app.OutcomeDroppedRefused, int(c.Count))
			}
			return nil
		})
}

// inserter stores events of one source and counts what became of them.
type inserter func(ctx context.Context, tx pgx.Tx, source app.SourceID, events []app.Event, done app.Tally) error

func (s *Store) apply(ctx context.Context, batches []app.Batch, insert inserter) (app.Tally, error) {
	ctx, cancel := context.WithTimeout(withWait(ctx), writeTimeout)
	defer cancel()
	var total app.Tally
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		a := application{tx: tx, q: s.q.WithTx(tx), insert: insert}
		var err error
		total, err = a.run(ctx, batches)
		return err
	})
	if err != nil {
		return nil, writeErr(err)
	}
	return total, nil
}

// application is one run of Apply. Whatever it locks it locks in one order, so
// that several writers wait for each other and never in a circle: batches,
// keys, journeys, events, visit links, sources.
type application struct {
	tx     pgx.Tx
	q      *db.Queries
	insert inserter
	gone   erased
}

func (a *application) run(ctx context.Context, batches []app.Batch) (app.Tally, error) {
	total := app.Tally{}
	fresh, err := settleBatches(ctx, a.q, batches)
	if err != nil || len(fresh) == 0 {
		return total, err
	}
	if a.gone, err = readErased(ctx, a.tx); err != nil {
		return nil, err
	}
	repeated, err := claimKeys(ctx, a.q, fresh)
	if err != nil {
		return nil, err
	}
	c, err := readCallers(ctx, a.q, fresh)
	if err != nil {
		return nil, err
	}
	settled := map[app.SourceID]app.Tally{}
	for source, group := range bySource(fresh) {
		done := app.Tally{}
		if err := a.group(ctx, source, group, repeated, c, done); err != nil {
			return nil, err
		}
		settled[source] = done
		total.Merge(done)
	}
	if err := c.store(ctx, a.q); err != nil {
		return nil, err
	}
	if err := linkVisits(ctx, a.q, fresh); err != nil {
		return nil, err
	}
	return total, settleSources(ctx, a.q, fresh, settled)
}

// group applies what one source took.
func (a *application) group(
	ctx context.Context, source app.SourceID, batches []app.Batch, repeated map[app.EventID]bool, c *callers, done app.Tally,
) error {
	var events, analytics []app.Event
	for _, b := range batches {
		for i := range b.Events {
			e := b.Events[i]
			switch {
			case repeated[e.ID]:
				done.Add(e.Type, app.OutcomeDeduplicated, 1)
			case a.gone.has(&e):
				done.Add(e.Type, app.OutcomeDroppedOrphaned, 1)
			case e.Type == app.EventAnalytics:
				analytics = append(analytics, e)
			case e.Type == app.EventAPICall:
				if call, keep := c.call(e, done); keep {
					events = append(events, call)
				}
			default:
				events = append(events, e)
			}
		}
	}
	reached, err := c.deltas(ctx, a.q, batches, done)
	if err != nil {
		return err
	}
	if err := insertEvents(ctx, a.tx, source, reached, app.Tally{}); err != nil {
		return err
	}
	if err := noteVisits(ctx, a.q, events); err != nil {
		return err
	}
	// One order for every writer, so that two of them never deadlock on ids.
	slices.SortFunc(events, func(x, y app.Event) int { return bytes.Compare(x.ID[:], y.ID[:]) })
	if err := a.insert(ctx, a.tx, source, events, done); err != nil {
		return err
	}
	return insertAnalytics(ctx, a.q, analytics, done)
}

func bySource(batches []app.Batch) map[app.SourceID][]app.Batch {
	groups := map[app.SourceID][]app.Batch{}
	for _, b := range batches {
		groups[b.Source] = append(groups[b.Source], b)
	}
	return groups
}

// settleBatches returns the batches that were not applied before.
func settleBatches(ctx context.Context, q *db.Queries, batches []app.Batch) ([]app.Batch, error) {
	type key struct {
		source app.SourceID
		number uint64
	}
	var p db.SettleBatchesParams
	byKey := make(map[key]app.Batch, len(batches))
	for _, b := range batches {
		byKey[key{b.Source, b.Number}] = b
		p.Sources = append(p.Sources, pgUUID(b.Source))
		p.Numbers = append(p.Numbers, int64(b.Number)) //nolint:gosec // a count of batches
	}
	rows, err := q.SettleBatches(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("settling the batches: %w", err)
	}
	fresh := make([]app.Batch, 0, len(rows))
	for _, r := range rows {
		fresh = append(fresh, byKey[key{r.Source.Bytes, uint64(r.Number)}]) //nolint:gosec // as above
	}
	return fresh, nil
}

// claimKeys finds the events that clients sent before under the same key.
func claimKeys(ctx context.Context, q *db.Queries, batches []app.Batch) (map[app.EventID]bool, error) {
	type key struct{ site, key string }
	repeated := map[app.EventID]bool{}
	seen := map[key]bool{}
	p := db.ClaimKeysParams{Seconds: app.EventKeyAge.Seconds()}
	for _, b := range batches {
		for i := range b.Events {
			e := &b.Events[i]
			if e.Key == "" {
				continue
			}
			repeated[e.ID] = true // until it turns out that it is not
			if k := (key{e.Site, e.Key}); !seen[k] {
				seen[k] = true
				p.Sites, p.Keys, p.EventIds = append(p.Sites, e.Site), append(p.Keys, e.Key), append(p.EventIds, pgID(e.ID))
			}
		}
	}
	if len(p.Keys) == 0 {
		return repeated, nil
	}
	rows, err := q.ClaimKeys(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("claiming the events' keys: %w", err)
	}
	for _, id := range rows {
		delete(repeated, id.Bytes)
	}
	return repeated, nil
}

// insertEvents stores events in one statement, or by COPY when there are many.
func insertEvents(ctx context.Context, tx pgx.Tx, _ app.SourceID, events []app.Event, done app.Tally) error {
	if len(events) == 0 {
		return nil
	}
	if len(events) >= copyFrom {
		copied, err := copyEvents(ctx, tx, events)
		if err != nil {
			return err
		}
		if copied {
			for i := range events {
				done.Add(events[i].Type, app.OutcomeStored, 1)
			}
			return nil
		}
	}
	added, err := db.New(tx).InsertEvents(ctx, eventParams(events))
	if err != nil {
		return fmt.Errorf("inserting funnel events: %w", err)
	}
	for i := range events {
		done.Add(events[i].Type, app.OutcomeDeduplicated, 1)
	}
	for _, row := range added {
		done.Add(app.EventType(row.EventType), app.OutcomeDeduplicated, -int(row.Added))
		done.Add(app.EventType(row.EventType), app.OutcomeStored, int(row.Added))
	}
	return nil
}

func insertAnalytics(ctx context.Context, q *db.Queries, events []app.Event, done app.Tally) error {
	for i := range events {
		e, t := &events[i], events[i].Touch
		added, err := q.InsertAnalytics(ctx, db.InsertAnalyticsParams{
			ID: pgID(e.ID), EventType: e.Name, VisitorID: t.VisitorID, SessionID: t.SessionID, PagePath: t.Path,
			Referrer: t.Referrer, UserAgent: t.UserAgent, IpNetwork: t.Network, UtmSource: t.UTM.Source,
			UtmMedium: t.UTM.Medium, UtmCampaign: t.UTM.Campaign, UtmTerm: t.UTM.Term, UtmContent: t.UTM.Content,
			Metadata: e.Metadata, OccurredAt: e.At,
		})
		if err != nil {
			return fmt.Errorf("inserting an analytics event: %w", err)
		}
		done.Add(e.Type, app.OutcomeStored, int(added))
		done.Add(e.Type, app.OutcomeDeduplicated, 1-int(added))
	}
	return nil
}

// writeErr tells what can never be stored from what cannot be stored now. Only
// what Postgres says of the values themselves is a refusal: data exceptions (22)
// and broken constraints (23). Whatever else happens, known or not, passes or is
// put right by people, and must not cost what came meanwhile.
func writeErr(err error) error {
	if app.CodeOf(err) == app.CodeValidation {
		return err
	}
	if refused(err) {
		return &app.Error{Code: app.CodeValidation, Message: "the database refuses the event", Err: err}
	}
	return unavailable(err)
}

func refused(err error) bool {
	pgErr, said := errors.AsType[*pgconn.PgError](err)
	return said && (strings.HasPrefix(pgErr.Code, "22") || strings.HasPrefix(pgErr.Code, "23"))
}

func eventParams(events []app.Event) db.InsertEventsParams {
	n := len(events)
	p := db.InsertEventsParams{
		Ids: make([]pgtype.UUID, n), EventTypes: make([]string, n), CustomerIds: make([]int64, n),
		VisitorIds: make([]string, n), SessionIds: make([]string, n), PagePaths: make([]string, n),
		Referrers: make([]string, n), UserAgents: make([]string, n), IpNetworks: make([]string, n),
		UtmSources: make([]string, n), UtmMediums: make([]string, n), UtmCampaigns: make([]string, n),
		UtmTerms: make([]string, n), UtmContents: make([]string, n), OccurredAts: make([]time.Time, n),
		Sites: make([]string, n), Names: make([]string, n), Metadatas: make([]string, n), ReferrerClasses: make([]string, n),
	}
	for i := range events {
		e, t := &events[i], &events[i].Touch
		p.Ids[i], p.EventTypes[i], p.CustomerIds[i] = pgID(e.ID), string(e.Type), e.CustomerID
		p.VisitorIds[i], p.SessionIds[i], p.PagePaths[i] = t.VisitorID, t.SessionID, t.Path
		p.Referrers[i], p.UserAgents[i], p.IpNetworks[i] = t.Referrer, t.UserAgent, t.Network
		p.UtmSources[i], p.UtmMediums[i], p.UtmCampaigns[i] = t.UTM.Source, t.UTM.Medium, t.UTM.Campaign
		p.UtmTerms[i], p.UtmContents[i], p.OccurredAts[i] = t.UTM.Term, t.UTM.Content, e.At
		p.Sites[i], p.Names[i], p.Metadatas[i] = e.Site, e.Name, e.Metadata
		p.ReferrerClasses[i] = referrerClass(e)
	}
	return p
}

func pgUUID(id app.SourceID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: true} }
