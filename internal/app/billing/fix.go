package billing

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/jobs"
)

// Fix is what recording a deployed fix did.
type Fix struct {
	// Repeated says that the fix was recorded before.
	Repeated bool
	// Charged says that no credit was left, and that a charge is on its way.
	Charged bool
	// Balance is what is left, Unlimited that nobody counts.
	Balance   int
	Unlimited bool
}

// RecordFix takes a credit for a deployed fix, once for each fix. Without a
// credit the stored payment method is charged, by a job; without one of those
// it is CodeConflict.
func (s *Service) RecordFix(ctx context.Context, customerID int64, fixID string) (Fix, error) {
	var fix Fix
	var count counts
	err := s.o.Store.OnAccount(ctx, customerID, s.o.Now(), func(l app.Ledger) error {
		fix, count = Fix{}, nil
		first, err := l.Once(ctx, effectFix, fixReference(customerID, fixID))
		if err != nil {
			return err
		}
		a := l.Account()
		fix.Balance, fix.Repeated, fix.Unlimited = a.CreditBalance, !first, a.Plan.Unlimited()
		if first {
			count = append(count, func() { s.o.Metrics.CountUsage(string(a.Plan)) })
		}
		switch {
		case !first:
			return nil
		case fix.Unlimited:
			count = append(count, func() { s.o.Metrics.CountCreditUsed(string(a.Plan)) })
			return nil
		case a.CreditBalance > 0:
			if err := l.Credit(ctx, -1, app.CreditSourceFix, map[string]string{"fix": fixID}); err != nil {
				return err
			}
			fix.Balance--
			count = append(count, func() { s.o.Metrics.CountCreditUsed(string(a.Plan)) })
			return nil
		case a.PaymentMethod == "" || a.StripeID == "" || !a.Consented || s.o.Stripe == nil:
			return &app.Error{
				Code: app.CodePaymentRequired, Message: "No credits are left and no payment method is stored: add one, or subscribe",
			}
		}
		fix.Charged = true
		return l.Enqueue(ctx, app.FixChargeJob{CustomerID: customerID, FixID: fixID})
	})
	if err != nil {
		return fix, err
	}
	for _, c := range count {
		c()
	}
	return fix, nil
}

func fixReference(customerID int64, fixID string) string {
	return strconv.FormatInt(customerID, 10) + ":" + fixID
}

// chargeFix is the job that charges for a fix. Stripe gets the same key each
// time, so that trying again charges once.
func (s *Service) chargeFix(ctx context.Context, job app.FixChargeJob, attempt jobs.Attempt) error {
	reference := fixReference(job.CustomerID, job.FixID)
	var a app.Account
	err := s.o.Store.OnAccount(ctx, job.CustomerID, s.o.Now(), func(l app.Ledger) error { a = l.Account(); return nil })
	if app.CodeOf(err) == app.CodeNotFound {
		return nil // erased meanwhile
	}
	if err != nil {
		return err
	}
	cents := a.Plan.FixCents()
	key := "fix-" + reference
	if job.Round > 0 {
		key += "-" + strconv.Itoa(job.Round) // Stripe answers a key as it did before
	}
	began := s.o.Now()
	err = s.o.Stripe.Charge(ctx, a.StripeID, a.PaymentMethod, cents, "Fix "+job.FixID, key)
	s.o.Metrics.ObservePayment("card", s.o.Now().Sub(began))
	if app.CodeOf(err) == app.CodeConflict {
		return s.declined(ctx, job, cents)
	}
	if err != nil {
		if attempt.Last {
			s.o.Metrics.CountPayment("failed", "card", cents)
			s.o.Log.ErrorContext(ctx, "a fix could not be charged", "customer_id", job.CustomerID, "error", err)
		}
		return fmt.Errorf("charging for a fix: %w", err)
	}
	charged := false
	err = s.o.Store.OnAccount(ctx, job.CustomerID, s.o.Now(), func(l app.Ledger) error {
		var err error
		if charged, err = l.Once(ctx, effectFixCharged, reference); err != nil || !charged {
			return err
		}
		metadata := map[string]string{"fix": job.FixID}
		if err := l.Credit(ctx, 1, app.CreditSourcePurchased, metadata); err != nil {
			return err
		}
		return l.Credit(ctx, -1, app.CreditSourceFix, metadata)
	})
	if err == nil && charged {
		s.o.Metrics.CountPayment("success", "card", cents)
		s.o.Metrics.CountCredits(app.CreditSourcePurchased, 1)
		s.o.Metrics.CountCreditUsed(string(a.Plan))
	}
	return err
}

// chargeAgain is how long after each time that a card was declined it is
// charged again.
var chargeAgain = []time.Duration{24 * time.Hour, 3 * 24 * time.Hour, 7 * 24 * time.Hour}

// declined tells the customer that the card was declined for a fix, and when
// it is charged again: by then there may be another one.
func (s *Service) declined(ctx context.Context, job app.FixChargeJob, cents int64) error {
	first := false
	now := s.o.Now()
	err := s.o.Store.OnAccount(ctx, job.CustomerID, now, func(l app.Ledger) error {
		var err error
		reference := fixReference(job.CustomerID, job.FixID) + ":" + strconv.Itoa(job.Round)
		if first, err = l.Once(ctx, effectFixDeclined, reference); err != nil || !first {
			return err
		}
		mail := app.DunningJob{CustomerID: job.CustomerID, FixID: job.FixID, AmountCents: cents, Currency: "usd", Attempt: job.Round + 1}
		if job.Round < len(chargeAgain) {
			mail.NextAttempt = now.Add(chargeAgain[job.Round])
			next := app.FixChargeJob{CustomerID: job.CustomerID, FixID: job.FixID, Round: job.Round + 1, At: mail.NextAttempt}
			if err := l.Enqueue(ctx, next); err != nil {
				return err
			}
		}
		return l.Enqueue(ctx, mail)
	})
	if err == nil && first {
		s.o.Metrics.CountPayment("failed", "card", cents)
		s.o.Log.WarnContext(ctx, "a card was declined for a fix", "customer_id", job.CustomerID, "round", job.Round)
	}
	if err != nil {
		return fmt.Errorf("noting a declined card: %w", err)
	}
	return nil
}

// createCustomer is the job that makes a customer known to Stripe.
func (s *Service) createCustomer(ctx context.Context, job app.StripeCustomerJob, _ jobs.Attempt) error {
	if s.o.Stripe == nil {
		return nil
	}
	_, err := s.stripeID(ctx, job.CustomerID)
	if app.CodeOf(err) == app.CodeNotFound {
		return nil // erased meanwhile
	}
	return err
}

// stripeID is the customer's id at Stripe, which is made when there is none.
func (s *Service) stripeID(ctx context.Context, customerID int64) (string, error) {
	var a app.Account
	err := s.o.Store.OnAccount(ctx, customerID, s.o.Now(), func(l app.Ledger) error { a = l.Account(); return nil })
	if err != nil || a.StripeID != "" {
		return a.StripeID, err
	}
	id, err := s.o.Stripe.CreateCustomer(ctx, customerID, a.Name, a.Email, "customer-"+strconv.FormatInt(customerID, 10))
	if err != nil {
		return "", fmt.Errorf("making the customer at Stripe: %w", err)
	}
	return id, s.o.Store.SetStripeCustomer(ctx, customerID, id, s.o.Now())
}

// sendDunning is the job that mails that a payment failed.
func (s *Service) sendDunning(ctx context.Context, job app.DunningJob, _ jobs.Attempt) error {
	if s.o.Mailer == nil {
		s.o.Log.WarnContext(ctx, "a payment failed and no mail can be sent: SMTP_HOST is not set", "customer_id", job.CustomerID)
		return nil
	}
	var a app.Account
	err := s.o.Store.OnAccount(ctx, job.CustomerID, s.o.Now(), func(l app.Ledger) error { a = l.Account(); return nil })
	if app.CodeOf(err) == app.CodeNotFound {
		return nil // erased meanwhile
	}
	if err != nil {
		return err
	}
	return s.o.Mailer.PaymentFailed(ctx, a, job)
}

// Subscribe stores that the customer agrees to be charged, and returns the
// address of the page of Stripe's where it goes on: for Pro a subscription,
// else a payment method.
func (s *Service) Subscribe(ctx context.Context, customerID int64, plan app.Plan) (string, error) {
	if s.o.Stripe == nil || plan == app.PlanPro && s.o.ProPrice == "" {
		return "", &app.Error{Code: app.CodeUnavailable, Message: "Payments are not set up here"}
	}
	if err := s.o.Store.Consent(ctx, customerID, s.o.Now()); err != nil {
		return "", err
	}
	var count counts
	err := s.o.Store.OnAccount(ctx, customerID, s.o.Now(), func(l app.Ledger) error {
		count = nil
		return s.paymentMethodCredits(ctx, l, &count)
	})
	if err != nil {
		return "", err
	}
	for _, c := range count {
		c()
	}
	id, err := s.stripeID(ctx, customerID)
	if err != nil {
		return "", paymentsAway(err)
	}
	url, err := s.o.Stripe.Checkout(ctx, Checkout{
		StripeCustomer: id, Plan: plan, PriceID: s.o.ProPrice,
		SuccessURL: s.o.SiteURL + "/billing/done", CancelURL: s.o.SiteURL + "/pricing",
	})
	if err != nil {
		return "", paymentsAway(err)
	}
	return url, nil
}

// paymentsAway keeps a known error and hides what Stripe said.
func paymentsAway(err error) error {
	if app.CodeOf(err) != app.CodeInternal {
		return err
	}
	return &app.Error{Code: app.CodeUnavailable, Message: "Payments are not available at the moment; try again shortly", Err: err}
}
