package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
	"github.com/rsolv-dev/rsolv-operator/internal/app/ratelimit"
)

func month(at time.Time) time.Time {
	year, m, _ := at.UTC().Date()
	return time.Date(year, m, 1, 0, 0, 0, 0, time.UTC)
}

// CountExchange implements app.Credentials.
func (s *Store) CountExchange(ctx context.Context, customerID int64, now time.Time) (app.Standing, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	row, err := s.q.CountExchange(ctx, db.CountExchangeParams{
		CustomerID: customerID, Subject: strconv.FormatInt(customerID, 10), WindowStart: now.Truncate(ratelimit.Window), Month: month(now),
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return app.Standing{}, noCustomer()
	}
	if err != nil {
		return app.Standing{}, classify(fmt.Errorf("reading a customer's standing: %w", err))
	}
	return app.Standing{
		Hits: int(row.Used), Usage: int(row.Usage), MonthlyLimit: int(row.MonthlyLimit), Trusted: row.Trusted,
		Unlimited: app.Plan(row.SubscriptionType).Unlimited(),
	}, nil
}

func noCustomer() *app.Error {
	return &app.Error{Code: app.CodeNotFound, Message: "The customer does not exist any more"}
}

// AddCredentials implements app.Credentials; all are of one request.
func (s *Store) AddCredentials(ctx context.Context, credentials []app.Credential) error {
	if len(credentials) == 0 {
		return nil
	}
	ctx, cancel := operation(ctx)
	defer cancel()
	return insertCredentials(ctx, s.q, credentials)
}

func insertCredentials(ctx context.Context, q *db.Queries, credentials []app.Credential) error {
	first := credentials[0]
	p := db.InsertCredentialsParams{
		CustomerID: first.CustomerID, ApiKeyID: first.KeyID, GithubJob: first.Job, GithubRun: first.Run, Now: first.At,
	}
	for _, c := range credentials {
		p.Ids, p.Providers, p.Modes = append(p.Ids, c.ID), append(p.Providers, string(c.Provider)), append(p.Modes, string(c.Mode))
		p.Hashes, p.Refs, p.Expires = append(p.Hashes, c.Hash), append(p.Refs, c.Reference), append(p.Expires, c.ExpiresAt)
	}
	if err := q.InsertCredentials(ctx, p); err != nil {
		return classify(fmt.Errorf("storing credentials: %w", err))
	}
	return nil
}

// FindCredential implements app.Credentials.
func (s *Store) FindCredential(ctx context.Context, id string) (app.Credential, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	row, err := s.q.GetCredential(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return app.Credential{}, &app.Error{Code: app.CodeNotFound, Message: "Credential not found"}
	}
	if err != nil {
		return app.Credential{}, classify(fmt.Errorf("reading a credential: %w", err))
	}
	c := app.Credential{
		ID: row.ID, CustomerID: row.CustomerID, Provider: app.Provider(row.Provider), Mode: app.CredentialMode(row.Mode),
		Hash: row.SecretHash, Reference: row.Reference, ExpiresAt: row.ExpiresAt, RevokedAt: timeOf(row.RevokedAt),
		Job: row.GithubJob, Run: row.GithubRun, At: row.InsertedAt,
	}
	if row.ApiKeyID != nil {
		c.KeyID = *row.ApiKeyID
	}
	return c, nil
}

// ReplaceCredential implements app.Credentials.
func (s *Store) ReplaceCredential(ctx context.Context, oldID string, next app.Credential) (bool, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	replaced := false
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		n, err := q.RevokeCredential(ctx, db.RevokeCredentialParams{ID: oldID, Now: next.At})
		if err != nil {
			return fmt.Errorf("revoking a credential: %w", err)
		}
		if n == 0 {
			return nil
		}
		replaced = true
		return insertCredentials(ctx, q, []app.Credential{next})
	})
	return replaced && err == nil, classify(err)
}

// ReportUsage implements app.Credentials.
func (s *Store) ReportUsage(ctx context.Context, r app.UsageReport) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	return classify(s.inTx(ctx, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		n, err := q.AddUsage(ctx, db.AddUsageParams{CustomerID: r.CustomerID, Month: month(r.At), Fixes: r.Fixes(), Now: r.At})
		if err != nil {
			return fmt.Errorf("adding to the usage: %w", err)
		}
		if n == 0 {
			return noCustomer()
		}
		err = q.InsertUsageReport(ctx, db.InsertUsageReportParams{
			CustomerID: r.CustomerID, Provider: string(r.Provider), TokensUsed: r.Tokens, RequestCount: r.Requests,
			JobID: r.Job, Now: r.At,
		})
		if err != nil {
			return fmt.Errorf("storing a usage report: %w", err)
		}
		return nil
	}))
}
