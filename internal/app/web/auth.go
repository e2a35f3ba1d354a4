package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// keySecurity is how the OpenAPI document says that a key is needed.
var keySecurity = []map[string][]string{{"apiKey": {}}, {"bearer": {}}}

// authenticated makes an operation ask for a key before it reads the body, and
// for a permission when one is named.
func (s *server) authenticated(op huma.Operation, permission string) huma.Operation {
	op.Security = keySecurity
	op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusServiceUnavailable)
	if permission != "" {
		op.Errors = append(op.Errors, http.StatusForbidden)
	}
	op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		if s.admit(w, r, permission) {
			next(ctx)
		}
	})
	return op
}

// admit answers a request that has no good key, lacks the permission or is one
// too many, and says whether it may go on. It reads nothing of the body.
func (s *server) admit(w http.ResponseWriter, r *http.Request, permission string) bool {
	principal, err := s.authenticate(r, permission)
	s.countKey(err)
	if err == nil {
		i := infoOf(r.Context())
		i.principal = &principal
		// Whoever looks at the funnel must not change it by looking.
		i.untracked = permission == app.PermissionAdmin
		s.use.touch(principal.KeyID, s.d.Now())
		err = s.limitRequest(w, r, principal)
	}
	if err != nil {
		s.logUnexpected(r.Context(), err)
		writeProblem(w, r, err)
		return false
	}
	return true
}

func (s *server) countKey(err error) {
	switch app.CodeOf(err) {
	case "":
		s.d.Metrics.CountKeyValidation("valid")
	case app.CodeAuthRequired:
		s.d.Metrics.CountKeyValidation("missing")
	case app.CodeInvalidKey:
		s.d.Metrics.CountKeyValidation("invalid")
	case app.CodeForbidden:
		s.d.Metrics.CountKeyValidation("forbidden")
	default:
		s.d.Metrics.CountKeyValidation("unavailable")
	}
}

func (s *server) authenticate(r *http.Request, permission string) (app.Principal, error) {
	key := presentedKey(r.Header)
	if key == "" {
		return app.Principal{}, &app.Error{
			Code: app.CodeAuthRequired, Message: "API key must be provided in the x-api-key header",
		}
	}
	principal, err := s.keys.lookup(r.Context(), key, keyFresh)
	if err != nil {
		return app.Principal{}, err
	}
	if permission == "" || principal.May(permission) {
		return principal, nil
	}
	if principal, err = s.keys.lookup(r.Context(), key, keyRecheck); err != nil {
		return app.Principal{}, err
	}
	if !principal.May(permission) {
		return app.Principal{}, &app.Error{
			Code: app.CodeForbidden, Message: "This API key lacks the permission " + permission,
		}
	}
	return principal, nil
}

// presentedKey prefers x-api-key to a bearer token.
func presentedKey(h http.Header) string {
	if key := strings.TrimSpace(h.Get("X-Api-Key")); key != "" {
		return key
	}
	scheme, token, found := strings.Cut(h.Get("Authorization"), " ")
	if found && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return ""
}

// logUnexpected logs what strangers are not told.
func (s *server) logUnexpected(ctx context.Context, err error) {
	switch app.CodeOf(err) {
	case app.CodeInternal:
		if errors.Is(err, context.Canceled) {
			return // the client has gone
		}
		s.d.Log.ErrorContext(ctx, "a request failed", "request_id", infoOf(ctx).id, "error", err)
	case app.CodeUnavailable:
		s.d.Log.WarnContext(ctx, "a request met no database", "request_id", infoOf(ctx).id, "error", err)
	}
}
