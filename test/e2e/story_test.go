//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestDemo runs the demo as a newcomer does, and expects its last line.
func TestDemo(t *testing.T) {
	var output bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", "run", "./hack/demo")
	cmd.Dir = cluster.Root
	cmd.Env = append(os.Environ(), "CI=true")
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	t.Logf("the demo:\n%s", output.String())
	if err != nil {
		t.Fatalf("the demo failed: %v", err)
	}
	if !strings.Contains(output.String(), "\ndemo ok: ") {
		t.Error("the demo did not end with a line that begins with «demo ok: »")
	}
}
