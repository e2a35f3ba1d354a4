package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

type customerOutput struct {
	Body struct {
		ID        int64          `json:"id"`
		Name      string         `json:"name"`
		Email     string         `json:"email"`
		CreatedAt time.Time      `json:"created_at"`
		Plan      customerPlan   `json:"plan"`
		Credits   int            `json:"credits" doc:"The credit balance, in fixes."`
		Limits    customerLimits `json:"limits"`
	}
}

type customerPlan struct {
	Type  string `json:"type" example:"trial"`
	State string `json:"state,omitempty" doc:"The subscription's state; absent without a subscription."`
}

type customerLimits struct {
	MonthlyLimit    int `json:"monthly_limit"`
	CurrentUsage    int `json:"current_usage"`
	TrialFixesLimit int `json:"trial_fixes_limit"`
	TrialFixesUsed  int `json:"trial_fixes_used"`
}

func (s *server) registerCustomer() {
	register(s, s.authenticated(huma.Operation{
		OperationID: "get-customer", Method: http.MethodGet, Path: "/api/v1/customers/me",
		Summary: "The customer that the key belongs to", Tags: []string{"customers"},
	}, ""), func(ctx context.Context, _ *struct{}) (*customerOutput, error) {
		c, err := s.d.Customers.Customer(ctx, infoOf(ctx).principal.CustomerID)
		if err != nil {
			return nil, err
		}
		out := &customerOutput{}
		out.Body.ID, out.Body.Name, out.Body.Email, out.Body.CreatedAt = c.ID, c.Name, c.Email, c.CreatedAt
		out.Body.Plan = customerPlan{Type: c.SubscriptionType, State: c.SubscriptionState}
		out.Body.Credits = c.CreditBalance
		out.Body.Limits = customerLimits{
			MonthlyLimit: c.MonthlyLimit, CurrentUsage: c.CurrentUsage,
			TrialFixesLimit: c.TrialFixesLimit, TrialFixesUsed: c.TrialFixesUsed,
		}
		return out, nil
	})
}
