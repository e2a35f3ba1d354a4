package web

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

const (
	// keyFresh is how long a key is believed without asking again. A change of
	// the key is told at once; this is for when it cannot be told.
	keyFresh = 10 * time.Second
	// keyAsk is how much longer it is believed while it is asked for in the
	// background, so that the request does not wait.
	keyAsk = 5 * time.Second
	// keyRecheck is the same for a key that lacks a permission, which may have
	// just been granted.
	keyRecheck = time.Second
	// keyStale is how long a key goes on working while the database is away.
	keyStale = 10 * time.Minute
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
	// changes counts what was forgotten, so that an answer that was on its way
	// meanwhile is not remembered.
	changes uint64
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

// lookup finds the owner of a key, no older than maxAge (and keyAsk) unless the
// database is away.
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
	age := now.Sub(entry.at)
	cached = cached && !entry.principal.Expired(now)
	usable := cached && age < keyStale
	switch {
	case cached && age < maxAge:
		return entry.principal, nil
	case away != nil && usable:
		return entry.principal, nil
	case away != nil:
		return app.Principal{}, away
	case cached && maxAge == keyFresh && age < keyFresh+keyAsk:
		go func() { _, _ = c.ask(context.WithoutCancel(ctx), hash) }() // it remembers what it learns
		return entry.principal, nil
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
		c.mu.Lock()
		changes := c.changes
		c.mu.Unlock()
		// The first request's client may go away; the others still wait.
		p, err := c.keys.FindKey(context.WithoutCancel(ctx), hash)
		c.remember(hash, p, err, changes)
		return p, err
	})
	if err != nil {
		return app.Principal{}, err
	}
	return found.(app.Principal), nil //nolint:forcetypeassert // put there above
}

func (c *keyCache) remember(hash string, p app.Principal, err error, changes uint64) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch app.CodeOf(err) {
	case "":
		c.awayUntil, c.away = time.Time{}, nil
		if c.changes != changes {
			return
		}
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

// forget makes the next request with a key ask for it.
func (c *keyCache) forget(hash string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	delete(c.entries, hash)
	c.flight.Forget(hash)
}

// doubt makes the next request with any key ask for it, as long as the database
// answers: changes may have gone unheard.
func (c *keyCache) doubt() {
	old := c.now().Add(-keyFresh - keyAsk)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	for hash, entry := range c.entries {
		if entry.at.After(old) {
			entry.at = old
			c.entries[hash] = entry
		}
	}
}
