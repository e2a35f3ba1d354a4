package main

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// A signup that the funnel does not know is in it soon after the start, and its
// day is stored.
func TestServeRepairsTheFunnel(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	_, err = conn.Exec(t.Context(), "INSERT INTO customers (name, email, inserted_at, updated_at) VALUES ('K', 'k@kiln.example', now(), now())")
	if err != nil {
		t.Fatal(err)
	}
	r := startServe(t, map[string]string{contract.EnvDatabaseURL: url})
	deadline := time.Now().Add(20 * time.Second)
	for {
		var signups int
		err := conn.QueryRow(t.Context(), "SELECT coalesce(sum(signups), 0)::int FROM funnel_metrics").Scan(&signups)
		if err != nil {
			t.Fatal(err)
		}
		if signups == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the signup is not counted:\n%s", r.p.out)
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.stop()
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d: %s", code, r.p.errOut)
	}
}
