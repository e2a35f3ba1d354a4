package web

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Route names what answered a request, for metrics. All values are known before
// the first request.
type Route struct{ Method, Path, Controller, Action string }

// aliases are counted as the routes that they are other names of.
var aliases = map[string]string{"/api/v1/ast/validate": "/api/v1/vulnerabilities/validate"}

// actions are the routes whose action dashboards ask for by name; any other's
// is the id of its operation.
var actions = map[string]string{
	"/api/v1/vulnerabilities/validate": "validate",
	"/api/v1/test-integration/analyze": "analyze", "/api/v1/test-integration/naming": "naming",
	"/api/v1/test-integration/generate": "generate", stripePath: "stripe",
}

// nameRoutes learns the operations of the API.
func (s *server) nameRoutes() {
	s.named = map[string]Route{}
	for path, item := range s.api.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put,
			http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
		} {
			if op == nil {
				continue
			}
			r := newRoute(method, path)
			if len(op.Tags) > 0 {
				r.Controller = op.Tags[0]
			}
			if actions[r.Path] == "" {
				r.Action = op.OperationID
			}
			s.named[method+" "+path] = r
		}
	}
}

// newRoute names a route that is no operation of the API: a page, or a webhook.
func newRoute(method, path string) Route {
	if canonical, ok := aliases[path]; ok {
		path = canonical
	}
	r := Route{Method: method, Path: path, Controller: "page", Action: "show"}
	switch {
	case path == otherPath:
		r.Controller, r.Action = otherPath, otherPath
	case strings.HasPrefix(path, "/api/webhooks/"):
		r.Controller = "webhook"
	case strings.HasPrefix(path, "/api/"), strings.HasPrefix(path, "/ofrep/"):
		r.Controller = "api"
	}
	if action := actions[path]; action != "" {
		r.Action = action
	}
	return r
}

// route names the route of a request that was answered.
func (s *server) route(r *http.Request) Route {
	method, path := methodLabel(r.Method), routeOf(r)
	if named, ok := s.named[method+" "+path]; ok {
		return named
	}
	return newRoute(method, path)
}
