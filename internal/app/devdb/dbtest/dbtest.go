// Package dbtest gives each test a migrated database of its own, on a server
// that the tests of a package share.
package dbtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
)

// EnvURL names a server that tests share instead of starting their own. Its
// user must be allowed to create databases.
const EnvURL = "RSOLV_TEST_DATABASE_URL"

var shared struct {
	once   sync.Once
	server *devdb.Server
	url    string
	tmpl   string
	err    error
}

// Run runs the tests of a package and stops the server that they started.
//
//	func TestMain(m *testing.M) { os.Exit(dbtest.Run(m)) }
func Run(m *testing.M) int {
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the test server:", err)
			return 1
		}
	}
	return code
}

// URL makes a migrated, empty database and returns its connection string. The
// database is dropped when the test ends.
func URL(tb testing.TB) string {
	tb.Helper()
	shared.once.Do(func() { shared.err = start(context.WithoutCancel(tb.Context())) })
	if shared.err != nil {
		tb.Fatalf("preparing the test database server: %v", shared.err)
	}
	return clone(tb, shared.tmpl)
}

// Empty makes a database without any schema.
func Empty(tb testing.TB) string {
	tb.Helper()
	URL(tb) // starts the server
	return clone(tb, "template1")
}

func clone(tb testing.TB, template string) string {
	tb.Helper()
	name := "t_" + strings.ToLower(rand.Text())
	admin(tb, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, template))
	tb.Cleanup(func() { admin(tb, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)) })
	return withDatabase(shared.url, name)
}

func admin(tb testing.TB, statement string) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	conn, err := pgx.Connect(ctx, shared.url)
	if err != nil {
		tb.Fatalf("connecting to the test server: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is pending
	if _, err := conn.Exec(ctx, statement); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

func start(ctx context.Context) error {
	shared.url = os.Getenv(EnvURL)
	if shared.url == "" {
		server, err := devdb.Start(ctx)
		if err != nil {
			return err
		}
		shared.server, shared.url = server, server.URL("postgres")
	}
	hash := sha256.New()
	err := fs.WalkDir(postgres.Migrations(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(postgres.Migrations(), path)
		hash.Write(text)
		return err
	})
	if err != nil {
		return fmt.Errorf("hashing the migrations: %w", err)
	}
	shared.tmpl = "rsolv_template_" + hex.EncodeToString(hash.Sum(nil)[:8])
	return ensureTemplate(ctx)
}

// ensureTemplate migrates a database once for all test programs that use the
// server, whichever of them comes first.
func ensureTemplate(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, shared.url)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }() // ends the lock; nothing is pending
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock(hashtext('rsolv_template'))"); err != nil {
		return fmt.Errorf("locking the template: %w", err)
	}
	var ready bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)", shared.tmpl).Scan(&ready)
	if err != nil || ready {
		return err
	}
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + shared.tmpl, "CREATE DATABASE " + shared.tmpl} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	err = postgres.Migrate(ctx, withDatabase(shared.url, shared.tmpl), postgres.Migrations(), func(postgres.Migration) {})
	if err != nil {
		return fmt.Errorf("migrating the template: %w", err)
	}
	_, err = conn.Exec(ctx, "ALTER DATABASE "+shared.tmpl+" IS_TEMPLATE true")
	return err
}

func withDatabase(server, name string) string {
	u, err := url.Parse(server)
	if err != nil {
		panic("the test server's URL does not parse") // it was connected to before
	}
	u.Path = "/" + name
	return u.String()
}
