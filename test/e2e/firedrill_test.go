//go:build e2e

package e2e

import (
	"os"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/test/drill"
)

// TestFireDrill makes every alert of the API, the database and the webhooks
// fire and arrive as mail, with the times of the samples divided by sixty. It
// is what `make fire-drill` runs.
func TestFireDrill(t *testing.T) {
	if !cluster.Local {
		t.Skip("the drill stands between the app and a database of its own, which a given cluster does not offer")
	}
	d := &drill.Drill{Cluster: cluster, Factor: 60, Out: os.Stderr, Now: time.Now}
	if err := d.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}
