package billing

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// EventTypes are the events that have an effect, and with it the values that
// the label event_type of metrics has; any other is EventTypeOther.
var EventTypes = []string{
	"invoice.paid", "invoice.payment_succeeded", "invoice.payment_failed", "customer.subscription.created",
	"customer.subscription.updated", "customer.subscription.deleted", "payment_method.attached",
}

// EventTypeOther labels events without an effect, EventTypeUnknown requests
// that are no event.
const (
	EventTypeOther   = "other"
	EventTypeUnknown = "unknown"
)

// Label is the value of the label event_type for a type.
func Label(eventType string) string {
	if slices.Contains(EventTypes, eventType) {
		return eventType
	}
	return EventTypeOther
}

// event is what we read of an event. Stripe's versions move fields about, so
// this reads them wherever they were, and nothing else.
type event struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Created int64  `json:"created"`
	Data    struct {
		Object json.RawMessage `json:"object"`
	} `json:"data"`
}

// Parse reads a signed payload. The error says what is missing, and quotes
// nothing.
func Parse(payload []byte, receivedAt time.Time) (app.BillingEvent, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil || !utf8.Valid(payload) {
		return app.BillingEvent{}, errors.New("the body is not the JSON of an event")
	}
	switch {
	case e.ID == "" || len(e.ID) > 255:
		return app.BillingEvent{}, errors.New("the event has no usable id")
	case e.Type == "" || len(e.Type) > 255:
		return app.BillingEvent{}, errors.New("the event has no usable type")
	case strings.Contains(string(payload), `\u0000`):
		return app.BillingEvent{}, errors.New("the event contains a NUL character")
	}
	created := receivedAt
	if e.Created > 0 {
		created = time.Unix(e.Created, 0)
	}
	return app.BillingEvent{
		ID: e.ID, Type: e.Type, CreatedAt: created.UTC(), ReceivedAt: receivedAt, Payload: payload, Status: app.EventReceived,
	}, nil
}

// reference is an id, or an object that has one: Stripe sends either.
type reference string

// UnmarshalJSON implements json.Unmarshaler.
func (r *reference) UnmarshalJSON(raw []byte) error {
	var id string
	if json.Unmarshal(raw, &id) == nil {
		*r = reference(id)
		return nil
	}
	var object struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(raw, &object); err != nil {
		return err
	}
	*r = reference(object.ID)
	return nil
}

type invoice struct {
	ID                 string    `json:"id"`
	Customer           reference `json:"customer"`
	AmountPaid         int64     `json:"amount_paid"`
	AmountDue          int64     `json:"amount_due"`
	Currency           string    `json:"currency"`
	AttemptCount       int       `json:"attempt_count"`
	NextPaymentAttempt int64     `json:"next_payment_attempt"`
	BillingReason      string    `json:"billing_reason"`
	Lines              struct {
		Data []invoiceLine `json:"data"`
	} `json:"lines"`
	LastFinalizationError struct {
		Code string `json:"code"`
	} `json:"last_finalization_error"`
}

type invoiceLine struct {
	Price struct {
		ID        string            `json:"id"`
		LookupKey string            `json:"lookup_key"`
		Metadata  map[string]string `json:"metadata"`
	} `json:"price"`
	// Pricing is where the price went in newer versions of Stripe's API.
	Pricing struct {
		PriceDetails struct {
			Price reference `json:"price"`
		} `json:"price_details"`
	} `json:"pricing"`
}

// amount is what was paid, or what was due when nothing was.
func (i invoice) amount() int64 {
	if i.AmountPaid > 0 {
		return i.AmountPaid
	}
	return i.AmountDue
}

// pro says whether a line is the Pro subscription.
func (i invoice) pro(proPrice string) bool {
	return slices.ContainsFunc(i.Lines.Data, func(l invoiceLine) bool {
		return l.Price.Metadata["plan"] == "pro" || l.Price.LookupKey == "pro_monthly" ||
			proPrice != "" && (l.Price.ID == proPrice || string(l.Pricing.PriceDetails.Price) == proPrice)
	})
}

type subscription struct {
	ID                string    `json:"id"`
	Customer          reference `json:"customer"`
	Status            string    `json:"status"`
	CancelAtPeriodEnd bool      `json:"cancel_at_period_end"`
}

type paymentMethod struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Customer reference `json:"customer"`
}

// readObject reads the object of an event.
func readObject[T any](payload []byte) (T, error) {
	var object T
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return object, errors.New("the stored event is no JSON")
	}
	if err := json.Unmarshal(e.Data.Object, &object); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return object, fmt.Errorf("the event's object has another type at %s than expected", strconv.Quote(wrong.Field))
		}
		return object, errors.New("the event's object cannot be read")
	}
	return object, nil
}
