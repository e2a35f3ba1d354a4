package web

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// info is what is known about a request; it lives in the request's context and
// belongs to the request's goroutine.
type info struct {
	id        string
	principal *app.Principal
	// untracked requests are a step in nobody's funnel.
	untracked bool
	// touch and smokeTest, the token of a smoke test, are set where the handler
	// needs them.
	touch     app.Touch
	smokeTest string
	// address is what the limit of onboarding counts by.
	address string
	// view says that the page is one whose views count, counted that this one
	// has been.
	view, counted bool
}

type infoKey struct{}

func infoOf(ctx context.Context) *info {
	if i, ok := ctx.Value(infoKey{}).(*info); ok {
		return i
	}
	return &info{}
}

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// otherPath labels requests that no route matches, whatever their paths.
const otherPath = "other"

// uncounted routes are asked by machines; counting them would hide the people.
// An event stream lasts, which says nothing about latency.
var uncounted = map[string]bool{"/health": true, "/api/health": true, ofrepEvents: true}

// wrap surrounds the routes with what every request gets: an id, recovery from
// panics, security headers, a line in the log, a place in the histogram, and,
// when it was an authenticated call that went well, a step in the funnel.
func (s *server) wrap(routes http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := s.d.Now()
		i := &info{id: r.Header.Get("X-Request-Id")}
		if !requestIDPattern.MatchString(i.id) {
			i.id = rand.Text()
		}
		r = r.WithContext(context.WithValue(r.Context(), infoKey{}, i))
		rec := &recorder{ResponseWriter: w}
		rec.Header().Set("X-Request-Id", i.id)
		rec.Header().Set("X-Content-Type-Options", "nosniff")
		rec.Header().Set("X-Frame-Options", "DENY")
		if s.secure(r) {
			rec.Header().Set("Strict-Transport-Security", "max-age=31536000")
		}
		s.serve(routes, rec, r)
		if rec.status == 0 {
			rec.status = http.StatusOK
		}
		s.after(r, i, rec.status, started)
	})
}

// serve answers a panic with an internal error.
func (s *server) serve(routes http.Handler, rec *recorder, r *http.Request) {
	defer s.recovered(rec, r)
	routes.ServeHTTP(rec, r)
}

// recovered is to be deferred.
func (s *server) recovered(rec *recorder, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	s.d.Log.ErrorContext(r.Context(), "a request panicked", "request_id", infoOf(r.Context()).id,
		"panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if rec.status == 0 {
		writeProblem(rec, r, fmt.Errorf("panic: %v", cause))
	}
}

func (s *server) after(r *http.Request, i *info, status int, started time.Time) {
	ended := s.d.Now()
	took := ended.Sub(started)
	route := s.route(r)
	path := route.Path
	level := slog.LevelInfo
	if uncounted[path] || quiet[path] {
		level = slog.LevelDebug
	}
	// A probe of a page is no traffic: with it, traffic would never be seen to
	// stop.
	probe := i.principal == nil && app.IsProbe(r.UserAgent())
	if !uncounted[path] && !probe {
		s.d.Metrics.ObserveHTTP(route.Method, path, route.Controller, route.Action, status, took)
	}
	if !s.d.Log.Enabled(r.Context(), level) && i.principal == nil {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", route.Method), slog.String("route", path), slog.Int("status", status),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.String("request_id", i.id),
	}
	if i.principal != nil {
		attrs = append(attrs, slog.Int64("customer_id", i.principal.CustomerID))
		if status >= 200 && status < 300 && !uncounted[path] && !i.untracked {
			s.d.Tracker.Track(&app.Event{
				Type: app.EventAPICall, CustomerID: i.principal.CustomerID, At: started,
				Touch: app.Touch{UserAgent: r.UserAgent(), Network: app.Network(s.clientAddr(r))},
			})
		}
	}
	s.d.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

// routeOf is the path of the pattern that matched, or otherPath.
func routeOf(r *http.Request) string {
	path := r.Pattern
	if _, after, found := strings.Cut(path, " "); found {
		path = after
	}
	switch path {
	case "", "/":
		return otherPath
	case "/{$}":
		return "/"
	default:
		return path
	}
}

func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "OTHER"
	}
}

// recorder remembers the status.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(body []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(body)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
