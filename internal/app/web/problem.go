package web

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// Problem is the one error shape of the API: problem details (RFC 9457) and
// three members of ours. error is what shipping clients print.
type Problem struct {
	Type      string           `json:"type" doc:"Always about:blank: code tells the kinds apart." example:"about:blank"`
	Title     string           `json:"title" doc:"The HTTP status in words."`
	Status    int              `json:"status" doc:"The HTTP status."`
	Detail    string           `json:"detail" doc:"What happened, for people."`
	Message   string           `json:"error" doc:"The same as detail, for clients that print this member."`
	Code      string           `json:"code" doc:"The kind of failure, for programs." example:"VALIDATION_FAILED"`
	RequestID string           `json:"requestId" doc:"Names this request in the log."`
	Errors    []app.FieldError `json:"errors,omitempty" doc:"One entry for each bad field."`
	// Clients of different endpoints read one name or the other.
	RetryAfter      int `json:"retry_after,omitempty" doc:"Seconds until trying again may help; as the header Retry-After."`
	RetryAfterCamel int `json:"retryAfter,omitempty" doc:"The same as retry_after."`

	retryAfter time.Duration
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(p.retryAfter.Round(time.Second)/time.Second)))
	}
	if p.Status == http.StatusUnauthorized && p.Code != string(app.CodeSignature) {
		h.Set("WWW-Authenticate", `Bearer realm="rsolv"`)
	}
	return h
}

// huma keeps its error shape in package variables, so ours is put there once.
func init() {
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return frameworkProblem(context.Background(), status, message, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		return frameworkProblem(ctx.Context(), status, message, errs)
	}
}

var statusOf = map[app.Code]int{
	app.CodeValidation:      http.StatusUnprocessableEntity,
	codeValidationError:     http.StatusUnprocessableEntity,
	app.CodeInvalidRequest:  http.StatusBadRequest,
	app.CodeAuthRequired:    http.StatusUnauthorized,
	app.CodeInvalidKey:      http.StatusUnauthorized,
	app.CodeSignature:       http.StatusUnauthorized,
	app.CodeForbidden:       http.StatusForbidden,
	app.CodeNotFound:        http.StatusNotFound,
	app.CodeMethod:          http.StatusMethodNotAllowed,
	app.CodeTooLarge:        http.StatusRequestEntityTooLarge,
	app.CodeRateLimit:       http.StatusTooManyRequests,
	app.CodeRateLimited:     http.StatusTooManyRequests,
	app.CodeUsageLimit:      http.StatusForbidden,
	app.CodeConflict:        http.StatusConflict,
	app.CodePaymentRequired: http.StatusPaymentRequired,
	app.CodeUnavailable:     http.StatusServiceUnavailable,
	app.CodeInternal:        http.StatusInternalServerError,
}

// newProblem is what strangers see of an error. Anything but an app.Error is
// an internal error to them.
func newProblem(ctx context.Context, err error) *Problem {
	var known *app.Error
	if !errors.As(err, &known) {
		known = &app.Error{Code: app.CodeInternal, Message: "Internal error; the requestId names it in our log"}
	}
	status, ok := statusOf[known.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	seconds := 0
	if status == http.StatusTooManyRequests {
		seconds = int(known.RetryAfter.Round(time.Second) / time.Second)
	}
	return &Problem{
		RetryAfter: seconds, RetryAfterCamel: seconds,
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: known.Message, Message: known.Message, Code: string(known.Code), RequestID: infoOf(ctx).id,
		Errors: known.Fields, retryAfter: known.RetryAfter,
	}
}

// frameworkProblem turns what huma found wrong into our shape.
func frameworkProblem(ctx context.Context, status int, message string, errs []error) *Problem {
	e := &app.Error{Message: message, Fields: frameworkFields(errs)}
	switch {
	case status == http.StatusUnsupportedMediaType:
		e = &app.Error{Code: app.CodeInvalidRequest, Message: "The body's content type is not supported: send application/json"}
	case status == http.StatusRequestEntityTooLarge:
		e.Code, e.Message = app.CodeTooLarge, "The body is larger than this endpoint takes: send less"
	case status == http.StatusUnprocessableEntity && len(e.Fields) > 0:
		e = app.Invalid(e.Fields...)
	case status == http.StatusUnprocessableEntity:
		e.Code = app.CodeValidation
	case status >= http.StatusInternalServerError:
		e.Code, e.Message, e.Fields = app.CodeInternal, "Internal error; the requestId names it in our log", nil
	case status == http.StatusBadRequest && len(e.Fields) > 0:
		e = app.Invalid(e.Fields...)
		e.Code = app.CodeInvalidRequest
	default:
		e.Code = app.CodeInvalidRequest
	}
	p := newProblem(ctx, e)
	if status != 0 {
		p.Status, p.Title = status, http.StatusText(status)
	}
	return p
}

var requiredPattern = regexp.MustCompile(`^expected required property (\S+) to be present$`)

// frameworkFields names fields as clients wrote them, and never repeats their
// values.
func frameworkFields(errs []error) []app.FieldError {
	var fields []app.FieldError
	for _, err := range errs {
		var detailer huma.ErrorDetailer
		if !errors.As(err, &detailer) {
			continue
		}
		detail := detailer.ErrorDetail()
		field := detail.Location
		for _, place := range []string{"body.", "query.", "path.", "header."} {
			field = strings.TrimPrefix(field, place)
		}
		message := plainMessage(detail.Message)
		if match := requiredPattern.FindStringSubmatch(detail.Message); match != nil {
			field = strings.TrimPrefix(strings.TrimPrefix(field+"."+match[1], "body."), ".")
			message = "is required"
		}
		if field == "body" || field == "" {
			field, message = "body", "is not the JSON this endpoint expects: "+safeParseMessage(message)
		}
		fields = append(fields, app.FieldError{Field: field, Message: message})
	}
	return fields
}

// plainMessages puts huma's messages into words that follow a field's name.
var plainMessages = []struct {
	pattern *regexp.Regexp
	plain   string
}{
	{regexp.MustCompile(`^expected number >= (\S+)$`), "must be at least $1"},
	{regexp.MustCompile(`^expected number <= (\S+)$`), "must be at most $1"},
	{regexp.MustCompile(`^(invalid|expected) integer$`), "must be a whole number"},
	{regexp.MustCompile(`^expected (string|object|array|number|boolean)$`), "must be of the JSON type $1"},
	{regexp.MustCompile(`^request body is required$`), "is required: send a JSON object"},
}

func plainMessage(message string) string {
	for _, m := range plainMessages {
		if m.pattern.MatchString(message) {
			return m.pattern.ReplaceAllString(message, m.plain)
		}
	}
	return message
}

// safeParseMessage cuts what may quote the body.
func safeParseMessage(message string) string {
	if len(message) > 120 {
		message = message[:120]
	}
	return strings.ToValidUTF8(message, "")
}

// writeProblem answers outside of huma.
func writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := newProblem(r.Context(), err)
	maps.Copy(w.Header(), p.GetHeaders())
	w.Header().Set("Content-Type", p.ContentType(""))
	body, err := json.Marshal(p)
	if err != nil {
		body = []byte(`{"code":"INTERNAL_ERROR"}`)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // the client has gone
}
