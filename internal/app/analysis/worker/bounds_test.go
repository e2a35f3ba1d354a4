package worker

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/insert"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/judge"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/naming"
)

// found reads the strings of the inputs that a fuzz test has found.
func found(t *testing.T, pkg, name string) [][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", pkg, "testdata", "fuzz", name, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no inputs of %s: %v", name, err)
	}
	var out [][]string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for line := range strings.Lines(string(data)) {
			text, ok := strings.CutPrefix(strings.TrimSpace(line), "string(")
			if !ok {
				continue
			}
			text, err := strconv.Unquote(strings.TrimSuffix(text, ")"))
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			texts = append(texts, text)
		}
		out = append(out, texts)
	}
	return out
}

// What the fuzz tests have found is answered by one worker, which lives through
// all of it within its memory.
func TestFoundInputs(t *testing.T) {
	if raced {
		t.Skip("the race detector's own memory would be measured; make test runs this without it")
	}
	t.Run("judge", func(t *testing.T) {
		p := pool(t, Command, 1, 2*time.Minute)
		for _, in := range found(t, "judge", "FuzzJudge") {
			for _, path := range []string{"a.js", "a.ts", "a.tsx", "a.py", "a.rb", "a.php", "a.java", "a.go", "a.ex"} {
				job := &Job{Path: path, Content: in[0]}
				for _, kind := range judge.Types() {
					job.Findings = append(job.Findings, judge.Finding{Type: string(kind), File: path, Line: 1, Code: in[1]})
				}
				if result, err := p.Do(t.Context(), job); err != nil || len(result.Verdicts) != len(job.Findings) {
					t.Fatalf("%s: %v\n%q", path, err, in)
				}
			}
		}
		within(t, p)
	})
	t.Run("insert", func(t *testing.T) {
		p := pool(t, Command, 1, 2*time.Minute)
		for i, in := range found(t, "insert", "FuzzGenerate") {
			for n, language := range insert.Languages() {
				framework := naming.Frameworks[(i+n)%len(naming.Frameworks)]
				job := &Job{Insert: &insert.Request{Content: in[0], Language: language, Framework: framework, Tests: []insert.Test{{Name: in[2], Code: in[1], AttackVector: in[3]}}}}
				result, err := p.Do(t.Context(), job)
				if err != nil || result.Refused == "" && len(result.Inserted.Content) < len(strings.ToValidUTF8(in[0], "")) {
					t.Fatalf("%s, %s: %v, %+v\n%q", language, framework, err, result, in)
				}
			}
		}
		within(t, p)
	})
}

// within ends a pool's one worker and looks at what it has used.
func within(t *testing.T, p *Pool) {
	t.Helper()
	w := <-p.free
	p.free <- nil
	if w == nil {
		t.Fatal("the worker has died")
	}
	w.stop()
	usage, ok := w.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("no usage")
	}
	t.Logf("%d jobs: %v of processor time, %d MiB", w.jobs, time.Duration(usage.Utime.Nano()+usage.Stime.Nano()).Round(time.Millisecond), usage.Maxrss>>10)
	if usage.Maxrss>>10 > 256 {
		t.Errorf("%d MiB", usage.Maxrss>>10)
	}
}

// FuzzFrame reads frames of any bytes.
func FuzzFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, '{', '}'})
	f.Add([]byte("\x00\x00\x00\x40{\"path\":\"a.js\",\"content\":\"f()\",\"findings\":[{\"Type\":\"xss\"}]}"))
	f.Add([]byte{255, 255, 255, 255})
	f.Add([]byte{0, 0, 0, 9, '{'})
	f.Fuzz(func(t *testing.T, data []byte) {
		var job Job
		if readFrame(strings.NewReader(string(data)), &job) != nil || len(job.Content) > 1000 || len(job.Findings) > 10 {
			return
		}
		if result := Run(&job); job.Insert == nil && len(result.Verdicts) != len(job.Findings) {
			t.Fatalf("%d verdicts for %d findings", len(result.Verdicts), len(job.Findings))
		}
	})
}
