package web

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// contractOf is testdata/ofrep-contract.yaml.
type contractOf struct {
	Operations []contractOperation
	// Enums are the values of texts, by operation, status and property.
	Enums map[string][]string
}

type contractOperation struct {
	Path        string
	OperationID string `yaml:"operationId"`
	// Parameters are names by where they go.
	Parameters map[string][]string
	Request    struct {
		Required []string
		Context  struct {
			Required []string
			Open     bool
		}
	}
	// Answers are by status.
	Answers map[string]contractAnswer
}

type contractAnswer struct {
	Required   []string
	Properties map[string]string
	Headers    []string
}

// published is the part of our OpenAPI document that the contract speaks of.
type published struct {
	Paths map[string]map[string]struct {
		OperationID string `json:"operationId"`
		Parameters  []struct{ Name, In string }
		RequestBody struct {
			Required bool
			Content  map[string]struct{ Schema shape }
		}
		Responses map[string]struct {
			Headers map[string]any
			Content map[string]struct{ Schema shape }
		}
	}
	Components struct{ Schemas map[string]shape }
}

type shape struct {
	Ref                  string `json:"$ref"`
	Type                 any
	Required             []string
	Properties           map[string]shape
	AdditionalProperties any
	OneOf                []shape
	Enum                 []string
}

func (p *published) resolve(s shape) shape {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return p.Components.Schemas[name]
	}
	return s
}

// TestPublishedOpenAPIKeepsTheProtocol holds the document that we publish to
// what the protocol's own says: a client that is generated from either can
// talk to us.
func TestPublishedOpenAPIKeepsTheProtocol(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/ofrep-contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var contract contractOf
	if err := yaml.Unmarshal(raw, &contract); err != nil {
		t.Fatal(err)
	}
	var ours published
	if err := json.Unmarshal([]byte(newOFREP(t).get("/api/openapi.json").body), &ours); err != nil {
		t.Fatal(err)
	}
	if len(contract.Operations) != 2 || len(contract.Enums) != 3 {
		t.Fatalf("the contract is not read: %+v", contract)
	}
	if _, ok := ours.Paths[ofrepEvents]["get"]; !ok {
		t.Errorf("%s is not documented", ofrepEvents)
	}
	for _, want := range contract.Operations {
		got, ok := ours.Paths[want.Path]["post"]
		if !ok || got.OperationID != want.OperationID {
			t.Errorf("%s: operation %q, want %q", want.Path, got.OperationID, want.OperationID)
			continue
		}
		for in, names := range want.Parameters {
			for _, name := range names {
				if !slices.ContainsFunc(got.Parameters, func(p struct{ Name, In string }) bool { return p.Name == name && p.In == in }) {
					t.Errorf("%s has no parameter %s in %s", want.Path, name, in)
				}
			}
		}
		request := ours.resolve(got.RequestBody.Content["application/json"].Schema)
		context := ours.resolve(request.Properties["context"])
		if !got.RequestBody.Required || !cmp.Equal(request.Required, want.Request.Required) || !cmp.Equal(context.Required, want.Request.Context.Required) || (context.AdditionalProperties == true) != want.Request.Context.Open {
			t.Errorf("%s: request %+v", want.Path, request)
		}
		for status, answer := range want.Answers {
			response, ok := got.Responses[status]
			if !ok {
				t.Errorf("%s has no answer %s", want.Path, status)
				continue
			}
			for _, header := range answer.Headers {
				if response.Headers[header] == nil {
					t.Errorf("%s %s has no header %s", want.Path, status, header)
				}
			}
			body := ours.resolve(response.Content["application/json"].Schema)
			for _, name := range answer.Required {
				if !slices.Contains(body.Required, name) {
					t.Errorf("%s %s does not promise %s: %v", want.Path, status, name, body.Required)
				}
			}
			for name, kind := range answer.Properties {
				property, ok := body.Properties[name]
				if property = ours.resolve(property); !ok || kind != "any" && property.Type != kind || kind == "any" && len(property.OneOf) < 4 {
					t.Errorf("%s %s: %s is %+v, want %s", want.Path, status, name, property, kind)
				}
			}
			for name := range body.Properties {
				if _, ok := answer.Properties[name]; !ok && len(answer.Properties) > 0 {
					t.Errorf("%s %s has %s, which the protocol does not know", want.Path, status, name)
				}
			}
			for name, property := range body.Properties {
				if enum, ok := contract.Enums[want.OperationID+" "+status+" "+name]; ok {
					if diff := cmp.Diff(enum, property.Enum); diff != "" {
						t.Errorf("%s %s: values of %s, -want +got:\n%s", want.Path, status, name, diff)
					}
				}
			}
		}
	}
}

// TestOFREPAnswersAreThoseOfTheDocument looks at real answers: nothing in them
// that is not documented, and nothing missing that is promised.
func TestOFREPAnswersAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	o := newOFREP(t)
	var ours published
	if err := json.Unmarshal([]byte(o.get("/api/openapi.json").body), &ours); err != nil {
		t.Fatal(err)
	}
	check := func(name string, schema shape, raw json.RawMessage) map[string]json.RawMessage {
		t.Helper()
		schema = ours.resolve(schema)
		var got map[string]json.RawMessage
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatalf("%s: %v: %s", name, err, raw)
		}
		for _, required := range schema.Required {
			if got[required] == nil {
				t.Errorf("%s lacks %s: %s", name, required, raw)
			}
		}
		for key, value := range got {
			property, ok := schema.Properties[key]
			if !ok {
				t.Errorf("%s has %s, which is not documented: %s", name, key, raw)
			}
			var text string
			if len(property.Enum) > 0 && (json.Unmarshal(value, &text) != nil || !slices.Contains(property.Enum, text)) {
				t.Errorf("%s: %s is %s, which is not documented", name, key, value)
			}
		}
		return got
	}
	for _, test := range []struct{ key, body, status string }{
		{"limit", `{"context":{}}`, "200"},
		{"off", `{"context":{}}`, "200"},
		{"open", `{"context":{}}`, "200"},
		{"blog", `{"context":{"targetingKey":"u","plan":"gold"}}`, "200"},
		{"blog", `{"context":{"targetingKey":"u"}}`, "200"},
		{"blog", `{"context":{}}`, "400"},
		{"blog", `[`, "400"},
		{"bad", `{"context":{"targetingKey":"u","variant":"none"}}`, "400"},
		{"none", `{"context":{}}`, "404"},
	} {
		a := o.evaluate(ofrepBulk+"/"+test.key, test.body, "X-Api-Key", o.key)
		response := ours.Paths[ofrepSingle]["post"].Responses[test.status]
		if strconv.Itoa(a.status) != test.status {
			t.Errorf("%s: %d, want %s", test.key, a.status, test.status)
		}
		check(test.key+" "+test.status, response.Content["application/json"].Schema, json.RawMessage(a.body))
	}
	a := o.evaluate(ofrepBulk, `{"context":{"targetingKey":"u"}}`, "X-Api-Key", o.key)
	bulk := check("bulk", shape{Ref: "#/components/schemas/BulkEvaluation"}, json.RawMessage(a.body))
	var flags []json.RawMessage
	if err := json.Unmarshal(bulk["flags"], &flags); err != nil || len(flags) < 10 {
		t.Fatalf("%d flags: %v", len(flags), err)
	}
	for _, raw := range flags {
		schema := shape{Ref: "#/components/schemas/EvaluationSuccess"}
		if strings.Contains(string(raw), `"errorCode"`) {
			schema.Ref = "#/components/schemas/EvaluationFailure"
		}
		check("bulk", schema, raw)
	}
	var streams []json.RawMessage
	if err := json.Unmarshal(bulk["eventStreams"], &streams); err != nil || len(streams) != 1 {
		t.Fatalf("%d streams: %v", len(streams), err)
	}
	check("stream", shape{Ref: "#/components/schemas/EventStream"}, streams[0])
}
