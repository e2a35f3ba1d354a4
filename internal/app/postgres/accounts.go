package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
	"github.com/rsolv-dev/rsolv-operator/internal/app/ratelimit"
)

// BeginOnboarding implements app.Registry.
func (s *Store) BeginOnboarding(ctx context.Context, address, keyHash string, now time.Time) (app.Opening, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	row, err := s.q.BeginOnboarding(ctx, db.BeginOnboardingParams{
		Subject: address, WindowStart: now.Truncate(ratelimit.Window), KeyHash: keyHash,
	})
	if err != nil {
		return app.Opening{}, classify(fmt.Errorf("beginning an onboarding: %w", err))
	}
	opening := app.Opening{Hits: int(row.Used)}
	if row.BodyHash != "" {
		opening.Kept = &app.KeptAnswer{BodyHash: row.BodyHash, Sealed: row.Sealed}
	}
	return opening, nil
}

// claimAnswer claims an idempotency key, or returns the answer that another
// request left, which may have been at it until a moment ago.
func claimAnswer(ctx context.Context, q *db.Queries, r *app.Replay) (*app.KeptAnswer, error) {
	if err := q.ForgetAnswers(ctx); err != nil {
		return nil, fmt.Errorf("forgetting old answers: %w", err)
	}
	n, err := q.ClaimIdempotencyKey(ctx, db.ClaimIdempotencyKeyParams{KeyHash: r.KeyHash, BodyHash: r.BodyHash})
	if err != nil {
		return nil, fmt.Errorf("claiming an idempotency key: %w", err)
	}
	if n > 0 {
		return nil, nil //nolint:nilnil // no answer is what was hoped for
	}
	kept, err := q.GetAnswer(ctx, r.KeyHash)
	if err != nil {
		return nil, fmt.Errorf("reading a kept answer: %w", err)
	}
	return &app.KeptAnswer{BodyHash: kept.BodyHash, Sealed: kept.Sealed}, nil
}

func keepAnswer(ctx context.Context, q *db.Queries, r *app.Replay, c app.Customer) error {
	if r == nil {
		return nil
	}
	sealed, err := r.Seal(c)
	if err != nil {
		return err
	}
	err = q.KeepAnswer(ctx, db.KeepAnswerParams{KeyHash: r.KeyHash, CustomerID: c.ID, Sealed: sealed})
	if err != nil {
		return fmt.Errorf("keeping an answer: %w", err)
	}
	return nil
}

// onboardJobs adds what has to be done about a new customer elsewhere. Internal
// customers are nobody's business there.
func (s *Store) onboardJobs(ctx context.Context, tx pgx.Tx, row db.Customer) error {
	if row.Internal || s.jobs == nil {
		return nil
	}
	return errors.Join(
		s.enqueue(ctx, tx, app.StripeCustomerJob{CustomerID: row.ID}), s.enqueue(ctx, tx, app.VerifyMailJob{CustomerID: row.ID}))
}

const customersPage = 100

// Customers implements app.Registry.
func (s *Store) Customers(ctx context.Context, after int64, search string) ([]app.Customer, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	rows, err := s.q.ListCustomers(ctx, db.ListCustomersParams{After: after, Search: search, Most: customersPage})
	if err != nil {
		return nil, classify(fmt.Errorf("listing customers: %w", err))
	}
	customers := make([]app.Customer, len(rows))
	for i, row := range rows {
		customers[i] = customer(row)
	}
	return customers, nil
}

// ChangeCustomer implements app.Registry.
func (s *Store) ChangeCustomer(ctx context.Context, id int64, c app.CustomerChange, now time.Time) (app.Customer, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	p := db.UpdateCustomerParams{ID: id, Name: c.Name, Email: c.Email, Active: c.Active, Approved: c.Approved, Now: now}
	if c.Plan != nil {
		plan := string(*c.Plan)
		p.Plan = &plan
	}
	if c.MonthlyLimit != nil {
		limit := int32(*c.MonthlyLimit) //nolint:gosec // checked
		p.MonthlyLimit = &limit
	}
	row, err := s.q.UpdateCustomer(ctx, p)
	if errors.Is(err, pgx.ErrNoRows) {
		return app.Customer{}, noCustomer()
	}
	if err != nil {
		return app.Customer{}, classify(onboardErr(fmt.Errorf("changing a customer: %w", err)))
	}
	return customer(row), nil
}

// AskVerification implements app.Registry.
func (s *Store) AskVerification(ctx context.Context, id int64) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	return classify(s.inTx(ctx, func(tx pgx.Tx) error { return s.enqueue(ctx, tx, app.VerifyMailJob{CustomerID: id}) }))
}

// AddVerification implements app.Registry.
func (s *Store) AddVerification(ctx context.Context, id int64, tokenHash string) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	if err := s.q.InsertVerification(ctx, db.InsertVerificationParams{CustomerID: id, TokenHash: tokenHash}); err != nil {
		return classify(fmt.Errorf("storing a link: %w", err))
	}
	return nil
}

// Verify implements app.Registry.
func (s *Store) Verify(ctx context.Context, tokenHash string, now time.Time) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	return classify(s.inTx(ctx, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		link, err := q.TakeVerification(ctx, tokenHash)
		if errors.Is(err, pgx.ErrNoRows) {
			return noLink()
		}
		if err != nil {
			return fmt.Errorf("taking a link: %w", err)
		}
		n, err := q.MarkVerified(ctx, db.MarkVerifiedParams{ID: link.CustomerID, Email: link.Email, Now: now})
		if err != nil {
			return fmt.Errorf("confirming an address: %w", err)
		}
		if n == 0 {
			return noLink() // the customer has another address by now
		}
		return nil
	}))
}

func noLink() *app.Error {
	return &app.Error{Code: app.CodeNotFound, Message: "This link is used or expired: ask for another"}
}

// ForgetExpired implements app.Registry.
func (s *Store) ForgetExpired(ctx context.Context) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	return classify(errors.Join(s.q.ForgetAnswers(ctx), s.q.ForgetVerifications(ctx)))
}

// hashColumns are left out of exports: they are of use to nobody but us.
var hashColumns = []string{"key_hash", "secret_hash", "token_hash", "sealed", "body_hash"}

// Export implements app.Registry. It finds the tables that have customers by
// itself, so that none is forgotten when one is added.
func (s *Store) Export(ctx context.Context, id int64) (map[string]json.RawMessage, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	export := map[string]json.RawMessage{}
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		tables, err := customerTables(ctx, tx)
		if err != nil {
			return err
		}
		for _, table := range append(tables, "customers") {
			column := "customer_id"
			if table == "customers" {
				column = "id"
			}
			var rows json.RawMessage
			query := fmt.Sprintf("SELECT coalesce(jsonb_agg(to_jsonb(t) - $2::text[]), '[]') FROM %s t WHERE t.%s = $1",
				pgx.Identifier{table}.Sanitize(), column)
			if err := tx.QueryRow(ctx, query, id, hashColumns).Scan(&rows); err != nil {
				return fmt.Errorf("exporting %s: %w", table, err)
			}
			export[table] = rows
		}
		if string(export["customers"]) == "[]" {
			return noCustomer()
		}
		var jobs json.RawMessage
		err = tx.QueryRow(ctx, `SELECT coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'args', args, 'state', state, 'created_at', created_at) ORDER BY id), '[]')
			FROM river.river_job WHERE args->>'customer_id' = $1::bigint::text`, id).Scan(&jobs)
		if err != nil {
			return fmt.Errorf("exporting jobs: %w", err)
		}
		export["jobs"] = jobs
		return nil
	})
	if err != nil {
		return nil, classify(err)
	}
	return export, nil
}

func customerTables(ctx context.Context, tx pgx.Tx) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE a.attname = 'customer_id' AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND NOT c.relispartition
			AND pg_table_is_visible(c.oid) AND c.relnamespace <> 'pg_catalog'::regnamespace
		ORDER BY c.relname`)
	if err != nil {
		return nil, fmt.Errorf("listing the tables that have customers: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("listing the tables that have customers: %w", err)
	}
	return tables, nil
}

// Erase implements app.Registry. Tables refer to customers with ON DELETE
// CASCADE; what refers to one otherwise is deleted first.
func (s *Store) Erase(ctx context.Context, id int64) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	return classify(s.inTx(ctx, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		if err := lockWriters(ctx, tx); err != nil {
			return err
		}
		if _, err := q.LockCustomer(ctx, id); errors.Is(err, pgx.ErrNoRows) {
			return noCustomer()
		} else if err != nil {
			return fmt.Errorf("locking the customer: %w", err)
		}
		if err := q.DeleteBillingEventsOfCustomer(ctx, id); err != nil {
			return fmt.Errorf("erasing billing events: %w", err)
		}
		if err := eraseVisitors(ctx, tx, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM river.river_job WHERE args->>'customer_id' = $1::bigint::text", id); err != nil {
			return fmt.Errorf("erasing jobs: %w", err)
		}
		if _, err := tx.Exec(ctx, "DELETE FROM rate_limits WHERE subject = $1::bigint::text", id); err != nil {
			return fmt.Errorf("erasing counts: %w", err)
		}
		if _, err := q.DeleteCustomer(ctx, id); err != nil {
			return fmt.Errorf("erasing the customer: %w", err)
		}
		return nil
	}))
}
