package postgres_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3/lock"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
)

// newest is the version that this program wants; allSteps are all versions up
// to it.
var newest = postgres.ExpectedShape().Version

func allSteps() []int64 {
	steps := make([]int64, newest)
	for i := range steps {
		steps[i] = int64(i) + 1
	}
	return steps
}

func TestMigrateConcurrentlyAndAgain(t *testing.T) {
	t.Parallel()
	url := dbtest.Empty(t)
	var mu sync.Mutex
	var applied []int64
	migrate := func() error {
		return postgres.Migrate(context.WithoutCancel(t.Context()), url, postgres.Migrations(), func(m postgres.Migration) {
			mu.Lock()
			defer mu.Unlock()
			applied = append(applied, m.Version)
		})
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if err := migrate(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	slices.Sort(applied)
	if diff := cmp.Diff(allSteps(), applied); diff != "" {
		t.Errorf("steps applied by two migrators together: %s", diff)
	}
	if err := migrate(); err != nil || len(applied) != len(allSteps()) {
		t.Errorf("migrating again: %v, applied %v", err, applied)
	}
	if err := openStore(t, url).CheckSchema(t.Context()); err != nil {
		t.Errorf("CheckSchema: %v", err)
	}
}

// Who waits for another migrator in vain, or is ended while waiting, says so.
func TestMigrateBehindALock(t *testing.T) {
	t.Parallel()
	url := dbtest.Empty(t)
	conn := connect(t, url)
	if _, err := conn.Exec(t.Context(), "SELECT pg_advisory_lock($1)", lock.DefaultLockID); err != nil {
		t.Fatal(err)
	}
	migrate := func(ctx context.Context, wait time.Duration) error {
		return postgres.MigrateWaiting(ctx, url, postgres.Migrations(), wait, func(postgres.Migration) {})
	}
	ended, end := context.WithCancel(t.Context())
	time.AfterFunc(1500*time.Millisecond, end) // between two looks at the lock
	for _, tt := range []struct {
		about string
		err   error
	}{{"ended", migrate(ended, time.Hour)}, {"in vain", migrate(t.Context(), time.Second)}} {
		if got := postgres.Redact(tt.err); !strings.Contains(got, "another migration holds the lock of this database") {
			t.Errorf("%s: %q", tt.about, got)
		}
	}
	if _, err := conn.Exec(t.Context(), "SELECT pg_advisory_unlock_all()"); err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), 0); err != nil {
		t.Errorf("with the lock free: %v", err)
	}
}

func TestCheckSchemaBehind(t *testing.T) {
	t.Parallel()
	var behind *postgres.SchemaBehindError
	store := openStore(t, dbtest.Empty(t))
	if err := store.CheckSchema(t.Context()); !errors.As(err, &behind) || len(behind.Missing) != len(allSteps()) {
		t.Errorf("an empty database: got %v", err)
	}
	b := newBench(t)
	b.exec(t, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)")
	if err := b.CheckSchema(t.Context()); err != nil {
		t.Errorf("a schema that is ahead: got %v", err)
	}
	b.exec(t, "DELETE FROM goose_db_version WHERE version_id = 2")
	if err := b.CheckSchema(t.Context()); !errors.As(err, &behind) || len(behind.Missing) != 1 || behind.Missing[0] != 2 {
		t.Errorf("step 2 not applied: got %v", err)
	}
}

func TestFailedMigrationIsRedacted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		about, sql, want string
	}{
		{
			"a value in the message", "SELECT 'hunter2-value'::int;",
			"migration 00001_bad.sql failed: existing rows do not fit the new schema (SQLSTATE 22P02)",
		},
		{
			"a value in the detail", "CREATE TABLE a (x text PRIMARY KEY); INSERT INTO a VALUES ('hunter2-value'), ('hunter2-value');",
			"migration 00001_bad.sql failed: existing rows do not fit the new schema: table a, constraint a_pkey (SQLSTATE 23505)",
		},
		{
			"raised by ourselves", "DO $$ BEGIN RAISE EXCEPTION 'hunter2-value'; END $$;",
			"migration 00001_bad.sql failed: the database reported SQLSTATE P0001",
		},
		{
			"a missing table", "ALTER TABLE nothing ADD COLUMN x int;",
			`migration 00001_bad.sql failed: relation "nothing" does not exist (SQLSTATE 42P01)`,
		},
	} {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			sql := "-- +goose Up\n-- +goose StatementBegin\n" + tt.sql + "\n-- +goose StatementEnd\n"
			steps := fstest.MapFS{"00001_bad.sql": {Data: []byte(sql)}}
			err := postgres.Migrate(t.Context(), dbtest.Empty(t), steps, func(postgres.Migration) {})
			if err == nil {
				t.Fatal("the bad migration worked")
			}
			if got := postgres.Redact(err); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestRedactConnectionTroubles(t *testing.T) {
	t.Parallel()
	good := dbtest.URL(t)
	parsed, err := url.Parse(good)
	if err != nil {
		t.Fatal(err)
	}
	wrongLogin := *parsed
	wrongLogin.User = url.UserPassword("intruder", "hunter2-value")
	wrongDatabase := *parsed
	wrongDatabase.Path = "/hunter2-value"
	for _, tt := range []struct{ about, url, want string }{
		{"wrong login", wrongLogin.String(), "refuses the login"},
		{"wrong database", wrongDatabase.String(), "does not exist"},
		{"nobody there", "postgres://hunter2-value:hunter2-value@127.0.0.1:1/hunter2-value", "does not answer"},
		{"not a URL", "postgres://hunter2-value:%zz@/x", "not a Postgres connection string"},
		{"empty", "", "not a Postgres connection string"},
	} {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			err := postgres.Migrate(t.Context(), tt.url, postgres.Migrations(), func(postgres.Migration) {})
			got := postgres.Redact(err)
			if !strings.Contains(got, tt.want) || strings.Contains(got, "hunter2") || strings.Contains(got, "intruder") {
				t.Errorf("got %q, want it to contain %q and no secret", got, tt.want)
			}
		})
	}
}

func TestPassing(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{"57P03": true, "53300": true, "28P01": false, "3D000": false, "42601": false} {
		if got := postgres.Passing(&pgconn.PgError{Code: code}); got != want {
			t.Errorf("Passing(%s) = %v", code, got)
		}
	}
}

// Waiting for a connection belongs to the query that had to wait.
func TestQueriesAreObservedWithTheirWait(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.onboard(t, "ops@kiln.example", noon, app.Touch{})
	var mu sync.Mutex
	var seen []time.Duration
	store, err := postgres.Open(t.Context(), postgres.Options{
		URL: b.url, PoolSize: 1, Now: time.Now,
		Observe: func(d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, d)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	// The only connection waits for this lock, and a second query for it.
	b.exec(t, "BEGIN")
	b.exec(t, "LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = store.FindKey(context.WithoutCancel(t.Context()), "x") })
	for store.PoolUsed() == 0 {
		time.Sleep(time.Millisecond)
	}
	wg.Go(func() { _, _ = store.Customer(context.WithoutCancel(t.Context()), 1) })
	time.Sleep(200 * time.Millisecond)
	b.exec(t, "COMMIT")
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 2 || seen[0] < 100*time.Millisecond || seen[1] < 100*time.Millisecond {
		t.Errorf("observed %v, want two durations that contain the wait of 200 ms", seen)
	}
	if store.PoolSize() != 1 {
		t.Errorf("the pool holds %d", store.PoolSize())
	}
}
