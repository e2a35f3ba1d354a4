package web

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// maxEventBytes bounds the body of one event; a page's script sends a few
// hundred.
const maxEventBytes = 32 << 10

// quiet routes are logged at debug level alone: they are asked by every page
// that anybody looks at.
var quiet = map[string]bool{"/api/event": true, "/api/track": true, "/api/send": true, "/api/batch": true}

// registerCollectors adds what scripts on pages send events to. They answer
// when the event is durable: whatever was answered with 2xx, and not marked as
// dropped, is stored exactly once.
func (s *server) registerCollectors() {
	s.mux.HandleFunc("POST /api/event", s.collectEvent)
	s.mux.HandleFunc("POST /api/track", s.collectTrack)
	s.mux.HandleFunc("OPTIONS /api/event", preflightCORS)
	s.mux.HandleFunc("OPTIONS /api/track", preflightCORS)
	s.registerUmami()
}

// allowAnySite lets pages of other hosts send events. Nothing is answered that
// is not theirs to know, and no cookie is taken along.
func allowAnySite(h http.Header) { h.Set("Access-Control-Allow-Origin", "*") }

func preflightCORS(w http.ResponseWriter, _ *http.Request) {
	allowAnySite(w.Header())
	w.Header().Set("Access-Control-Allow-Methods", "POST")
	w.Header().Set("Access-Control-Allow-Headers", "Content-Type, X-Umami-Cache")
	w.Header().Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

// collectEvent takes an event as Plausible's script sends it, with an optional
// id, by which it is stored once however often it is sent.
func (s *server) collectEvent(w http.ResponseWriter, r *http.Request) {
	allowAnySite(w.Header())
	body, err := readEvent(w, r)
	if err != nil {
		s.refuseEvent(w, r, err)
		return
	}
	event, err := parseEvent(body, s.d.Now())
	if err != nil {
		s.refuseEvent(w, r, err)
		return
	}
	if reason := notAPerson(r); reason != "" {
		s.d.Metrics.CountRejected(reason)
		w.Header().Set("X-Plausible-Dropped", "1")
	} else {
		s.identify(r, &event)
		if err := s.d.Collector.Accept(r.Context(), &event); err != nil {
			s.refuseEvent(w, r, err)
			return
		}
	}
	writeText(w, http.StatusAccepted, "ok")
}

// collectTrack takes what pages report about themselves, in whatever form.
func (s *server) collectTrack(w http.ResponseWriter, r *http.Request) {
	allowAnySite(w.Header())
	body, err := readEvent(w, r)
	if err != nil {
		s.refuseEvent(w, r, err)
		return
	}
	event, err := parseTrack(body, s.d.Now())
	if err != nil {
		s.refuseEvent(w, r, err)
		return
	}
	if reason := notAPerson(r); reason != "" {
		s.d.Metrics.CountRejected(reason)
	} else {
		s.identify(r, &event)
		if err := s.d.Collector.Accept(r.Context(), &event); err != nil {
			s.refuseEvent(w, r, err)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"success":true}`) // the client has gone
}

func readEvent(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	return readBody(w, r, maxEventBytes)
}

func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if r.ContentLength > most {
		return nil, errTooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, &app.Error{Code: app.CodeInvalidRequest, Message: "The body ended before it was complete", Err: err}
	}
	return body, nil
}

var errTooLarge = &app.Error{Code: app.CodeTooLarge, Message: "The event is larger than 32 KiB, or the batch than 512 KiB: send less with it"}

// refuseEvent answers an error, and counts why.
func (s *server) refuseEvent(w http.ResponseWriter, r *http.Request, err error) {
	switch app.CodeOf(err) {
	case app.CodeTooLarge:
		s.d.Metrics.CountRejected("too_large")
	case app.CodeUnavailable:
		s.d.Metrics.CountRejected("unavailable")
	case app.CodeInvalidRequest, app.CodeValidation:
		s.d.Metrics.CountRejected("invalid")
	default:
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			err = &app.Error{Code: app.CodeUnavailable, Message: "The request ended before the event was safe", Err: err}
		}
	}
	writeProblem(w, r, err)
}

// notAPerson says why a request is nobody's visit; "" when it may be.
func notAPerson(r *http.Request) string {
	switch {
	case r.Header.Get("Sec-Purpose")+r.Header.Get("Purpose") != "":
		return "prefetch"
	case app.IsBot(r.UserAgent()):
		return "bot"
	default:
		return ""
	}
}

// identify adds what the request itself tells: where it is from, cut to what
// may be kept, and a visitor, without a cookie unless there is one of ours.
func (s *server) identify(r *http.Request, event *app.Event) {
	addr := s.clientAddr(r)
	t := &event.Touch
	t.Network, t.UserAgent = app.Network(addr), r.UserAgent()
	if t.VisitorID == "" {
		t.VisitorID, t.SessionID = s.visitor(r, event.Site)
	}
}
