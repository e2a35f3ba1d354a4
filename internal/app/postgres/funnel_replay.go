package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// DeadLetters lists dead letters in the order in which they came, after an id.
func (s *Store) DeadLetters(ctx context.Context, after int64, most int) ([]app.DeadLetter, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	rows, err := s.pool.Query(ctx, `SELECT id, event_type, reason, inserted_at, octet_length(payload)
		FROM funnel_dead_letters WHERE id > $1 ORDER BY id LIMIT $2`, after, most)
	if err != nil {
		return nil, classify(fmt.Errorf("listing dead letters: %w", err))
	}
	letters, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (app.DeadLetter, error) {
		var l app.DeadLetter
		err := row.Scan(&l.ID, &l.Type, &l.Reason, &l.At, &l.Bytes)
		return l, err
	})
	if err != nil {
		return nil, classify(fmt.Errorf("listing dead letters: %w", err))
	}
	return letters, nil
}

// ReplayDeadLetter tries to store a dead letter's event again; if it is stored,
// the letter is gone. To the ledger it is an event of a source of its own, as it
// was dropped from the one that took it. Replaying is harmless at any time: an
// event that is there already is known by its id. CodeNotFound says that there
// is no such letter, CodeValidation that the database refuses it as before.
func (s *Store) ReplayDeadLetter(ctx context.Context, id int64, now time.Time) error {
	readCtx, cancel := operation(ctx)
	defer cancel()
	var eventType string
	var payload []byte
	var eventID pgtype.UUID
	err := s.pool.QueryRow(readCtx, "SELECT event_type, event_id, payload FROM funnel_dead_letters WHERE id = $1", id).
		Scan(&eventType, &eventID, &payload)
	if errors.Is(err, pgx.ErrNoRows) {
		return &app.Error{Code: app.CodeNotFound, Message: "there is no such dead letter"}
	}
	if err != nil {
		return classify(fmt.Errorf("reading a dead letter: %w", err))
	}
	batch := app.Batch{Source: app.NewSourceID(now), Number: 1, Host: "replay"}
	switch {
	case eventType == "batch":
		err = errors.New("it is a damaged batch")
	case eventID.Valid:
		batch.Events = make([]app.Event, 1)
		err = json.Unmarshal(payload, &batch.Events[0])
	default:
		batch.Calls = make([]app.Calls, 1)
		err = json.Unmarshal(payload, &batch.Calls[0])
	}
	if err != nil {
		return &app.Error{Code: app.CodeValidation, Message: "the dead letter cannot be read", Err: err}
	}
	batch.Total = uint64(batch.Count()) //nolint:gosec // never negative
	if _, err := s.Apply(ctx, []app.Batch{batch}); err != nil {
		return err
	}
	deleteCtx, cancelDelete := operation(ctx)
	defer cancelDelete()
	if _, err := s.pool.Exec(deleteCtx, "DELETE FROM funnel_dead_letters WHERE id = $1", id); err != nil {
		return classify(fmt.Errorf("deleting a dead letter: %w", err))
	}
	return nil
}
