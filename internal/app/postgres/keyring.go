package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

// keyChannel is where the database tells which keys changed, by their hashes.
const keyChannel = "rsolv_keys"

// CustomerKeys implements app.KeyRing.
func (s *Store) CustomerKeys(ctx context.Context, customerID int64) ([]app.Key, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	rows, err := s.q.ListKeys(ctx, customerID)
	if err != nil {
		return nil, classify(fmt.Errorf("listing API keys: %w", err))
	}
	keys := make([]app.Key, len(rows))
	for i, row := range rows {
		keys[i] = apiKey(db.GetKeyForUpdateRow(row))
	}
	return keys, nil
}

func apiKey(row db.GetKeyForUpdateRow) app.Key {
	return app.Key{
		ID: row.ID, Name: row.Name, Permissions: row.Permissions, Active: row.Active, CreatedAt: row.InsertedAt,
		ExpiresAt: timeOf(row.ExpiresAt), RevokedAt: timeOf(row.RevokedAt), LastUsedAt: timeOf(row.LastUsedAt),
	}
}

// AddKey implements app.KeyRing.
func (s *Store) AddKey(ctx context.Context, d app.KeyDraft) (app.Key, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	var key app.Key
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var err error
		if key, err = insertKey(ctx, s.q.WithTx(tx), d); err != nil {
			return err
		}
		// Failing to track costs no key; upkeep repairs a missing milestone.
		_ = trackKey(ctx, tx, d.CustomerID, d.At)
		return nil
	})
	return key, classify(err)
}

// insertKey holds the customer's row, so that two at once do not both add the
// last key.
func insertKey(ctx context.Context, q *db.Queries, d app.KeyDraft) (app.Key, error) {
	_, err := q.LockCustomer(ctx, d.CustomerID)
	if errors.Is(err, pgx.ErrNoRows) {
		return app.Key{}, &app.Error{Code: app.CodeNotFound, Message: "The customer does not exist any more"}
	}
	if err != nil {
		return app.Key{}, fmt.Errorf("locking the customer: %w", err)
	}
	usable, err := q.CountUsableKeys(ctx, d.CustomerID)
	if err != nil {
		return app.Key{}, fmt.Errorf("counting the customer's keys: %w", err)
	}
	if usable >= app.MaxKeys {
		return app.Key{}, &app.Error{
			Code: app.CodeConflict, Message: fmt.Sprintf("There are %d usable keys already, which is the most: revoke one first", usable),
		}
	}
	id, err := q.InsertAPIKey(ctx, db.InsertAPIKeyParams{
		CustomerID: d.CustomerID, Name: d.Name, KeyHash: d.Hash, Permissions: d.Permissions,
		ExpiresAt: nullTime(d.ExpiresAt), Now: d.At,
	})
	if err != nil {
		return app.Key{}, fmt.Errorf("inserting the API key: %w", err)
	}
	return app.Key{
		ID: id, Name: d.Name, Permissions: d.Permissions, Active: true, CreatedAt: d.At, ExpiresAt: d.ExpiresAt,
	}, nil
}

func noSuchKey() *app.Error {
	return &app.Error{Code: app.CodeNotFound, Message: "This customer has no such key"}
}

// RevokeKey implements app.KeyRing.
func (s *Store) RevokeKey(ctx context.Context, customerID, keyID int64, at time.Time) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	return classify(s.inTx(ctx, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		if _, err := lockKey(ctx, q, customerID, keyID); err != nil {
			return err
		}
		if _, err := q.RevokeKey(ctx, db.RevokeKeyParams{CustomerID: customerID, ID: keyID, Now: &at}); err != nil {
			return fmt.Errorf("revoking the key: %w", err)
		}
		return nil
	}))
}

func lockKey(ctx context.Context, q *db.Queries, customerID, keyID int64) (app.Key, error) {
	row, err := q.GetKeyForUpdate(ctx, db.GetKeyForUpdateParams{CustomerID: customerID, ID: keyID})
	if errors.Is(err, pgx.ErrNoRows) {
		return app.Key{}, noSuchKey()
	}
	if err != nil {
		return app.Key{}, fmt.Errorf("finding the key: %w", err)
	}
	return apiKey(row), nil
}

// RotateKey implements app.KeyRing.
func (s *Store) RotateKey(
	ctx context.Context, customerID, keyID int64, hash string, at time.Time, grace time.Duration,
) (app.Key, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	var key app.Key
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		old, err := lockKey(ctx, q, customerID, keyID)
		if err != nil {
			return err
		}
		if !old.Active || !old.ExpiresAt.IsZero() && !at.Before(old.ExpiresAt) {
			return &app.Error{Code: app.CodeConflict, Message: "This key is revoked or expired: make a new one"}
		}
		if grace > 0 {
			err = q.ExpireKey(ctx, db.ExpireKeyParams{ID: keyID, ExpiresAt: at.Add(grace)})
		} else {
			_, err = q.RevokeKey(ctx, db.RevokeKeyParams{CustomerID: customerID, ID: keyID, Now: &at})
		}
		if err != nil {
			return fmt.Errorf("ending the rotated key: %w", err)
		}
		key, err = insertKey(ctx, q, app.KeyDraft{
			CustomerID: customerID, Name: old.Name, Hash: hash, Permissions: old.Permissions, ExpiresAt: old.ExpiresAt, At: at,
		})
		return err
	})
	return key, classify(err)
}

// TouchKeys implements app.KeyUse.
func (s *Store) TouchKeys(ctx context.Context, used map[int64]time.Time) error {
	if len(used) == 0 {
		return nil
	}
	ctx, cancel := operation(ctx)
	defer cancel()
	var p db.TouchKeysParams
	for id, at := range used {
		p.Ids, p.Times = append(p.Ids, id), append(p.Times, at)
	}
	if err := s.q.TouchKeys(ctx, p); err != nil {
		return classify(fmt.Errorf("storing when keys were used: %w", err))
	}
	return nil
}

// ListenKeys implements app.KeyUse, on a connection of its own.
func (s *Store) ListenKeys(ctx context.Context, listening func(), changed func(hash string)) error {
	config := s.pool.Config().ConnConfig
	config.Tracer = nil // waiting is no query
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return classify(fmt.Errorf("connecting to listen for changed keys: %w", err))
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is pending
	if _, err := conn.Exec(ctx, "LISTEN "+keyChannel); err != nil {
		return classify(fmt.Errorf("listening for changed keys: %w", err))
	}
	listening()
	for {
		note, err := conn.WaitForNotification(ctx)
		if err != nil {
			return classify(fmt.Errorf("waiting for changed keys: %w", err))
		}
		changed(note.Payload)
	}
}
