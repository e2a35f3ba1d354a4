package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

// FindKey implements app.Keys.
func (s *Store) FindKey(ctx context.Context, hash string) (app.Principal, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	row, err := s.q.FindActiveKey(ctx, hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return app.Principal{}, &app.Error{Code: app.CodeInvalidKey, Message: "Invalid or expired API key"}
	}
	if err != nil {
		return app.Principal{}, classify(fmt.Errorf("looking up an API key: %w", err))
	}
	return app.Principal{
		KeyID: row.ID, CustomerID: row.CustomerID, Permissions: row.Permissions, Internal: row.Internal,
		ExpiresAt: timeOf(row.ExpiresAt),
	}, nil
}

// Grant is the outcome of GrantPermission.
type Grant struct {
	CustomerID int64
	// Active is the number of active keys, Changed how many of them did not
	// have the permission before.
	Active, Changed int64
}

// GrantPermission gives a permission to all active keys of the customer with
// this e-mail address. CodeNotFound says that there is no such customer.
func (s *Store) GrantPermission(ctx context.Context, email, permission string) (Grant, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	var grant Grant
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		row, err := q.GetCustomerByEmail(ctx, email)
		if errors.Is(err, pgx.ErrNoRows) {
			return &app.Error{Code: app.CodeNotFound, Message: "no customer has this e-mail address"}
		}
		if err != nil {
			return fmt.Errorf("finding the customer: %w", err)
		}
		grant.CustomerID = row.ID
		grant.Changed, err = q.GrantPermission(ctx, db.GrantPermissionParams{Permission: permission, CustomerID: row.ID})
		if err != nil {
			return fmt.Errorf("granting the permission: %w", err)
		}
		if grant.Active, err = q.CountActiveKeys(ctx, row.ID); err != nil {
			return fmt.Errorf("counting the customer's keys: %w", err)
		}
		return nil
	})
	if err != nil {
		return Grant{}, classify(err)
	}
	return grant, nil
}

// SetInternal says whether a customer is one of our own, which the funnel never
// counts, and answers whether that is a change. Stored days that counted the
// customer the other way are forgotten; live numbers take their place.
func (s *Store) SetInternal(ctx context.Context, customerID int64, internal bool) (bool, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	var changed int64
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		var err error
		changed, err = q.SetInternal(ctx, db.SetInternalParams{CustomerID: customerID, Internal: internal})
		if err != nil {
			return fmt.Errorf("marking the customer: %w", err)
		}
		if changed == 0 {
			return nil
		}
		if err := q.ForgetDaysOfCustomer(ctx, customerID); err != nil {
			return fmt.Errorf("forgetting stored days: %w", err)
		}
		return nil
	})
	return changed > 0, classify(err)
}
