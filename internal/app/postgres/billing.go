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
)

// Enqueuer adds a job within a transaction.
type Enqueuer interface {
	EnqueueTx(ctx context.Context, tx pgx.Tx, job app.Job) error
}

// UseJobs says where jobs go. Call it before the store is used.
func (s *Store) UseJobs(jobs Enqueuer) { s.jobs = jobs }

func (s *Store) enqueue(ctx context.Context, tx pgx.Tx, job app.Job) error {
	if s.jobs == nil {
		return errors.New("postgres: a job is to be added, and nothing takes jobs")
	}
	if err := s.jobs.EnqueueTx(ctx, tx, job); err != nil {
		return fmt.Errorf("adding the job %s: %w", job.Kind(), err)
	}
	return nil
}

// ReceiveEvent implements app.Billing.
func (s *Store) ReceiveEvent(ctx context.Context, e app.BillingEvent) (bool, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	isNew := false
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		n, err := s.q.WithTx(tx).InsertBillingEvent(ctx, db.InsertBillingEventParams{
			ID: e.ID, EventType: e.Type, CreatedAt: e.CreatedAt, ReceivedAt: e.ReceivedAt, Payload: e.Payload,
		})
		if err != nil {
			return unstorable(fmt.Errorf("storing a billing event: %w", err))
		}
		if isNew = n > 0; !isNew {
			return nil
		}
		return s.enqueue(ctx, tx, app.StripeEventJob{EventID: e.ID})
	})
	return isNew && err == nil, classify(err)
}

// Event implements app.Billing.
func (s *Store) Event(ctx context.Context, id string) (app.BillingEvent, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	row, err := s.q.GetBillingEvent(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return app.BillingEvent{}, noEvent()
	}
	if err != nil {
		return app.BillingEvent{}, classify(fmt.Errorf("reading a billing event: %w", err))
	}
	e := billingEvent(db.ListBillingEventsRow{
		ID: row.ID, EventType: row.EventType, CreatedAt: row.CreatedAt, ReceivedAt: row.ReceivedAt, FinishedAt: row.FinishedAt,
		Status: row.Status, CustomerID: row.CustomerID, AmountCents: row.AmountCents, Problem: row.Problem,
	})
	e.Payload = row.Payload
	return e, nil
}

func noEvent() *app.Error {
	return &app.Error{Code: app.CodeNotFound, Message: "There is no such event"}
}

func billingEvent(row db.ListBillingEventsRow) app.BillingEvent {
	e := app.BillingEvent{
		ID: row.ID, Type: row.EventType, CreatedAt: row.CreatedAt, ReceivedAt: row.ReceivedAt, FinishedAt: timeOf(row.FinishedAt),
		Status: app.EventStatus(row.Status), AmountCents: row.AmountCents, Problem: row.Problem,
	}
	if row.CustomerID != nil {
		e.CustomerID = *row.CustomerID
	}
	return e
}

// ProcessEvent implements app.Billing.
func (s *Store) ProcessEvent(
	ctx context.Context, id, stripeCustomer string, amountCents int64, now time.Time, work func(app.Ledger) error,
) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	return classify(s.inTx(ctx, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		open, err := lockEvent(ctx, q, id)
		if err != nil || !open {
			return err
		}
		row, err := q.LockAccountByStripe(ctx, stripeCustomer)
		if errors.Is(err, pgx.ErrNoRows) {
			return &app.Error{Code: app.CodeNotFound, Message: "No customer has this Stripe customer id"}
		}
		if err != nil {
			return fmt.Errorf("locking the account: %w", err)
		}
		if err := work(&ledger{store: s, tx: tx, q: q, account: account(row), now: now}); err != nil {
			return err
		}
		err = q.FinishBillingEvent(ctx, db.FinishBillingEventParams{
			ID: id, Status: string(app.EventProcessed), Now: now, CustomerID: &row.ID, AmountCents: amountCents,
		})
		if err != nil {
			return fmt.Errorf("finishing a billing event: %w", err)
		}
		return nil
	}))
}

// lockEvent says whether the event has yet to be processed.
func lockEvent(ctx context.Context, q *db.Queries, id string) (bool, error) {
	status, err := q.LockBillingEvent(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, noEvent()
	}
	if err != nil {
		return false, fmt.Errorf("locking a billing event: %w", err)
	}
	return status == string(app.EventReceived), nil
}

// IgnoreEvent implements app.Billing.
func (s *Store) IgnoreEvent(ctx context.Context, id string, now time.Time) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	return classify(s.inTx(ctx, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		open, err := lockEvent(ctx, q, id)
		if err != nil || !open {
			return err
		}
		err = q.FinishBillingEvent(ctx, db.FinishBillingEventParams{ID: id, Status: string(app.EventIgnored), Now: now})
		if err != nil {
			return fmt.Errorf("finishing a billing event: %w", err)
		}
		return nil
	}))
}

// FailEvent implements app.Billing.
func (s *Store) FailEvent(ctx context.Context, id, problem string, parked bool, now time.Time) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	p := db.FailBillingEventParams{ID: id, Status: string(app.EventReceived), Problem: app.Clip(problem, 500)}
	if parked {
		p.Status, p.FinishedAt = string(app.EventParked), &now
	}
	if err := s.q.FailBillingEvent(ctx, p); err != nil {
		return classify(fmt.Errorf("storing why a billing event failed: %w", err))
	}
	return nil
}

// EventsBy implements app.Billing.
func (s *Store) EventsBy(ctx context.Context, status app.EventStatus) ([]app.BillingEvent, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	rows, err := s.q.ListBillingEvents(ctx, string(status))
	if err != nil {
		return nil, classify(fmt.Errorf("listing billing events: %w", err))
	}
	events := make([]app.BillingEvent, len(rows))
	for i, row := range rows {
		events[i] = billingEvent(row)
	}
	return events, nil
}

// RetryEvent implements app.Billing.
func (s *Store) RetryEvent(ctx context.Context, id string) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	return classify(s.inTx(ctx, func(tx pgx.Tx) error {
		n, err := s.q.WithTx(tx).ReopenBillingEvent(ctx, id)
		if err != nil {
			return fmt.Errorf("reopening a billing event: %w", err)
		}
		if n == 0 {
			return &app.Error{Code: app.CodeNotFound, Message: "No parked event has this id"}
		}
		return s.enqueue(ctx, tx, app.StripeEventJob{EventID: id})
	}))
}

// ParkedEvents implements app.Billing.
func (s *Store) ParkedEvents(ctx context.Context) (int64, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	n, err := s.q.CountParkedEvents(ctx)
	if err != nil {
		return 0, classify(fmt.Errorf("counting parked events: %w", err))
	}
	return n, nil
}

// Subscriptions implements app.Billing.
func (s *Store) Subscriptions(ctx context.Context) (map[app.Plan]int64, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	rows, err := s.q.CountSubscriptions(ctx)
	if err != nil {
		return nil, classify(fmt.Errorf("counting subscriptions: %w", err))
	}
	counts := map[app.Plan]int64{}
	for _, row := range rows {
		counts[app.Plan(row.SubscriptionType)] = row.Count
	}
	return counts, nil
}

// AccountByStripe implements app.Billing.
func (s *Store) AccountByStripe(ctx context.Context, stripeCustomer string) (app.Account, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	var a app.Account
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		row, err := s.q.WithTx(tx).LockAccountByStripe(ctx, stripeCustomer)
		a = account(row)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return app.Account{}, &app.Error{Code: app.CodeNotFound, Message: "No customer has this Stripe customer id"}
	}
	if err != nil {
		return app.Account{}, classify(fmt.Errorf("reading an account: %w", err))
	}
	return a, nil
}

// OnAccount implements app.Billing.
func (s *Store) OnAccount(ctx context.Context, customerID int64, now time.Time, work func(app.Ledger) error) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	return classify(s.inTx(ctx, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		row, err := q.LockAccount(ctx, customerID)
		if errors.Is(err, pgx.ErrNoRows) {
			return noCustomer()
		}
		if err != nil {
			return fmt.Errorf("locking the account: %w", err)
		}
		return work(&ledger{store: s, tx: tx, q: q, account: account(row), now: now})
	}))
}

// SetStripeCustomer implements app.Billing.
func (s *Store) SetStripeCustomer(ctx context.Context, customerID int64, stripeID string, now time.Time) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	_, err := s.q.SetStripeCustomer(ctx, db.SetStripeCustomerParams{ID: customerID, StripeCustomerID: stripeID, Now: now})
	if err != nil {
		return classify(fmt.Errorf("storing a Stripe customer id: %w", err))
	}
	return nil
}

// Consent implements app.Billing.
func (s *Store) Consent(ctx context.Context, customerID int64, now time.Time) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	if err := s.q.SetConsent(ctx, db.SetConsentParams{ID: customerID, Now: now}); err != nil {
		return classify(fmt.Errorf("storing the consent: %w", err))
	}
	return nil
}

// Credits implements app.Billing.
func (s *Store) Credits(ctx context.Context, customerID int64) ([]app.CreditEntry, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	rows, err := s.q.ListCredits(ctx, customerID)
	if err != nil {
		return nil, classify(fmt.Errorf("listing credits: %w", err))
	}
	entries := make([]app.CreditEntry, len(rows))
	for i, row := range rows {
		entries[i] = app.CreditEntry{
			ID: row.ID, Amount: int(row.Amount), BalanceAfter: int(row.BalanceAfter), Source: row.Source,
			Metadata: row.Metadata, At: row.InsertedAt,
		}
	}
	return entries, nil
}

func account(row db.Customer) app.Account {
	return app.Account{
		CustomerID: row.ID, Email: row.Email, Name: row.Name, Plan: app.Plan(row.SubscriptionType),
		State: text(row.SubscriptionState), CreditBalance: int(row.CreditBalance), StripeID: text(row.StripeCustomerID),
		Subscription: text(row.StripeSubscriptionID), PaymentMethod: text(row.StripePaymentMethodID),
		Consented: row.BillingConsentAt != nil, CancelAtEnd: row.CancelAtPeriodEnd, StateAt: timeOf(row.SubscriptionEventAt),
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func nullText(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// ledger is an account whose row is locked.
type ledger struct {
	store   *Store
	tx      pgx.Tx
	q       *db.Queries
	account app.Account
	now     time.Time
}

var _ app.Ledger = (*ledger)(nil)

func (l *ledger) Account() app.Account { return l.account }

func (l *ledger) Once(ctx context.Context, effect, reference string) (bool, error) {
	n, err := l.q.InsertEffect(ctx, db.InsertEffectParams{
		Effect: effect, Reference: reference, CustomerID: l.account.CustomerID, Now: l.now,
	})
	if err != nil {
		return false, fmt.Errorf("storing the effect %s: %w", effect, err)
	}
	return n > 0, nil
}

func (l *ledger) Credit(ctx context.Context, amount int, source string, metadata map[string]string) error {
	raw, err := json.Marshal(metadata)
	if err != nil {
		return fmt.Errorf("encoding the credit's metadata: %w", err)
	}
	balance, err := l.q.ChangeCredits(ctx, db.ChangeCreditsParams{
		ID: l.account.CustomerID, Amount: int32(amount), Now: l.now, //nolint:gosec // amounts are small
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return &app.Error{Code: app.CodeConflict, Message: "The balance does not cover this"}
	}
	if err != nil {
		return fmt.Errorf("changing the balance: %w", err)
	}
	err = l.q.InsertCredit(ctx, db.InsertCreditParams{
		CustomerID: l.account.CustomerID, Amount: int32(amount), BalanceAfter: balance, Source: source, Metadata: raw, Now: l.now, //nolint:gosec // see above
	})
	if err != nil {
		return fmt.Errorf("inserting a line of the ledger: %w", err)
	}
	l.account.CreditBalance = int(balance)
	return nil
}

func (l *ledger) SetSubscription(ctx context.Context, s app.Subscription) error {
	err := l.q.SetSubscription(ctx, db.SetSubscriptionParams{
		ID: l.account.CustomerID, StripeSubscriptionID: nullText(s.ID), SubscriptionType: string(s.Plan),
		SubscriptionState: nullText(s.State), CancelAtPeriodEnd: s.CancelAtEnd, EventAt: s.At, Now: l.now,
	})
	if err != nil {
		return fmt.Errorf("storing the subscription: %w", err)
	}
	l.account.Subscription, l.account.Plan, l.account.State, l.account.CancelAtEnd = s.ID, s.Plan, s.State, s.CancelAtEnd
	return nil
}

func (l *ledger) SetPaymentMethod(ctx context.Context, method string, plan app.Plan) error {
	err := l.q.SetPaymentMethod(ctx, db.SetPaymentMethodParams{
		ID: l.account.CustomerID, PaymentMethod: method, SubscriptionType: string(plan), Now: l.now,
	})
	if err != nil {
		return fmt.Errorf("storing the payment method: %w", err)
	}
	l.account.PaymentMethod, l.account.Plan = method, plan
	return nil
}

func (l *ledger) Enqueue(ctx context.Context, job app.Job) error {
	return l.store.enqueue(ctx, l.tx, job)
}
