package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// jobSchema is where River, which keeps the durable jobs, has its tables. They
// are River's own: it migrates them, and the shape of ours does not list them.
const jobSchema = "river"

// jobLock is the advisory lock of whoever migrates River's tables.
const jobLock int64 = 0x52534f4c56_02

func newJobMigrator(pool *pgxpool.Pool) (*rivermigrate.Migrator[pgx.Tx], error) {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{
		Schema: jobSchema, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, fmt.Errorf("reading River's migrations: %w", err)
	}
	return migrator, nil
}

// migrateJobs brings River's tables up to date. Each step has a transaction of
// its own, since one needs what another has committed, and so the lock is a
// session's, on a connection beside theirs.
func migrateJobs(ctx context.Context, url string, wait time.Duration) error {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return ErrBadURL
	}
	config.MaxConns = 2
	config.ConnConfig.ConnectTimeout = connectTimeout
	config.ConnConfig.RuntimeParams["application_name"] = "rsolv-migrate"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("making the connection pool: %w", err)
	}
	defer pool.Close()
	return pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		var there bool
		if err := conn.QueryRow(ctx, "SELECT to_regnamespace($1) IS NOT NULL", jobSchema).Scan(&there); err != nil {
			return fmt.Errorf("looking for the schema of the jobs: %w", err)
		}
		if !there {
			return nil // the steps that were given do not make it
		}
		if wait > 0 {
			if _, err := conn.Exec(ctx, "SELECT set_config('lock_timeout', $1, false)", fmt.Sprintf("%dms", wait.Milliseconds())); err != nil {
				return fmt.Errorf("setting the timeout: %w", err)
			}
		}
		if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", jobLock); err != nil {
			return fmt.Errorf("waiting for whoever else migrates: %w", err)
		}
		migrator, err := newJobMigrator(pool)
		if err != nil {
			return err
		}
		if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return &MigrationError{Name: "of the job tables", Err: err}
		}
		return nil
	})
}

// jobsBehind counts the migrations of River's tables that are not applied.
func jobsBehind(ctx context.Context, tx pgx.Tx) (int, error) {
	migrator, err := newJobMigrator(nil)
	if err != nil {
		return 0, err
	}
	var recorded bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass('river.river_migration') IS NOT NULL").Scan(&recorded); err != nil {
		return 0, fmt.Errorf("looking for the job tables: %w", err)
	}
	if !recorded {
		return len(migrator.AllVersions()), nil
	}
	var applied []int
	rows, err := tx.Query(ctx, "SELECT version FROM river.river_migration WHERE line = 'main'")
	if err != nil {
		return 0, fmt.Errorf("reading the version of the job tables: %w", err)
	}
	if applied, err = pgx.CollectRows(rows, pgx.RowTo[int]); err != nil {
		return 0, fmt.Errorf("reading the version of the job tables: %w", err)
	}
	have := map[int]bool{}
	for _, v := range applied {
		have[v] = true
	}
	behind := 0
	for _, m := range migrator.AllVersions() {
		if !have[m.Version] {
			behind++
		}
	}
	return behind, nil
}
