package app

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Limits of what is kept of a request, in bytes.
const (
	maxIDLength        = 64
	maxReferrerLength  = 2048
	maxUserAgentLength = 1024
	maxPathLength      = 2048
	maxUTMLength       = 100
)

// UTM is the campaign that a visit came from.
type UTM struct {
	Source, Medium, Campaign, Term, Content string
}

// IsZero says whether no campaign is named.
func (u UTM) IsZero() bool { return u == UTM{} }

// Clipped returns u with every value cleaned and cut to what is kept of it.
func (u UTM) Clipped() UTM {
	return UTM{
		Source: Clip(u.Source, maxUTMLength), Medium: Clip(u.Medium, maxUTMLength),
		Campaign: Clip(u.Campaign, maxUTMLength), Term: Clip(u.Term, maxUTMLength),
		Content: Clip(u.Content, maxUTMLength),
	}
}

// Touch is where a request came from, as far as it is kept.
type Touch struct {
	VisitorID string
	SessionID string
	Path      string
	Referrer  string
	UserAgent string
	// Network is the truncated address, in CIDR notation.
	Network string
	UTM     UTM
}

// Clipped returns t with every text cleaned and cut to what is kept of it.
func (t Touch) Clipped() Touch {
	t.VisitorID = Clip(t.VisitorID, maxIDLength)
	t.SessionID = Clip(t.SessionID, maxIDLength)
	t.Path = Clip(t.Path, maxPathLength)
	t.Referrer = Clip(t.Referrer, maxReferrerLength)
	t.UserAgent = Clip(t.UserAgent, maxUserAgentLength)
	t.UTM = t.UTM.Clipped()
	return t
}

// Clip returns s as text that a database accepts (valid UTF-8 without NUL) of
// at most limit bytes, never cutting a character in two.
func Clip(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
		// Drop at most the one character that the cut went through.
		for i := len(s) - 1; i >= 0 && i >= len(s)-utf8.UTFMax; i-- {
			if utf8.RuneStart(s[i]) {
				if !utf8.FullRuneInString(s[i:]) {
					s = s[:i]
				}
				break
			}
		}
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "")
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	return s
}

// Network truncates an address to what may be kept of it: the /24 of an IPv4
// address, the /48 of an IPv6 address, in CIDR notation. It returns "" for the
// zero address.
func Network(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.Prefix(bits)
	if err != nil || !addr.IsValid() {
		return ""
	}
	return prefix.String()
}

// botMarks are lower-case parts of user agents that no person's browser sends.
var botMarks = []string{
	"bot", "crawl", "spider", "slurp", "preview", "scan", "monitor", "probe", "blackbox", "headless", "lighthouse",
	"curl/", "wget/", "python", "go-http-client", "java/", "okhttp", "libwww", "httpclient", "axios",
	"node-fetch", "facebookexternalhit", "whatsapp", "feed",
}

// IsProbe says whether a user agent is one that asks whether the app is there:
// Prometheus' blackbox exporter, or a kubelet.
func IsProbe(userAgent string) bool {
	return strings.HasPrefix(userAgent, "Blackbox-Exporter/") || strings.HasPrefix(userAgent, "Blackbox Exporter/") || strings.HasPrefix(userAgent, "kube-probe/")
}

// IsBot says whether a user agent is obviously not a person's browser.
func IsBot(userAgent string) bool {
	if userAgent == "" {
		return true
	}
	lower := strings.ToLower(userAgent)
	for _, mark := range botMarks {
		if strings.Contains(lower, mark) {
			return true
		}
	}
	return false
}
