package smoketest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"syscall"
)

// codePattern is what the app's error codes look like: nothing else of an
// answer is ever repeated.
var codePattern = regexp.MustCompile(`^[A-Z][A-Z_]{2,40}$`)

const maxAnswer = 1 << 20

// request sends one request and decodes the answer if it has the wanted status.
func (w *walk) request(
	ctx context.Context, method, path string, body any, headers http.Header, want int, answer any,
) *failure {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return failed("%s %s: the body cannot be encoded: %v", method, path, err)
		}
		payload = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, w.o.URL.JoinPath(path).String(), payload)
	if err != nil {
		return failed("%s %s: the request cannot be made", method, path)
	}
	maps.Copy(request.Header, headers)
	request.Header.Set("User-Agent", "rsolv-smoke-test")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := w.client.Do(request)
	if err != nil {
		return &failure{text: fmt.Sprintf("%s %s got no answer from %s: %s", method, path, w.o.URL.Host, unanswered(err)), passing: true}
	}
	defer func() { _ = response.Body.Close() }() // all that is wanted of it has been read
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return &failure{text: fmt.Sprintf("%s %s answered %d and broke off", method, path, response.StatusCode), passing: true}
	}
	if response.StatusCode != want {
		return unexpected(method, path, response.StatusCode, want, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return failed("%s %s answered %d with a body that is not the JSON expected", method, path, want)
	}
	return nil
}

func unexpected(method, path string, status, want int, text []byte) *failure {
	var problem struct {
		Code string `json:"code"`
	}
	what := fmt.Sprintf("%s %s answered %d", method, path, status)
	if json.Unmarshal(text, &problem) == nil && codePattern.MatchString(problem.Code) {
		what += " " + problem.Code
	}
	passing := status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
	return &failure{text: fmt.Sprintf("%s, not %d", what, want), passing: passing}
}

// unanswered says why there is no answer, in words that quote nothing.
func unanswered(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return "the host name is not known here"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection is refused"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "it took too long; check that network policies let the smoke test through"
	case errors.Is(err, context.Canceled):
		return "the smoke test was ended"
	default:
		return "the connection broke off"
	}
}
