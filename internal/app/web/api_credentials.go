package web

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/credentials"
)

const (
	exchangePath = "/api/v1/credentials/exchange"
	refreshPath  = "/api/v1/credentials/refresh"
)

type exchangeInput struct {
	Job  string `header:"X-GitHub-Job" doc:"Kept with the credentials."`
	Run  string `header:"X-GitHub-Run" doc:"Kept with the credentials."`
	Body struct {
		_          struct{}       `additionalProperties:"true"`
		Providers  []app.Provider `json:"providers" nullable:"false" enum:"anthropic,openai,openrouter,ollama" maxItems:"20" doc:"The answer has those that are available."`
		TTLMinutes int            `json:"ttl_minutes,omitempty" minimum:"1" maximum:"240" default:"60"`
	}
}

// CredentialBody is one credential.
type CredentialBody struct {
	APIKey       string    `json:"api_key" doc:"The provider's key."`
	ExpiresAt    time.Time `json:"expires_at"`
	CredentialID string    `json:"credential_id" doc:"For /api/v1/credentials/refresh."`
	TTLEnforced  bool      `json:"ttl_enforced" doc:"Whether the provider ends the key at expires_at. Otherwise throw it away then."`
}

func credentialBodies(vended []credentials.Vended) map[app.Provider]CredentialBody {
	bodies := map[app.Provider]CredentialBody{}
	for _, v := range vended {
		bodies[v.Provider] = CredentialBody{
			APIKey: v.Secret, ExpiresAt: v.ExpiresAt.UTC(), CredentialID: v.ID, TTLEnforced: v.Enforced(),
		}
	}
	return bodies
}

type exchangeOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Credentials map[app.Provider]CredentialBody `json:"credentials" doc:"By provider."`
		Usage       usageBody                       `json:"usage"`
	}
}

type usageBody struct {
	RemainingFixes int       `json:"remaining_fixes" doc:"What is left of the month's limit."`
	Unlimited      bool      `json:"unlimited,omitempty" doc:"The plan has no limit."`
	ResetAt        time.Time `json:"reset_at" doc:"When usage begins anew."`
}

type refreshInput struct {
	Body struct {
		_            struct{} `additionalProperties:"true"`
		CredentialID string   `json:"credential_id" minLength:"1" maxLength:"100"`
	}
}

type refreshOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Credentials map[app.Provider]CredentialBody `json:"credentials" doc:"By provider; the new id is in it."`
	}
}

type usageInput struct {
	Body struct {
		_            struct{}     `additionalProperties:"true"`
		Provider     app.Provider `json:"provider" enum:"anthropic,openai,openrouter,ollama"`
		TokensUsed   int64        `json:"tokens_used" minimum:"0" maximum:"1000000000"`
		RequestCount int64        `json:"request_count" minimum:"0" maximum:"1000000000"`
		JobID        string       `json:"job_id,omitempty"`
	}
}

type statusOutput struct {
	Body struct {
		Status string `json:"status"`
	}
}

// registerCredentials adds the trade of keys and the reports of what they were
// used for.
func (s *server) registerCredentials() {
	register(s, s.authenticated(huma.Operation{
		OperationID: "exchange", Method: http.MethodPost, Path: exchangePath,
		Summary: "Trade the API key for keys of AI providers", Tags: []string{"credentials"},
		Description: "At most 10 exchanges and refreshes a minute. 503 when none of the providers is available.",
		Errors:      []int{http.StatusForbidden, http.StatusUnprocessableEntity},
	}, app.PermissionCredentials), s.exchange)
	register(s, s.authenticated(huma.Operation{
		OperationID: "refresh", Method: http.MethodPost, Path: refreshPath,
		Summary: "Renew a credential within the last five minutes of its life", Tags: []string{"credentials"},
		Errors: []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity},
	}, app.PermissionCredentials), s.refresh)
	register(s, s.limited(s.authenticated(huma.Operation{
		OperationID: "report", Method: http.MethodPost, Path: "/api/v1/usage/report",
		Summary: "Report what a credential was used for", Tags: []string{"credentials"},
		Description: "2,000 tokens count as one fix of the monthly limit.",
		Errors:      []int{http.StatusUnprocessableEntity},
	}, app.PermissionCredentials), actionUsageReport), s.reportUsage)
}

func (s *server) exchange(ctx context.Context, in *exchangeInput) (*exchangeOutput, error) {
	who := infoOf(ctx).principal
	done, err := s.d.Credentials.Exchange(ctx, credentials.Request{
		CustomerID: who.CustomerID, KeyID: who.KeyID, Providers: in.Body.Providers,
		TTL: time.Duration(in.Body.TTLMinutes) * time.Minute, Job: in.Job, Run: in.Run,
	})
	if err != nil {
		return nil, err
	}
	out := &exchangeOutput{CacheControl: "no-store"}
	out.Body.Credentials = credentialBodies(done.Credentials)
	out.Body.Usage = usageBody{
		RemainingFixes: done.Standing.Remaining(), Unlimited: done.Standing.Unlimited, ResetAt: app.UsageResetAt(s.d.Now()),
	}
	if done.Standing.Unlimited {
		out.Body.Usage.RemainingFixes = math.MaxInt32
	}
	return out, nil
}

func (s *server) refresh(ctx context.Context, in *refreshInput) (*refreshOutput, error) {
	who := infoOf(ctx).principal
	next, err := s.d.Credentials.Refresh(ctx, who.CustomerID, who.KeyID, in.Body.CredentialID)
	if err != nil {
		return nil, err
	}
	out := &refreshOutput{CacheControl: "no-store"}
	out.Body.Credentials = credentialBodies([]credentials.Vended{next})
	return out, nil
}

func (s *server) reportUsage(ctx context.Context, in *usageInput) (*statusOutput, error) {
	err := s.d.Credentials.ReportUsage(ctx, app.UsageReport{
		CustomerID: infoOf(ctx).principal.CustomerID, Provider: in.Body.Provider,
		Tokens: in.Body.TokensUsed, Requests: in.Body.RequestCount, Job: in.Body.JobID,
	})
	if err != nil {
		return nil, err
	}
	out := &statusOutput{}
	out.Body.Status = "recorded"
	return out, nil
}
