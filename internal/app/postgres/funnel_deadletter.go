package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

// insertOrBury stores events, halving them around those that the database
// refuses, each try behind a savepoint. The refused ones become dead letters.
func insertOrBury(ctx context.Context, tx pgx.Tx, source app.SourceID, events []app.Event, done app.Tally) error {
	part := app.Tally{}
	err := pgx.BeginFunc(ctx, tx, func(save pgx.Tx) error { return insertEvents(ctx, save, source, events, part) })
	switch {
	case err == nil:
		done.Merge(part)
		return nil
	case !refused(err):
		return err
	case len(events) == 1:
		done.Add(events[0].Type, app.OutcomeDroppedRefused, 1)
		return bury(ctx, tx, source, &events[0], err)
	}
	half := len(events) / 2
	if err := insertOrBury(ctx, tx, source, events[:half], done); err != nil {
		return err
	}
	return insertOrBury(ctx, tx, source, events[half:], done)
}

func bury(ctx context.Context, tx pgx.Tx, source app.SourceID, e *app.Event, reason error) error {
	payload, err := json.Marshal(e)
	if err != nil {
		payload = fmt.Appendf(nil, "%q", fmt.Sprintf("%+v", *e))
	}
	return buryAs(ctx, tx, db.InsertDeadLetterParams{
		Source: pgUUID(source), EventID: pgID(e.ID), EventType: string(e.Type), Reason: deathReason(reason), Payload: payload,
		CustomerID: e.CustomerID, VisitorID: app.Clip(e.Touch.VisitorID, 255),
	})
}

func buryCalls(ctx context.Context, tx pgx.Tx, source app.SourceID, c app.Calls, reason error) error {
	payload, err := json.Marshal(c)
	if err != nil {
		payload = fmt.Appendf(nil, "%q", fmt.Sprintf("%+v", c))
	}
	return buryAs(ctx, tx, db.InsertDeadLetterParams{
		Source: pgUUID(source), EventType: string(app.EventAPICall), Reason: deathReason(reason), Payload: payload,
		CustomerID: c.CustomerID,
	})
}

func buryAs(ctx context.Context, tx pgx.Tx, p db.InsertDeadLetterParams) error {
	if err := db.New(tx).InsertDeadLetter(ctx, p); err != nil {
		return fmt.Errorf("keeping a dead letter: %w", err)
	}
	return nil
}

// deathReason is what the database said, as text that a column takes. It may
// quote the event, which lies beside it.
func deathReason(err error) string {
	if pgErr, said := errors.AsType[*pgconn.PgError](err); said {
		return app.Clip(fmt.Sprintf("%s (SQLSTATE %s)", pgErr.Message, pgErr.Code), 1000)
	}
	return app.Clip(err.Error(), 1000)
}

// BuryRaw keeps what was taken for a batch and cannot be read.
func (s *Store) BuryRaw(ctx context.Context, payload []byte, reason error) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	err := s.q.InsertDeadLetter(ctx, db.InsertDeadLetterParams{EventType: "batch", Reason: app.Clip(reason.Error(), 1000), Payload: payload})
	return classify(wrap("keeping a dead letter", err))
}
