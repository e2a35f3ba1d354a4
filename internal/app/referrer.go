package app

import (
	"net/url"
	"strings"
)

// ReferrerClass is what kind of place a visit came from.
type ReferrerClass string

// The classes of referrers.
const (
	// ReferrerDirect: the browser did not say.
	ReferrerDirect ReferrerClass = "direct"
	// ReferrerInternal: another page of the same site, or of one above or below it.
	ReferrerInternal  ReferrerClass = "internal"
	ReferrerSearch    ReferrerClass = "search"
	ReferrerSocial    ReferrerClass = "social"
	ReferrerEmail     ReferrerClass = "email"
	ReferrerAssistant ReferrerClass = "assistant"
	ReferrerCode      ReferrerClass = "code"
	// ReferrerOther is every other site.
	ReferrerOther ReferrerClass = "referral"
)

// referrerNames are labels of host names, such as google in www.google.co.uk,
// of whoever owns many domains.
var referrerNames = map[string]ReferrerClass{
	"google": ReferrerSearch, "bing": ReferrerSearch, "duckduckgo": ReferrerSearch, "yahoo": ReferrerSearch,
	"yandex": ReferrerSearch, "baidu": ReferrerSearch, "ecosia": ReferrerSearch, "qwant": ReferrerSearch,
	"startpage": ReferrerSearch, "kagi": ReferrerSearch, "naver": ReferrerSearch, "seznam": ReferrerSearch, "mojeek": ReferrerSearch,
	"facebook": ReferrerSocial, "instagram": ReferrerSocial, "linkedin": ReferrerSocial, "reddit": ReferrerSocial,
	"pinterest": ReferrerSocial, "tiktok": ReferrerSocial, "threads": ReferrerSocial, "youtube": ReferrerSocial,
	"twitter": ReferrerSocial, "vk": ReferrerSocial, "mastodon": ReferrerSocial, "lobste": ReferrerSocial,
	"chatgpt": ReferrerAssistant, "perplexity": ReferrerAssistant, "claude": ReferrerAssistant, "deepseek": ReferrerAssistant,
	"github": ReferrerCode, "gitlab": ReferrerCode, "bitbucket": ReferrerCode, "codeberg": ReferrerCode, "stackoverflow": ReferrerCode,
}

// referrerHosts are whole hosts, which come before the names in them: a mail
// service of a search engine is none.
var referrerHosts = map[string]ReferrerClass{
	"search.brave.com": ReferrerSearch, "t.co": ReferrerSocial, "x.com": ReferrerSocial, "lnkd.in": ReferrerSocial,
	"news.ycombinator.com": ReferrerSocial, "bsky.app": ReferrerSocial, "infosec.exchange": ReferrerSocial,
	"hachyderm.io": ReferrerSocial, "mail.google.com": ReferrerEmail, "mail.yahoo.com": ReferrerEmail,
	"outlook.live.com": ReferrerEmail, "outlook.office.com": ReferrerEmail, "mail.proton.me": ReferrerEmail,
	"copilot.microsoft.com": ReferrerAssistant, "gemini.google.com": ReferrerAssistant, "chat.openai.com": ReferrerAssistant,
	"com.google.android.gm": ReferrerEmail, "com.google.android.googlequicksearchbox": ReferrerSearch,
}

// ClassifyReferrer tells where a visit of a site came from by the address that
// the browser gave.
func ClassifyReferrer(referrer, site string) ReferrerClass {
	if referrer == "" {
		return ReferrerDirect
	}
	u, err := url.Parse(referrer)
	if err != nil || u.Host == "" {
		return ReferrerOther
	}
	host, site := bareHost(u.Host), bareHost(site)
	if site != "" && (host == site || strings.HasSuffix(host, "."+site) || strings.HasSuffix(site, "."+host)) {
		return ReferrerInternal
	}
	if class, ok := referrerHosts[host]; ok {
		return class
	}
	// The last label is the domain's end, and names nobody.
	for rest := host; ; {
		label, after, more := strings.Cut(rest, ".")
		if !more {
			break
		}
		switch class, ok := referrerNames[label]; {
		case ok:
			return class
		case label == "mail" || label == "webmail":
			return ReferrerEmail
		}
		rest = after
	}
	return ReferrerOther
}

// bareHost is a host in lower case, without port and www.
func bareHost(host string) string {
	host = strings.ToLower(host)
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.TrimPrefix(host, "www.")
}
