package web

import (
	"context"
	"crypto/rand"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

type onboardInput struct {
	Body struct {
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
	}
}

type onboardOutput struct {
	Body struct {
		Customer onboardedCustomer `json:"customer"`
		APIKey   string            `json:"api_key" doc:"Shown this once; only its hash is stored."`
	}
}

type onboardedCustomer struct {
	ID               int64  `json:"id"`
	Name             string `json:"name"`
	Email            string `json:"email"`
	TrialFixesLimit  int    `json:"trial_fixes_limit"`
	TrialFixesUsed   int    `json:"trial_fixes_used"`
	SubscriptionType string `json:"subscription_type"`
}

func (s *server) registerOnboard() {
	register(s, huma.Operation{
		OperationID: "onboard-customer", Method: http.MethodPost, Path: "/api/v1/customers/onboard",
		Summary: "Create a customer and its first API key", Tags: []string{"customers"},
		DefaultStatus: http.StatusCreated,
		Errors:        []int{http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
		Middlewares: huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
			// The answer holds the key: no cache may keep it.
			ctx.SetHeader("Cache-Control", "no-store")
			r, _ := humago.Unwrap(ctx)
			i := infoOf(r.Context())
			i.touch, i.smokeTest = s.touch(r), r.Header.Get(app.SmokeTestHeader)
			next(ctx)
		}},
	}, func(ctx context.Context, in *onboardInput) (*onboardOutput, error) {
		out, err := s.onboard(ctx, in)
		if err != nil || infoOf(ctx).smokeTest == "" { // a smoke test is no new customer
			s.d.Metrics.CountOnboarding(err == nil)
		}
		return out, err
	})
}

func (s *server) onboard(ctx context.Context, in *onboardInput) (*onboardOutput, error) {
	touch := infoOf(ctx).touch
	touch.Path = "" // the campaign and the visit are of interest, not this call
	touch.UTM = app.UTM{
		Source: in.Body.UTMSource, Medium: in.Body.UTMMedium, Campaign: in.Body.UTMCampaign,
		Term: in.Body.UTMTerm, Content: in.Body.UTMContent,
	}
	signup, err := app.NewSignup(in.Body.Name, in.Body.Email, in.Body.Source, touch, s.d.Now())
	if err != nil {
		return nil, err
	}
	if token := infoOf(ctx).smokeTest; token != "" {
		signup.SmokeTest = app.HashKey(token)
	}
	key, err := app.NewKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	signup.KeyHash = app.HashKey(key)
	done, err := s.d.Customers.Onboard(ctx, signup)
	if err != nil {
		return nil, err
	}
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
	c := done.Customer
	out := &onboardOutput{}
	out.Body.APIKey = key
	out.Body.Customer = onboardedCustomer{
		ID: c.ID, Name: c.Name, Email: c.Email, TrialFixesLimit: c.TrialFixesLimit,
		TrialFixesUsed: c.TrialFixesUsed, SubscriptionType: c.SubscriptionType,
	}
	return out, nil
}
