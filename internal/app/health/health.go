// Package health decides whether the app is ready, and knows whether its
// database is there. The two differ on purpose: readiness needs the database
// once, after the start; losing it later makes no pod unready, because the next
// pod would have lost it too.
package health

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	firstPause = 200 * time.Millisecond
	lastPause  = 5 * time.Second
	pingPause  = 2 * time.Second
)

var (
	errStarting = errors.New("not ready: waiting for the first successful check of the database and its schema")
	errDraining = errors.New("not ready: shutting down")
)

// Database is what the monitor asks. Both bound their time themselves.
type Database interface {
	// CheckSchema answers nil when the database is there and its schema is new
	// enough.
	CheckSchema(ctx context.Context) error
	// Ping answers nil when the database is there.
	Ping(ctx context.Context) error
}

// Monitor watches the database.
type Monitor struct {
	db       Database
	log      *slog.Logger
	describe func(error) string

	checked  atomic.Bool
	draining atomic.Bool
	up       atomic.Bool
}

// New returns a monitor; Run makes it work. describe makes an error fit for
// the log.
func New(db Database, log *slog.Logger, describe func(error) string) *Monitor {
	return &Monitor{db: db, log: log, describe: describe}
}

// Ready says why the app is not to get requests; nil when it is. It never asks
// the database.
func (m *Monitor) Ready() error {
	switch {
	case m.draining.Load():
		return errDraining
	case !m.checked.Load():
		return errStarting
	default:
		return nil
	}
}

// DatabaseUp says whether the database answered when it was last asked.
func (m *Monitor) DatabaseUp() bool { return m.up.Load() }

// Drain makes the app unready for good.
func (m *Monitor) Drain() { m.draining.Store(true) }

// Run watches until ctx ends: first until the database and its schema are
// good, then whether it is still there.
func (m *Monitor) Run(ctx context.Context) {
	m.awaitSchema(ctx)
	for sleep(ctx, pingPause) {
		err := m.db.Ping(ctx)
		if ctx.Err() != nil {
			return
		}
		switch was := m.up.Swap(err == nil); {
		case was && err != nil:
			m.log.Warn("the database is away; the app stays ready", "reason", m.describe(err))
		case !was && err == nil:
			m.log.Info("the database is back")
		}
	}
}

// awaitSchema logs each reason for waiting once.
func (m *Monitor) awaitSchema(ctx context.Context) {
	pause, reason := firstPause, ""
	for {
		err := m.db.CheckSchema(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			m.up.Store(true)
			m.checked.Store(true)
			m.log.Info("ready: the database is there and its schema is new enough")
			return
		}
		if now := m.describe(err); now != reason {
			reason = now
			m.log.Warn("not ready yet; trying again until it works", "reason", reason)
		}
		// Up to half as long again, so that pods do not ask all at once.
		if !sleep(ctx, pause+rand.N(pause/2)) { //nolint:gosec // jitter, not a secret
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// sleep answers false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
