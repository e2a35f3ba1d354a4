package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// TestServeKeepsItsFlags: a file that cannot be used changes nothing, and a
// process that ends and starts again, with neither manager nor API server to
// ask, has the flags of the file that is mounted. Nothing but that file is read.
func TestServeKeepsItsFlags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(text string) {
		t.Helper()
		staged := filepath.Join(t.TempDir(), "staged")
		if err := os.WriteFile(staged, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(staged, filepath.Join(dir, contract.FlagsFile)); err != nil {
			t.Fatal(err)
		}
	}
	const on = `{"flags":{"blog":{"state":"ENABLED","variants":{"enabled":true,"disabled":false},"defaultVariant":"enabled"}}}`
	write(on)
	env := map[string]string{contract.EnvDatabaseURL: dbtest.URL(t), contract.EnvFlagsDir: dir}
	r := startServe(t, env, "--drain", "0s")
	r.await(r.public+"/blog", http.StatusOK)
	write(`{"flags":{"blog":{"state":"ENABLED","variants":{"enabled":true},"defaultVariant":"maybe"}}}`)
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, body := r.request(http.MethodGet, r.admin+contract.FlagsStatusPath, "")
		if strings.Contains(body, `"error":"flag \"blog\": defaultVariant \"maybe\" is not a variant`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the broken file goes unnoticed: %s", body)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if got, _ := r.request(http.MethodGet, r.public+"/blog", ""); got != http.StatusOK {
		t.Errorf("with a broken file the blog answers %d", got)
	}
	write(on)
	r.stop()
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d: %s", code, r.p.errOut)
	}
	again := startServe(t, env, "--drain", "0s")
	// From the first answer on: no moment with the defaults.
	if got, body := again.request(http.MethodGet, again.public+"/blog", ""); got != http.StatusOK {
		t.Errorf("after a restart the blog answers %d %.80s", got, body)
	}
	again.stop()
	if code := again.wait(); code != 0 {
		t.Errorf("exit code %d: %s", code, again.p.errOut)
	}
}
