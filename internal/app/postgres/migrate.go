package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is one step of the schema that was applied.
type Migration struct {
	Version  int64
	Name     string
	Duration time.Duration
}

// Migrations are the steps that this program knows. Tests pass their own.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(fmt.Sprintf("embedded migrations: %v", err)) // the folder is compiled in
	}
	return sub
}

// Migrate brings the schema of the database up to date. Each step runs under a
// session lock, so that several callers apply it once between them. done is told
// of each step that this caller has applied, right after it. The error of a failed step contains what
// Postgres said; show it to people through Redact only.
func Migrate(ctx context.Context, url string, steps fs.FS, done func(Migration)) error {
	return migrate(ctx, url, steps, lockWait, done)
}

func migrate(ctx context.Context, url string, steps fs.FS, wait time.Duration, done func(Migration)) error {
	config, err := pgx.ParseConfig(url)
	if err != nil || url == "" {
		return ErrBadURL
	}
	config.ConnectTimeout = connectTimeout
	config.RuntimeParams["application_name"] = "rsolv-migrate"
	conn := stdlib.OpenDB(*config)
	defer func() { _ = conn.Close() }() // nothing can be pending
	provider, err := newProvider(conn, steps, wait)
	if err != nil {
		return err
	}
	for {
		// One step at a time, so that each is told of as it happens. The lock is
		// given up in between: of several callers each may apply some.
		result, err := provider.UpByOne(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return migrateJobs(ctx, url, wait)
		}
		if partial, ok := errors.AsType[*goose.PartialError](err); ok {
			source := partial.Failed.Source
			return &MigrationError{Version: source.Version, Name: path.Base(source.Path), Err: partial.Err}
		}
		if err != nil {
			return fmt.Errorf("migrating: %w", err)
		}
		done(Migration{Version: result.Source.Version, Name: path.Base(result.Source.Path), Duration: result.Duration})
	}
}

func newProvider(conn *sql.DB, steps fs.FS, wait time.Duration) (*goose.Provider, error) {
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, fmt.Errorf("making the migration lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, conn, steps,
		goose.WithSessionLocker(&patientLocker{locker, wait}), goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, fmt.Errorf("reading the migrations: %w", err)
	}
	return provider, nil
}

// MigrationError is a step that failed. Steps before it stay applied.
type MigrationError struct {
	Version int64
	Name    string
	Err     error
}

func (e *MigrationError) Error() string {
	return fmt.Sprintf("migration %s: %v", e.Name, e.Err)
}

func (e *MigrationError) Unwrap() error { return e.Err }
