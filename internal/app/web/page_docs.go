package web

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// docsData is the documentation page: the OpenAPI document for people, without
// scripts and without anything from elsewhere.
type docsData struct {
	Version string
	Groups  []docsGroup
}

type docsGroup struct {
	Name       string
	Operations []docsOperation
}

type docsOperation struct {
	ID, Method, Path, Summary, Description string
	Key                                    bool
	Params, Body                           []docsField
	Answers                                []docsAnswer
}

type docsAnswer struct {
	Status, Text string
	Fields       []docsField
}

// docsField is one member; Depth is how deep it lies.
type docsField struct {
	Name, Type, Doc string
	Required        bool
	Depth           int
}

// maxDocsDepth bounds how deep nested members are listed.
const maxDocsDepth = 4

// registerDocs adds the documentation of the API. /api/openapi is the old
// address of the document.
func (s *server) registerDocs() {
	s.mux.HandleFunc("GET /api/openapi", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/api/openapi.json", http.StatusMovedPermanently)
	})
	s.mux.HandleFunc("GET /api/docs", func(w http.ResponseWriter, r *http.Request) {
		s.render(w, r, http.StatusOK, "docs", page{
			Title: "API", Description: "Every endpoint of the RSOLV API.", Data: newDocs(s.api.OpenAPI()),
		})
	})
}

func newDocs(doc *huma.OpenAPI) docsData {
	groups := map[string][]docsOperation{}
	for path, item := range doc.Paths {
		for method, op := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put,
			http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
		} {
			if op == nil || op.Hidden {
				continue
			}
			name := "other"
			if len(op.Tags) > 0 {
				name = op.Tags[0]
			}
			groups[name] = append(groups[name], newDocsOperation(doc, method, path, op))
		}
	}
	data := docsData{Version: doc.Info.Version}
	for name, operations := range groups {
		slices.SortFunc(operations, func(a, b docsOperation) int {
			return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
		})
		data.Groups = append(data.Groups, docsGroup{Name: name, Operations: operations})
	}
	slices.SortFunc(data.Groups, func(a, b docsGroup) int { return strings.Compare(a.Name, b.Name) })
	return data
}

func newDocsOperation(doc *huma.OpenAPI, method, path string, op *huma.Operation) docsOperation {
	d := docsOperation{
		ID: op.OperationID, Method: method, Path: path, Summary: op.Summary, Description: op.Description, Key: len(op.Security) > 0,
	}
	for _, p := range op.Parameters {
		field := docsField{Name: p.Name, Doc: p.Description, Required: p.Required, Type: p.In}
		if p.Schema != nil {
			field.Type = typeOf(p.Schema) + ", " + p.In
			if field.Doc == "" {
				field.Doc = p.Schema.Description
			}
		}
		d.Params = append(d.Params, field)
	}
	if op.RequestBody != nil {
		d.Body = fieldsOf(doc, schemaOf(op.RequestBody.Content), 0)
	}
	for status, answer := range op.Responses {
		a := docsAnswer{Status: status, Text: answer.Description}
		if number, err := strconv.Atoi(status); err == nil && number < 300 {
			a.Fields = fieldsOf(doc, schemaOf(answer.Content), 0)
		}
		d.Answers = append(d.Answers, a)
	}
	slices.SortFunc(d.Answers, func(a, b docsAnswer) int { return strings.Compare(a.Status, b.Status) })
	return d
}

func schemaOf(content map[string]*huma.MediaType) *huma.Schema {
	if media := content["application/json"]; media != nil {
		return media.Schema
	}
	return nil
}

func typeOf(s *huma.Schema) string {
	switch {
	case len(s.Enum) > 0:
		var values []string
		for _, v := range s.Enum {
			if text, ok := v.(string); ok {
				values = append(values, text)
			}
		}
		return strings.Join(values, " | ")
	case s.Type == "array" && s.Items != nil && s.Items.Type != "":
		return "array of " + s.Items.Type
	case s.Format != "":
		return s.Type + " (" + s.Format + ")"
	case s.Type != "":
		return s.Type
	case s.Ref != "":
		return "object"
	default:
		return "any"
	}
}

func fieldsOf(doc *huma.OpenAPI, s *huma.Schema, depth int) []docsField {
	if s == nil || depth >= maxDocsDepth {
		return nil
	}
	if s.Ref != "" {
		s = doc.Components.Schemas.SchemaFromRef(s.Ref)
	}
	if s == nil {
		return nil
	}
	if s.Type == "array" {
		return fieldsOf(doc, s.Items, depth)
	}
	var fields []docsField
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		member := s.Properties[name]
		fields = append(fields, docsField{
			Name: name, Type: typeOf(member), Doc: member.Description, Required: slices.Contains(s.Required, name), Depth: depth,
		})
		fields = append(fields, fieldsOf(doc, member, depth+1)...)
	}
	return fields
}
