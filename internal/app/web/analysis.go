package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/insert"
)

// maxAnalysisBytes bounds a request that carries source files.
const maxAnalysisBytes = 16 << 20

// Analysis judges findings and places tests.
type Analysis interface {
	Validate(ctx context.Context, in analysis.Validation) ([]analysis.Judgement, analysis.CacheStats, error)
	Insert(ctx context.Context, in insert.Request) (insert.Result, error)
}

// AnalysisMetrics counts what the analysis does.
type AnalysisMetrics interface {
	// ObserveValidation counts one batch of findings that was judged, or failed.
	ObserveValidation(repo, language string, completed bool, took time.Duration)
	// ObserveAnalyze and ObserveGenerate count one request each by its status:
	// completed, rate_limited, validation_error or error. method is ast or append,
	// or "none" for requests that were not answered.
	ObserveAnalyze(language, framework, status string, took time.Duration)
	ObserveGenerate(language, framework, method, status string, lines int, took time.Duration)
}

// AnalysisDeps is what the routes of the analysis need.
type AnalysisDeps struct {
	Service Analysis
	Metrics AnalysisMetrics
}

// errNoAnalysis is the answer of a build that cannot parse.
var errNoAnalysis = &app.Error{Code: app.CodeUnavailable, Message: "This build of the app has no parsers, so that it cannot analyse source code"}

// analysing wraps a handler of the analysis: the key comes first, then the
// action's limit where there is one, then the body.
func (s *server) analysing(action string, handle func(w http.ResponseWriter, r *http.Request, body []byte) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.admit(w, r, "") {
			return
		}
		err := s.analyse(w, r, action, handle)
		if err != nil {
			s.logUnexpected(r.Context(), err)
			writeProblem(w, r, err)
		}
	}
}

func (s *server) analyse(w http.ResponseWriter, r *http.Request, action string, handle func(w http.ResponseWriter, r *http.Request, body []byte) error) error {
	if action != "" {
		if err := s.takeAction(r, action); err != nil {
			return err
		}
	}
	if s.d.Analysis == nil {
		return errNoAnalysis
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnalysisBytes))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &app.Error{Code: app.CodeTooLarge, Message: fmt.Sprintf("The body is larger than %d MiB: send fewer files at once", tooLarge.Limit>>20)}
	}
	if err != nil {
		return &app.Error{Code: app.CodeInvalidRequest, Message: "The body ended early"}
	}
	return handle(w, r, body)
}

// decode reads a JSON object. What is no JSON is an invalid request; what has
// the wrong type is named by its field.
func decode(body []byte, into any) error {
	body = bytes.TrimSpace(body)
	if len(body) == 0 || body[0] != '{' {
		return &app.Error{Code: app.CodeInvalidRequest, Message: "Invalid request format: send a JSON object"}
	}
	err := json.Unmarshal(body, into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return app.Invalid(app.FieldError{Field: wrong.Field, Message: "must be of the JSON type " + jsonType(wrong.Type.Kind().String()) + ", not " + wrong.Value})
	}
	if bad, ok := errors.AsType[*app.Error](err); ok {
		return bad
	}
	if err != nil {
		return &app.Error{Code: app.CodeInvalidRequest, Message: "Invalid request format: the body is not JSON"}
	}
	return nil
}

func jsonType(kind string) string {
	switch {
	case strings.HasPrefix(kind, "int"):
		return "integer"
	case kind == "slice":
		return "array"
	case kind == "struct" || kind == "map":
		return "object"
	default:
		return kind
	}
}

// codeValidationError is the code of the naming endpoint's clients.
const codeValidationError app.Code = "VALIDATION_ERROR"

func invalidRequest(message string) error {
	return &app.Error{Code: app.CodeInvalidRequest, Message: message}
}

// decodeStrictly is decode where clients know invalid requests alone.
func decodeStrictly(body []byte, into any) error {
	err := decode(body, into)
	if wrong, ok := errors.AsType[*app.Error](err); ok && wrong.Code == app.CodeValidation {
		message := wrong.Message
		if len(wrong.Fields) == 1 {
			f := wrong.Fields[0]
			message = f.Field + " " + strings.NewReplacer("JSON type array", "JSON type array (must be a list)", "JSON type object", "JSON type object (must be a map)", "JSON type string", "JSON type string (must be a binary)").Replace(f.Message)
		}
		return invalidRequest(message)
	}
	return err
}

func withOutcome(ctx context.Context, o *outcome) context.Context {
	return context.WithValue(ctx, outcomeKey{}, o)
}

func outcomeOf(ctx context.Context) *outcome {
	if o, ok := ctx.Value(outcomeKey{}).(*outcome); ok {
		return o
	}
	return &outcome{}
}

// clipped keeps what a client sent from filling an answer.
func clipped(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), 40)], "")
}
