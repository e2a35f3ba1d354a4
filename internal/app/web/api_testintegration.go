package web

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/insert"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/naming"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

const (
	analyzePath  = "/api/v1/test-integration/analyze"
	namingPath   = "/api/v1/test-integration/naming"
	generatePath = "/api/v1/test-integration/generate"

	maxCandidates = 5000
	maxRedTests   = 100

	// noLabel stands in metrics for what a request did not say.
	noLabel = "none"
)

// Statuses of requests in metrics, beside completed.
const (
	statusCompleted   = "completed"
	statusRateLimited = "rate_limited"
	statusInvalid     = "validation_error"
	statusError       = "error"
)

func (s *server) registerTestIntegration() {
	s.mux.HandleFunc("POST "+analyzePath, s.observed(analyzePath, s.analysing(actionTestIntegration, s.analyze)))
	s.mux.HandleFunc("POST "+namingPath, s.analysing("", s.name))
	s.mux.HandleFunc("POST "+generatePath, s.observed(generatePath, s.analysing(actionTestIntegration, s.generate)))
	s.documentAnalysis(analyzePath, "rank-test-files", "Rank test files for a vulnerable file", "The best candidate comes first; scores reach 1.5.", analyzeRequest{}, analyzeResponse{})
	s.documentAnalysis(namingPath, "name-test-file", "Name a new test file", "Frameworks are taken in any case; for others there is a general rule.", namingRequest{}, namingResponse{})
	s.documentAnalysis(generatePath, "insert-tests", "Insert tests in a test file",
		"Tests are placed on the file's syntax tree: inside its suite, behind the last test. The same test is inserted once.", generateRequest{}, generateResponse{})
}

type analyzeRequest struct {
	VulnerableFile    *string  `json:"vulnerableFile" doc:"Path of the source file."`
	CandidateFiles    []string `json:"candidateTestFiles" minItems:"1"`
	Framework         string   `json:"framework" enum:"rspec,vitest,jest,pytest,mocha,minitest,unittest,phpunit,junit,exunit,gotest"`
	VulnerabilityType string   `json:"vulnerabilityType,omitempty" doc:"Not used."`
}

type analyzeResponse struct {
	Recommendations []naming.Recommendation `json:"recommendations" doc:"The best first."`
	Fallback        naming.Fallback         `json:"fallback" doc:"Where a new test file belongs."`
}

// outcome is what a request of the test integration came to, for its metrics.
type outcome struct {
	language, framework, method, status string
	lines                               int
}

type outcomeKey struct{}

// observed counts a request and how long it took, whatever became of it.
func (s *server) observed(path string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		o := &outcome{language: noLabel, framework: noLabel, method: noLabel, status: statusError}
		started := s.d.Now()
		rec := &recorder{ResponseWriter: w}
		next(rec, r.WithContext(withOutcome(r.Context(), o)))
		if s.d.Analysis == nil || infoOf(r.Context()).principal == nil {
			return // nobody we know
		}
		switch {
		case rec.status == http.StatusTooManyRequests:
			o.status = statusRateLimited
		case rec.status >= 400 && rec.status < 500:
			o.status = statusInvalid
		case rec.status < 400:
			o.status = statusCompleted
		}
		took := s.d.Now().Sub(started)
		if path == analyzePath {
			s.d.Analysis.Metrics.ObserveAnalyze(o.language, o.framework, o.status, took)
		} else {
			s.d.Analysis.Metrics.ObserveGenerate(o.language, o.framework, o.method, o.status, o.lines, took)
		}
	}
}

func (s *server) analyze(w http.ResponseWriter, r *http.Request, body []byte) error {
	var request analyzeRequest
	if err := decodeStrictly(body, &request); err != nil {
		return err
	}
	framework := naming.Framework(request.Framework)
	switch {
	case request.VulnerableFile == nil || request.CandidateFiles == nil || request.Framework == "":
		return invalidRequest("Missing required fields: vulnerableFile, candidateTestFiles and framework")
	case len(request.CandidateFiles) == 0:
		return invalidRequest("candidateTestFiles needs at least one candidate")
	case len(request.CandidateFiles) > maxCandidates:
		return invalidRequest(fmt.Sprintf("candidateTestFiles has %d paths: send at most %d", len(request.CandidateFiles), maxCandidates))
	case !slices.Contains(naming.Frameworks, framework):
		return invalidRequest(fmt.Sprintf("unsupported framework %q: use one of %s", clipped(request.Framework), strings.Join(naming.Frameworks, ", ")))
	}
	o := outcomeOf(r.Context())
	o.language, o.framework = string(syntax.LanguageOf(*request.VulnerableFile)), framework
	writeJSON(w, http.StatusOK, analyzeResponse{
		Recommendations: naming.Rank(*request.VulnerableFile, request.CandidateFiles), Fallback: naming.FallbackPath(*request.VulnerableFile, framework),
	})
	return nil
}

type namingRequest struct {
	VulnerableFile string `json:"vulnerableFile"`
	Type           string `json:"type" doc:"Of the vulnerability."`
	Framework      string `json:"framework"`
}

type namingResponse struct {
	TestFileName string `json:"testFileName"`
	TestPath     string `json:"testPath" doc:"The folder and the name."`
}

func (s *server) name(w http.ResponseWriter, _ *http.Request, body []byte) error {
	var request namingRequest
	if err := decode(body, &request); err != nil {
		return err
	}
	for _, field := range []struct{ name, value string }{
		{"vulnerableFile", request.VulnerableFile}, {"type", request.Type}, {"framework", request.Framework},
	} {
		if strings.TrimSpace(field.value) == "" {
			e := app.Invalid(app.FieldError{Field: field.name, Message: "is required"})
			e.Code = codeValidationError
			return e
		}
	}
	name, folder := naming.File(request.VulnerableFile, request.Type, request.Framework)
	writeJSON(w, http.StatusOK, namingResponse{TestFileName: name, TestPath: folder + name})
	return nil
}

type generateRequest struct {
	Content   *string         `json:"targetFileContent" doc:"The test file as it is."`
	Suite     json.RawMessage `json:"testSuite" doc:"An object with redTests."`
	Framework string          `json:"framework" enum:"vitest,jest,mocha,rspec,pytest,minitest,unittest,phpunit,junit,exunit,gotest"`
	Language  string          `json:"language" enum:"javascript,typescript,ruby,python,php,java,go,elixir"`
	RequestID string          `json:"requestId,omitempty" doc:"Comes back as it is."`
}

type generateResponse struct {
	RequestID string        `json:"requestId"`
	Content   string        `json:"integratedContent"`
	Method    string        `json:"method" enum:"ast,append" doc:"append where the file has no place for tests."`
	Point     *insert.Point `json:"insertionPoint"`
	Timing    struct {
		TotalTimeMs float64 `json:"totalTimeMs"`
	} `json:"timing"`
}

var requestIDClientPattern = regexp.MustCompile(`^[\x20-\x7e]{1,128}$`)

func (s *server) generate(w http.ResponseWriter, r *http.Request, body []byte) error {
	started := s.d.Now()
	var request generateRequest
	if err := decodeStrictly(body, &request); err != nil {
		return err
	}
	// Errors carry the client's id, as answers do.
	if requestIDClientPattern.MatchString(request.RequestID) {
		infoOf(r.Context()).id = request.RequestID
	} else {
		request.RequestID = fmt.Sprintf("test-int-%d-%s", started.UnixMilli(), strings.ToLower(rand.Text()[:8]))
	}
	in, err := request.insertion()
	if err != nil {
		return err
	}
	o := outcomeOf(r.Context())
	o.language, o.framework = string(in.Language), in.Framework
	result, err := s.d.Analysis.Service.Insert(r.Context(), in)
	if err != nil {
		return insertionError(err)
	}
	o.method, o.lines = result.Method, result.Lines
	out := generateResponse{RequestID: request.RequestID, Content: result.Content, Method: result.Method, Point: result.Point}
	out.Timing.TotalTimeMs = float64(s.d.Now().Sub(started).Round(10*time.Microsecond)) / float64(time.Millisecond)
	writeJSON(w, http.StatusOK, out)
	return nil
}

func insertionError(err error) error {
	if bad, ok := errors.AsType[*insert.BadTestError](err); ok {
		return app.Invalid(app.FieldError{Field: fmt.Sprintf("testSuite.redTests[%d].testCode", bad.Index), Message: bad.Reason})
	}
	if refused, ok := errors.AsType[*insert.RefusedError](err); ok {
		return app.Invalid(app.FieldError{Field: "targetFileContent", Message: "cannot take the tests: " + refused.Reason})
	}
	return err
}

// insertion checks a request.
func (b *generateRequest) insertion() (insert.Request, error) {
	var in insert.Request
	if b.Content == nil || len(b.Suite) == 0 || b.Framework == "" || b.Language == "" {
		return in, invalidRequest("Missing required fields: targetFileContent, testSuite, framework and language")
	}
	var suite struct {
		RedTests *json.RawMessage `json:"redTests"`
	}
	if json.Unmarshal(b.Suite, &suite) != nil {
		return in, invalidRequest("testSuite must be a map with redTests")
	}
	if suite.RedTests == nil {
		return in, invalidRequest("Missing required fields: testSuite.redTests")
	}
	var tests []map[string]any
	if json.Unmarshal(*suite.RedTests, &tests) != nil {
		return in, invalidRequest("testSuite.redTests must be a list of objects")
	}
	switch {
	case len(tests) == 0:
		return in, invalidRequest("testSuite.redTests must not be empty")
	case len(tests) > maxRedTests:
		return in, invalidRequest(fmt.Sprintf("testSuite.redTests has %d tests: send at most %d", len(tests), maxRedTests))
	}
	for i, t := range tests {
		name, okName := t["testName"].(string)
		code, okCode := t["testCode"].(string)
		vector, okVector := t["attackVector"].(string)
		if !okName || !okCode || !okVector {
			return in, invalidRequest(fmt.Sprintf("testSuite.redTests[%d] is missing required fields: testName, testCode and attackVector are strings", i))
		}
		in.Tests = append(in.Tests, insert.Test{Name: name, Code: code, AttackVector: vector})
	}
	in.Content, in.Framework, in.Language = *b.Content, naming.Framework(b.Framework), syntax.Language(strings.ToLower(b.Language))
	if !slices.Contains(naming.Frameworks, in.Framework) {
		return in, invalidRequest("framework must be one of " + strings.Join(naming.Frameworks, ", "))
	}
	if !slices.Contains(insert.Languages(), in.Language) {
		return in, invalidRequest(fmt.Sprintf("language must be one of %v", insert.Languages()))
	}
	return in, nil
}
