package app_test

import (
	"testing"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

func TestClassifyReferrer(t *testing.T) {
	t.Parallel()
	for referrer, want := range map[string]app.ReferrerClass{
		"":                                        app.ReferrerDirect,
		"https://www.google.co.uk/search?q=x":     app.ReferrerSearch,
		"https://duckduckgo.com/":                 app.ReferrerSearch,
		"https://search.brave.com/":               app.ReferrerSearch,
		"https://news.ycombinator.com/item?id=1":  app.ReferrerSocial,
		"https://t.co/x":                          app.ReferrerSocial,
		"https://old.reddit.com/r/devsecops":      app.ReferrerSocial,
		"https://mail.google.com/mail/u/0":        app.ReferrerEmail,
		"https://webmail.kiln.example/":           app.ReferrerEmail,
		"android-app://com.google.android.gm/":    app.ReferrerEmail,
		"https://chatgpt.com/":                    app.ReferrerAssistant,
		"https://github.com/marketplace":          app.ReferrerCode,
		"https://blog.kiln.example/":              app.ReferrerOther,
		"https://notgoogle.example/":              app.ReferrerOther,
		"https://www.RSOLV.dev:443/pricing":       app.ReferrerInternal,
		"https://docs.rsolv.dev/":                 app.ReferrerInternal,
		"https://rsolv.dev.evil.example/":         app.ReferrerOther,
		"nonsense":                                app.ReferrerOther,
		"https://\x00\u202e'; DROP TABLE x; --\n": app.ReferrerOther,
	} {
		if got := app.ClassifyReferrer(referrer, "rsolv.dev"); got != want {
			t.Errorf("%q is %s, want %s", referrer, got, want)
		}
	}
}
