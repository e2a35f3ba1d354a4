// Package postgres stores the app's domain in PostgreSQL: one file per
// aggregate, queries generated from queries/, the schema in migrations/.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

const (
	// DefaultPoolSize is the number of connections when POOL_SIZE is unset.
	DefaultPoolSize = 10

	connectTimeout = 3 * time.Second
	// operationTimeout bounds one storage call, waiting for a connection
	// included: a caller learns soon that the database is away.
	operationTimeout = 4 * time.Second
)

// ErrBadURL says that a connection string cannot be used. It never contains
// any part of the string.
var ErrBadURL = errors.New("not a Postgres connection string: expected postgres://user:password@host:5432/database " +
	"(special characters in the password percent-encoded)")

// CheckURL answers ErrBadURL when Open cannot use a connection string.
func CheckURL(url string) error {
	if _, err := pgxpool.ParseConfig(url); err != nil || url == "" {
		// The parse error may quote the URL.
		return ErrBadURL
	}
	return nil
}

// Options configure a Store.
type Options struct {
	// URL is a connection string as libpq takes it.
	URL string
	// PoolSize is the most connections held; zero means DefaultPoolSize.
	PoolSize int
	// Observe, when set, learns the duration of every query, waiting for a
	// connection included.
	Observe func(time.Duration)
	// Now is the clock that Observe is measured with; required with it.
	Now func() time.Time
}

// Store is the app's storage. It connects when it is first used, and again
// whenever the database comes back.
type Store struct {
	pool *pgxpool.Pool
	q    *db.Queries
	jobs Enqueuer
}

// Open checks the options and returns a Store without connecting. A bad URL
// gives ErrBadURL.
func Open(ctx context.Context, o Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil || o.URL == "" {
		// The parse error may quote the URL.
		return nil, ErrBadURL
	}
	config.MaxConns = int32(DefaultPoolSize)
	if o.PoolSize > 0 {
		config.MaxConns = int32(min(o.PoolSize, 1000))
	}
	config.ConnConfig.ConnectTimeout = connectTimeout
	config.MaxConnLifetime = 30 * time.Minute
	config.MaxConnLifetimeJitter = 5 * time.Minute
	config.MaxConnIdleTime = 5 * time.Minute
	config.HealthCheckPeriod = 15 * time.Second
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "rsolv"
	}
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	if o.Observe != nil {
		config.ConnConfig.Tracer = &tracer{observe: o.Observe, now: o.Now}
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("making the connection pool: %w", err)
	}
	return &Store{pool: pool, q: db.New(pool)}, nil
}

// Close closes every connection; it waits for those in use.
func (s *Store) Close() { s.pool.Close() }

// PoolSize is the most connections the store holds, PoolUsed how many of them
// are in use now.
func (s *Store) PoolSize() int { return int(s.pool.Stat().MaxConns()) }

// PoolUsed is described at PoolSize.
func (s *Store) PoolUsed() int { return int(s.pool.Stat().AcquiredConns()) }

// Ping asks the database for a sign of life.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	return classify(s.pool.Ping(ctx))
}

// operation bounds one storage call and lets the tracer see how long it waited
// for a connection.
func operation(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(withWait(ctx), operationTimeout)
}

// inTx runs work in a transaction of its own.
func (s *Store) inTx(ctx context.Context, work func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, work)
}

// classify gives errors that mean "the database is away" their app code and
// leaves every other error as it is.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if _, known := errors.AsType[*app.Error](err); known {
		return err
	}
	if away(err) {
		return unavailable(err)
	}
	return err
}

// unstorable gives errors that come from JSON of strangers, which is right for
// Go and not for PostgreSQL, a code that says so; any other stays as it is.
func unstorable(err error) error {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	switch pgErr.Code {
	case "22003", "22021", "22P02", "22P05", "54000", "54001":
		return &app.Error{
			Code: app.CodeInvalidRequest, Err: err,
			Message: "The body holds what cannot be stored: a number out of range, a broken character, or JSON that is nested too deep",
		}
	default:
		return err
	}
}

// unavailable is app.Unavailable with a cause that is safe to log: what pgx says
// of a connection quotes parts of the connection string.
func unavailable(err error) error { return app.Unavailable(&described{redactCause(err), err}) }

type described struct {
	text string
	err  error
}

func (d *described) Error() string { return d.text }
func (d *described) Unwrap() error { return d.err }

func away(err error) bool {
	// A server that lets nobody in is away, whatever it says to that.
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return awayCode(pgErr.Code)
	}
	var netErr net.Error
	return errors.As(err, &netErr) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err)
}

// awayCode says whether a SQLSTATE means that the server cannot serve at the
// moment: connection exceptions, shutting down or starting, out of
// connections, read-only after a failover, a timeout, or a login, database or
// schema that is not there yet.
func awayCode(code string) bool {
	for _, prefix := range []string{"08", "53", "57P", "28", "3D", "58"} {
		if strings.HasPrefix(code, prefix) {
			return true
		}
	}
	switch code {
	case "57014", "25006", "55P03", "40001", "40P01", "42P01":
		return true
	default:
		return false
	}
}
