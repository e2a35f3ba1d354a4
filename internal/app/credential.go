package app

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"
)

// Provider names an AI provider.
type Provider string

// The providers that clients may ask for.
const (
	ProviderAnthropic  Provider = "anthropic"
	ProviderOpenAI     Provider = "openai"
	ProviderOpenRouter Provider = "openrouter"
	ProviderOllama     Provider = "ollama"
)

// Providers lists them all.
func Providers() []Provider {
	return []Provider{ProviderAnthropic, ProviderOpenAI, ProviderOpenRouter, ProviderOllama}
}

// Known says whether there is such a provider.
func (p Provider) Known() bool { return slices.Contains(Providers(), p) }

const (
	// ExchangeLimit is how many exchanges and refreshes a customer may make in
	// a minute.
	ExchangeLimit = 10
	// DefaultCredentialTTL is the life of a credential that nobody asked to be
	// shorter or longer.
	DefaultCredentialTTL = time.Hour
	// RefreshWithin is how close to its end a credential may be renewed.
	RefreshWithin = 5 * time.Minute
	// TokensPerFix is how many tokens count as one fix.
	TokensPerFix = 2000

	credentialPrefix = "cred_"
	maxJobLength     = 255
)

// CredentialMode is how a provider's credentials come to be.
type CredentialMode string

// Minted credentials are made for one customer at the provider, which ends
// them in time. Static ones are the platform's own key, whose end nobody
// enforces.
const (
	CredentialMinted CredentialMode = "mint"
	CredentialStatic CredentialMode = "static"
)

// Credential is what is stored of a key that was given out: never the key.
type Credential struct {
	ID         string
	CustomerID int64
	KeyID      int64
	Provider   Provider
	Mode       CredentialMode
	// Hash is the HashKey of the provider's key.
	Hash string
	// Reference names a minted key at its provider.
	Reference string
	ExpiresAt time.Time
	RevokedAt time.Time
	// Job and Run are the GitHub job and run that asked.
	Job, Run string
	At       time.Time
}

// NewCredentialID makes an id that cannot be guessed.
func NewCredentialID() string { return credentialPrefix + strings.ToLower(rand.Text()) }

// ClipJob cuts what a client says of its job to what is kept of it.
func ClipJob(s string) string { return Clip(s, maxJobLength) }

// Standing is a customer's right to credentials at the moment.
type Standing struct {
	// Hits counts the customer's exchanges in this minute, this one included.
	Hits int
	// Usage and MonthlyLimit are in fixes; Unlimited plans have no limit.
	Usage, MonthlyLimit int
	Unlimited           bool
	// Trusted customers have confirmed their address, or were approved by an
	// administrator.
	Trusted bool
}

// Remaining is how many fixes are left this month.
func (s Standing) Remaining() int { return max(0, s.MonthlyLimit-s.Usage) }

// Exhausted says whether the month's fixes are used up.
func (s Standing) Exhausted() bool { return !s.Unlimited && s.Usage >= s.MonthlyLimit }

// UsageResetAt is when usage begins anew: the first of the next month, UTC.
func UsageResetAt(now time.Time) time.Time {
	year, month, _ := now.UTC().Date()
	return time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC)
}

// UsageReport is what a client says it used.
type UsageReport struct {
	CustomerID int64
	Provider   Provider
	Tokens     int64
	Requests   int64
	Job        string
	At         time.Time
}

// Fixes is what the report adds to the month's usage.
func (r UsageReport) Fixes() int64 { return r.Tokens / TokensPerFix }

// Credentials is the storage of credentials and of usage.
type Credentials interface {
	// CountExchange counts an exchange against ExchangeLimit and reads the
	// customer's standing, in one statement.
	CountExchange(ctx context.Context, customerID int64, now time.Time) (Standing, error)
	// AddCredentials stores credentials before they are given out.
	AddCredentials(ctx context.Context, credentials []Credential) error
	// FindCredential answers CodeNotFound for an unknown id.
	FindCredential(ctx context.Context, id string) (Credential, error)
	// ReplaceCredential revokes the one and stores the other; false says that
	// the old one was revoked already and nothing was stored.
	ReplaceCredential(ctx context.Context, oldID string, next Credential) (bool, error)
	// ReportUsage adds to the month's usage.
	ReportUsage(ctx context.Context, report UsageReport) error
}
