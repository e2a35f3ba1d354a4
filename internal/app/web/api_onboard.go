package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/disposable"
)

type onboardInput struct {
	IdempotencyKey string `header:"Idempotency-Key" doc:"16 to 255 characters that nobody can guess: the same request sent again within a day gets the same answer."`
	RawBody        []byte
	Body           struct {
		// Members we do not know are ignored: nothing but these can be set.
		_           struct{} `additionalProperties:"true"`
		Name        string   `json:"name" doc:"The person's or the company's name." example:"Kiln Ltd"`
		Email       string   `json:"email" doc:"An address that has no account yet." example:"ops@kiln.example"`
		Source      string   `json:"source,omitempty" doc:"How the customer came here; default direct."`
		UTMSource   string   `json:"utm_source,omitempty"`
		UTMMedium   string   `json:"utm_medium,omitempty"`
		UTMCampaign string   `json:"utm_campaign,omitempty"`
		UTMTerm     string   `json:"utm_term,omitempty"`
		UTMContent  string   `json:"utm_content,omitempty"`
		VisitorID   string   `json:"visitor_id,omitempty" doc:"The id that the script keeps in the visitor's browser, rsolv.id there, when it was asked to: the visits of this browser become the customer's."`
	}
}

type onboardOutput struct {
	Replayed string `header:"Idempotency-Replayed" doc:"true when the request was answered before."`
	Body     onboardBody
}

type onboardBody struct {
	Customer onboardedCustomer `json:"customer"`
	APIKey   string            `json:"api_key" doc:"Shown this once; only its hash is stored."`
}

type onboardedCustomer struct {
	ID               int64  `json:"id"`
	Name             string `json:"name"`
	Email            string `json:"email"`
	TrialFixesLimit  int    `json:"trial_fixes_limit"`
	TrialFixesUsed   int    `json:"trial_fixes_used"`
	SubscriptionType string `json:"subscription_type"`
}

func newOnboardBody(c app.Customer, key string) onboardBody {
	return onboardBody{APIKey: key, Customer: onboardedCustomer{
		ID: c.ID, Name: c.Name, Email: c.Email, TrialFixesLimit: c.TrialFixesLimit,
		TrialFixesUsed: c.TrialFixesUsed, SubscriptionType: c.SubscriptionType,
	}}
}

func (s *server) registerOnboard() {
	register(s, huma.Operation{
		OperationID: "onboard", Method: http.MethodPost, Path: "/api/v1/customers/onboard",
		Summary: "Create a customer and its first API key", Tags: []string{"customers"},
		DefaultStatus: http.StatusCreated,
		Errors: []int{
			http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable,
		},
		Middlewares: huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
			// The answer holds the key: no cache may keep it.
			ctx.SetHeader("Cache-Control", "no-store")
			r, _ := humago.Unwrap(ctx)
			i := infoOf(r.Context())
			i.touch, i.smokeTest, i.address = s.touch(r), r.Header.Get(app.SmokeTestHeader), limitedAddress(s.clientAddr(r))
			next(ctx)
		}},
	}, func(ctx context.Context, in *onboardInput) (*onboardOutput, error) {
		began := s.d.Now()
		out, err := s.onboard(ctx, in)
		if err != nil || infoOf(ctx).smokeTest == "" && out.Replayed == "" { // those are no new customers
			s.d.Metrics.CountOnboarding(app.SourceLabel(in.Body.Source), onboardingFailure(err), s.d.Now().Sub(began))
		}
		return out, err
	})
}

// onboardingFailure is the label reason of a failure, "" for none.
func onboardingFailure(err error) string {
	switch e := app.CodeOf(err); e {
	case "":
		return ""
	case app.CodeRateLimited:
		return "rate_limited"
	case app.CodeValidation:
		return app.ReasonOf(err, "validation_error")
	default:
		return "other"
	}
}

// limitedAddress is what the limit of onboarding counts by: an IPv4 address, or
// the /64 that an IPv6 host has to itself. It is hashed, for addresses are not
// kept.
func limitedAddress(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if prefix, err := addr.Prefix(64); err == nil {
			addr = prefix.Addr()
		}
	}
	return app.HashKey("address:" + addr.String())[:32]
}

func (s *server) onboard(ctx context.Context, in *onboardInput) (*onboardOutput, error) {
	now := s.d.Now()
	signup, err := s.newSignup(ctx, in, now)
	if err != nil {
		return nil, err
	}
	var again *replay
	if in.IdempotencyKey != "" {
		if again, err = newReplay(in.IdempotencyKey, in.RawBody); err != nil {
			return nil, err
		}
	}
	if kept, err := s.beginOnboarding(ctx, again, now); err != nil || kept != nil {
		return kept, err
	}
	key, err := app.NewKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	signup.KeyHash = app.HashKey(key)
	if again != nil {
		signup.Replay = &app.Replay{KeyHash: again.keyHash, BodyHash: again.bodyHash, Seal: func(c app.Customer) ([]byte, error) {
			answer, err := json.Marshal(newOnboardBody(c, key)) //nolint:gosec // it is sealed before it is kept
			return again.seal(answer), err
		}}
	}
	done, err := s.d.Customers.Onboard(ctx, signup)
	if err != nil {
		return nil, err
	}
	if done.Kept != nil {
		return replayed(again, done.Kept)
	}
	s.countSignup(ctx, done)
	return &onboardOutput{Body: newOnboardBody(done.Customer, key)}, nil
}

// newSignup checks what a stranger sent.
func (s *server) newSignup(ctx context.Context, in *onboardInput, now time.Time) (app.Signup, error) {
	touch := infoOf(ctx).touch
	touch.Path = "" // the campaign and the visit are of interest, not this call
	touch.UTM = app.UTM{
		Source: in.Body.UTMSource, Medium: in.Body.UTMMedium, Campaign: in.Body.UTMCampaign,
		Term: in.Body.UTMTerm, Content: in.Body.UTMContent,
	}
	// An id that is none is no reason to turn a customer away.
	if id := strings.ToLower(in.Body.VisitorID); cookiePattern.MatchString(id) {
		touch.VisitorID = id
	}
	signup, err := app.NewSignup(in.Body.Name, in.Body.Email, in.Body.Source, touch, now)
	if err != nil {
		return app.Signup{}, err
	}
	if disposable.Address(signup.Email) {
		return app.Signup{}, app.EmailDisposable()
	}
	if token := infoOf(ctx).smokeTest; token != "" {
		signup.SmokeTest = app.HashKey(token)
	}
	return signup, nil
}

// beginOnboarding refuses one request too many, and finds the answer that a
// request got before.
func (s *server) beginOnboarding(ctx context.Context, again *replay, now time.Time) (*onboardOutput, error) {
	keyHash := ""
	if again != nil {
		keyHash = again.keyHash
	}
	opening, err := s.d.Registry.BeginOnboarding(ctx, infoOf(ctx).address, keyHash, now)
	if err != nil {
		return nil, err
	}
	s.d.Metrics.CountLimit("customer_onboarding", opening.Hits <= app.OnboardingLimit)
	if opening.Hits > app.OnboardingLimit {
		return nil, app.TooMany(app.CodeRateLimited, app.OnboardingLimit, now, now.Truncate(time.Minute).Add(time.Minute))
	}
	if opening.Kept != nil {
		return replayed(again, opening.Kept)
	}
	return nil, nil //nolint:nilnil // no answer is kept
}

func replayed(again *replay, kept *app.KeptAnswer) (*onboardOutput, error) {
	answer, err := again.open(kept)
	if err != nil {
		return nil, err
	}
	out := &onboardOutput{Replayed: "true"}
	if err := json.Unmarshal(answer, &out.Body); err != nil {
		return nil, fmt.Errorf("reading a kept answer: %w", err)
	}
	return out, nil
}

func (s *server) countSignup(ctx context.Context, done app.Onboarded) {
	outcome := app.OutcomeStored
	if done.TrackingErr != nil {
		outcome = app.OutcomeFailed
		s.d.Log.WarnContext(ctx, "a signup is missing in the funnel", "request_id", infoOf(ctx).id,
			"customer_id", done.Customer.ID, "error", done.TrackingErr)
	}
	for _, kind := range []app.EventType{app.EventSignup, app.EventAPIKeyCreated} {
		s.d.Metrics.CountEvents(kind, app.OutcomeAccepted, 1)
		s.d.Metrics.CountEvents(kind, outcome, 1)
	}
	if !done.Customer.Internal {
		s.d.Metrics.CountCredits(app.CreditSourceSignup, app.SignupCredits)
	}
}
