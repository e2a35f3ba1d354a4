package app

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code names a kind of failure. Clients match on it, so a code never changes
// its meaning.
type Code string

// The codes of the app.
const (
	CodeValidation     Code = "VALIDATION_FAILED"
	CodeInvalidRequest Code = "INVALID_REQUEST"
	CodeAuthRequired   Code = "AUTH_REQUIRED"
	CodeInvalidKey     Code = "INVALID_API_KEY"
	// CodeSignature says that a webhook is not signed by who should have.
	CodeSignature Code = "INVALID_SIGNATURE"
	CodeForbidden Code = "FORBIDDEN"
	CodeNotFound  Code = "NOT_FOUND"
	CodeMethod    Code = "METHOD_NOT_ALLOWED"
	CodeTooLarge  Code = "BODY_TOO_LARGE"
	// CodeRateLimit is the limit of all requests of a customer, CodeRateLimited
	// that of one endpoint.
	CodeRateLimit   Code = "RATE_LIMIT_EXCEEDED"
	CodeRateLimited Code = "RATE_LIMITED"
	// CodeUsageLimit says that the month's usage is used up.
	CodeUsageLimit Code = "USAGE_LIMIT_EXCEEDED"
	CodeConflict   Code = "CONFLICT"
	// CodePaymentRequired says that neither credits nor a payment method are left.
	CodePaymentRequired Code = "PAYMENT_REQUIRED"
	CodeUnavailable     Code = "SERVICE_UNAVAILABLE"
	CodeInternal        Code = "INTERNAL_ERROR"
)

// FieldError says what is wrong with one field of a request, and how to put it
// right.
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error is a failure with a meaning for the caller. Message is shown to
// strangers; Err is the cause, for the log.
type Error struct {
	Code    Code
	Message string
	Fields  []FieldError
	// RetryAfter is when trying again may help; zero when it is not known to.
	RetryAfter time.Duration
	// Reason tells failures of one code apart, for metrics; often empty.
	Reason string
	Err    error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of the first Error in err's chain, CodeInternal for
// any other error and "" for nil.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	default:
		return CodeInternal
	}
}

// ReasonOf returns the reason of the first Error in err's chain, or otherwise
// when it has none.
func ReasonOf(err error, otherwise string) string {
	if e, ok := errors.AsType[*Error](err); ok && e.Reason != "" {
		return e.Reason
	}
	return otherwise
}

// Invalid returns a CodeValidation error for the given fields, of which there
// is at least one. Its message reads "field message; field message".
func Invalid(fields ...FieldError) *Error {
	parts := make([]string, len(fields))
	for i, f := range fields {
		parts[i] = f.Field + " " + f.Message
	}
	return &Error{Code: CodeValidation, Message: strings.Join(parts, "; "), Fields: fields}
}

// TooMany returns an error for a request over a limit, which passes at reset.
func TooMany(code Code, limit int, now, reset time.Time) *Error {
	return &Error{
		Code: code, Message: fmt.Sprintf("Rate limit exceeded: at most %d requests per minute", limit),
		RetryAfter: max(time.Second, (reset.Sub(now) + time.Second - 1).Truncate(time.Second)),
	}
}

// Unavailable returns a CodeUnavailable error: the database is away for now.
func Unavailable(cause error) *Error {
	return &Error{
		Code: CodeUnavailable, Message: "The database is not available at the moment; try again shortly",
		RetryAfter: 5 * time.Second, Err: cause,
	}
}
