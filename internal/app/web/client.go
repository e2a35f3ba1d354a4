package web

import (
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

const (
	visitorCookie = "rsolv_visitor"
	sessionCookie = "rsolv_session"
	visitorAge    = 365 * 24 * time.Hour
	sessionAge    = 30 * time.Minute
)

var cookiePattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// clientAddr is the address of the client as far as we can believe it: the peer,
// or, when the peer is a proxy we trust, the last address in X-Forwarded-For
// that is not such a proxy's.
func (s *server) clientAddr(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap()
	if !s.trusted(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, text := range slices.Backward(hops) {
		hop, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			break
		}
		addr = hop.Unmap()
		if !s.trusted(addr) {
			break
		}
	}
	return addr
}

func (s *server) trusted(addr netip.Addr) bool {
	for _, prefix := range s.d.TrustedProxies {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// secure says whether the client came by https.
func (s *server) secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && s.trusted(peer.Addr().Unmap()) && r.Header.Get("X-Forwarded-Proto") == "https"
}

// touch is where a request came from; its texts are not clipped yet.
func (s *server) touch(r *http.Request) app.Touch {
	query := r.URL.Query()
	visitor, session := s.visitor(r, s.siteName(r))
	return app.Touch{
		VisitorID: visitor, SessionID: session, Path: r.URL.Path,
		Referrer: r.Referer(), UserAgent: r.UserAgent(), Network: app.Network(s.clientAddr(r)),
		UTM: app.UTM{
			Source: query.Get("utm_source"), Medium: query.Get("utm_medium"), Campaign: query.Get("utm_campaign"),
			Term: query.Get("utm_term"), Content: query.Get("utm_content"),
		},
	}
}

// visitor is who a request of a site is from, as far as this deployment may
// know: who asks not to be followed, and a machine, is nobody.
func (s *server) visitor(r *http.Request, site string) (visitor, session string) {
	if optedOut(r) || app.IsBot(r.UserAgent()) {
		return "", ""
	}
	if s.d.Visitors == app.VisitorsCookie && len(r.Header["Cookie"]) > 0 {
		if visitor = cookieID(r, visitorCookie); visitor != "" {
			return visitor, cookieID(r, sessionCookie)
		}
	}
	if s.d.VisitorID == nil {
		return "", ""
	}
	return s.d.VisitorID(site, s.clientAddr(r), r.UserAgent()), ""
}

// optedOut says whether the browser asks not to be followed.
func optedOut(r *http.Request) bool {
	return r.Header.Get("Dnt") == "1" || r.Header.Get("Sec-Gpc") == "1"
}

// siteName is the site that the app's own pages are.
func (s *server) siteName(r *http.Request) string {
	if s.d.PublicHost != "" {
		return s.d.PublicHost
	}
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return r.Host
}

// cookieID is the id in one of our cookies, "" when somebody changed it.
func cookieID(r *http.Request, name string) string {
	cookie, err := r.Cookie(name)
	if err != nil || !cookiePattern.MatchString(cookie.Value) {
		return ""
	}
	return cookie.Value
}

// trackView records that a person looks at a page. Call it before the response
// is written, and only for pages that exist.
func (s *server) trackView(w http.ResponseWriter, r *http.Request) {
	i := infoOf(r.Context())
	i.view = true
	// With ids that the script keeps, the script alone can tell whose view it is.
	if r.Method != http.MethodGet || notAPerson(r) != "" || s.d.Visitors == app.VisitorsLocal {
		return
	}
	i.counted = true
	if optedOut(r) {
		s.d.Metrics.CountRejected("do_not_track")
		return
	}
	now := s.d.Now()
	touch := s.touch(r)
	if s.d.Visitors == app.VisitorsCookie {
		if !cookiePattern.MatchString(touch.VisitorID) {
			touch.VisitorID = app.NewEventID(now).String()
		}
		if touch.SessionID == "" {
			touch.SessionID = app.NewEventID(now).String()
		}
		s.setCookie(w, r, visitorCookie, touch.VisitorID, visitorAge)
		s.setCookie(w, r, sessionCookie, touch.SessionID, sessionAge)
	}
	s.d.Tracker.Track(&app.Event{Type: app.EventPageView, Site: s.siteName(r), Touch: touch, At: now})
}

func (s *server) setCookie(w http.ResponseWriter, r *http.Request, name, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure follows the scheme: over plain http such cookies would not be kept
		Name: name, Value: value, Path: "/", MaxAge: int(age / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.secure(r),
	})
}
