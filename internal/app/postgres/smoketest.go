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

// IssueSmokeTestToken lets onboarding accept the token with this hash once,
// within the given time.
func (s *Store) IssueSmokeTestToken(ctx context.Context, hash string, within time.Duration) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	err := s.q.InsertSmokeTestToken(ctx, db.InsertSmokeTestTokenParams{TokenHash: hash, Seconds: within.Seconds()})
	if err != nil {
		return classify(fmt.Errorf("issuing a smoke-test token: %w", err))
	}
	return nil
}

// SmokeTestProgress says how far the customer with this address has come.
// CodeNotFound says that there is none.
func (s *Store) SmokeTestProgress(ctx context.Context, email string) (app.SmokeTestProgress, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	row, err := s.q.GetSmokeTestProgress(ctx, email)
	if errors.Is(err, pgx.ErrNoRows) {
		return app.SmokeTestProgress{}, &app.Error{Code: app.CodeNotFound, Message: "no customer has this e-mail address"}
	}
	if err != nil {
		return app.SmokeTestProgress{}, classify(fmt.Errorf("reading how far the smoke test has come: %w", err))
	}
	return app.SmokeTestProgress(row), nil
}

// CleanUpSmokeTest removes the customers with these addresses (lower case) and
// the tokens with these hashes, and besides them what smoke tests left behind
// that were killed more than an hour ago.
func (s *Store) CleanUpSmokeTest(ctx context.Context, emails, hashes []string) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	// NULL, which a nil slice is to Postgres, would match nothing at all.
	emails, hashes = append([]string{}, emails...), append([]string{}, hashes...)
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		if err := q.DeleteSmokeTestTokens(ctx, hashes); err != nil {
			return fmt.Errorf("deleting smoke-test tokens: %w", err)
		}
		_, err := q.DeleteSmokeTestCustomers(ctx, db.DeleteSmokeTestCustomersParams{
			Emails: emails, Source: app.SmokeTestSource,
		})
		if err != nil {
			return fmt.Errorf("deleting smoke-test customers: %w", err)
		}
		return nil
	})
	return classify(err)
}

// takeSmokeTestToken uses up a token within the transaction of the signup that
// it permits.
func takeSmokeTestToken(ctx context.Context, q *db.Queries, hash string) error {
	taken, err := q.TakeSmokeTestToken(ctx, hash)
	if err != nil {
		return fmt.Errorf("taking a smoke-test token: %w", err)
	}
	if taken == 0 {
		return &app.Error{
			Code:    app.CodeForbidden,
			Message: "The smoke-test token is unknown, used or expired: leave out the header " + app.SmokeTestHeader,
		}
	}
	return nil
}
