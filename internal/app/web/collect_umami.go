package web

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// Limits of what Umami's script sends, in bytes, and of a batch.
const (
	maxUmamiName  = 50
	maxUmamiBatch = 100
	// maxUmamiBytes bounds a batch.
	maxUmamiBytes = 512 << 10
)

var uuidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// umamiEvent is what Umami's script sends. What it says of address, agent and
// time is not believed: anybody can send it.
type umamiEvent struct {
	Type    string `json:"type"`
	Payload struct {
		Website  string `json:"website"`
		Link     string `json:"link"`
		Pixel    string `json:"pixel"`
		Hostname string `json:"hostname"`
		Language string `json:"language"`
		Screen   string `json:"screen"`
		Title    string `json:"title"`
		URL      string `json:"url"`
		Referrer string `json:"referrer"`
		Name     string `json:"name"`
		Tag      string `json:"tag"`
		ID       string `json:"id"`
		Data     any    `json:"data"`

		LCP, INP, CLS, FCP, TTFB *float64
	} `json:"payload"`
}

// umamiAnswer is what the script expects: it sends cache back with the next
// event, and stops when disabled is set.
type umamiAnswer struct {
	Cache     string `json:"cache"`
	SessionID string `json:"sessionId"`
	VisitID   string `json:"visitId"`
}

func (s *server) registerUmami() {
	s.mux.HandleFunc("POST /api/send", s.collectUmami)
	s.mux.HandleFunc("POST /api/batch", s.collectUmamiBatch)
	s.mux.HandleFunc("OPTIONS /api/send", preflightCORS)
	s.mux.HandleFunc("OPTIONS /api/batch", preflightCORS)
}

// collectUmami takes an event as Umami's script sends it, and answers as Umami
// does, once the event is durable.
func (s *server) collectUmami(w http.ResponseWriter, r *http.Request) {
	allowAnySite(w.Header())
	body, err := readEvent(w, r)
	if err != nil {
		s.refuseEvent(w, r, err)
		return
	}
	answer, err := s.acceptUmami(r, body)
	if err != nil {
		s.refuseEvent(w, r, err)
		return
	}
	if answer == nil {
		writeJSON(w, http.StatusOK, map[string]string{"beep": "boop"})
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// collectUmamiBatch takes several events; those that are refused are named, and
// keep no other from being taken.
func (s *server) collectUmamiBatch(w http.ResponseWriter, r *http.Request) {
	allowAnySite(w.Header())
	body, err := readBody(w, r, maxUmamiBytes)
	var events []json.RawMessage
	if err == nil {
		if jsonErr := json.Unmarshal(body, &events); jsonErr != nil {
			err = notJSON(jsonErr)
		}
	}
	if err == nil && len(events) > maxUmamiBatch {
		err = &app.Error{Code: app.CodeTooLarge, Message: "The batch has more than 100 events: send several"}
	}
	if err != nil {
		s.refuseEvent(w, r, err)
		return
	}
	type refusal struct {
		Index    int    `json:"index"`
		Response string `json:"response"`
	}
	details := []refusal{}
	cache := ""
	for i, event := range events {
		answer, err := s.acceptUmami(r, event)
		if err != nil && (app.CodeOf(err) == app.CodeUnavailable || r.Context().Err() != nil) {
			// Those before are safe; without ids it is for the client to decide
			// whether to send the rest.
			s.refuseEvent(w, r, err)
			return
		}
		switch {
		case err != nil:
			s.d.Metrics.CountRejected("invalid")
			details = append(details, refusal{i, err.Error()})
		case answer != nil:
			cache = answer.Cache
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"size": len(events), "processed": len(events) - len(details), "errors": len(details), "details": details, "cache": cache,
	})
}

// acceptUmami answers nil for a machine.
func (s *server) acceptUmami(r *http.Request, body []byte) (*umamiAnswer, error) {
	event, err := parseUmami(body, s.d.Now())
	if err != nil {
		return nil, err
	}
	if reason := notAPerson(r); reason != "" {
		s.d.Metrics.CountRejected(reason)
		return nil, nil //nolint:nilnil // Umami's answer to machines holds nothing
	}
	s.identify(r, &event)
	answer := umamiVisit(event.Site, event.Touch.VisitorID, event.At)
	if event.Touch.SessionID == "" {
		event.Touch.SessionID = answer.VisitID
	}
	if err := s.d.Collector.Accept(r.Context(), &event); err != nil {
		return nil, err
	}
	return &answer, nil
}

// umamiVisit makes ids of the form that Umami's are: a session is a visitor of
// a site, a visit is that within an hour. They give nothing away.
func umamiVisit(site, visitor string, at time.Time) umamiAnswer {
	if visitor == "" {
		visitor = app.NewEventID(at).String()
	}
	uuid := func(text string) string {
		h := app.HashKey(text)
		return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:32]
	}
	a := umamiAnswer{
		SessionID: uuid("umami session\n" + site + "\n" + visitor),
		VisitID:   uuid("umami visit\n" + site + "\n" + visitor + "\n" + strconv.FormatInt(at.Unix()/3600, 10)),
	}
	a.Cache = a.SessionID + "." + a.VisitID
	return a
}

// parseUmami reads an event in Umami's form. The error names the member.
func parseUmami(body []byte, now time.Time) (app.Event, error) {
	var b umamiEvent
	if err := json.Unmarshal(body, &b); err != nil {
		return app.Event{}, notJSON(err)
	}
	p := &b.Payload
	e := app.Event{At: now}
	var bad []app.FieldError
	check := func(field, problem string) {
		if problem != "" {
			bad = append(bad, app.FieldError{Field: field, Message: problem})
		}
	}
	optional := func(field, text string, most int) {
		if text != "" {
			check(field, textProblem(text, most))
		}
	}
	source := ""
	for _, id := range []string{p.Website, p.Link, p.Pixel} {
		switch {
		case id == "":
		case source != "":
			check("payload", "names more than one of website, link and pixel: send one")
		default:
			source = id
		}
	}
	if !uuidPattern.MatchString(source) {
		check("payload.website", "must be a UUID, as the attribute data-website-id has it")
	}
	optional("payload.hostname", p.Hostname, 100)
	optional("payload.language", p.Language, 35)
	optional("payload.screen", p.Screen, 11)
	optional("payload.name", p.Name, maxUmamiName)
	optional("payload.tag", p.Tag, maxUmamiName)
	optional("payload.id", p.ID, maxEventID)
	if len(p.Referrer) > maxEventURL {
		check("payload.referrer", "is longer than 2000 bytes: cut it")
	}
	if e.Site = p.Hostname; e.Site == "" {
		e.Site = strings.ToLower(source)
	}
	e.Touch.Referrer = umamiReferrer(p.Referrer, p.Hostname)
	check("type", umamiKind(&b, &e, check))
	if len(bad) > 0 {
		invalid := app.Invalid(bad...)
		invalid.Code = app.CodeInvalidRequest
		return app.Event{}, invalid
	}
	return e, nil
}

// umamiKind makes the event of what it is called.
func umamiKind(b *umamiEvent, e *app.Event, check func(field, problem string)) (problem string) {
	p := &b.Payload
	var values props
	switch b.Type {
	case "event":
		if p.URL != "" || p.Name == "" {
			check("payload.url", readURL(absolute(p.URL, p.Hostname), &e.Touch))
		}
		if e.Type = app.EventPageView; p.Name != "" {
			e.Type, e.Name = app.EventCustom, p.Name
		}
		values, _ = p.Data.(map[string]any)
	case "identify":
		e.Type, e.Name = app.EventAnalytics, "identify"
		if values, _ = p.Data.(map[string]any); values == nil {
			values = props{}
		}
		if p.ID != "" {
			values["id"] = p.ID
		}
	case "performance":
		e.Type, e.Name = app.EventAnalytics, "performance"
		check("payload.url", readURL(absolute(p.URL, p.Hostname), &e.Touch))
		values = props{}
		for name, value := range map[string]*float64{"lcp": p.LCP, "inp": p.INP, "cls": p.CLS, "fcp": p.FCP, "ttfb": p.TTFB} {
			if value != nil {
				values[name] = *value
			}
		}
	default:
		return `is none of "event", "identify" and "performance"`
	}
	if p.Tag != "" && values == nil {
		values = props{}
	}
	if p.Tag != "" {
		values["tag"] = p.Tag
	}
	metadata, bad := encodeProps(flatten(values))
	check("payload.data", bad)
	e.Metadata = metadata
	return ""
}

// flatten writes what is nested as JSON: the script takes data of any form.
func flatten(values props) props {
	for name, value := range values {
		switch value.(type) {
		case map[string]any, []any:
			text, err := json.Marshal(withoutNUL(value))
			if err == nil && len(text) <= maxPropValue {
				values[name] = string(text)
			}
		}
	}
	return values
}

// absolute is the address of a page of which the script sent the path alone.
func absolute(link, host string) string {
	if !strings.HasPrefix(link, "/") {
		return link
	}
	if host == "" {
		host = "localhost"
	}
	return "https://" + host + link
}

// umamiReferrer: the script sends the path of a page of the same site.
func umamiReferrer(referrer, host string) string {
	if strings.HasPrefix(referrer, "/") && host != "" {
		return absolute(referrer, host)
	}
	return referrer
}
