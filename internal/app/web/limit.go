package web

import (
	"cmp"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// Actions that are limited by customer, and how often each may be done in a
// minute.
const (
	actionRequest         = "api_request"
	actionTestIntegration = "test_integration"
	actionUsageReport     = "usage_report"
)

// DefaultRequestsPerMinute is what a customer may ask for unless it is set.
const DefaultRequestsPerMinute = 500

var actionLimits = map[string]int{
	actionTestIntegration: 100, actionUsageReport: 100,
}

// limitRequest counts an authenticated request and tells the client what is
// left.
func (s *server) limitRequest(w http.ResponseWriter, r *http.Request, p app.Principal) error {
	now := s.d.Now()
	d := s.limits.Take(r.Context(), actionRequest, strconv.FormatInt(p.CustomerID, 10), cmp.Or(s.d.RequestsPerMinute, DefaultRequestsPerMinute))
	h := w.Header()
	h.Set("X-Ratelimit-Limit", strconv.Itoa(d.Limit))
	h.Set("X-Ratelimit-Remaining", strconv.Itoa(d.Remaining))
	h.Set("X-Ratelimit-Reset", strconv.FormatInt(d.Reset.Unix(), 10))
	s.d.Metrics.CountLimit(actionRequest, d.Allowed)
	if d.Remaining > 0 {
		return nil // the way of nearly all requests
	}
	e := app.TooMany(app.CodeRateLimit, d.Limit, now, d.Reset)
	h.Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds())))
	if !d.Allowed {
		return e
	}
	return nil
}

// limited adds the limit of one endpoint to an authenticated operation; it is
// counted beside that of all requests, after it.
func (s *server) limited(op huma.Operation, action string) huma.Operation {
	op.Errors = append(op.Errors, http.StatusTooManyRequests)
	op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		if err := s.takeAction(r, action); err != nil {
			writeProblem(w, r, err)
			return
		}
		next(ctx)
	})
	return op
}

func (s *server) takeAction(r *http.Request, action string) error {
	now, customer := s.d.Now(), infoOf(r.Context()).principal.CustomerID
	d := s.limits.Take(r.Context(), action, strconv.FormatInt(customer, 10), actionLimits[action])
	s.d.Metrics.CountLimit(action, d.Allowed)
	if !d.Allowed {
		return app.TooMany(app.CodeRateLimited, d.Limit, now, d.Reset)
	}
	return nil
}
