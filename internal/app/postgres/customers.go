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

const emailIndex = "customers_email_key"

// Onboard creates a customer, its first key, its credits, and its first two
// steps in the funnel, in one transaction. Only the funnel's part may fail
// alone.
func (s *Store) Onboard(ctx context.Context, signup app.Signup) (app.Onboarded, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	var done app.Onboarded
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		if signup.SmokeTest != "" {
			if err := takeSmokeTestToken(ctx, q, signup.SmokeTest); err != nil {
				return err
			}
		}
		if signup.Replay != nil {
			claimed, err := claimAnswer(ctx, q, signup.Replay)
			if err != nil {
				return err
			}
			if claimed != nil {
				done.Kept = claimed
				return nil
			}
		}
		row, err := q.InsertCustomer(ctx, db.InsertCustomerParams{
			Name: signup.Name, Email: signup.Email, Internal: signup.SmokeTest != "", SubscriptionType: app.SubscriptionTrial,
			CreditBalance: app.SignupCredits, MonthlyLimit: app.MonthlyLimit,
			TrialFixesLimit: app.TrialFixesLimit, Source: signup.Source, Now: signup.At,
		})
		if err != nil {
			return onboardErr(fmt.Errorf("inserting the customer: %w", err))
		}
		if err := onboardKeyAndCredits(ctx, q, row.ID, signup); err != nil {
			return err
		}
		done.Customer = customer(row)
		if err := s.onboardJobs(ctx, tx, row); err != nil {
			return err
		}
		done.TrackingErr = trackSignup(ctx, tx, row.ID, signup)
		return keepAnswer(ctx, q, signup.Replay, done.Customer)
	})
	if err != nil {
		return app.Onboarded{}, classify(err)
	}
	return done, nil
}

func onboardKeyAndCredits(ctx context.Context, q *db.Queries, id int64, signup app.Signup) error {
	metadata, err := json.Marshal(map[string]string{"source": signup.Source})
	if err != nil {
		return fmt.Errorf("encoding the credit's metadata: %w", err)
	}
	err = q.InsertCredit(ctx, db.InsertCreditParams{
		CustomerID: id, Amount: app.SignupCredits, BalanceAfter: app.SignupCredits,
		Source: app.CreditSourceSignup, Metadata: metadata, Now: signup.At,
	})
	if err != nil {
		return fmt.Errorf("inserting the signup credits: %w", err)
	}
	_, err = q.InsertAPIKey(ctx, db.InsertAPIKeyParams{
		CustomerID: id, Name: app.DefaultKeyName, KeyHash: signup.KeyHash,
		Permissions: []string{app.PermissionFullAccess}, Now: signup.At,
	})
	if err != nil {
		return fmt.Errorf("inserting the API key: %w", err)
	}
	return nil
}

func onboardErr(err error) error {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.ConstraintName == emailIndex {
		return app.EmailTaken()
	}
	return err
}

// Customer implements app.Customers.
func (s *Store) Customer(ctx context.Context, id int64) (app.Customer, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	row, err := s.q.GetCustomer(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return app.Customer{}, &app.Error{Code: app.CodeNotFound, Message: "The customer does not exist any more"}
	}
	if err != nil {
		return app.Customer{}, classify(fmt.Errorf("reading a customer: %w", err))
	}
	c := customer(row.Customer)
	if !row.UsageIsCurrent {
		c.CurrentUsage = 0
	}
	return c, nil
}

func customer(row db.Customer) app.Customer {
	c := app.Customer{
		ID: row.ID, Name: row.Name, Email: row.Email, Active: row.Active,
		SubscriptionType: row.SubscriptionType, CreditBalance: int(row.CreditBalance),
		MonthlyLimit: int(row.MonthlyLimit), CurrentUsage: int(row.CurrentUsage),
		TrialFixesLimit: int(row.TrialFixesLimit), TrialFixesUsed: int(row.TrialFixesUsed),
		EmailVerified: row.EmailVerifiedAt != nil, Approved: row.ApprovedAt != nil, Internal: row.Internal,
		CreatedAt: row.InsertedAt,
	}
	if row.SubscriptionState != nil {
		c.SubscriptionState = *row.SubscriptionState
	}
	return c
}
