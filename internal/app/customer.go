package app

import (
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// What a new customer gets.
const (
	SignupCredits      = 5
	TrialFixesLimit    = 5
	MonthlyLimit       = 100
	SubscriptionTrial  = "trial"
	CreditSourceSignup = "trial_signup"
	// DefaultSource is the source of a signup that names none.
	DefaultSource = "direct"

	// MaxNameLength and MaxEmailLength are in characters.
	MaxNameLength  = 255
	MaxEmailLength = 254
)

// Customer is an account.
type Customer struct {
	ID               int64
	Name             string
	Email            string
	Active           bool
	SubscriptionType string
	// SubscriptionState is empty until a subscription exists.
	SubscriptionState string
	CreditBalance     int
	MonthlyLimit      int
	CurrentUsage      int
	TrialFixesLimit   int
	TrialFixesUsed    int
	// EmailVerified says that somebody read mail at the address, Approved that
	// an administrator vouches for the customer.
	EmailVerified, Approved bool
	Internal                bool
	CreatedAt               time.Time
}

// Signup is all that onboarding stores. Only the hash of the key is in it.
type Signup struct {
	Name    string
	Email   string
	Source  string
	KeyHash string
	Touch   Touch
	At      time.Time
	// SmokeTest is the HashKey of a smoke test's token; empty for everybody
	// else. The customer is internal then, or, when the token is not good,
	// refused with CodeForbidden.
	SmokeTest string
	// Replay, when set, keeps the answer for a request that is sent again.
	Replay *Replay
}

// Onboarded is what onboarding did.
type Onboarded struct {
	Customer Customer
	// TrackingErr says why the funnel does not know of this signup; nil when
	// it does. The customer exists either way.
	TrackingErr error
	// Kept is set when the same request was answered before: nothing was done,
	// and this is its answer.
	Kept *KeptAnswer
}

// NewSignup cleans and checks what a stranger sent. The error is a
// CodeValidation error that lists every bad field.
func NewSignup(name, email, source string, touch Touch, at time.Time) (Signup, error) {
	s := Signup{
		Name: strings.TrimSpace(name), Email: strings.TrimSpace(email),
		Source: Clip(source, maxSourceLength), Touch: touch, At: at,
	}
	if s.Source == "" {
		s.Source = DefaultSource
	}
	var bad []FieldError
	if problem := nameProblem(s.Name); problem != "" {
		bad = append(bad, FieldError{Field: "name", Message: problem})
	}
	badName := len(bad) > 0
	if problem := emailProblem(s.Email); problem != "" {
		bad = append(bad, FieldError{Field: "email", Message: problem})
	}
	if len(bad) > 0 {
		e := Invalid(bad...)
		if !badName {
			e.Reason = "email_validation"
		}
		return Signup{}, e
	}
	return s, nil
}

const maxSourceLength = 100

func nameProblem(name string) string {
	switch {
	case name == "":
		return "is required: send the person's or the company's name"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "contains control characters: send plain text"
	case utf8.RuneCountInString(name) > MaxNameLength:
		return "is longer than 255 characters: shorten it"
	default:
		return ""
	}
}

func emailProblem(email string) string {
	switch {
	case email == "":
		return "is required: send an address such as you@example.com"
	case len(email) > MaxEmailLength:
		return "is longer than 254 characters: no mail server accepts it"
	case strings.ContainsFunc(email, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return "must not contain spaces or control characters"
	}
	address, err := mail.ParseAddress(email)
	if err != nil || address.Address != email {
		return "must be an e-mail address such as you@example.com, without a display name"
	}
	return ""
}

// EmailDisposable is the error for an address of a throw-away mailbox.
func EmailDisposable() *Error {
	e := Invalid(FieldError{Field: "email", Message: "is at a disposable mail service: use an address that you keep"})
	e.Reason = "disposable_email"
	return e
}

// EmailTaken is the error for an address that has an account already.
func EmailTaken() *Error {
	e := Invalid(FieldError{
		Field: "email", Message: "has already been taken: use another address, or the key of the existing account",
	})
	e.Reason = "duplicate_error"
	return e
}
