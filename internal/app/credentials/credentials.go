// Package credentials trades API keys of customers for keys of AI providers.
// Where a provider lets us, the key is minted for the customer, with an end and
// a spending limit that the provider enforces; elsewhere it is a configured
// one, given to trusted customers only, and the answer says that nobody
// enforces its end.
package credentials

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// Key is a provider's key, and what names it there.
type Key struct {
	Secret    string
	Reference string
}

// Minter makes and ends keys at a provider.
type Minter interface {
	// Mint makes a key that the provider ends at the given time.
	Mint(ctx context.Context, name string, expiresAt time.Time) (Key, error)
	// Revoke ends a key; one that is gone already is no error.
	Revoke(ctx context.Context, reference string) error
}

// Metrics is what the service counts.
type Metrics interface {
	// CountVend counts one provider that was asked for. mode is "none" when
	// there is no way to a key.
	CountVend(provider, mode, outcome string)
}

// Options of a Service; all but the two maps are required.
type Options struct {
	Store   app.Credentials
	Log     *slog.Logger
	Now     func() time.Time
	Metrics Metrics
	// Minters make keys, Static are configured ones. A provider in both is
	// minted.
	Minters map[app.Provider]Minter
	Static  map[app.Provider]string
}

// Service gives out credentials.
type Service struct{ o Options }

// New checks the options.
func New(o Options) (*Service, error) {
	if o.Store == nil || o.Log == nil || o.Now == nil || o.Metrics == nil {
		return nil, errors.New("credentials.New: a required option is missing")
	}
	return &Service{o}, nil
}

// Request asks for credentials.
type Request struct {
	CustomerID, KeyID int64
	Providers         []app.Provider
	TTL               time.Duration
	Job, Run          string
}

// Vended is a credential and the key that belongs to it.
type Vended struct {
	app.Credential
	Secret string
}

// Enforced says whether the provider ends the key in time.
func (v Vended) Enforced() bool { return v.Mode == app.CredentialMinted }

// Exchanged is the outcome of an exchange. Credentials has those of the
// requested providers that are available.
type Exchanged struct {
	Credentials []Vended
	Standing    app.Standing
}

// Exchange gives credentials for the requested providers. Errors have the codes
// CodeRateLimited, CodeUsageLimit, and CodeUnavailable when none of them is
// available.
func (s *Service) Exchange(ctx context.Context, r Request) (Exchanged, error) {
	now := s.o.Now()
	standing, err := s.standing(ctx, r.CustomerID, now)
	if err != nil {
		return Exchanged{}, err
	}
	vended, missing := s.vendAll(ctx, r, standing, now)
	if len(vended) == 0 && len(r.Providers) > 0 {
		return Exchanged{}, unavailable(missing)
	}
	stored := make([]app.Credential, len(vended))
	for i, v := range vended {
		stored[i] = v.Credential
	}
	if err := s.o.Store.AddCredentials(ctx, stored); err != nil {
		// Nobody will ever use them.
		s.revokeAll(ctx, vended)
		return Exchanged{}, err
	}
	return Exchanged{Credentials: vended, Standing: standing}, nil
}

func (s *Service) standing(ctx context.Context, customerID int64, now time.Time) (app.Standing, error) {
	standing, err := s.o.Store.CountExchange(ctx, customerID, now)
	switch {
	case err != nil:
		return app.Standing{}, err
	case standing.Hits > app.ExchangeLimit:
		e := app.TooMany(app.CodeRateLimited, app.ExchangeLimit, now, now.Truncate(time.Minute).Add(time.Minute))
		e.Message = "Rate limit exceeded"
		return app.Standing{}, e
	case standing.Exhausted():
		return app.Standing{}, &app.Error{Code: app.CodeUsageLimit, Message: "Monthly usage limit exceeded"}
	}
	return standing, nil
}

// reason says why a provider is not available.
type reason struct {
	provider app.Provider
	text     string
}

func unavailable(missing []reason) error {
	e := &app.Error{Code: app.CodeUnavailable, Message: "No credentials are available", RetryAfter: time.Minute}
	slices.SortFunc(missing, func(a, b reason) int { return slices.Compare([]byte(a.provider), []byte(b.provider)) })
	for i, m := range missing {
		separator := "; "
		if i == 0 {
			separator = ": "
		}
		e.Message += fmt.Sprintf("%s%s %s", separator, m.provider, m.text)
	}
	return e
}

// vendAll asks all providers at once; the slowest decides how long it takes.
func (s *Service) vendAll(ctx context.Context, r Request, standing app.Standing, now time.Time) ([]Vended, []reason) {
	providers := slices.Compact(slices.Sorted(slices.Values(r.Providers)))
	results := make([]Vended, len(providers))
	reasons := make([]string, len(providers))
	var group sync.WaitGroup
	for i, provider := range providers {
		group.Go(func() { results[i], reasons[i] = s.vend(ctx, provider, r, standing, now) })
	}
	group.Wait()
	var vended []Vended
	var missing []reason
	for i, provider := range providers {
		if reasons[i] != "" {
			missing = append(missing, reason{provider, reasons[i]})
		} else {
			vended = append(vended, results[i])
		}
	}
	return vended, missing
}

// vend returns a credential, or why there is none, in words for the customer.
func (s *Service) vend(ctx context.Context, provider app.Provider, r Request, standing app.Standing, now time.Time) (Vended, string) {
	v := Vended{Credential: app.Credential{
		ID: app.NewCredentialID(), CustomerID: r.CustomerID, KeyID: r.KeyID, Provider: provider,
		ExpiresAt: now.Add(r.TTL).Truncate(time.Second), Job: app.ClipJob(r.Job), Run: app.ClipJob(r.Run), At: now,
	}}
	count := func(mode app.CredentialMode, outcome string) {
		s.o.Metrics.CountVend(string(provider), string(mode), outcome)
	}
	if minter := s.o.Minters[provider]; minter != nil {
		key, err := minter.Mint(ctx, fmt.Sprintf("customer-%d-%s", r.CustomerID, v.ID), v.ExpiresAt)
		if err != nil {
			count(app.CredentialMinted, "failed")
			s.o.Log.WarnContext(ctx, "a provider made no key", "provider", provider, "customer_id", r.CustomerID, "error", err)
			return Vended{}, "does not answer as it should"
		}
		count(app.CredentialMinted, "vended")
		v.Mode, v.Secret, v.Reference, v.Hash = app.CredentialMinted, key.Secret, key.Reference, app.HashKey(key.Secret)
		return v, ""
	}
	secret := s.o.Static[provider]
	switch {
	case secret == "":
		count("none", "unavailable")
		return Vended{}, "is not offered here"
	case !standing.Trusted:
		count(app.CredentialStatic, "refused")
		return Vended{}, "needs a confirmed e-mail address"
	}
	count(app.CredentialStatic, "vended")
	v.Mode, v.Secret, v.Hash = app.CredentialStatic, secret, app.HashKey(secret)
	return v, ""
}

// revokeAll ends minted keys that nobody gets, as far as the provider lets us;
// they end by themselves anyway.
func (s *Service) revokeAll(ctx context.Context, vended []Vended) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	for _, v := range vended {
		s.revoke(ctx, v.Credential)
	}
}

const revokeTimeout = 5 * time.Second

func (s *Service) revoke(ctx context.Context, c app.Credential) {
	minter := s.o.Minters[c.Provider]
	if c.Mode != app.CredentialMinted || minter == nil {
		return
	}
	if err := minter.Revoke(ctx, c.Reference); err != nil {
		s.o.Log.WarnContext(ctx, "a key could not be ended at its provider before its time",
			"provider", c.Provider, "credential_id", c.ID, "error", err)
	}
}

// Refresh replaces a credential that is about to end.
func (s *Service) Refresh(ctx context.Context, customerID, keyID int64, id string) (Vended, error) {
	now := s.o.Now()
	standing, err := s.standing(ctx, customerID, now)
	if err != nil {
		return Vended{}, err
	}
	old, err := s.o.Store.FindCredential(ctx, id)
	switch {
	case err != nil:
		return Vended{}, err
	case old.CustomerID != customerID:
		return Vended{}, &app.Error{Code: app.CodeForbidden, Message: "Access denied"}
	case !old.RevokedAt.IsZero() || old.ExpiresAt.Sub(now) >= app.RefreshWithin:
		return Vended{}, notEligible()
	}
	next, why := s.vend(ctx, old.Provider, Request{
		CustomerID: customerID, KeyID: keyID, TTL: app.DefaultCredentialTTL, Job: old.Job, Run: old.Run,
	}, standing, now)
	if why != "" {
		return Vended{}, unavailable([]reason{{old.Provider, why}})
	}
	replaced, err := s.o.Store.ReplaceCredential(ctx, old.ID, next.Credential)
	if err != nil || !replaced {
		s.revokeAll(ctx, []Vended{next})
	}
	if err != nil {
		return Vended{}, err
	}
	if !replaced {
		return Vended{}, notEligible() // another request was faster
	}
	s.revokeAll(ctx, []Vended{{Credential: old}})
	return next, nil
}

func notEligible() *app.Error {
	return &app.Error{Code: app.CodeInvalidRequest, Message: "Credential not eligible for refresh"}
}

// ReportUsage adds what a client used to the month's usage.
func (s *Service) ReportUsage(ctx context.Context, report app.UsageReport) error {
	report.At, report.Job = s.o.Now(), app.ClipJob(report.Job)
	return s.o.Store.ReportUsage(ctx, report)
}
