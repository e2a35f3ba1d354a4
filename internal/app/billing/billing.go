// Package billing keeps accounts in step with Stripe. Webhooks are stored
// before they are answered, and processed by durable jobs: each event once, and
// each effect once however many events tell of it.
package billing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/jobs"
)

// Metrics is what billing counts. Labels have known values only.
type Metrics interface {
	CountReceived(eventType, status, reason string, took time.Duration)
	CountProcessed(eventType, status string, took time.Duration)
	CountPayment(status, method string, cents int64)
	// ObservePayment observes how long a payment took at Stripe.
	ObservePayment(method string, took time.Duration)
	// CountUsage counts a deployed fix that was recorded.
	CountUsage(plan string)
	CountInvoice(plan string, paid bool, cents int64, failureCode string)
	CountSubscription(plan, change string)
	CountCredits(reason string, n int)
	CountCreditUsed(plan string)
}

// Stripe is what we ask of Stripe.
type Stripe interface {
	// CreateCustomer answers with the id of the customer; the same key gives the
	// same one.
	CreateCustomer(ctx context.Context, customerID int64, name, email, idempotencyKey string) (string, error)
	// Subscription reads a subscription; CodeNotFound when it is gone.
	Subscription(ctx context.Context, id string) (app.Subscription, error)
	// Charge takes money from a stored payment method; CodeConflict when the
	// bank declines.
	Charge(ctx context.Context, stripeCustomer, paymentMethod string, cents int64, description, idempotencyKey string) error
	// Checkout returns the address of a page of Stripe's on which the customer
	// subscribes, or leaves a payment method.
	Checkout(ctx context.Context, c Checkout) (string, error)
}

// Checkout is what a page of Stripe's is for.
type Checkout struct {
	StripeCustomer        string
	Plan                  app.Plan
	PriceID               string
	SuccessURL, CancelURL string
}

// Mailer sends mail.
type Mailer interface {
	PaymentFailed(ctx context.Context, account app.Account, job app.DunningJob) error
}

// Options of a Service. Without Stripe nothing is asked of it, without Mailer
// no mail is sent; the others are required.
type Options struct {
	Store   app.Billing
	Log     *slog.Logger
	Now     func() time.Time
	Metrics Metrics
	Stripe  Stripe
	Mailer  Mailer
	// Secrets sign webhooks; there are two while one replaces the other.
	Secrets []string
	// ProPrice is the id of Stripe's price of the Pro plan, if it has no
	// metadata that says so; ProCredits are given for each payment of it.
	ProPrice   string
	ProCredits int
	// SiteURL is where Stripe's pages send people back to.
	SiteURL string
}

// Service keeps accounts in step with Stripe.
type Service struct{ o Options }

// New checks the options.
func New(o Options) (*Service, error) {
	if o.Store == nil || o.Log == nil || o.Now == nil || o.Metrics == nil {
		return nil, errors.New("billing.New: a required option is missing")
	}
	if o.ProCredits == 0 {
		o.ProCredits = app.ProMonthlyCredits
	}
	return &Service{o}, nil
}

// Register makes the service do its jobs.
func (s *Service) Register(c *jobs.Client) error {
	return errors.Join(jobs.Handle(c, s.processEvent), jobs.Handle(c, s.createCustomer), jobs.Handle(c, s.sendDunning), jobs.Handle(c, s.chargeFix))
}

// Receive stores a webhook. It returns "" once the event is durably stored,
// now or before.
func (s *Service) Receive(ctx context.Context, payload []byte, signature string) (Failure, error) {
	began := s.o.Now()
	failure, label, err := s.receive(ctx, payload, signature, began)
	status := "success"
	if failure != "" {
		status, label = "failed", EventTypeUnknown
	}
	s.o.Metrics.CountReceived(label, status, string(failure), s.o.Now().Sub(began))
	return failure, err
}

// Refuse counts a webhook that did not come as far as Receive.
func (s *Service) Refuse(failure Failure) {
	s.o.Metrics.CountReceived(EventTypeUnknown, "failed", string(failure), 0)
}

func (s *Service) receive(ctx context.Context, payload []byte, signature string, now time.Time) (Failure, string, error) {
	if len(s.o.Secrets) == 0 {
		return FailureNotConfigured, "", nil
	}
	if failure := Verify(payload, signature, s.o.Secrets, now); failure != "" {
		return failure, "", nil
	}
	e, err := Parse(payload, now)
	if err != nil {
		return FailurePayload, "", err
	}
	switch _, err := s.o.Store.ReceiveEvent(ctx, e); {
	case app.CodeOf(err) == app.CodeInvalidRequest:
		return FailurePayload, "", errors.New("the event holds what cannot be stored")
	case err != nil:
		return FailureStorage, "", err
	}
	return "", Label(e.Type), nil
}

// processEvent is the job of an event.
func (s *Service) processEvent(ctx context.Context, job app.StripeEventJob, attempt jobs.Attempt) error {
	e, err := s.o.Store.Event(ctx, job.EventID)
	if app.CodeOf(err) == app.CodeNotFound {
		return nil // erased meanwhile
	}
	if err != nil {
		return err
	}
	if e.Status != app.EventReceived {
		return nil
	}
	counts, err := s.apply(ctx, e)
	took := s.o.Now().Sub(e.ReceivedAt)
	if err == nil {
		for _, count := range counts {
			count()
		}
		s.o.Metrics.CountProcessed(Label(e.Type), "success", took)
		return nil
	}
	return s.failed(ctx, e, err, attempt, took)
}

// failed stores why an event failed. The failure counts once, when nobody will
// try again.
func (s *Service) failed(ctx context.Context, e app.BillingEvent, cause error, attempt jobs.Attempt, took time.Duration) error {
	problem := "internal error; the log has it"
	if known, ok := errors.AsType[*app.Error](cause); ok {
		problem = known.Message
	}
	if attempt.Last {
		s.o.Metrics.CountProcessed(Label(e.Type), "failed", took)
		s.o.Log.ErrorContext(ctx, "a billing event is parked: see app billing parked", "event_id", e.ID, "event_type", e.Type, "problem", problem)
	}
	err := s.o.Store.FailEvent(ctx, e.ID, problem, attempt.Last, s.o.Now())
	return errors.Join(fmt.Errorf("event %s: %w", e.ID, cause), err)
}

// counts are what is counted once the effects are stored.
type counts []func()

// apply stores the effects of an event.
func (s *Service) apply(ctx context.Context, e app.BillingEvent) (counts, error) {
	switch e.Type {
	case "invoice.paid", "invoice.payment_succeeded":
		return s.invoicePaid(ctx, e)
	case "invoice.payment_failed":
		return s.invoiceFailed(ctx, e)
	case "customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted":
		return s.subscriptionChanged(ctx, e)
	case "payment_method.attached":
		return s.paymentMethodAttached(ctx, e)
	default:
		return nil, s.o.Store.IgnoreEvent(ctx, e.ID, s.o.Now())
	}
}
