package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// Limits of the Measurement Protocol: events and bytes a request, characters of
// names and values, parameters an event, and how late an event may come.
const (
	ga4Events   = 25
	ga4Bytes    = 130_000
	ga4Name     = 40
	ga4Value    = 100
	ga4Location = 1000
	ga4Referrer = 420
	ga4Params   = 25
	ga4Age      = 72 * time.Hour
)

// GA4URL is where Google takes events.
const GA4URL = "https://www.google-analytics.com/mp/collect"

// GA4 is Google Analytics 4, by its Measurement Protocol. It answers 2xx
// whatever it is sent: a wrong secret cannot be noticed.
type GA4 struct {
	// URL is GA4URL, or that of the European servers.
	URL                      string
	MeasurementID, APISecret string
}

// Name implements Destination.
func (*GA4) Name() string { return "ga4" }

// Dropped implements Destination.
func (*GA4) Dropped(*http.Response) bool { return false }

type ga4Body struct {
	ClientID string     `json:"client_id"`
	Events   []ga4Event `json:"events"`
}

type ga4Event struct {
	Name   string         `json:"name"`
	Micros int64          `json:"timestamp_micros"`
	Params map[string]any `json:"params"`
}

// Requests implements Destination: a request is of one visitor. Left out are
// events without a visitor, calls of the API, and what is older than 72 hours,
// which Google would refuse or move.
func (g *GA4) Requests(events []app.StoredEvent, now time.Time) []Request {
	var clients []string
	of := map[string][]app.StoredEvent{}
	for _, e := range events {
		if e.Touch.VisitorID == "" || ga4EventName(&e) == "" || now.Sub(e.At) > ga4Age {
			continue
		}
		client := ga4Client(e.Touch.VisitorID)
		if of[client] == nil {
			clients = append(clients, client)
		}
		of[client] = append(of[client], e)
	}
	var requests []Request
	for _, client := range clients {
		for rest := of[client]; len(rest) > 0; {
			n, body := g.fill(client, rest)
			requests = append(requests, Request{Events: rest[:n], Build: func(ctx context.Context) (*http.Request, error) {
				return g.build(ctx, body)
			}})
			rest = rest[n:]
		}
	}
	return requests
}

// fill takes as many events as one request may carry.
func (g *GA4) fill(client string, events []app.StoredEvent) (int, []byte) {
	n := min(len(events), ga4Events)
	for {
		b := ga4Body{ClientID: client}
		for i := range events[:n] {
			b.Events = append(b.Events, newGA4Event(&events[i]))
		}
		body, err := json.Marshal(b)
		if n == 1 || err == nil && len(body) < ga4Bytes {
			return n, body
		}
		n /= 2
	}
}

func (g *GA4) build(ctx context.Context, body []byte) (*http.Request, error) {
	query := url.Values{"measurement_id": {g.MeasurementID}, "api_secret": {g.APISecret}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.URL+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address cannot be used") // the error would quote the secret
	}
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}

// ga4Client hides the visitor's id: nobody there can ask here who it was.
func ga4Client(visitor string) string {
	sum := sha256.Sum256([]byte("ga4 client\n" + visitor))
	return hex.EncodeToString(sum[:16])
}

// ga4EventName is "" for what is not exported.
func ga4EventName(e *app.StoredEvent) string {
	switch e.Type {
	case app.EventPageView:
		return "page_view"
	case app.EventSignup:
		return "sign_up"
	case app.EventAPIKeyCreated:
		return "api_key_created"
	case app.EventEngagement:
		return "page_engagement" // user_engagement is Google's own
	case app.EventCustom:
		return ga4Identifier("", e.Name)
	default:
		return ""
	}
}

// ga4Reserved are beginnings and names that Google keeps for itself.
var ga4Reserved = []string{"ga_", "google_", "firebase_", "gtag.", "_"}

// ga4Identifier makes a name of what somebody called something: a letter, then
// letters, digits and underscores.
func ga4Identifier(prefix, text string) string {
	name := prefix + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, text)
	reserved := name == "" || name[0] >= '0' && name[0] <= '9'
	for _, beginning := range ga4Reserved {
		reserved = reserved || strings.HasPrefix(name, beginning)
	}
	switch name {
	case "session_start", "first_visit", "first_open", "user_engagement", "app_update", "app_remove", "error", "in_app_purchase",
		"screen_view", "os_update", "notification_open", "notification_receive", "notification_dismiss", "notification_foreground":
		reserved = true
	}
	if reserved {
		name = "x_" + strings.TrimLeft(name, "_")
	}
	return name[:min(len(name), ga4Name)]
}

func newGA4Event(e *app.StoredEvent) ga4Event {
	params := map[string]any{"session_id": ga4Session(e), "engagement_time_msec": 1}
	if location := pageURL(e); location != "" {
		params["page_location"] = app.Clip(location, ga4Location)
	}
	if e.Touch.Referrer != "" {
		params["page_referrer"] = app.Clip(e.Touch.Referrer, ga4Referrer)
	}
	var own map[string]any
	if json.Unmarshal([]byte(e.Metadata), &own) != nil {
		own = nil
	}
	if e.Type == app.EventEngagement {
		if millis, ok := own["engagement_ms"].(float64); ok {
			params["engagement_time_msec"] = int64(millis)
		}
		own = nil
	}
	for _, name := range sortedNames(own) {
		if len(params) == ga4Params {
			break
		}
		value := own[name]
		if text, ok := value.(string); ok {
			value = app.Clip(text, ga4Value)
		}
		if value != nil {
			params[ga4Identifier("p_", name)] = value
		}
	}
	return ga4Event{Name: ga4EventName(e), Micros: e.At.UnixMicro(), Params: params}
}

// ga4Session is a visitor's day where there is no session: both of their
// reports need one.
func ga4Session(e *app.StoredEvent) string {
	session := e.Touch.SessionID
	if session == "" {
		session = e.At.Format(time.DateOnly) + e.Touch.VisitorID
	}
	sum := sha256.Sum256([]byte("ga4 session\n" + session))
	return fmt.Sprint(uint32(sum[0])<<23 | uint32(sum[1])<<15 | uint32(sum[2])<<7 | uint32(sum[3])>>1)
}
