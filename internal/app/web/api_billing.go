package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/billing"
)

const (
	stripePath = "/api/webhooks/stripe"
	// maxWebhookBody bounds an event; Stripe's are a few kilobytes.
	maxWebhookBody = 1 << 20
)

// stripeWebhook takes Stripe's events. It answers 200 once the event is stored:
// until then Stripe sends it again.
func (s *server) stripeWebhook(w http.ResponseWriter, r *http.Request) {
	signature := r.Header.Get("Stripe-Signature")
	if signature == "" {
		// Whoever has no signature need not be read.
		s.d.Billing.Refuse(billing.FailureMissing)
		writeProblem(w, r, webhookError(billing.FailureMissing, nil))
		return
	}
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxWebhookBody))
	if err != nil {
		failure := billing.FailurePayload
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			failure = billing.FailureTooLarge
		}
		s.d.Billing.Refuse(failure)
		writeProblem(w, r, webhookError(failure, nil))
		return
	}
	failure, err := s.d.Billing.Receive(r.Context(), payload, signature)
	if failure != "" {
		e := webhookError(failure, err)
		s.logUnexpected(r.Context(), e)
		writeProblem(w, r, e)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"status":"success"}` + "\n")) // the client has gone
}

func webhookError(failure billing.Failure, cause error) error {
	switch failure {
	case billing.FailureMissing:
		return &app.Error{Code: app.CodeSignature, Message: "Missing signature"}
	case billing.FailureInvalid:
		return &app.Error{Code: app.CodeSignature, Message: "Invalid signature"}
	case billing.FailureExpired:
		return &app.Error{Code: app.CodeInvalidRequest, Message: "Signature expired"}
	case billing.FailureTooLarge:
		return &app.Error{Code: app.CodeTooLarge, Message: "The body is larger than this endpoint takes: send less"}
	case billing.FailureNotConfigured:
		return &app.Error{Code: app.CodeUnavailable, Message: "Webhooks are not set up here", Err: errors.New("STRIPE_WEBHOOK_SECRET is not set")}
	case billing.FailureStorage:
		if app.CodeOf(cause) == app.CodeUnavailable {
			return cause
		}
		return cause
	}
	message := "Processing failed"
	if cause != nil {
		message += ": " + cause.Error()
	}
	return &app.Error{Code: app.CodeInvalidRequest, Message: message}
}

type creditsOutput struct {
	Body struct {
		Balance int          `json:"balance" doc:"In fixes."`
		Entries []creditBody `json:"entries" doc:"The newest first, at most 100."`
	}
}

type creditBody struct {
	ID           int64           `json:"id"`
	Amount       int             `json:"amount" doc:"Negative when credits were used."`
	BalanceAfter int             `json:"balance_after"`
	Source       string          `json:"source" example:"trial_signup"`
	Metadata     json.RawMessage `json:"metadata"`
	At           time.Time       `json:"at"`
}

type fixInput struct {
	Body struct {
		_     struct{} `additionalProperties:"true"`
		FixID string   `json:"fix_id" minLength:"1" maxLength:"200" pattern:"^[A-Za-z0-9._:/#-]+$" doc:"Names the fix; recording it again changes nothing."`
	}
}

type fixOutput struct {
	Body struct {
		Status    string `json:"status" enum:"recorded,repeated,charging" doc:"charging: no credit was left, the stored payment method is charged."`
		Balance   int    `json:"balance" doc:"Credits that are left."`
		Unlimited bool   `json:"unlimited,omitempty" doc:"The plan has no limit; no credit is taken."`
	}
}

type checkoutInput struct {
	Body struct {
		_       struct{} `additionalProperties:"true"`
		Plan    app.Plan `json:"plan" enum:"pro,pay_as_you_go"`
		Consent bool     `json:"billing_consent" doc:"Must be true: the customer agrees to be charged."`
	}
}

type checkoutOutput struct {
	Body struct {
		URL string `json:"url" doc:"A page of Stripe's; send the customer there."`
	}
}

type eventsOutput struct {
	Body struct {
		Events []eventBody `json:"events"`
	}
}

type eventBody struct {
	ID         string    `json:"id"`
	Type       string    `json:"type"`
	ReceivedAt time.Time `json:"received_at"`
	Status     string    `json:"status"`
	Problem    string    `json:"problem,omitempty"`
}

// registerBilling adds Stripe's webhook, and what customers and administrators
// do about payments.
func (s *server) registerBilling() {
	s.mux.HandleFunc("POST "+stripePath, s.stripeWebhook)
	register(s, s.authenticated(huma.Operation{
		OperationID: "list-credits", Method: http.MethodGet, Path: "/api/v1/credits",
		Summary: "The balance of credits and how it came to be", Tags: []string{"billing"},
	}, app.PermissionAccount), s.listCredits)
	register(s, s.authenticated(huma.Operation{
		OperationID: "record-fix", Method: http.MethodPost, Path: "/api/v1/fixes",
		Summary: "Record a deployed fix, which takes a credit", Tags: []string{"billing"},
		Description: "Without a credit the stored payment method is charged; without one it is 402.",
		Errors:      []int{http.StatusPaymentRequired, http.StatusUnprocessableEntity},
	}, app.PermissionAccount), s.recordFix)
	register(s, s.authenticated(huma.Operation{
		OperationID: "checkout", Method: http.MethodPost, Path: "/api/v1/billing/checkout",
		Summary: "Subscribe, or store a payment method", Tags: []string{"billing"},
		Errors: []int{http.StatusUnprocessableEntity},
	}, app.PermissionAccount), s.checkout)
	register(s, s.authenticated(huma.Operation{
		OperationID: "list-parked-events", Method: http.MethodGet, Path: "/api/admin/billing/parked",
		Summary: "Events of Stripe's that could not be processed", Tags: []string{"admin"},
	}, app.PermissionAdmin), s.parkedEvents)
	register(s, s.authenticated(huma.Operation{
		OperationID: "retry-event", Method: http.MethodPost, Path: "/api/admin/billing/events/{id}/retry",
		DefaultStatus: http.StatusAccepted, Summary: "Give a parked event another try", Tags: []string{"admin"},
		Errors: []int{http.StatusNotFound},
	}, app.PermissionAdmin), func(ctx context.Context, in *struct {
		ID string `path:"id" maxLength:"255"`
	},
	) (*struct{}, error) {
		return nil, s.d.Accounts.RetryEvent(ctx, in.ID)
	})
}

func (s *server) listCredits(ctx context.Context, _ *struct{}) (*creditsOutput, error) {
	id := infoOf(ctx).principal.CustomerID
	entries, err := s.d.Accounts.Credits(ctx, id)
	if err != nil {
		return nil, err
	}
	out := &creditsOutput{}
	out.Body.Entries = []creditBody{}
	for _, e := range entries {
		out.Body.Entries = append(out.Body.Entries, creditBody(e))
	}
	// The ledger's newest line has the balance.
	if len(entries) > 0 {
		out.Body.Balance = entries[0].BalanceAfter
	}
	return out, nil
}

func (s *server) recordFix(ctx context.Context, in *fixInput) (*fixOutput, error) {
	fix, err := s.d.Billing.RecordFix(ctx, infoOf(ctx).principal.CustomerID, in.Body.FixID)
	if err != nil {
		return nil, err
	}
	out := &fixOutput{}
	out.Body.Status, out.Body.Balance, out.Body.Unlimited = "recorded", fix.Balance, fix.Unlimited
	switch {
	case fix.Repeated:
		out.Body.Status = "repeated"
	case fix.Charged:
		out.Body.Status = "charging"
	}
	return out, nil
}

func (s *server) checkout(ctx context.Context, in *checkoutInput) (*checkoutOutput, error) {
	if !in.Body.Consent {
		return nil, app.Invalid(app.FieldError{Field: "billing_consent", Message: "must be true: nobody is charged without having agreed"})
	}
	url, err := s.d.Billing.Subscribe(ctx, infoOf(ctx).principal.CustomerID, in.Body.Plan)
	if err != nil {
		return nil, err
	}
	out := &checkoutOutput{}
	out.Body.URL = url
	return out, nil
}

func (s *server) parkedEvents(ctx context.Context, _ *struct{}) (*eventsOutput, error) {
	events, err := s.d.Accounts.EventsBy(ctx, app.EventParked)
	if err != nil {
		return nil, err
	}
	out := &eventsOutput{}
	out.Body.Events = []eventBody{}
	for _, e := range events {
		out.Body.Events = append(out.Body.Events, eventBody{
			ID: e.ID, Type: e.Type, ReceivedAt: e.ReceivedAt, Status: string(e.Status), Problem: e.Problem,
		})
	}
	return out, nil
}
