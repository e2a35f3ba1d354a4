package web

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// Limits of what a script may send, in bytes.
const (
	maxEventName  = 120
	maxEventURL   = 2000
	maxEventID    = 64
	maxSite       = 253
	maxProps      = 30
	maxPropName   = 300
	maxPropValue  = 2000
	maxTrackType  = 50
	maxClockAhead = 5 * time.Minute
)

// scriptEvent is an event in Plausible's form, which spells its members in two
// ways, and three members of ours: id, timestamp and visitor.
type scriptEvent struct {
	Name      string `json:"name"`
	N         string `json:"n"`
	URL       string `json:"url"`
	U         string `json:"u"`
	Domain    string `json:"domain"`
	D         string `json:"d"`
	Referrer  string `json:"referrer"`
	R         string `json:"r"`
	Props     props  `json:"props"`
	P         props  `json:"p"`
	Meta      props  `json:"meta"`
	M         props  `json:"m"`
	Scroll    int    `json:"sd"`
	Millis    int64  `json:"e"`
	ID        string `json:"id"`
	Visitor   string `json:"visitor"`
	Timestamp int64  `json:"timestamp"`
}

// props are an object, or an object as text.
type props map[string]any

// UnmarshalJSON implements json.Unmarshaler.
func (p *props) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
		if data = []byte(text); len(data) == 0 {
			return nil
		}
	}
	return json.Unmarshal(data, (*map[string]any)(p))
}

// parseEvent reads an event as /api/event takes it. The error names the member,
// what is wrong with it and the fix.
func parseEvent(body []byte, now time.Time) (app.Event, error) {
	var b scriptEvent
	if err := json.Unmarshal(body, &b); err != nil {
		return app.Event{}, notJSON(err)
	}
	name, link, site := first(b.Name, b.N), first(b.URL, b.U), first(b.Domain, b.D)
	site, _, _ = strings.Cut(site, ",") // several sites at once are one visit
	e := app.Event{Site: strings.TrimSpace(site), Key: b.ID, At: now}
	e.Touch.Referrer = first(b.Referrer, b.R)
	var bad []app.FieldError
	refuse := func(field, message string) { bad = append(bad, app.FieldError{Field: field, Message: message}) }
	if problem := textProblem(name, maxEventName); problem != "" {
		refuse("name", problem)
	}
	if problem := textProblem(e.Site, maxSite); problem != "" {
		refuse("domain", problem)
	}
	if e.Key != "" {
		if problem := textProblem(e.Key, maxEventID); problem != "" {
			refuse("id", problem)
		}
	}
	if b.Visitor != "" {
		if e.Touch.VisitorID = strings.ToLower(b.Visitor); !cookiePattern.MatchString(e.Touch.VisitorID) {
			refuse("visitor", "is no UUID: leave it out, or let the script make it")
		}
	}
	if len(e.Touch.Referrer) > maxEventURL {
		refuse("referrer", "is longer than 2000 bytes: cut it")
	}
	if problem := readURL(link, &e.Touch); problem != "" {
		refuse("url", problem)
	}
	if problem := readTime(b.Timestamp, now, &e.At); problem != "" {
		refuse("timestamp", problem)
	}
	var problem string
	if e.Type, e.Name, e.Metadata, problem = kindOf(name, &b); problem != "" {
		refuse("props", problem)
	}
	if len(bad) > 0 {
		invalid := app.Invalid(bad...)
		invalid.Code = app.CodeInvalidRequest
		return app.Event{}, invalid
	}
	return e, nil
}

// kindOf tells visits, time on a page and everything else apart.
func kindOf(name string, b *scriptEvent) (kind app.EventType, custom, metadata, problem string) {
	values := b.Props
	for _, other := range []props{b.P, b.Meta, b.M} {
		if len(values) == 0 {
			values = other
		}
	}
	switch name {
	case "pageview":
		kind = app.EventPageView
	case "engagement":
		kind = app.EventEngagement
		values = props{"engagement_ms": min(max(b.Millis, 0), int64(24*time.Hour/time.Millisecond)), "scroll_depth": min(max(b.Scroll, 0), 100)}
	default:
		kind, custom = app.EventCustom, name
	}
	metadata, problem = encodeProps(values)
	return kind, custom, metadata, problem
}

func encodeProps(values props) (metadata, problem string) {
	if len(values) == 0 {
		return "", ""
	}
	if len(values) > maxProps {
		return "", "has more than 30 members: send fewer"
	}
	clean := make(map[string]any, len(values))
	for name, value := range values {
		if name == "" || len(name) > maxPropName {
			return "", "has a member whose name is empty or longer than 300 bytes: rename it"
		}
		switch v := value.(type) {
		case string:
			if len(v) > maxPropValue {
				return "", "has a value longer than 2000 bytes: cut it"
			}
			value = app.Clip(v, maxPropValue)
		case float64, bool, nil, int, int64:
		default:
			return "", "has a value that is an object or a list: send texts, numbers and booleans"
		}
		clean[app.Clip(name, maxPropName)] = value
	}
	text, err := json.Marshal(clean)
	if err != nil {
		return "", "cannot be stored: send texts, numbers and booleans"
	}
	return string(text), ""
}

// readURL takes path and campaign from the address of the page.
func readURL(link string, t *app.Touch) (problem string) {
	switch {
	case link == "":
		return "is required: send the address of the page"
	case len(link) > maxEventURL:
		return "is longer than 2000 bytes: leave out the query, except for utm_ parameters"
	}
	u, err := url.Parse(link)
	if err != nil || u.Scheme == "" {
		return "must be an absolute address, such as https://rsolv.dev/pricing"
	}
	if t.Path = u.Path; t.Path == "" {
		t.Path = "/"
	}
	if u.RawQuery != "" {
		query := u.Query()
		t.UTM = app.UTM{
			Source: first(query.Get("utm_source"), query.Get("source"), query.Get("ref")), Medium: query.Get("utm_medium"),
			Campaign: query.Get("utm_campaign"), Term: query.Get("utm_term"), Content: query.Get("utm_content"),
		}
	}
	return ""
}

// readTime takes the time of an event that is sent late, in milliseconds since
// 1970.
func readTime(millis int64, now time.Time, at *time.Time) (problem string) {
	if millis == 0 {
		return ""
	}
	t := time.UnixMilli(millis)
	switch {
	case t.After(now.Add(maxClockAhead)):
		return "lies in the future: send milliseconds since 1970, or leave it out"
	case t.Before(now.Add(-app.EventKeyAge)):
		return "is more than 72 hours ago: such events are not taken any more"
	case t.After(now):
		t = now // the client's clock is a little ahead
	}
	*at = t.UTC()
	return ""
}

func textProblem(text string, most int) string {
	switch {
	case text == "":
		return "is required"
	case len(text) > most:
		return "is longer than " + strconv.Itoa(most) + " bytes: shorten it"
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "contains control characters: send plain text"
	default:
		return ""
	}
}

// trackBody is what /api/track takes: a type, and data of any form.
type trackBody struct {
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// trackData are the members of data that have columns of their own.
type trackData struct {
	Path        string `json:"page_path"`
	AltPath     string `json:"path"`
	Referrer    string `json:"referrer"`
	UTMSource   string `json:"utm_source"`
	UTMMedium   string `json:"utm_medium"`
	UTMCampaign string `json:"utm_campaign"`
	UTMTerm     string `json:"utm_term"`
	UTMContent  string `json:"utm_content"`
}

// parseTrack reads an event as /api/track takes it. It is generous: data that
// is no object is kept under raw_data.
func parseTrack(body []byte, now time.Time) (app.Event, error) {
	var b trackBody
	if err := json.Unmarshal(body, &b); err != nil {
		return app.Event{}, notJSON(err)
	}
	e := app.Event{Type: app.EventAnalytics, Name: app.Clip(strings.TrimSpace(b.Type), maxTrackType), At: now}
	if e.Name == "" {
		e.Name = "unknown"
	}
	data := []byte(b.Data)
	var text string
	if json.Unmarshal(data, &text) == nil { // an object as text, or text
		data = []byte(text)
	}
	var members map[string]any
	if json.Unmarshal(data, &members) != nil && len(data) > 0 {
		members = map[string]any{"raw_data": string(data)}
	}
	var known trackData
	_ = json.Unmarshal(data, &known) // what does not fit is in the metadata
	e.Touch = app.Touch{
		Path: first(known.Path, known.AltPath), Referrer: known.Referrer,
		UTM: app.UTM{
			Source: known.UTMSource, Medium: known.UTMMedium, Campaign: known.UTMCampaign, Term: known.UTMTerm, Content: known.UTMContent,
		},
	}
	if len(members) > 0 {
		clean, err := json.Marshal(withoutNUL(members))
		if err != nil {
			return app.Event{}, notJSON(err)
		}
		e.Metadata = string(clean)
	}
	return e, nil
}

// withoutNUL takes out the one character that Postgres has no place for.
func withoutNUL(value any) any {
	switch v := value.(type) {
	case string:
		return app.Clip(v, maxEventBytes)
	case []any:
		for i := range v {
			v[i] = withoutNUL(v[i])
		}
	case map[string]any:
		clean := make(map[string]any, len(v))
		for name, member := range v {
			clean[app.Clip(name, maxEventBytes)] = withoutNUL(member)
		}
		return clean
	}
	return value
}

func notJSON(err error) error {
	return &app.Error{
		Code: app.CodeInvalidRequest, Message: "The body is not the JSON this endpoint expects: " + safeParseMessage(err.Error()), Err: err,
	}
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
