package postgres_test

import (
	"net"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// A database that takes connections and never answers is noticed in a bounded
// time.
func TestSilentDatabase(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	silent, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	store := openStore(t, "postgres://u:p@"+silent.Addr().String()+"/x?sslmode=disable")
	began := time.Now()
	if _, err := store.FindKey(t.Context(), "x"); app.CodeOf(err) != app.CodeUnavailable {
		t.Errorf("got %v, want CodeUnavailable", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
