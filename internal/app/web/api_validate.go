package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/judge"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

const (
	validatePath      = "/api/v1/vulnerabilities/validate"
	validateAliasPath = "/api/v1/ast/validate"

	maxFindings = 1000
)

// validateRequest is the request of all clients: unknown members are ignored,
// and where shipping clients differ, each is understood.
type validateRequest struct {
	Vulnerabilities []findingBody        `json:"vulnerabilities" doc:"At least one." minItems:"1" maxItems:"1000"`
	Files           map[string]fileValue `json:"files,omitempty" doc:"Contents by path. A finding whose file is not here is kept at a confidence of 0.5."`
	Repository      string               `json:"repository,omitempty" doc:"owner/name; for the metrics."`

	// One file with one type, as the enriching client sends it.
	File    string `json:"file,omitempty" doc:"Instead of vulnerabilities: one file."`
	Content string `json:"content,omitempty" doc:"The content of file."`
	Type    string `json:"vulnerabilityType,omitempty" doc:"The type to look for in file."`
	Line    lineNo `json:"line,omitempty"`
}

type findingBody struct {
	ID       string `json:"id,omitempty" doc:"Comes back as it is."`
	Type     string `json:"type" doc:"In any spelling: sql_injection, SqlInjection, SQL injection."`
	File     string `json:"file,omitempty" doc:"A key of files."`
	FilePath string `json:"filePath,omitempty" doc:"The same as file."`
	Line     lineNo `json:"line,omitempty" doc:"One-based; without it the code is looked for."`
	Code     string `json:"code,omitempty" doc:"The reported code."`
}

// fileValue is a file's content, alone or with a hash beside it.
type fileValue struct{ content *string }

// UnmarshalJSON implements json.Unmarshaler.
func (f *fileValue) UnmarshalJSON(raw []byte) error {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) > 0 && raw[0] == '"':
		return json.Unmarshal(raw, &f.content) //nolint:wrapcheck // the decoder's own
	case len(raw) > 0 && raw[0] == '{':
		var object struct {
			Content *string `json:"content"`
		}
		if err := json.Unmarshal(raw, &object); err != nil {
			return app.Invalid(app.FieldError{Field: "files", Message: "must hold strings, or objects with a string content"})
		}
		f.content = object.Content
		return nil
	case string(raw) == "null":
		return nil
	default:
		return app.Invalid(app.FieldError{Field: "files", Message: "must hold strings, or objects with a string content"})
	}
}

// lineNo is a line number; some send it as text, and nonsense is none.
type lineNo int

// UnmarshalJSON implements json.Unmarshaler.
func (l *lineNo) UnmarshalJSON(raw []byte) error {
	n, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err == nil && n >= 1 && n <= math.MaxInt32 {
		*l = lineNo(n)
	}
	return nil
}

type validateResponse struct {
	Validated []judgementBody     `json:"validated" doc:"In the order of the request."`
	Stats     validateStats       `json:"stats"`
	Cache     analysis.CacheStats `json:"cache_stats" doc:"Of this request."`
}

type judgementBody struct {
	ID   string `json:"id"`
	File string `json:"file"`
	// FilePath, IsVulnerable and FalsePositive are what another client reads.
	FilePath      string         `json:"filePath"`
	IsValid       bool           `json:"isValid" doc:"False for a false alarm."`
	IsVulnerable  bool           `json:"isVulnerable" doc:"The same as isValid."`
	FalsePositive bool           `json:"falsePositive" doc:"The opposite of isValid."`
	Confidence    float64        `json:"confidence" doc:"That it is a vulnerability, from 0 to 1."`
	Reason        string         `json:"reason" doc:"What was seen, and where."`
	ASTContext    *judge.Context `json:"astContext,omitempty"`
	FromCache     bool           `json:"fromCache"`
}

type validateStats struct {
	Total          int `json:"total"`
	Validated      int `json:"validated"`
	Rejected       int `json:"rejected"`
	TruePositives  int `json:"truePositives" doc:"The same as validated."`
	FalsePositives int `json:"falsePositives" doc:"The same as rejected."`
}

func (s *server) registerValidate() {
	handler := s.analysing("", s.validate)
	s.mux.HandleFunc("POST "+validatePath, handler)
	s.mux.HandleFunc("POST "+validateAliasPath, handler)
	s.documentAnalysis(validatePath, "validate-vulnerabilities", "Tell real vulnerabilities from false alarms",
		"Findings are judged on the syntax trees of their files. Also at "+validateAliasPath+".", validateRequest{}, validateResponse{})
}

func (s *server) validate(w http.ResponseWriter, r *http.Request, body []byte) error {
	var request validateRequest
	if err := decode(body, &request); err != nil {
		return err
	}
	in, err := request.validation(infoOf(r.Context()).principal.CustomerID)
	if err != nil {
		return err
	}
	started := s.d.Now()
	judged, stats, err := s.d.Analysis.Service.Validate(r.Context(), in)
	s.d.Analysis.Metrics.ObserveValidation(request.Repository, languageOf(in.Findings), err == nil, s.d.Now().Sub(started))
	if err != nil {
		return err //nolint:wrapcheck // the service says what it was
	}
	out := validateResponse{Validated: make([]judgementBody, len(judged)), Cache: stats}
	for i, j := range judged {
		out.Validated[i] = judgementBody{
			ID: j.ID, File: j.File, FilePath: j.File, IsValid: j.Valid, IsVulnerable: j.Valid, FalsePositive: !j.Valid,
			Confidence: math.Round(j.Confidence*10000) / 10000, Reason: j.Reason, ASTContext: j.Context, FromCache: j.FromCache,
		}
		if j.Valid {
			out.Stats.Validated++
		} else {
			out.Stats.Rejected++
		}
	}
	out.Stats.Total = len(judged)
	out.Stats.TruePositives, out.Stats.FalsePositives = out.Stats.Validated, out.Stats.Rejected
	writeJSON(w, http.StatusOK, out)
	return nil
}

// validation checks a request.
func (b *validateRequest) validation(customer int64) (analysis.Validation, error) {
	in := analysis.Validation{CustomerID: customer, Files: map[string]string{}}
	for path, f := range b.Files {
		if f.content != nil {
			in.Files[path] = *f.content
		}
	}
	if len(b.Vulnerabilities) == 0 && b.File != "" && b.Type != "" {
		b.Vulnerabilities = []findingBody{{ID: b.File, Type: b.Type, File: b.File, Line: b.Line}}
		in.Files[b.File] = b.Content
	}
	if len(b.Vulnerabilities) == 0 {
		return in, app.Invalid(app.FieldError{Field: "vulnerabilities", Message: "is required: send at least one finding"})
	}
	if len(b.Vulnerabilities) > maxFindings {
		return in, app.Invalid(app.FieldError{Field: "vulnerabilities", Message: fmt.Sprintf("has %d findings: send at most %d at once", len(b.Vulnerabilities), maxFindings)})
	}
	var wrong []app.FieldError
	for i, v := range b.Vulnerabilities {
		file := v.File
		if file == "" {
			file = v.FilePath
		}
		if strings.TrimSpace(v.Type) == "" {
			wrong = append(wrong, app.FieldError{Field: fmt.Sprintf("vulnerabilities[%d].type", i), Message: "is required"})
		}
		if file == "" {
			wrong = append(wrong, app.FieldError{Field: fmt.Sprintf("vulnerabilities[%d].file", i), Message: "is required (or filePath)"})
		}
		in.Findings = append(in.Findings, analysis.Finding{ID: v.ID, Finding: judge.Finding{Type: v.Type, File: file, Line: int(v.Line), Code: v.Code}})
	}
	if len(wrong) > 0 {
		return in, app.Invalid(wrong[:min(len(wrong), 20)]...)
	}
	return in, nil
}

// languageOf is the language of all findings, or mixed.
func languageOf(findings []analysis.Finding) string {
	language := ""
	for _, f := range findings {
		l := string(syntax.LanguageOf(f.File))
		if language != "" && l != language {
			return "mixed"
		}
		language = l
	}
	return language
}
