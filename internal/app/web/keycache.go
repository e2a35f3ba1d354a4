package web

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

const (
	// keyFresh is how long a key is believed without asking again: the longest
	// that a revoked key goes on working while the database is there.
	keyFresh = 10 * time.Second
	// keyRecheck is the same for a key that lacks a permission, which may have
	// just been granted.
	keyRecheck = time.Second
	// keyStale is how long a key goes on working while the database is away.
	keyStale = time.Hour
	// keyPause is how long the database is left alone after it did not answer.
	keyPause = time.Second

	keyCacheSize = 10000
)

// keyCache remembers whom keys belong to, by the keys' hashes.
type keyCache struct {
	keys app.Keys
	now  func() time.Time

	flight singleflight.Group

	mu      sync.Mutex
	entries map[string]keyEntry
	// awayUntil is when the database may be asked again, and away why not now.
	awayUntil time.Time
	away      error
}

type keyEntry struct {
	principal app.Principal
	at        time.Time
}

func newKeyCache(keys app.Keys, now func() time.Time) *keyCache {
	return &keyCache{keys: keys, now: now, entries: map[string]keyEntry{}}
}

// lookup finds the owner of a key, no older than maxAge unless the database is
// away.
func (c *keyCache) lookup(ctx context.Context, key string, maxAge time.Duration) (app.Principal, error) {
	hash := app.HashKey(key)
	now := c.now()
	c.mu.Lock()
	entry, cached := c.entries[hash]
	away := c.away
	if !now.Before(c.awayUntil) {
		away = nil
	}
	c.mu.Unlock()
	usable := cached && now.Sub(entry.at) < keyStale
	switch {
	case cached && now.Sub(entry.at) < maxAge:
		return entry.principal, nil
	case away != nil && usable:
		return entry.principal, nil
	case away != nil:
		return app.Principal{}, away
	}
	principal, err := c.ask(ctx, hash)
	if app.CodeOf(err) == app.CodeUnavailable && usable {
		return entry.principal, nil
	}
	return principal, err
}

// ask asks the database, once for all requests that carry the same key at the
// moment.
func (c *keyCache) ask(ctx context.Context, hash string) (app.Principal, error) {
	found, err, _ := c.flight.Do(hash, func() (any, error) {
		// The first request's client may go away; the others still wait.
		p, err := c.keys.FindKey(context.WithoutCancel(ctx), hash)
		c.remember(hash, p, err)
		return p, err
	})
	if err != nil {
		return app.Principal{}, err
	}
	return found.(app.Principal), nil //nolint:forcetypeassert // put there above
}

func (c *keyCache) remember(hash string, p app.Principal, err error) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch app.CodeOf(err) {
	case "":
		c.awayUntil, c.away = time.Time{}, nil
		if len(c.entries) >= keyCacheSize {
			for old := range c.entries { // any one: the map's order is random
				delete(c.entries, old)
				break
			}
		}
		c.entries[hash] = keyEntry{principal: p, at: now}
	case app.CodeUnavailable:
		c.awayUntil, c.away = now.Add(keyPause), err
	case app.CodeInvalidKey:
		delete(c.entries, hash)
	}
}
