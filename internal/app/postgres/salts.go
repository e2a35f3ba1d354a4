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

// ShareSalt implements visitor.Store: whichever process comes first makes the
// day's salt, and all get that one.
func (s *Store) ShareSalt(ctx context.Context, day time.Time, fresh []byte) (app.Salt, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	row, err := s.q.GetSalt(ctx, day)
	if errors.Is(err, pgx.ErrNoRows) {
		if err := s.q.MakeSalt(ctx, db.MakeSaltParams{Day: day, Secret: fresh}); err != nil {
			return app.Salt{}, classify(fmt.Errorf("making the day's salt: %w", err))
		}
		row, err = s.q.GetSalt(ctx, day)
	}
	if err != nil {
		return app.Salt{}, classify(fmt.Errorf("reading the day's salt: %w", err))
	}
	return app.Salt{Day: row.Day.UTC(), Secret: row.Secret, MadeAt: row.MadeAt}, nil
}

// ForgetSalts deletes the salts that have become too old to be kept.
func (s *Store) ForgetSalts(ctx context.Context) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	if _, err := s.q.ForgetSalts(ctx, app.SaltAge.Seconds()); err != nil {
		return classify(fmt.Errorf("forgetting old salts: %w", err))
	}
	return nil
}
