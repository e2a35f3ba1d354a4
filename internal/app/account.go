package app

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// OnboardingLimit is how many customers one address may onboard in a minute.
const OnboardingLimit = 10

// Sources of signups that metrics tell apart; any other is "other".
var onboardingSources = []string{DefaultSource, "web", "cli", "api", "github", "github_action", "docs", "blog"}

// OnboardingSources lists the values of the label source.
func OnboardingSources() []string { return append(slices.Clone(onboardingSources), "other") }

// SourceLabel is the source as a label of metrics.
func SourceLabel(source string) string {
	if source = strings.ToLower(strings.TrimSpace(source)); source == "" {
		return DefaultSource
	}
	if slices.Contains(onboardingSources, source) {
		return source
	}
	return "other"
}

// Opening is how onboarding begins.
type Opening struct {
	// Hits counts the requests of this address in this minute.
	Hits int
	// Kept is the answer that was kept for the idempotency key; nil for none.
	Kept *KeptAnswer
}

// KeptAnswer is a kept answer, which only whoever has the idempotency key can
// open, and the hash of the body that it was the answer to.
type KeptAnswer struct {
	BodyHash string
	Sealed   []byte
}

// Replay makes an onboarding's answer be kept.
type Replay struct {
	KeyHash, BodyHash string
	// Seal encrypts the answer about a customer.
	Seal func(Customer) ([]byte, error)
}

// CustomerChange is what an administrator changes; nil leaves a member as it is.
type CustomerChange struct {
	Name, Email  *string
	Active       *bool
	Plan         *Plan
	MonthlyLimit *int
	// Approved customers get configured credentials without having confirmed
	// their address.
	Approved *bool
}

// NewCustomerChange cleans and checks a change.
func NewCustomerChange(c CustomerChange) (CustomerChange, error) {
	var bad []FieldError
	check := func(field string, value *string, problem func(string) string) *string {
		if value == nil {
			return nil
		}
		clean := strings.TrimSpace(*value)
		if text := problem(clean); text != "" {
			bad = append(bad, FieldError{field, text})
		}
		return &clean
	}
	c.Name, c.Email = check("name", c.Name, nameProblem), check("email", c.Email, emailProblem)
	if c.Plan != nil && !slices.Contains(Plans(), *c.Plan) {
		bad = append(bad, FieldError{"plan", "must be trial, pay_as_you_go, pro or beta"})
	}
	if c.MonthlyLimit != nil && (*c.MonthlyLimit < 0 || *c.MonthlyLimit > 1_000_000_000) {
		bad = append(bad, FieldError{"monthly_limit", "must be from 0 to 1000000000"})
	}
	if len(bad) > 0 {
		return CustomerChange{}, Invalid(bad...)
	}
	return c, nil
}

// Registry is the storage of customers for administrators, and for customers
// about themselves.
type Registry interface {
	// BeginOnboarding counts a request and finds the answer kept for a key.
	BeginOnboarding(ctx context.Context, address, keyHash string, now time.Time) (Opening, error)
	// Customers lists at most 100 customers after an id whose name or address
	// contains the search.
	Customers(ctx context.Context, after int64, search string) ([]Customer, error)
	// ChangeCustomer changes a customer. A new address is not confirmed.
	ChangeCustomer(ctx context.Context, id int64, change CustomerChange, now time.Time) (Customer, error)
	// Export is everything that is stored about a customer, by table.
	Export(ctx context.Context, id int64) (map[string]json.RawMessage, error)
	// Erase removes everything that is stored about a customer.
	Erase(ctx context.Context, id int64) error
	// AskVerification adds the job that mails a link.
	AskVerification(ctx context.Context, id int64) error
	// AddVerification stores the hash of a link's token.
	AddVerification(ctx context.Context, id int64, tokenHash string) error
	// Verify confirms the address that a link went to; CodeNotFound for a link
	// that is used, expired or unknown.
	Verify(ctx context.Context, tokenHash string, now time.Time) error
	// ForgetExpired removes kept answers and links that are past their day.
	ForgetExpired(ctx context.Context) error
}
