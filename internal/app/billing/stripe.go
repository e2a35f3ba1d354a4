package billing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/stripe/stripe-go/v83"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// StripeURL is where Stripe's API lies.
const StripeURL = "https://api.stripe.com"

const stripeTimeout = 15 * time.Second

// API is Stripe, by its HTTP API.
type API struct {
	backend stripe.Backend
	key     string
}

var _ Stripe = (*API)(nil)

// NewAPI returns a client of Stripe's API at a base URL.
func NewAPI(key, baseURL string) *API {
	return &API{key: key, backend: stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL: stripe.String(baseURL), HTTPClient: &http.Client{Timeout: stripeTimeout}, MaxNetworkRetries: stripe.Int64(1),
		EnableTelemetry: new(false),
		// What Stripe's library logs may name customers; our own log says what
		// matters.
		LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})}
}

// CreateCustomer implements Stripe.
func (a *API) CreateCustomer(ctx context.Context, customerID int64, name, email, idempotencyKey string) (string, error) {
	params := &stripe.CustomerCreateParams{Name: stripe.String(name), Email: stripe.String(email)}
	params.AddMetadata("rsolv_customer_id", strconv.FormatInt(customerID, 10))
	params.Context = ctx
	params.SetIdempotencyKey(idempotencyKey)
	var customer stripe.Customer
	if err := a.backend.Call(http.MethodPost, "/v1/customers", a.key, params, &customer); err != nil {
		return "", stripeErr(err)
	}
	return customer.ID, nil
}

// Subscription implements Stripe.
func (a *API) Subscription(ctx context.Context, id string) (app.Subscription, error) {
	params := &stripe.SubscriptionRetrieveParams{}
	params.Context = ctx
	var s stripe.Subscription
	path := stripe.FormatURLPath("/v1/subscriptions/%s", id)
	if err := a.backend.Call(http.MethodGet, path, a.key, params, &s); err != nil {
		return app.Subscription{}, stripeErr(err)
	}
	return app.Subscription{ID: s.ID, Plan: app.PlanPro, State: string(s.Status), CancelAtEnd: s.CancelAtPeriodEnd}, nil
}

// Charge implements Stripe.
func (a *API) Charge(ctx context.Context, customer, method string, cents int64, description, idempotencyKey string) error {
	params := &stripe.PaymentIntentCreateParams{
		Amount: new(cents), Currency: stripe.String("usd"), Customer: stripe.String(customer),
		PaymentMethod: stripe.String(method), Description: stripe.String(description),
		Confirm: new(true), OffSession: new(true),
	}
	params.Context = ctx
	params.SetIdempotencyKey(idempotencyKey)
	var intent stripe.PaymentIntent
	if err := a.backend.Call(http.MethodPost, "/v1/payment_intents", a.key, params, &intent); err != nil {
		return stripeErr(err)
	}
	if intent.Status != stripe.PaymentIntentStatusSucceeded {
		return &app.Error{Code: app.CodeConflict, Message: fmt.Sprintf("The payment is %s", intent.Status)}
	}
	return nil
}

// Checkout implements Stripe.
func (a *API) Checkout(ctx context.Context, c Checkout) (string, error) {
	params := &stripe.CheckoutSessionCreateParams{
		Customer: stripe.String(c.StripeCustomer), SuccessURL: stripe.String(c.SuccessURL), CancelURL: stripe.String(c.CancelURL),
	}
	if c.Plan == app.PlanPro {
		params.Mode = stripe.String("subscription")
		params.LineItems = []*stripe.CheckoutSessionCreateLineItemParams{{Price: stripe.String(c.PriceID), Quantity: stripe.Int64(1)}}
	} else {
		params.Mode, params.Currency = stripe.String("setup"), stripe.String("usd")
	}
	params.Context = ctx
	var session stripe.CheckoutSession
	if err := a.backend.Call(http.MethodPost, "/v1/checkout/sessions", a.key, params, &session); err != nil {
		return "", stripeErr(err)
	}
	return session.URL, nil
}

// stripeErr keeps what is safe of an error of Stripe's: its kind, code and
// request id. Messages may repeat parts of the key.
func stripeErr(err error) error {
	var e *stripe.Error
	if !errors.As(err, &e) {
		return errors.New("it was not reached")
	}
	switch {
	case e.HTTPStatusCode == http.StatusNotFound:
		return &app.Error{Code: app.CodeNotFound, Message: "Stripe does not know it"}
	case e.Type == stripe.ErrorTypeCard:
		return &app.Error{Code: app.CodeConflict, Message: "The card was declined"}
	}
	return fmt.Errorf("it answered with status %d, type %s, code %q (request %s)", e.HTTPStatusCode, e.Type, e.Code, e.RequestID)
}
