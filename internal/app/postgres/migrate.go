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

// Migrate brings the schema of the database up to date, under a session lock:
// of several callers one works and the others find nothing left to do. done is
// told of each step as it is applied. The error of a failed step contains what
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
	results, err := provider.Up(ctx)
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		results = partial.Applied
	}
	for _, r := range results {
		done(Migration{Version: r.Source.Version, Name: path.Base(r.Source.Path), Duration: r.Duration})
	}
	if partial != nil {
		return &MigrationError{
			Version: partial.Failed.Source.Version, Name: path.Base(partial.Failed.Source.Path), Err: partial.Err,
		}
	}
	if err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	return nil
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

// SchemaBehindError says that steps this program needs are not applied.
type SchemaBehindError struct{ Missing []int64 }

func (e *SchemaBehindError) Error() string {
	return fmt.Sprintf("the schema is behind: run the migrate command (missing versions %v)", e.Missing)
}

// CheckSchema answers nil when every step this program knows is applied. A
// schema that is ahead is fine: steps only ever expand. A schema that is
// behind gives *SchemaBehindError.
func (s *Store) CheckSchema(ctx context.Context) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	var exists bool
	if err := s.pool.QueryRow(ctx, "SELECT to_regclass('goose_db_version') IS NOT NULL").Scan(&exists); err != nil {
		return classify(fmt.Errorf("looking for the schema version: %w", err))
	}
	var applied []int64
	if exists {
		rows, err := s.pool.Query(ctx, "SELECT version_id FROM goose_db_version WHERE is_applied")
		if err != nil {
			return classify(fmt.Errorf("reading the schema version: %w", err))
		}
		if applied, err = pgx.CollectRows(rows, pgx.RowTo[int64]); err != nil {
			return classify(fmt.Errorf("reading the schema version: %w", err))
		}
	}
	return missingSteps(Migrations(), applied)
}

func missingSteps(steps fs.FS, applied []int64) error {
	names, err := fs.Glob(steps, "*.sql")
	if err != nil {
		return fmt.Errorf("listing the migrations: %w", err)
	}
	have := make(map[int64]bool, len(applied))
	for _, v := range applied {
		have[v] = true
	}
	var missing []int64
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return fmt.Errorf("reading the version of migration %s: %w", name, err)
		}
		if !have[version] {
			missing = append(missing, version)
		}
	}
	if len(missing) > 0 {
		return &SchemaBehindError{Missing: missing}
	}
	return nil
}
