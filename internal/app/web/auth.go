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
	op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusServiceUnavailable)
	op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		principal, err := s.authenticate(r, permission)
		if err != nil {
			s.logUnexpected(r.Context(), err)
			writeProblem(w, r, err)
			return
		}
		i := infoOf(r.Context())
		i.principal = &principal
		// Whoever looks at the funnel must not change it by looking.
		i.untracked = permission == app.PermissionAdmin
		next(ctx)
	})
	return op
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
