package app

import (
	"context"
	"encoding/json"
	"time"
)

// Credits that are given, in fixes.
const (
	PaymentMethodCredits = 5
	ProMonthlyCredits    = 60

	CreditSourcePaymentMethod = "trial_billing_added"
	CreditSourcePro           = "pro_subscription_payment"
	CreditSourcePurchased     = "purchased"
	CreditSourceFix           = "fix_deployed"
	CreditSourceAdjustment    = "adjustment"
)

// CreditSources lists why a balance changes.
func CreditSources() []string {
	return []string{
		CreditSourceSignup, CreditSourcePaymentMethod, CreditSourcePro, CreditSourcePurchased, "consumed",
		CreditSourceFix, CreditSourceAdjustment,
	}
}

// EventStatus is what has become of an event of Stripe's.
type EventStatus string

// Statuses of events. A parked one was tried in vain and waits for a person.
const (
	EventReceived  EventStatus = "received"
	EventProcessed EventStatus = "processed"
	EventIgnored   EventStatus = "ignored"
	EventParked    EventStatus = "parked"
)

// BillingEvent is a webhook of Stripe's.
type BillingEvent struct {
	ID          string
	Type        string
	CreatedAt   time.Time
	ReceivedAt  time.Time
	FinishedAt  time.Time
	Status      EventStatus
	CustomerID  int64
	AmountCents int64
	// Payload is the whole event as it was signed.
	Payload json.RawMessage
	Problem string
}

// Account is what billing knows of a customer.
type Account struct {
	CustomerID    int64
	Email, Name   string
	Plan          Plan
	State         string
	CreditBalance int
	StripeID      string
	Subscription  string
	PaymentMethod string
	Consented     bool
	CancelAtEnd   bool
	// StateAt is when Stripe made the event that the state is of.
	StateAt time.Time
}

// Subscription is the state of a subscription, as Stripe has it.
type Subscription struct {
	// ID is empty when there is none any more.
	ID          string
	Plan        Plan
	State       string
	CancelAtEnd bool
	// At is when Stripe said so.
	At time.Time
}

// CreditEntry is one line of the ledger of credits.
type CreditEntry struct {
	ID           int64
	Amount       int
	BalanceAfter int
	Source       string
	Metadata     json.RawMessage
	At           time.Time
}

// Ledger changes an account within one transaction, which holds the customer's
// row.
type Ledger interface {
	// Account is the account as it is now.
	Account() Account
	// Once says whether an effect has its turn: true exactly once for each
	// reference.
	Once(ctx context.Context, effect, reference string) (bool, error)
	// Credit changes the balance; CodeConflict when it would go below zero.
	Credit(ctx context.Context, amount int, source string, metadata map[string]string) error
	SetSubscription(ctx context.Context, s Subscription) error
	// SetPaymentMethod stores how the customer pays, and the plan.
	SetPaymentMethod(ctx context.Context, method string, plan Plan) error
	// Enqueue adds a job that exists if and only if the transaction commits.
	Enqueue(ctx context.Context, job Job) error
}

// Billing is the storage of accounts and of Stripe's events.
type Billing interface {
	// ReceiveEvent stores an event together with the job that processes it;
	// false says that it was there already.
	ReceiveEvent(ctx context.Context, e BillingEvent) (bool, error)
	// Event reads an event.
	Event(ctx context.Context, id string) (BillingEvent, error)
	// ProcessEvent runs work on the account of a Stripe customer and stores what
	// became of the event, all or nothing; it does nothing for an event that is
	// finished. CodeNotFound says that nobody has this Stripe customer.
	ProcessEvent(ctx context.Context, id, stripeCustomer string, amountCents int64, now time.Time, work func(Ledger) error) error
	// IgnoreEvent finishes an event that has no effect.
	IgnoreEvent(ctx context.Context, id string, now time.Time) error
	// FailEvent stores why an event was not processed, and parks it when nobody
	// will try again.
	FailEvent(ctx context.Context, id, problem string, parked bool, now time.Time) error
	// EventsBy lists the newest 200 events with a status.
	EventsBy(ctx context.Context, status EventStatus) ([]BillingEvent, error)
	// RetryEvent gives a parked event another try; CodeNotFound when it is not
	// parked.
	RetryEvent(ctx context.Context, id string) error
	// ParkedEvents counts the parked events.
	ParkedEvents(ctx context.Context) (int64, error)
	// Subscriptions counts the subscriptions that are active by plan: Stripe
	// still charges for them, or tries to. Those of smoke tests are left out.
	Subscriptions(ctx context.Context) (map[Plan]int64, error)
	// AccountByStripe reads an account.
	AccountByStripe(ctx context.Context, stripeCustomer string) (Account, error)
	// OnAccount runs work on a customer's account.
	OnAccount(ctx context.Context, customerID int64, now time.Time, work func(Ledger) error) error
	// SetStripeCustomer stores the customer's id at Stripe, unless it has one.
	SetStripeCustomer(ctx context.Context, customerID int64, stripeID string, now time.Time) error
	// Consent stores that the customer agrees to be charged.
	Consent(ctx context.Context, customerID int64, now time.Time) error
	// Credits lists the newest 100 lines of a ledger.
	Credits(ctx context.Context, customerID int64) ([]CreditEntry, error)
}

// Job is work that is done once, later, however often a process ends.
type Job interface{ Kind() string }

// The jobs of the app.
type (
	// StripeEventJob processes an event.
	StripeEventJob struct {
		EventID string `json:"event_id"`
	}
	// StripeCustomerJob makes the customer known to Stripe.
	StripeCustomerJob struct {
		CustomerID int64 `json:"customer_id"`
	}
	// DunningJob mails that a payment failed: that of an invoice, or of a fix.
	DunningJob struct {
		CustomerID  int64     `json:"customer_id"`
		FixID       string    `json:"fix_id,omitempty"`
		InvoiceID   string    `json:"invoice_id"`
		AmountCents int64     `json:"amount_cents"`
		Currency    string    `json:"currency"`
		Attempt     int       `json:"attempt"`
		NextAttempt time.Time `json:"next_attempt,omitzero"`
	}
	// FixChargeJob charges for a fix that no credit paid. Round counts how often
	// the card was declined before, At is when to charge; zero means now.
	FixChargeJob struct {
		CustomerID int64     `json:"customer_id"`
		FixID      string    `json:"fix_id"`
		Round      int       `json:"round,omitempty"`
		At         time.Time `json:"at,omitzero"`
	}
	// VerifyMailJob mails the link that confirms an address.
	VerifyMailJob struct {
		CustomerID int64 `json:"customer_id"`
	}
)

// Kind implements Job.
func (StripeEventJob) Kind() string { return "stripe_event" }

// Kind implements Job.
func (StripeCustomerJob) Kind() string { return "stripe_customer" }

// Kind implements Job.
func (DunningJob) Kind() string { return "dunning_mail" }

// Kind implements Job.
func (FixChargeJob) Kind() string { return "fix_charge" }

// DueAt says when the job is to be done.
func (j FixChargeJob) DueAt() time.Time { return j.At }

// Kind implements Job.
func (VerifyMailJob) Kind() string { return "verify_mail" }
