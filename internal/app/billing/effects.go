package billing

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// Effects, each of which happens once for its reference.
const (
	effectPayment       = "payment"
	effectPaymentFailed = "payment_failed"
	effectPaymentMethod = "payment_method_credits"
	effectSubscribed    = "subscription_created"
	effectCancelled     = "subscription_cancelled"
	effectFix           = "fix"
	effectFixCharged    = "fix_charged"
	effectFixDeclined   = "fix_declined"
)

// invoicePaid gives the credits of a Pro invoice. Stripe tells of one payment
// in two events.
func (s *Service) invoicePaid(ctx context.Context, e app.BillingEvent) (counts, error) {
	i, err := readObject[invoice](e.Payload)
	if err != nil {
		return nil, &app.Error{Code: app.CodeInvalidRequest, Message: err.Error()}
	}
	var count counts
	err = s.o.Store.ProcessEvent(ctx, e.ID, string(i.Customer), i.amount(), s.o.Now(), func(l app.Ledger) error {
		count = nil
		first, err := l.Once(ctx, effectPayment, i.ID)
		if err != nil || !first {
			return err
		}
		plan := l.Account().Plan
		if i.pro(s.o.ProPrice) {
			plan = app.PlanPro
			err := l.Credit(ctx, s.o.ProCredits, app.CreditSourcePro, map[string]string{"invoice": i.ID})
			if err != nil {
				return err
			}
			count = append(count, func() { s.o.Metrics.CountCredits(app.CreditSourcePro, s.o.ProCredits) })
			if i.BillingReason == "subscription_cycle" {
				count = append(count, func() { s.o.Metrics.CountSubscription(string(app.PlanPro), "renewed") })
			}
		}
		count = append(count, func() {
			s.o.Metrics.CountPayment("success", "invoice", i.amount())
			s.o.Metrics.CountInvoice(string(plan), true, i.amount(), "")
		})
		return nil
	})
	return count, err
}

// invoiceFailed marks the account as past due and tells the customer. A failure
// that is older than what is known of the subscription does not mark it.
func (s *Service) invoiceFailed(ctx context.Context, e app.BillingEvent) (counts, error) {
	i, err := readObject[invoice](e.Payload)
	if err != nil {
		return nil, &app.Error{Code: app.CodeInvalidRequest, Message: err.Error()}
	}
	var count counts
	err = s.o.Store.ProcessEvent(ctx, e.ID, string(i.Customer), i.AmountDue, s.o.Now(), func(l app.Ledger) error {
		count = nil
		first, err := l.Once(ctx, effectPaymentFailed, i.ID+":"+strconv.Itoa(i.AttemptCount))
		if err != nil || !first {
			return err
		}
		a := l.Account()
		if !e.CreatedAt.Before(a.StateAt) {
			err := l.SetSubscription(ctx, app.Subscription{
				ID: a.Subscription, Plan: a.Plan, State: "past_due", CancelAtEnd: a.CancelAtEnd, At: e.CreatedAt,
			})
			if err != nil {
				return err
			}
		}
		job := app.DunningJob{
			CustomerID: a.CustomerID, InvoiceID: i.ID, AmountCents: i.AmountDue, Currency: i.Currency, Attempt: i.AttemptCount,
		}
		if i.NextPaymentAttempt > 0 {
			job.NextAttempt = time.Unix(i.NextPaymentAttempt, 0).UTC()
		}
		count = append(count, func() {
			s.o.Metrics.CountPayment("failed", "invoice", i.AmountDue)
			s.o.Metrics.CountInvoice(string(a.Plan), false, i.AmountDue, i.LastFinalizationError.Code)
		})
		return l.Enqueue(ctx, job)
	})
	return count, err
}

// subscriptionChanged brings the account to the state of its subscription.
// Events arrive in any order: one that is not newer than what is known only
// says that something changed, and Stripe is asked how things are.
func (s *Service) subscriptionChanged(ctx context.Context, e app.BillingEvent) (counts, error) {
	object, err := readObject[subscription](e.Payload)
	if err != nil {
		return nil, &app.Error{Code: app.CodeInvalidRequest, Message: err.Error()}
	}
	known, err := s.o.Store.AccountByStripe(ctx, string(object.Customer))
	if err != nil {
		return nil, err
	}
	next := app.Subscription{
		ID: object.ID, Plan: app.PlanPro, State: object.Status, CancelAtEnd: object.CancelAtPeriodEnd, At: e.CreatedAt,
	}
	gone := e.Type == "customer.subscription.deleted"
	stale := !known.StateAt.IsZero() && !e.CreatedAt.After(known.StateAt)
	if stale {
		if next, gone, err = s.refetch(ctx, object.ID, known.StateAt); err != nil {
			return nil, err
		}
	}
	var count counts
	err = s.o.Store.ProcessEvent(ctx, e.ID, string(object.Customer), 0, s.o.Now(), func(l app.Ledger) error {
		count = nil
		a := l.Account()
		if !a.StateAt.Equal(known.StateAt) {
			return fmt.Errorf("the subscription of customer %d changed meanwhile", a.CustomerID)
		}
		if err := s.countChange(ctx, l, e.Type, object.ID, &count); err != nil {
			return err
		}
		other := a.Subscription != "" && a.Subscription != object.ID
		switch {
		case stale && next.State == "" && !gone, gone && other:
			return nil // unknown, or the end of a subscription that was replaced
		case gone:
			next = app.Subscription{Plan: app.PlanPayAsYouGo, At: next.At}
		}
		return l.SetSubscription(ctx, next)
	})
	return count, err
}

// countChange counts a beginning and an end, once for each subscription.
func (s *Service) countChange(ctx context.Context, l app.Ledger, eventType, id string, count *counts) error {
	effect, change := effectSubscribed, "created"
	switch eventType {
	case "customer.subscription.created":
	case "customer.subscription.deleted":
		effect, change = effectCancelled, "cancelled"
	default:
		return nil
	}
	first, err := l.Once(ctx, effect, id)
	if err == nil && first {
		*count = append(*count, func() { s.o.Metrics.CountSubscription(string(app.PlanPro), change) })
	}
	return err
}

// refetch asks Stripe for a subscription. Without Stripe the state stays what
// it is.
func (s *Service) refetch(ctx context.Context, id string, known time.Time) (app.Subscription, bool, error) {
	if s.o.Stripe == nil {
		return app.Subscription{}, false, nil
	}
	next, err := s.o.Stripe.Subscription(ctx, id)
	if app.CodeOf(err) == app.CodeNotFound {
		return app.Subscription{At: known}, true, nil
	}
	if err != nil {
		return app.Subscription{}, false, fmt.Errorf("asking Stripe for the subscription: %w", err)
	}
	next.At = known
	return next, next.State == "canceled" || next.State == "incomplete_expired", nil
}

// paymentMethodAttached stores how the customer pays. The first one gives
// credits, once the customer has agreed to be charged.
func (s *Service) paymentMethodAttached(ctx context.Context, e app.BillingEvent) (counts, error) {
	method, err := readObject[paymentMethod](e.Payload)
	if err != nil {
		return nil, &app.Error{Code: app.CodeInvalidRequest, Message: err.Error()}
	}
	var count counts
	err = s.o.Store.ProcessEvent(ctx, e.ID, string(method.Customer), 0, s.o.Now(), func(l app.Ledger) error {
		count = nil
		plan := l.Account().Plan
		if plan == app.PlanTrial {
			plan = app.PlanPayAsYouGo
		}
		if err := l.SetPaymentMethod(ctx, method.ID, plan); err != nil {
			return err
		}
		return s.paymentMethodCredits(ctx, l, &count)
	})
	return count, err
}

// paymentMethodCredits gives the credits for a payment method, to a customer
// who has one and has agreed.
func (s *Service) paymentMethodCredits(ctx context.Context, l app.Ledger, count *counts) error {
	a := l.Account()
	if a.PaymentMethod == "" || !a.Consented {
		return nil
	}
	first, err := l.Once(ctx, effectPaymentMethod, strconv.FormatInt(a.CustomerID, 10))
	if err != nil || !first {
		return err
	}
	*count = append(*count, func() { s.o.Metrics.CountCredits(app.CreditSourcePaymentMethod, app.PaymentMethodCredits) })
	return l.Credit(ctx, app.PaymentMethodCredits, app.CreditSourcePaymentMethod, map[string]string{"payment_method": a.PaymentMethod})
}
