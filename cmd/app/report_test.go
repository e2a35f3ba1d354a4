package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// left is what a one-shot command leaves for the kubelet.
type left struct {
	contract.Report
	code int
	// text is all that was printed.
	text string
}

// messages are the problems, "check: message".
func (l left) messages() []string {
	all := make([]string, len(l.Problems))
	for i, p := range l.Problems {
		all[i] = p.Check + ": " + p.Message
	}
	return all
}

// oneShot runs a command as a pod does, and checks what every report must hold:
// its size, and that it says the same as what is printed.
func oneShot(t *testing.T, env map[string]string, args ...string) left {
	t.Helper()
	p := newProgram(t, env)
	p.terminationLog = filepath.Join(t.TempDir(), "termination-log")
	old := strings.Repeat("an older message ", 400)
	if err := os.WriteFile(p.terminationLog, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	var l left
	l.code = p.run(t.Context(), args)
	l.text = p.out.String() + p.errOut.String()
	raw, err := os.ReadFile(p.terminationLog)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > contract.TerminationLogLimit {
		t.Errorf("the report has %d bytes", len(raw))
	}
	if err := json.Unmarshal(raw, &l.Report); err != nil {
		t.Fatalf("no report: %v: %s", err, raw)
	}
	if l.Command != args[0] || l.Version != appVersion() {
		t.Errorf("the report is of %s %s", l.Command, l.Version)
	}
	if (l.code == 0) != (len(l.Problems) == 0) {
		t.Errorf("exit code %d with the problems %q", l.code, l.messages())
	}
	for _, problem := range l.Problems {
		if !strings.Contains(l.text, problem.Message) {
			t.Errorf("not printed: %s\n%s", problem.Message, l.text)
		}
	}
	return l
}

func execute(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// expect compares messages with what they must contain, one by one.
func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d messages, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range got {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("message %d: %q\nwant it to contain %q", i, got[i], want[i])
		}
	}
}

func TestLeaveMakesTheFileOnlyWhenItWasMoved(t *testing.T) {
	t.Parallel()
	p := newProgram(t, nil)
	p.leave(newReport("x"))
	if _, err := os.Stat(p.terminationLog); err == nil {
		t.Error("a termination log was made outside of a pod")
	}
	moved := filepath.Join(t.TempDir(), "moved")
	p = newProgram(t, map[string]string{envTerminationLog: moved})
	p.leave(newReport("x"))
	raw, err := os.ReadFile(moved)
	if want := `{"command":"x","version":"` + appVersion() + `"}`; err != nil || string(raw) != want {
		t.Errorf("left %q, %v; want %q", raw, err, want)
	}
}
