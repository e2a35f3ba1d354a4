// Package visitor tells visitors apart without leaving anything in their
// browsers: an id is a keyed hash of address, user agent and site. Its key, the
// salt of the day, is shared by all pods, and nobody has it any more 48 hours
// after it was made: from then on an id leads back to nobody.
package visitor

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

const (
	saltBytes = 32
	// madeAhead is how long before midnight (UTC) all pods get the next day's
	// salt: a database that is away at midnight is missed by nobody.
	madeAhead = time.Hour
	// retryAfter and refreshAfter are between looks at the database, without
	// and with all salts in hand.
	retryAfter   = 2 * time.Second
	refreshAfter = time.Minute
)

// Store shares salts.
type Store interface {
	// ShareSalt returns the salt of a day: fresh, made at the given time, when
	// there is none yet.
	ShareSalt(ctx context.Context, day time.Time, fresh []byte) (app.Salt, error)
}

// Options of IDs; all are required.
type Options struct {
	Store Store
	Log   *slog.Logger
	Now   func() time.Time
	// Describe makes an error fit for the log.
	Describe func(error) string
}

// IDs makes visitor ids of the salts that Run keeps.
type IDs struct {
	o Options
	// salts are ascending by day, at most two.
	salts atomic.Pointer[[]app.Salt]
}

// New returns IDs that know no salt until Run runs.
func New(o Options) (*IDs, error) {
	if o.Store == nil || o.Log == nil || o.Now == nil || o.Describe == nil {
		return nil, errors.New("visitor.New: a required option is missing")
	}
	return &IDs{o: o}, nil
}

// ID is the visitor's id for today. While the database is away and has not told
// today's salt, the last one serves on, until it is 48 hours old. "" says that
// nobody can tell at the moment.
func (v *IDs) ID(site string, addr netip.Addr, userAgent string) string {
	salt := v.salt(v.o.Now())
	if salt == nil || !addr.IsValid() {
		return ""
	}
	mac := hmac.New(sha256.New, salt)
	ip := addr.Unmap().WithZone("").As16()
	mac.Write(ip[:])
	var length [4]byte // so that no two pairs of texts are one text
	site = siteKey(site)
	binary.BigEndian.PutUint32(length[:], uint32(len(site))) //nolint:gosec // a host name
	mac.Write(length[:])
	mac.Write([]byte(site))
	mac.Write([]byte(userAgent))
	return app.DailyVisitorPrefix + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

func (v *IDs) salt(now time.Time) []byte {
	salts := v.salts.Load()
	if salts == nil {
		return nil
	}
	today := day(now)
	var best []byte
	for _, s := range *salts {
		if !s.Day.After(today) && now.Sub(s.MadeAt) < app.SaltAge {
			best = s.Secret
		}
	}
	return best
}

// siteKey is the registered domain of a site: the pages at www.example.com and
// the signup at app.example.com see the same visitor, those of somebody else's
// domain do not.
func siteKey(site string) string {
	site = strings.ToLower(strings.TrimSuffix(site, "."))
	if host, _, err := net.SplitHostPort(site); err == nil {
		site = host
	}
	if registered, err := publicsuffix.EffectiveTLDPlusOne(site); err == nil {
		return registered
	}
	return site
}

func day(at time.Time) time.Time { return at.UTC().Truncate(24 * time.Hour) }

// Run keeps the salts until ctx ends.
func (v *IDs) Run(ctx context.Context) {
	failing := false
	for {
		err := v.Refresh(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			v.o.Log.Warn("the salt of visitor ids cannot be had at the moment; the last one serves while it may", "reason", v.o.Describe(err))
		}
		if failing = err != nil; failing {
			wait(ctx, retryAfter)
		} else {
			wait(ctx, refreshAfter)
		}
	}
}

// Refresh gets the salts that are needed now, and forgets the others.
func (v *IDs) Refresh(ctx context.Context) error {
	now := v.o.Now()
	var held []app.Salt
	if salts := v.salts.Load(); salts != nil {
		for _, s := range *salts {
			if now.Sub(s.MadeAt) < app.SaltAge {
				held = append(held, s)
			}
		}
	}
	var err error
	for _, wanted := range wantedDays(now) {
		if has(held, wanted) {
			continue
		}
		var salt app.Salt
		if salt, err = v.share(ctx, wanted); err != nil {
			break
		}
		held = append(held, salt)
	}
	v.salts.Store(&held)
	return err
}

// wantedDays are today, and tomorrow once it is near.
func wantedDays(now time.Time) []time.Time {
	days := []time.Time{day(now)}
	if soon := day(now.Add(madeAhead)); soon.After(days[0]) {
		days = append(days, soon)
	}
	return days
}

func (v *IDs) share(ctx context.Context, of time.Time) (app.Salt, error) {
	fresh := make([]byte, saltBytes)
	// crypto/rand.Read never fails: it ends the program instead.
	_, _ = rand.Read(fresh)
	return v.o.Store.ShareSalt(ctx, of, fresh)
}

func has(salts []app.Salt, day time.Time) bool {
	for _, s := range salts {
		if s.Day.Equal(day) {
			return true
		}
	}
	return false
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
