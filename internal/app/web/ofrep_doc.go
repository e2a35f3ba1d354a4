package web

import (
	"maps"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// objectSchema makes an object of the protocol.
func objectSchema(description string, required []string, properties map[string]*huma.Schema) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Description: description, Required: required, Properties: properties}
}

func described(description string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: description}
}

func enumOf(description string, values ...any) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: description, Enum: values}
}

func reference(name string) *huma.Schema { return &huma.Schema{Ref: "#/components/schemas/" + name} }

// ofrepSchemas are the protocol's shapes, as the handlers read and write them.
func ofrepSchemas() map[string]*huma.Schema {
	key := described("The flag's key.")
	details := described("What is wrong and what to do, for people.")
	metadata := &huma.Schema{
		Type: huma.TypeObject, Description: "What travels with the flag.",
		AdditionalProperties: &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeBoolean}, {Type: huma.TypeString}, {Type: huma.TypeNumber}}},
	}
	failure := func(description string, codes ...any) *huma.Schema {
		return objectSchema(description, []string{"key", "errorCode"}, map[string]*huma.Schema{
			"key": key, "errorCode": enumOf("OpenFeature's error code.", codes...), "errorDetails": details, "metadata": metadata,
		})
	}
	return map[string]*huma.Schema{
		"EvaluationRequest": objectSchema("Whom an evaluation is about.", []string{"context"}, map[string]*huma.Schema{
			"context": {
				Type:                 huma.TypeObject,
				Description:          "targetingKey, and attributes that rules ask for. Flags without rules answer without a targetingKey too.",
				Required:             []string{"targetingKey"},
				Properties:           map[string]*huma.Schema{"targetingKey": described("Identifies the subject, for example customer:42.")},
				AdditionalProperties: true,
			},
		}),
		"EvaluationSuccess": objectSchema("A flag's value. Without one the default in the client's code applies.", []string{"key", "reason"}, map[string]*huma.Schema{
			"key": key, "variant": described("The chosen variant."), "metadata": metadata,
			"reason": enumOf("OpenFeature's reason. UNKNOWN with metadata.reason DEFAULT: no rule applied.", "STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED", "UNKNOWN"),
			"value":  {Description: "A boolean, text, number or mapping.", OneOf: []*huma.Schema{{Type: huma.TypeBoolean}, {Type: huma.TypeString}, {Type: huma.TypeNumber}, {Type: huma.TypeObject, AdditionalProperties: true}}},
		}),
		"EvaluationFailure": failure("A flag that cannot be evaluated.", codeParse, codeNoTargetingKey, codeInvalidContext, "GENERAL"),
		"FlagNotFound":      failure("There is no such flag, or none that the caller may see.", "FLAG_NOT_FOUND"),
		"BulkEvaluation": objectSchema("All flags that the caller may see.", []string{"flags"}, map[string]*huma.Schema{
			"flags":        {Type: huma.TypeArray, Items: &huma.Schema{OneOf: []*huma.Schema{reference("EvaluationSuccess"), reference("EvaluationFailure")}}},
			"eventStreams": {Type: huma.TypeArray, Description: "Where changes are told.", Items: reference("EventStream")},
			"metadata":     metadata,
		}),
		"BulkFailure": objectSchema("The request as a whole cannot be used.", []string{"errorCode"}, map[string]*huma.Schema{
			"errorCode": described("OpenFeature's error code."), "errorDetails": details,
		}),
		"GeneralError": objectSchema("Something went wrong here.", nil, map[string]*huma.Schema{"errorDetails": details}),
		"EventStream": objectSchema("A stream of server-sent events.", []string{"type", "endpoint"}, map[string]*huma.Schema{
			"type": described("Always sse."),
			"endpoint": objectSchema("Below the address of this API.", []string{"requestUri"}, map[string]*huma.Schema{
				"requestUri": {Type: huma.TypeString, Pattern: "^/"},
			}),
			"inactivityDelaySec": {Type: huma.TypeInteger, Description: "After how long out of sight a client disconnects.", Minimum: new(1.0)},
		}),
	}
}

// documentOFREP adds the evaluation protocol to the OpenAPI document. Its
// operations are handled beside the API's, because their errors have the
// protocol's shapes.
func (s *server) documentOFREP() {
	document := s.api.OpenAPI()
	maps.Copy(document.Components.Schemas.Map(), ofrepSchemas())
	body := func(description, schema string) *huma.Response {
		return &huma.Response{Description: description, Content: map[string]*huma.MediaType{"application/json": {Schema: reference(schema)}}}
	}
	text := &huma.Schema{Type: huma.TypeString}
	tooMany := func(what, schema string) *huma.Response {
		response := &huma.Response{Description: what}
		if schema != "" {
			response = body(what, schema)
		}
		response.Headers = map[string]*huma.Param{"Retry-After": {Description: "Seconds to wait.", Schema: text}}
		return response
	}
	request := &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: reference("EvaluationRequest")}}}
	common := func(responses map[string]*huma.Response, failure string) map[string]*huma.Response {
		responses["400"] = body("The request or its context cannot be used.", failure)
		responses["401"] = &huma.Response{Description: "No API key, or one that is not valid."}
		responses["403"] = &huma.Response{Description: "The API key may not be used."}
		responses["413"] = body("The context is too long.", failure)
		responses["429"] = tooMany("Too many evaluations.", failure)
		responses["500"] = body("Something went wrong.", "GeneralError")
		return responses
	}
	// Keys are optional where a flag is public.
	security := append([]map[string][]string{{}}, keySecurity...)
	document.AddOperation(&huma.Operation{
		OperationID: "evaluateFlag", Method: http.MethodPost, Path: ofrepSingle, Tags: []string{"flags"}, Security: security,
		Summary:     "Evaluate a flag (OFREP)",
		Description: "A flag with rules needs context.targetingKey. Without an API key only public flags exist.",
		Parameters:  []*huma.Param{{Name: "key", In: "path", Required: true, Schema: text}},
		RequestBody: request,
		Responses: common(map[string]*huma.Response{
			"200": body("The flag's value; without one the default in the client's code applies.", "EvaluationSuccess"),
			"404": body("There is no such flag.", "FlagNotFound"),
		}, "EvaluationFailure"),
	})
	tagged := body("An evaluation for each flag.", "BulkEvaluation")
	tagged.Headers = map[string]*huma.Param{"ETag": {Description: "Names the whole answer, the context included.", Schema: text}}
	document.AddOperation(&huma.Operation{
		OperationID: "evaluateFlagsBulk", Method: http.MethodPost, Path: ofrepBulk, Tags: []string{"flags"}, Security: security,
		Summary:     "Evaluate all flags (OFREP)",
		Description: "Without an API key only public flags exist. The ETag covers the whole answer and the context.",
		Parameters: []*huma.Param{
			{Name: "If-None-Match", In: "header", Schema: text, Description: "The ETag of the answer that the client has."},
			{Name: "flagConfigEtag", In: "query", Schema: text, Description: "What an event named; every answer is of the newest flags anyway."},
			{Name: "flagConfigLastModified", In: "query", Schema: &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeInteger}, {Type: huma.TypeString}}}, Description: "As flagConfigEtag."},
		},
		RequestBody: request,
		Responses: common(map[string]*huma.Response{
			"200": tagged, "304": {Description: "The answer is the one that the tag names."},
		}, "BulkFailure"),
	})
	document.AddOperation(&huma.Operation{
		OperationID: "flagEvents", Method: http.MethodGet, Path: ofrepEvents, Tags: []string{"flags"},
		Summary:     "Be told when flags change (OFREP)",
		Description: "Events carry {\"type\": \"refetchEvaluation\"} and no flags. Streams end after a while; connect again.",
		Responses: map[string]*huma.Response{
			"200": {Description: "Server-sent events.", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: text}}},
			"429": tooMany("Too many streams are open.", ""),
		},
	})
}
