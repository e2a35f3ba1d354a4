package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/rs/cors"
)

// crossOrigin are the beginnings of the paths that pages of other origins may
// call: what browsers evaluate and track, and the document of the API. No
// cookie and no other endpoint is for them.
var crossOrigin = []string{"/ofrep/v1/", "/api/event", "/api/track", "/api/openapi"}

const preflightAge = 10 * time.Minute

// crossOrigins answers CORS preflights, and lets pages of the configured
// origins read the answers. Without origins it is nothing.
func (s *server) crossOrigins(routes http.Handler) http.Handler {
	if len(s.d.CORSOrigins) == 0 {
		return routes
	}
	shared := cors.New(cors.Options{
		AllowedOrigins: s.d.CORSOrigins, AllowedMethods: []string{http.MethodGet, http.MethodPost},
		AllowedHeaders: []string{"Content-Type", "X-Api-Key", "Authorization", "If-None-Match"},
		ExposedHeaders: []string{"ETag", "X-Request-Id", "Retry-After"},
		MaxAge:         int(preflightAge / time.Second),
	}).Handler(routes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, prefix := range crossOrigin {
			if strings.HasPrefix(r.URL.Path, prefix) {
				shared.ServeHTTP(w, r)
				return
			}
		}
		routes.ServeHTTP(w, r)
	})
}
