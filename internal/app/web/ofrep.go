package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// Routes of the OpenFeature Remote Evaluation Protocol.
const (
	ofrepBulk   = "/ofrep/v1/evaluate/flags"
	ofrepSingle = "/ofrep/v1/evaluate/flags/{key}"
	ofrepEvents = "/ofrep/v1/events"
)

// maxContextBytes bounds a request for evaluation.
const maxContextBytes = 64 << 10

// Error codes of the protocol that are no codes of evaluations.
const (
	codeParse            = "PARSE_ERROR"
	codeInvalidContext   = "INVALID_CONTEXT"
	codeNoTargetingKey   = "TARGETING_KEY_MISSING"
	ofrepReasonUnknown   = "UNKNOWN"
	metadataReason       = "reason"
	inactivityDelay      = 120
	targetingKeyProperty = "targetingKey"
)

// ofrepError is a request that the protocol has an answer for.
type ofrepError struct {
	status  int
	code    string
	details string
	// retry is after how many seconds to come back, with status 429.
	retry int
}

func (e *ofrepError) Error() string { return e.details }

func badRequest(code, details string) *ofrepError {
	return &ofrepError{status: http.StatusBadRequest, code: code, details: details}
}

func (e *ofrepError) as(status int) *ofrepError {
	e.status = status
	return e
}

// evaluation is one flag's answer: a success, or a failure when ErrorCode is
// set.
type evaluation struct {
	Key          string          `json:"key"`
	Value        json.RawMessage `json:"value,omitempty"`
	Variant      string          `json:"variant,omitempty"`
	Reason       string          `json:"reason,omitempty"`
	ErrorCode    string          `json:"errorCode,omitempty"`
	ErrorDetails string          `json:"errorDetails,omitempty"`
	Metadata     map[string]any  `json:"metadata,omitempty"`
}

// failure is the answer to a request as a whole.
type failure struct {
	Key          string `json:"key,omitempty"`
	ErrorCode    string `json:"errorCode"`
	ErrorDetails string `json:"errorDetails,omitempty"`
}

// newEvaluation puts a result in the protocol's terms. Its reasons are the
// protocol's, which knows no DEFAULT: that stands in the metadata then. A flag
// with rules is not evaluated without a targeting key, which the protocol
// requires; one without rules is the same for everybody.
func newEvaluation(r *flagd.Result, context *flagd.Context) evaluation {
	e := evaluation{Key: r.Key, Metadata: r.Metadata}
	switch {
	case r.Code == flagd.NotFound:
		e.ErrorCode, e.ErrorDetails = string(r.Code), fmt.Sprintf("flag %q was not found", r.Key)
	case r.Targeted && r.Reason != flagd.Disabled && context.TargetingKey == "":
		e.ErrorCode, e.ErrorDetails = codeNoTargetingKey, "the flag has rules, and the context has no targetingKey; add one"
	case r.Reason == flagd.Failed:
		e.ErrorCode, e.ErrorDetails = string(flagd.General), r.Detail
	default:
		e.Value, e.Variant, e.Reason = r.JSON, r.Variant, string(r.Reason)
	}
	if e.Reason == string(flagd.Default) {
		e.Reason, e.Metadata = ofrepReasonUnknown, maps.Clone(e.Metadata)
		if e.Metadata == nil {
			e.Metadata = map[string]any{}
		}
		e.Metadata[metadataReason] = string(flagd.Default)
	}
	return e
}

func (s *server) ofrepEvaluateOne(w http.ResponseWriter, r *http.Request) {
	key := r.PathValue("key")
	public, err := s.ofrepCaller(r)
	if err != nil {
		s.refuse(w, r, key, err)
		return
	}
	context, _, err := readContext(w, r)
	if err != nil {
		s.refuse(w, r, key, err)
		return
	}
	result := flagd.Result{Key: key, Code: flagd.NotFound}
	if !public || s.isPublic(key) {
		result = s.d.Evaluator.Evaluate(key, context)
	}
	answer := newEvaluation(&result, context)
	status := http.StatusOK
	switch answer.ErrorCode {
	case "":
	case string(flagd.NotFound):
		status = http.StatusNotFound
	default:
		status = http.StatusBadRequest
	}
	writeJSON(w, status, answer)
}

func (s *server) ofrepEvaluateAll(w http.ResponseWriter, r *http.Request) {
	public, err := s.ofrepCaller(r)
	if err != nil {
		s.refuse(w, r, "", err)
		return
	}
	context, canonical, err := readContext(w, r)
	if err != nil {
		s.refuse(w, r, "", err)
		return
	}
	type endpoint struct {
		RequestURI string `json:"requestUri"`
	}
	type stream struct {
		Type       string   `json:"type"`
		Endpoint   endpoint `json:"endpoint"`
		Inactivity int      `json:"inactivityDelaySec"`
	}
	body := struct {
		Flags   []evaluation `json:"flags"`
		Streams []stream     `json:"eventStreams"`
	}{Flags: []evaluation{}, Streams: []stream{{"sse", endpoint{ofrepEvents}, inactivityDelay}}}
	for _, result := range s.d.Evaluator.EvaluateAll(context) {
		if !public || s.isPublic(result.Key) {
			body.Flags = append(body.Flags, newEvaluation(&result, context))
		}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		s.refuse(w, r, "", fmt.Errorf("encoding the flags: %w", err))
		return
	}
	// The answer is one for this context: with another one the same tag must
	// not match, even where the flags agree.
	etag := tagOf(raw, canonical)
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", "private, no-cache")
	if matches(r.Header.Values("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(raw) // the client has gone
}

func tagOf(parts ...[]byte) string {
	hash := sha256.New()
	for _, part := range parts {
		_, _ = fmt.Fprintf(hash, "%d:", len(part)) // a hash never fails
		_, _ = hash.Write(part)
	}
	return `"` + hex.EncodeToString(hash.Sum(nil)) + `"`
}

// matches compares weakly, as If-None-Match does.
func matches(headers []string, etag string) bool {
	for _, header := range headers {
		for candidate := range strings.SplitSeq(header, ",") {
			candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
			if candidate == "*" || candidate == etag || candidate == strings.Trim(etag, `"`) {
				return true
			}
		}
	}
	return false
}

// ofrepCaller tells whether the caller may see the public flags alone, and
// refuses one that asks too often. Who shows an API key sees all flags. It makes nobody a caller of the API:
// evaluations are no steps of the funnel.
func (s *server) ofrepCaller(r *http.Request) (public bool, err error) {
	if presentedKey(r.Header) == "" && len(s.d.PublicFlags) > 0 {
		return true, s.limitEvaluations(r, 0, true)
	}
	principal, err := s.authenticate(r, "")
	if err != nil {
		return false, err
	}
	return false, s.limitEvaluations(r, principal.CustomerID, false)
}

func (s *server) isPublic(key string) bool { return slices.Contains(s.d.PublicFlags, key) }

// readContext reads the evaluation context of a request, and its canonical
// form.
func readContext(w http.ResponseWriter, r *http.Request) (context *flagd.Context, canonical []byte, err error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxContextBytes))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, nil, badRequest(codeInvalidContext, fmt.Sprintf("the request is longer than %d bytes; send fewer attributes", tooLarge.Limit)).as(http.StatusRequestEntityTooLarge)
	}
	if err != nil {
		return nil, nil, badRequest(codeParse, "the request ended early")
	}
	var request struct {
		Context *map[string]any `json:"context"`
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	switch err := decoder.Decode(&request); {
	case err != nil:
		if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && kind.Field == "context" {
			return nil, nil, badRequest(codeInvalidContext, "context is no JSON object; write one")
		}
		return nil, nil, badRequest(codeParse, `the request is no JSON object; send {"context": {"targetingKey": "customer:42"}}`)
	case decoder.More():
		return nil, nil, badRequest(codeParse, "the request goes on after its end")
	case request.Context == nil:
		return nil, nil, badRequest(codeInvalidContext, `the request has no context; send {"context": {"targetingKey": "customer:42"}}`)
	}
	context = &flagd.Context{Attributes: *request.Context}
	key, given := context.Attributes[targetingKeyProperty]
	text, isText := key.(string)
	if given && !isText {
		return nil, nil, badRequest(codeInvalidContext, "context.targetingKey is no text; put it in quotes")
	}
	context.TargetingKey = text
	if canonical, err = json.Marshal(context.Attributes); err != nil {
		return nil, nil, fmt.Errorf("encoding the context: %w", err)
	}
	return context, canonical, nil
}

// refuse answers what is wrong with a request as a whole. What concerns the
// API key is answered as everywhere; the protocol leaves it open.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, key string, err error) {
	if refused, ok := errors.AsType[*ofrepError](err); ok {
		if refused.status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", strconv.Itoa(refused.retry))
		}
		writeJSON(w, refused.status, failure{Key: key, ErrorCode: refused.code, ErrorDetails: refused.details})
		return
	}
	if app.CodeOf(err) == app.CodeInternal {
		s.logUnexpected(r.Context(), err)
		writeJSON(w, http.StatusInternalServerError, map[string]string{"errorDetails": "internal error"})
		return
	}
	s.logUnexpected(r.Context(), err)
	writeProblem(w, r, err)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		status, raw = http.StatusInternalServerError, []byte(`{"errorDetails":"internal error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "private, no-store")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the client has gone
}
