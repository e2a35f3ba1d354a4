package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

type summaryInput struct {
	Days int `query:"days" default:"30" minimum:"1" maximum:"366" doc:"Days before today; today is added to them."`
}

type summaryOutput struct{ Body SummaryBody }

// SummaryBody is a funnel summary in JSON. Rates are percentages with two
// decimals, as strings so that they stay exact.
type SummaryBody struct {
	PeriodStart           string           `json:"period_start" format:"date" doc:"First day, UTC."`
	PeriodEnd             string           `json:"period_end" format:"date" doc:"Last day, UTC, included."`
	WebsiteVisits         int64            `json:"website_visits"`
	UniqueVisitors        int64            `json:"unique_visitors"`
	Signups               int64            `json:"signups"`
	APIKeysCreated        int64            `json:"api_keys_created"`
	ActivatedUsers        int64            `json:"activated_users" doc:"Customers whose first call is in the period."`
	RetainedUsers         int64            `json:"retained_users" doc:"Customers whose second call is in the period."`
	VisitToSignup         string           `json:"visit_to_signup_rate" example:"3.65"`
	SignupToAPIKey        string           `json:"signup_to_api_key_rate" example:"100.00"`
	APIKeyToActivation    string           `json:"api_key_to_activation_rate" example:"40.00"`
	ActivationToRetention string           `json:"activation_to_retention_rate" example:"50.00"`
	TopUTMSources         map[string]int64 `json:"top_utm_sources" doc:"Visits and signups by utm_source, the ten largest."`
	TopUTMCampaigns       map[string]int64 `json:"top_utm_campaigns" doc:"Visits and signups by utm_campaign, the ten largest."`

	Completeness *CompletenessBody `json:"completeness,omitempty" doc:"How far the figures can be trusted; beside the days, not on each."`
}

// NewSummaryBody encodes a summary.
func NewSummaryBody(s app.Summary) SummaryBody {
	rates := s.Counts.Rates()
	return SummaryBody{
		PeriodStart: s.Period.Since.Format(time.DateOnly), PeriodEnd: s.Period.LastDay().Format(time.DateOnly),
		WebsiteVisits: s.Counts.Visits, UniqueVisitors: s.Counts.Visitors, Signups: s.Counts.Signups,
		APIKeysCreated: s.Counts.APIKeys, ActivatedUsers: s.Counts.Activated, RetainedUsers: s.Counts.Retained,
		VisitToSignup: rates.VisitToSignup, SignupToAPIKey: rates.SignupToAPIKey,
		APIKeyToActivation: rates.APIKeyToActivation, ActivationToRetention: rates.ActivationToRetention,
		TopUTMSources: s.TopSources, TopUTMCampaigns: s.TopCampaigns,
	}
}

// With adds how far the figures can be trusted.
func (b SummaryBody) With(c app.Completeness) SummaryBody {
	complete := NewCompletenessBody(c)
	b.Completeness = &complete
	return b
}

func (s *server) registerFunnel() {
	s.registerFunnelQueries()
	register(s, s.authenticated(huma.Operation{
		OperationID: "funnel-summary", Method: http.MethodGet, Path: "/api/v1/funnel/summary",
		Summary: "The conversion funnel of the last days", Tags: []string{"funnel"},
		Description: "Needs the permission admin. Smoke-test customers are not counted.",
		Errors:      []int{http.StatusForbidden, http.StatusUnprocessableEntity},
	}, app.PermissionAdmin), func(ctx context.Context, in *summaryInput) (*summaryOutput, error) {
		period, err := app.LastDays(s.d.Now(), in.Days)
		if err != nil {
			return nil, err
		}
		summary, err := s.d.Funnel.Summary(ctx, period)
		if err != nil {
			return nil, err
		}
		complete, err := s.d.Funnel.Completeness(ctx)
		if err != nil {
			return nil, err
		}
		return &summaryOutput{Body: NewSummaryBody(summary).With(complete)}, nil
	})
}
