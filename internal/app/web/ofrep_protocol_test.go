package web

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"
)

// TestContractIsTheProtocols reads the OpenAPI document that the OpenFeature
// project publishes for its protocol, and holds testdata/ofrep-contract.yaml to
// it, word by word. The document is theirs, so it is not kept here.
func TestContractIsTheProtocols(t *testing.T) {
	t.Parallel()
	path := os.Getenv("OFREP_OPENAPI")
	if path == "" {
		t.Skip("OFREP_OPENAPI names no file; give it service/openapi.yaml of github.com/open-feature/protocol to hold our restatement to it")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var theirs protocol
	if err := yaml.Unmarshal(raw, &theirs); err != nil {
		t.Fatal(err)
	}
	raw, err = os.ReadFile("testdata/ofrep-contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var ours contractOf
	if err := yaml.Unmarshal(raw, &ours); err != nil {
		t.Fatal(err)
	}
	byPath := cmpopts.SortSlices(func(a, b contractOperation) bool { return a.Path < b.Path })
	if diff := cmp.Diff(theirs.contract(), ours, byPath, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-the protocol's +ours:\n%s", diff)
	}
}

// protocol is the part of the protocol's document that says what a server does.
type protocol struct {
	Paths map[string]map[string]struct {
		OperationID string `yaml:"operationId"`
		Parameters  []parameter
		RequestBody struct{ Content map[string]media } `yaml:"requestBody"`
		Responses   map[string]struct {
			Headers map[string]any
			Content map[string]media
		}
	}
	Components struct {
		Parameters map[string]parameter
		Schemas    map[string]schemaNode
	}
}

type parameter struct {
	Ref      string `yaml:"$ref"`
	Name, In string
}

type media struct{ Schema schemaNode }

type schemaNode struct {
	Ref                  string `yaml:"$ref"`
	Type                 string
	Required             []string
	Properties           map[string]schemaNode
	AdditionalProperties any          `yaml:"additionalProperties"`
	AllOf                []schemaNode `yaml:"allOf"`
	OneOf                []schemaNode `yaml:"oneOf"`
	Enum                 []string
}

// flat is a schema without references and allOf. A property that the branches
// of a oneOf give different types has the type any.
func (p *protocol) flat(s schemaNode) schemaNode {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return p.flat(p.Components.Schemas[name])
	}
	whole := schemaNode{Type: s.Type, Required: slices.Clone(s.Required), Properties: map[string]schemaNode{}, AdditionalProperties: s.AdditionalProperties, Enum: s.Enum}
	for name, property := range s.Properties {
		whole.Properties[name] = p.flat(property)
	}
	for _, part := range s.AllOf {
		part = p.flat(part)
		if whole.Type == "" {
			whole.Type = part.Type
		}
		whole.Required = append(whole.Required, part.Required...)
		maps.Copy(whole.Properties, part.Properties)
	}
	for _, branch := range s.OneOf {
		for name, property := range p.flat(branch).Properties {
			if known, ok := whole.Properties[name]; ok && known.Type != property.Type {
				property = schemaNode{Type: "any"}
			}
			whole.Properties[name] = property
		}
	}
	return whole
}

// contract restates the protocol as testdata/ofrep-contract.yaml does.
func (p *protocol) contract() contractOf {
	all := contractOf{Enums: map[string][]string{}}
	for path, methods := range p.Paths {
		post := methods["post"]
		operation := contractOperation{Path: path, OperationID: post.OperationID, Parameters: map[string][]string{}, Answers: map[string]contractAnswer{}}
		for _, parameter := range post.Parameters {
			if name, ok := strings.CutPrefix(parameter.Ref, "#/components/parameters/"); ok {
				parameter = p.Components.Parameters[name]
			}
			operation.Parameters[parameter.In] = append(operation.Parameters[parameter.In], parameter.Name)
		}
		request := p.flat(post.RequestBody.Content["application/json"].Schema)
		context := request.Properties["context"]
		operation.Request.Required = request.Required
		operation.Request.Context.Required, operation.Request.Context.Open = context.Required, context.AdditionalProperties == true
		for status, response := range post.Responses {
			body := p.flat(response.Content["application/json"].Schema)
			answer := contractAnswer{Required: body.Required, Properties: map[string]string{}, Headers: slices.Sorted(maps.Keys(response.Headers))}
			for name, property := range body.Properties {
				answer.Properties[name] = property.Type
				if len(property.Enum) > 0 {
					all.Enums[post.OperationID+" "+status+" "+name] = property.Enum
				}
			}
			operation.Answers[status] = answer
		}
		all.Operations = append(all.Operations, operation)
	}
	return all
}
