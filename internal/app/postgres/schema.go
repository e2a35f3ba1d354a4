package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
)

// Schema is how far a database's schema has come, beside what this program was
// built for.
type Schema struct {
	// Version is the newest step that the database says it has, 0 for none;
	// Wanted is the newest step that this program knows.
	Version, Wanted int64
	// Missing are the steps of this program that the database does not have,
	// ascending.
	Missing []int64
	// CompatibleFrom is the oldest version whose program still works with the
	// schema; 0 when the database does not say.
	CompatibleFrom int64
	// JobsBehind counts the migrations of the job tables, which are River's own,
	// that are not applied although the schema is up to date.
	JobsBehind int
	// RecordEmptied: the table of applied steps is there and has no row at all,
	// which nothing but a deletion leaves behind.
	RecordEmptied bool
}

// SchemaBehindError says that steps this program needs are not applied.
type SchemaBehindError struct {
	Missing []int64
	// Jobs counts missing steps of the job tables.
	Jobs int
}

func (e *SchemaBehindError) Error() string {
	if len(e.Missing) == 0 {
		return fmt.Sprintf("the job tables (schema river) are behind by %d versions: run the migrate command", e.Jobs)
	}
	return fmt.Sprintf("the schema is behind: run the migrate command (missing versions %v)", e.Missing)
}

// SchemaAheadError says that a newer program has taken away from the schema
// what this one needs, or does not say that it left it there.
type SchemaAheadError struct{ Schema Schema }

func (e *SchemaAheadError) Error() string {
	s := e.Schema
	if s.CompatibleFrom == 0 {
		return fmt.Sprintf("the schema is ahead: it is at version %d, this program was built for %d, and the table "+
			"schema_compatibility does not say whether that works: run an image built for version %d or newer",
			s.Version, s.Wanted, s.Version)
	}
	return fmt.Sprintf("the schema is ahead: it is at version %d and works with programs built for version %d or newer; "+
		"this one was built for %d: run a newer image", s.Version, s.CompatibleFrom, s.Wanted)
}

// Err is nil when this program can work with the schema: every step that it
// knows is applied, and further ones took nothing away. Otherwise it is
// *SchemaBehindError or *SchemaAheadError.
func (s Schema) Err() error {
	switch {
	case len(s.Missing) > 0:
		return &SchemaBehindError{Missing: s.Missing}
	case s.incompatible():
		return &SchemaAheadError{Schema: s}
	case s.JobsBehind > 0:
		return &SchemaBehindError{Jobs: s.JobsBehind}
	default:
		return nil
	}
}

func (s Schema) ahead() bool { return s.Version > s.Wanted }

func (s Schema) incompatible() bool {
	return s.ahead() && (s.CompatibleFrom == 0 || s.CompatibleFrom > s.Wanted)
}

// CheckSchema answers nil when this program can work with the database's
// schema, as Schema.Err does.
func (s *Store) CheckSchema(ctx context.Context) error {
	schema, err := s.Schema(ctx)
	if err != nil {
		return err
	}
	return schema.Err()
}

// Schema reads how far the database's schema has come.
func (s *Store) Schema(ctx context.Context) (Schema, error) {
	var schema Schema
	err := s.look(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var err error
		schema, err = readSchema(ctx, tx)
		return err
	})
	return schema, err
}

// Inspect reads how far the schema has come and the shape that it has, both at
// the same moment: migrations may be running.
func (s *Store) Inspect(ctx context.Context) (Schema, Shape, error) {
	var schema Schema
	var shape Shape
	err := s.look(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var err error
		if schema, err = readSchema(ctx, tx); err != nil {
			return err
		}
		shape, err = readShape(ctx, tx)
		return err
	})
	return schema, shape, err
}

func (s *Store) look(ctx context.Context, read func(context.Context, pgx.Tx) error) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return classify(pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error { return read(ctx, tx) }))
}

func readSchema(ctx context.Context, tx pgx.Tx) (Schema, error) {
	var recorded, rated bool
	// to_regclass would answer for the present and not for the transaction's
	// moment.
	err := tx.QueryRow(ctx, `SELECT coalesce(bool_or(relname = 'goose_db_version'), false),
			coalesce(bool_or(relname = 'schema_compatibility'), false)
		FROM pg_class WHERE relname IN ('goose_db_version', 'schema_compatibility') AND pg_table_is_visible(oid)`).
		Scan(&recorded, &rated)
	if err != nil {
		return Schema{}, fmt.Errorf("looking for the schema version: %w", err)
	}
	var applied []int64
	if recorded {
		rows, err := tx.Query(ctx, "SELECT version_id FROM goose_db_version WHERE is_applied")
		if err != nil {
			return Schema{}, fmt.Errorf("reading the schema version: %w", err)
		}
		if applied, err = pgx.CollectRows(rows, pgx.RowTo[int64]); err != nil {
			return Schema{}, fmt.Errorf("reading the schema version: %w", err)
		}
	}
	schema, err := compareSteps(Migrations(), applied)
	if err != nil {
		return Schema{}, err
	}
	schema.RecordEmptied = recorded && len(applied) == 0
	if len(schema.Missing) == 0 {
		if schema.JobsBehind, err = jobsBehind(ctx, tx); err != nil {
			return Schema{}, err
		}
	}
	if rated {
		err := tx.QueryRow(ctx, "SELECT coalesce(max(min_version), 0) FROM schema_compatibility").Scan(&schema.CompatibleFrom)
		if err != nil {
			return Schema{}, fmt.Errorf("reading what the schema is compatible with: %w", err)
		}
	}
	return schema, nil
}

func compareSteps(steps fs.FS, applied []int64) (Schema, error) {
	names, err := fs.Glob(steps, "*.sql")
	if err != nil {
		return Schema{}, fmt.Errorf("listing the migrations: %w", err)
	}
	have := make(map[int64]bool, len(applied))
	for _, v := range applied {
		have[v] = true
	}
	schema := Schema{Version: slices.Max(append([]int64{0}, applied...))}
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return Schema{}, fmt.Errorf("reading the version of migration %s: %w", name, err)
		}
		schema.Wanted = max(schema.Wanted, version)
		if !have[version] {
			schema.Missing = append(schema.Missing, version)
		}
	}
	slices.Sort(schema.Missing)
	return schema, nil
}
