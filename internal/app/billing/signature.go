package billing

import (
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v83/webhook"
)

// SignatureTolerance is how far the time of a signature may lie from ours, in
// either direction.
const SignatureTolerance = 300 * time.Second

// Failure is why a webhook was refused; the value of the label failure_reason.
type Failure string

// The failures of reception.
const (
	FailureMissing       Failure = "missing_signature"
	FailureInvalid       Failure = "invalid_signature"
	FailureExpired       Failure = "signature_expired"
	FailurePayload       Failure = "invalid_payload"
	FailureTooLarge      Failure = "body_too_large"
	FailureStorage       Failure = "storage_unavailable"
	FailureNotConfigured Failure = "not_configured"
)

// Failures lists them all.
func Failures() []Failure {
	return []Failure{
		FailureMissing, FailureInvalid, FailureExpired, FailurePayload, FailureTooLarge, FailureStorage, FailureNotConfigured,
	}
}

// Verify checks the header Stripe-Signature of a payload against any of the
// secrets; "" means that it is good. Stripe's own verifier compares the codes,
// all of them, and would take a time in the future; that is checked here.
func Verify(payload []byte, header string, secrets []string, now time.Time) Failure {
	if strings.TrimSpace(header) == "" {
		return FailureMissing
	}
	signed, ok := signedAt(header)
	if !ok {
		return FailureInvalid
	}
	if skew := now.Sub(signed); skew > SignatureTolerance || skew < -SignatureTolerance {
		return FailureExpired
	}
	// The verifier would not know a part with a blank before it.
	parts := strings.Split(header, ",")
	for i, part := range parts {
		parts[i] = strings.TrimSpace(part)
	}
	header = strings.Join(parts, ",")
	for _, secret := range secrets {
		if webhook.ValidatePayloadIgnoringTolerance(payload, header, secret) == nil {
			return ""
		}
	}
	return FailureInvalid
}

// signedAt is the time in a signature header.
func signedAt(header string) (time.Time, bool) {
	for part := range strings.SplitSeq(header, ",") {
		name, value, found := strings.Cut(strings.TrimSpace(part), "=")
		if !found || name != "t" {
			continue
		}
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds < 0 || seconds > 1<<40 {
			return time.Time{}, false
		}
		return time.Unix(seconds, 0), true
	}
	return time.Time{}, false
}
