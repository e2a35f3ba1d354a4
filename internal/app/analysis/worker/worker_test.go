package worker

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/judge"
)

// TestMain lets the test binary be a worker, good or bad.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case Command:
			if err := Main(os.Stdin, os.Stdout); err != nil {
				os.Exit(1)
			}
			os.Exit(0)
		case "crashing-worker":
			crash()
		}
	}
	os.Exit(m.Run())
}

// crash answers jobs, dies over those that say so, and hangs over others.
func crash() {
	for {
		var job Job
		if readFrame(os.Stdin, &job) != nil {
			os.Exit(0)
		}
		switch job.Content {
		case "die":
			// The signal may reach another thread a moment later.
			_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV)
			time.Sleep(time.Minute)
		case "hang":
			time.Sleep(time.Minute)
		}
		_ = writeFrame(os.Stdout, Run(&job))
	}
}

func pool(t *testing.T, command string, size int, timeout time.Duration) *Pool {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPool(Options{Command: self, Args: []string{command}, Size: size, Timeout: timeout, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

var finding = judge.Finding{Type: "sql_injection", File: "a.js", Line: 1, Code: `db.query("SELECT " + req.query.id)`}

func TestDo(t *testing.T) {
	p := pool(t, Command, 2, 10*time.Second)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			result, err := p.Do(t.Context(), &Job{Path: "a.js", Content: finding.Code, Findings: []judge.Finding{finding}})
			if err != nil || len(result.Verdicts) != 1 || !result.Verdicts[0].Valid || result.Verdicts[0].Confidence != 0.95 {
				t.Errorf("%v, %+v", err, result)
			}
		})
	}
	group.Wait()
}

// A crash or an endless loop costs one job; the next one is answered.
func TestCrashesStayInTheirWorker(t *testing.T) {
	p := pool(t, "crashing-worker", 1, 10*time.Second)
	for _, content := range []string{"die", "hang", "die"} {
		if _, err := p.Do(t.Context(), &Job{Path: "a.js", Content: content}); !errors.Is(err, ErrFailed) {
			t.Errorf("%s: %v", content, err)
		}
		result, err := p.Do(t.Context(), &Job{Path: "a.js", Content: finding.Code, Findings: []judge.Finding{finding}})
		if err != nil || len(result.Verdicts) != 1 {
			t.Errorf("after %s: %v", content, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	p := pool(t, "crashing-worker", 1, time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Do(ctx, &Job{Content: "hang"}); err == nil || errors.Is(err, ErrFailed) {
		t.Errorf("the client is gone: %v", err)
	}
}

// A worker sees nothing of the environment: no grammar can leak a secret.
func TestEnvironmentIsEmpty(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://secret")
	p := pool(t, Command, 1, 10*time.Second)
	if _, err := p.Do(t.Context(), &Job{Path: "a.js"}); err != nil {
		t.Fatal(err)
	}
	w := <-p.free
	defer func() { p.free <- w }()
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(w.cmd.Process.Pid) + "/environ")
	if err != nil {
		t.Skip("this system has no /proc: ", err)
	}
	if strings.Contains(string(environ), "secret") {
		t.Errorf("the worker's environment: %s", environ)
	}
}

// The largest and worst files stay within their memory, and are answered.
func TestWorstFiles(t *testing.T) {
	if raced {
		t.Skip("the race detector's own memory would be measured; make test runs this without it")
	}
	for name, content := range map[string]string{
		"10,001 lines": strings.Repeat("const a = req.query.a; db.query('SELECT ' + a);\n", 10_001), "one line": strings.Repeat("f(x);", 200_000),
		"deep": strings.Repeat("[", 900_000), "quotes": strings.Repeat("`${", 300_000), "noise": strings.Repeat("\x00\xff<?{(\"", 100_000),
		"too large": strings.Repeat("x\n", 3<<20), "operators": strings.Repeat("a?b:", 200_000),
		"guards": strings.Repeat("if (!LIST.includes(a)) throw x\na = a + b\ndb.query('x' + a)\n", 5_000),
	} {
		for _, path := range []string{"a.js", "a.py", "a.rb", "a.php", "a.java", "a.go", "a.tsx"} {
			p := pool(t, Command, 1, 30*time.Second)
			findings := make([]judge.Finding, 100)
			for i := range findings {
				findings[i] = judge.Finding{Type: "sql_injection", File: path, Line: 9_000 + i, Code: "db.query('SELECT ' + a)"}
			}
			started := time.Now()
			result, err := p.Do(t.Context(), &Job{Path: path, Content: content, Findings: findings})
			if err != nil || len(result.Verdicts) != 100 {
				t.Errorf("%s as %s: %v", name, path, err)
			}
			w := <-p.free
			p.free <- nil
			if w == nil {
				continue
			}
			w.stop()
			usage, ok := w.cmd.ProcessState.SysUsage().(*syscall.Rusage)
			if !ok {
				t.Fatal("no usage")
			}
			t.Logf("%s as %s: %v, %d MiB: %s", name, path, time.Since(started).Round(time.Millisecond), usage.Maxrss>>10, result.Verdicts[0].Reason)
			if usage.Maxrss>>10 > 256 {
				t.Errorf("%s as %s took %d MiB", name, path, usage.Maxrss>>10)
			}
		}
	}
}
