package web

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// Schema documents a file: its content, or an object with it.
func (fileValue) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeString},
		{Type: huma.TypeObject, Properties: map[string]*huma.Schema{"content": {Type: huma.TypeString}, "hash": {Type: huma.TypeString}}, Required: []string{"content"}},
	}}
}

// Schema documents a line number.
func (lineNo) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeInteger} }

// documentAnalysis adds a route to the OpenAPI document. Its body is read by
// hand, because it may be large and comes in several shapes.
func (s *server) documentAnalysis(path, id, summary, description string, request, response any) {
	document := s.api.OpenAPI()
	schema := func(of any) map[string]*huma.MediaType {
		t := reflect.TypeOf(of)
		return map[string]*huma.MediaType{"application/json": {Schema: document.Components.Schemas.Schema(t, true, t.Name())}}
	}
	problem := document.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	failed := func(text string) *huma.Response {
		return &huma.Response{Description: text, Content: map[string]*huma.MediaType{"application/problem+json": {Schema: problem}}}
	}
	document.AddOperation(&huma.Operation{
		OperationID: id, Method: http.MethodPost, Path: path, Tags: []string{"analysis"}, Security: keySecurity, Summary: summary, Description: description,
		RequestBody: &huma.RequestBody{Required: true, Content: schema(request)},
		Responses: map[string]*huma.Response{
			"200": {Description: "OK", Content: schema(response)},
			"400": failed("The body is not what this endpoint expects."), "401": failed("No API key, or one that is not valid."),
			"413": failed("The body is larger than 16 MiB."), "422": failed("A field is missing or wrong."), "429": failed("Too many requests."),
			"503": failed("The app cannot answer at the moment."),
		},
	})
}
