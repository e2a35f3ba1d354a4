package devdb_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb"
)

func TestServer(t *testing.T) {
	t.Setenv("TMPDIR", openDir(t))
	s, err := devdb.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			_ = s.Stop()
		}
	})
	url := s.URL("postgres")
	query(t, url, "CREATE TABLE kept (x int)")
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		_ = conn.Close(t.Context())
		t.Fatal("a paused server answers")
	}
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.URL("postgres") != url {
		t.Error("the address changed over a pause")
	}
	query(t, url, "SELECT * FROM kept")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	stopped = true
	if left := folders(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func query(t *testing.T, url, sql string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
}

// openDir is a temporary folder that the user postgres may enter.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "devdb-test-") //nolint:usetesting // the folder around t.TempDir is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func folders(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(os.TempDir(), "rsolv-postgres-*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}
