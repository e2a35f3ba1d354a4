package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// plausibleAge is how late an event may come: Plausible takes the time at which
// it arrives for the time at which it happened.
const plausibleAge = 24 * time.Hour

// Plausible is an instance of Plausible Analytics, by its events API.
type Plausible struct {
	// URL ends in /api/event.
	URL string
	// Domain is the site there; the event's own when empty.
	Domain string
}

// Name implements Destination.
func (*Plausible) Name() string { return "plausible" }

// Dropped implements Destination: it answers 202 also to what it throws away.
func (*Plausible) Dropped(answer *http.Response) bool {
	return answer.Header.Get("X-Plausible-Dropped") == "1"
}

type plausibleBody struct {
	Name     string         `json:"name"`
	URL      string         `json:"url"`
	Domain   string         `json:"domain"`
	Referrer string         `json:"referrer,omitempty"`
	Props    map[string]any `json:"props,omitempty"`
	Millis   int64          `json:"e,omitempty"`
	Scroll   int64          `json:"sd,omitempty"`
}

// Requests implements Destination: an event each. Left out are events without a
// visitor, a browser, a page or a domain, and those older than a day.
func (p *Plausible) Requests(events []app.StoredEvent, now time.Time) []Request {
	var requests []Request
	for _, e := range events {
		body, ok := p.body(&e)
		if !ok || e.Touch.VisitorID == "" || e.Touch.UserAgent == "" || now.Sub(e.At) > plausibleAge {
			continue
		}
		address := standIn(&e)
		requests = append(requests, Request{Events: []app.StoredEvent{e}, Build: func(ctx context.Context) (*http.Request, error) {
			text, err := json.Marshal(body)
			if err != nil {
				return nil, err
			}
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, bytes.NewReader(text))
			if err != nil {
				return nil, errors.New("the address cannot be used")
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("User-Agent", e.Touch.UserAgent)
			if address != "" {
				r.Header.Set("X-Forwarded-For", address)
			}
			return r, nil
		}})
	}
	return requests
}

func (p *Plausible) body(e *app.StoredEvent) (plausibleBody, bool) {
	b := plausibleBody{URL: pageURL(e), Domain: p.Domain, Referrer: e.Touch.Referrer}
	if b.Domain == "" {
		b.Domain = e.Site
	}
	var own map[string]any
	if json.Unmarshal([]byte(e.Metadata), &own) != nil {
		own = nil
	}
	switch e.Type {
	case app.EventPageView:
		b.Name, b.Props = "pageview", own
	case app.EventEngagement:
		b.Name = "engagement"
		millis, _ := own["engagement_ms"].(float64)
		scroll, _ := own["scroll_depth"].(float64)
		b.Millis, b.Scroll = int64(millis), int64(scroll)
	case app.EventCustom:
		b.Name, b.Props = e.Name, own
	case app.EventSignup:
		b.Name = "Signup"
		if b.URL == "" && b.Domain != "" {
			b.URL = "https://" + b.Domain + "/signup"
		}
	default:
		return b, false
	}
	return b, b.URL != "" && b.Domain != ""
}

// standIn is an address of the visitor's network, which is all that we keep; its
// end is made of the visitor's id. So countries come out right, and two visitors
// of one network as two.
func standIn(e *app.StoredEvent) string {
	network, err := netip.ParsePrefix(e.Touch.Network)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte("stand-in\n" + e.Touch.VisitorID))
	if network.Addr().Is4() {
		address := network.Addr().As4()
		address[3] = 1 + sum[0]%254
		return netip.AddrFrom4(address).String()
	}
	address := network.Addr().As16()
	copy(address[6:], sum[:10])
	return netip.AddrFrom16(address).String()
}

// pageURL is the address of an event's page, its campaign included, which was
// cut off as the event was taken; "" where there is no page.
func pageURL(e *app.StoredEvent) string {
	if e.Site == "" || e.Touch.Path == "" {
		return ""
	}
	u := url.URL{Scheme: "https", Host: e.Site, Path: e.Touch.Path}
	query := url.Values{}
	for name, value := range map[string]string{
		"utm_source": e.Touch.UTM.Source, "utm_medium": e.Touch.UTM.Medium, "utm_campaign": e.Touch.UTM.Campaign,
		"utm_term": e.Touch.UTM.Term, "utm_content": e.Touch.UTM.Content,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}

func sortedNames(values map[string]any) []string { return slices.Sorted(maps.Keys(values)) }

// withoutURL takes the address out of an error of a client.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("%s: %w", wrapped.Op, wrapped.Err)
	}
	return err
}
