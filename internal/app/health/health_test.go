package health_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/health"
)

type database struct {
	mu  sync.Mutex
	err error
}

func (d *database) set(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *database) CheckSchema(ctx context.Context) error { return d.Ping(ctx) }

func (d *database) Ping(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// Readiness needs the database once; losing it later changes nothing.
func TestMonitor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &database{err: errors.New("refused")}
		var log bytes.Buffer
		m := health.New(db, slog.New(slog.NewTextHandler(&log, nil)), error.Error)
		go m.Run(t.Context())

		time.Sleep(time.Minute)
		synctest.Wait()
		if m.Ready() == nil || m.DatabaseUp() {
			t.Error("ready without a database")
		}
		db.set(errors.New("the schema is behind"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := strings.Count(log.String(), "\n"); n != 2 {
			t.Errorf("%d lines are logged for two reasons:\n%s", n, log.String())
		}
		db.set(nil)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if err := m.Ready(); err != nil || !m.DatabaseUp() {
			t.Errorf("not ready with a database: %v", err)
		}
		db.set(errors.New("refused"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if err := m.Ready(); err != nil || m.DatabaseUp() {
			t.Errorf("after losing the database: %v, up %v", err, m.DatabaseUp())
		}
		db.set(nil)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if !m.DatabaseUp() {
			t.Error("the database's return goes unnoticed")
		}
		if n := strings.Count(log.String(), "\n"); n != 5 {
			t.Errorf("%d lines are logged, want 5:\n%s", n, log.String())
		}
		m.Drain()
		if m.Ready() == nil {
			t.Error("ready while draining")
		}
	})
}
