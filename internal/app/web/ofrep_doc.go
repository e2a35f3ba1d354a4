package web

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// evaluationRequest documents what readContext reads.
type evaluationRequest struct {
	Context map[string]any `json:"context" doc:"Whom the evaluation is about: targetingKey, and attributes that rules ask for."`
}

// bulkEvaluation documents what ofrepEvaluateAll writes.
type bulkEvaluation struct {
	Flags []evaluation `json:"flags"`
	// Streams are as the protocol has them.
	Streams []map[string]any `json:"eventStreams" doc:"Where changes are told."`
}

// documentOFREP adds the evaluation protocol to the OpenAPI document. Its
// operations are handled beside the API's, because their errors have the
// protocol's shapes.
func (s *server) documentOFREP() {
	document := s.api.OpenAPI()
	// Keys are optional where a flag is public.
	security := append([]map[string][]string{{}}, keySecurity...)
	body := func(description string, of reflect.Type, name string) *huma.Response {
		return &huma.Response{Description: description, Content: map[string]*huma.MediaType{
			"application/json": {Schema: document.Components.Schemas.Schema(of, true, name)},
		}}
	}
	request := &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json": {Schema: document.Components.Schemas.Schema(reflect.TypeFor[evaluationRequest](), true, "EvaluationRequest")},
	}}
	failed := body("The request or its context cannot be used.", reflect.TypeFor[failure](), "EvaluationFailure")
	unauthorised := &huma.Response{Description: "No API key, or one that is not valid."}
	text := &huma.Schema{Type: huma.TypeString}
	document.AddOperation(&huma.Operation{
		OperationID: "evaluateFlag", Method: http.MethodPost, Path: ofrepSingle, Tags: []string{"flags"}, Security: security,
		Summary:     "Evaluate a flag (OFREP)",
		Description: "A flag with rules needs context.targetingKey. Without an API key only public flags exist.",
		Parameters:  []*huma.Param{{Name: "key", In: "path", Required: true, Schema: text}},
		RequestBody: request,
		Responses: map[string]*huma.Response{
			"200": body("The flag's value; without one the default in the client's code applies.", reflect.TypeFor[evaluation](), "Evaluation"),
			"400": failed, "401": unauthorised, "404": failed, "413": failed,
		},
	})
	document.AddOperation(&huma.Operation{
		OperationID: "evaluateFlagsBulk", Method: http.MethodPost, Path: ofrepBulk, Tags: []string{"flags"}, Security: security,
		Summary:     "Evaluate all flags (OFREP)",
		Description: "Without an API key only public flags exist. The ETag covers the whole answer and the context.",
		Parameters:  []*huma.Param{{Name: "If-None-Match", In: "header", Schema: text}},
		RequestBody: request,
		Responses: map[string]*huma.Response{
			"200": body("An evaluation for each flag.", reflect.TypeFor[bulkEvaluation](), "BulkEvaluation"),
			"304": {Description: "The answer is the one that the tag names."}, "400": failed, "401": unauthorised, "413": failed,
		},
	})
	document.AddOperation(&huma.Operation{
		OperationID: "flagEvents", Method: http.MethodGet, Path: ofrepEvents, Tags: []string{"flags"},
		Summary:     "Be told when flags change (OFREP)",
		Description: "Events carry {\"type\": \"refetchEvaluation\"} and no flags. Streams end after a while; connect again.",
		Responses: map[string]*huma.Response{
			"200": {Description: "Server-sent events.", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: text}}},
			"429": {Description: "Too many streams are open.", Headers: map[string]*huma.Param{"Retry-After": {Schema: &huma.Schema{Type: huma.TypeInteger}}}},
		},
	})
}
