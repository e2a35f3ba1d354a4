package postgres_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Run(m)) }

var noon = time.Date(2025, 11, 4, 12, 0, 0, 0, time.UTC)

// bench is a store on a database of its own, and a connection beside it.
type bench struct {
	*postgres.Store
	url  string
	conn *pgx.Conn
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{url: dbtest.URL(t)}
	var err error
	b.Store, err = postgres.Open(t.Context(), postgres.Options{URL: b.url, PoolSize: 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	b.conn = connect(t, b.url)
	return b
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

// writeEvents applies events as a source that took nothing else.
func writeEvents(ctx context.Context, store *postgres.Store, events []app.Event) (app.Tally, error) {
	return store.Apply(ctx, []app.Batch{batchOf(events...)})
}

// WriteEvents is writeEvents.
func (b *bench) WriteEvents(ctx context.Context, events []app.Event) (app.Tally, error) {
	return writeEvents(ctx, b.Store, events)
}

func batchOf(events ...app.Event) app.Batch {
	return app.Batch{Source: app.NewSourceID(noon), Number: 1, Total: uint64(len(events)), Events: events}
}

func (b *bench) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := b.conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// one reads a single value.
func one[T any](t *testing.T, b *bench, sql string, args ...any) T {
	t.Helper()
	var value T
	if err := b.conn.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func signup(email string, at time.Time, touch app.Touch) app.Signup {
	return app.Signup{
		Name: "Kiln", Email: email, Source: app.DefaultSource, KeyHash: app.HashKey(email), Touch: touch, At: at,
	}
}

func (b *bench) onboard(t *testing.T, email string, at time.Time, touch app.Touch) int64 {
	t.Helper()
	done, err := b.Onboard(t.Context(), signup(email, at, touch))
	if err != nil {
		t.Fatal(err)
	}
	if done.TrackingErr != nil {
		t.Fatalf("tracking: %v", done.TrackingErr)
	}
	return done.Customer.ID
}

func call(customer int64, at time.Time) app.Event {
	return app.Event{ID: app.NewEventID(at), Type: app.EventAPICall, CustomerID: customer, At: at}
}

func view(visitor string, at time.Time, utm app.UTM) app.Event {
	return app.Event{
		ID: app.NewEventID(at), Type: app.EventPageView, At: at,
		Touch: app.Touch{VisitorID: visitor, SessionID: "s", Path: "/", Network: "203.0.113.0/24", UTM: utm},
	}
}

var errRefused = errors.New("refused")
