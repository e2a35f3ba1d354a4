package web

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

type flagsOutput struct{ Body FlagsBody }

// FlagsBody lists the flags.
type FlagsBody struct {
	FeatureFlags []string          `json:"feature_flags" doc:"Keys of all flags, sorted."`
	Overrides    map[string]string `json:"environment_overrides" doc:"Always empty: flags come from one place."`
	Flags        []FlagBody        `json:"flags" doc:"What each flag answers where no subject is known."`
	Digest       string            `json:"digest" doc:"Names the flags file in use; empty without one."`
}

// FlagBody is one flag's answer.
type FlagBody struct {
	Key      string          `json:"key"`
	Type     string          `json:"type"`
	Value    json.RawMessage `json:"value,omitempty" doc:"Absent when the default in the app's code applies."`
	Variant  string          `json:"variant,omitempty"`
	Reason   string          `json:"reason"`
	Targeted bool            `json:"targeted" doc:"Whether the flag has rules, so that subjects may be answered otherwise."`
}

// registerFlags adds the routes about flags. Those of the evaluation protocol
// have its shapes, errors included, and so are handled beside the API's.
func (s *server) registerFlags() {
	register(s, s.authenticated(huma.Operation{
		OperationID: "list-feature-flags", Method: http.MethodGet, Path: "/api/feature-flags",
		Summary: "All feature flags", Tags: []string{"flags"}, Description: "Needs the permission admin.",
		Errors: []int{http.StatusForbidden},
	}, app.PermissionAdmin), func(context.Context, *struct{}) (*flagsOutput, error) {
		return &flagsOutput{Body: s.listFlags()}, nil
	})
	s.mux.HandleFunc("POST "+ofrepBulk, s.ofrepEvaluateAll)
	s.mux.HandleFunc("POST "+ofrepSingle, s.ofrepEvaluateOne)
	s.mux.HandleFunc("GET "+ofrepEvents, s.ofrepStream)
	s.documentOFREP()
}

func (s *server) listFlags() FlagsBody {
	body := FlagsBody{FeatureFlags: []string{}, Overrides: map[string]string{}, Flags: []FlagBody{}, Digest: s.d.Evaluator.Status().Digest}
	for _, result := range s.d.Evaluator.All(nil) {
		body.FeatureFlags = append(body.FeatureFlags, result.Key)
		body.Flags = append(body.Flags, FlagBody{
			Key: result.Key, Type: string(result.Type), Value: result.JSON, Variant: result.Variant, Reason: result.Why(), Targeted: result.Targeted,
		})
	}
	return body
}
