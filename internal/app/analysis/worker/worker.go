// Package worker runs the analysis in processes of their own: the program runs
// itself again with a memory limit and without its environment, and the two
// speak in frames over pipes. A grammar is C code; what crashes, loops or eats
// memory there costs one file's answer, never the API.
package worker

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/insert"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/judge"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// Command is the argument that makes the program a worker.
const Command = "analysis-worker"

// Limits of a worker.
const (
	// memoryLimit is what Go's collector aims below; dataLimit is what the
	// kernel allows in all, C code included.
	memoryLimit = 128 << 20
	dataLimit   = 448 << 20
	maxFrame    = 64 << 20
	// judgeLimit bounds the time for the findings of one file; those that are
	// left then are not judged.
	judgeLimit = 800 * time.Millisecond
	// keepBytes is the size of a file from which on the memory is given back.
	keepBytes = 256 << 10
)

// Job is one file's work: findings to judge, or tests to insert.
type Job struct {
	Path     string          `json:"path,omitempty"`
	Content  string          `json:"content,omitempty"`
	Findings []judge.Finding `json:"findings,omitempty"`
	Insert   *insert.Request `json:"insert,omitempty"`
}

// Result answers a job.
type Result struct {
	Verdicts []judge.Verdict `json:"verdicts,omitempty"`
	Inserted insert.Result   `json:"inserted"`
	// Refused says why tests were not inserted, and BadTest which of them is to
	// blame, counted from one; 0 when it is none of them.
	Refused string `json:"refused,omitempty"`
	BadTest int    `json:"badTest,omitempty"`
}

// Run does a job in this process.
func Run(job *Job) Result {
	started := syntax.CPU()
	if job.Insert != nil {
		return place(job.Insert)
	}
	f := judge.NewFile(job.Path, job.Content)
	out := Result{Verdicts: make([]judge.Verdict, len(job.Findings))}
	for i, finding := range job.Findings {
		if syntax.CPU()-started > judgeLimit {
			out.Verdicts[i] = judge.NotJudged(finding, "the file's other findings took too long")
			continue
		}
		out.Verdicts[i] = judgeOne(f, finding)
	}
	return out
}

// judgeOne keeps a fault of ours from costing the file's other findings.
func judgeOne(f *judge.File, finding judge.Finding) (v judge.Verdict) {
	defer func() {
		if cause := recover(); cause != nil {
			_, _ = fmt.Fprintf(os.Stderr, "judging a finding of type %s panicked: %v\n%s", judge.TypeOf(finding.Type), cause, debug.Stack())
			v = judge.NotJudged(finding, ErrFailed.Error())
		}
	}()
	return f.Judge(finding)
}

func place(r *insert.Request) Result {
	var out Result
	var err error
	if out.Inserted, err = insert.Generate(*r); err != nil {
		out.Refused = err.Error()
		if bad, ok := errors.AsType[*insert.BadTestError](err); ok {
			out.Refused, out.BadTest = bad.Reason, bad.Index+1
		}
	}
	return out
}

// Main answers jobs from r on w until r ends.
func Main(r io.Reader, w io.Writer) error {
	if !syntax.Available {
		return syntax.ErrNoParser
	}
	debug.SetMemoryLimit(memoryLimit)
	debug.SetGCPercent(judge.GCPercent)
	if !raced {
		if err := limitData(dataLimit); err != nil {
			return fmt.Errorf("limiting the memory: %w", err)
		}
	}
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		var job Job
		err := readFrame(in, &job)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := writeFrame(w, Run(&job)); err != nil {
			return err
		}
		if len(job.Content) > keepBytes {
			debug.FreeOSMemory()
		}
	}
}

// readFrame reads JSON behind its length.
func readFrame(r io.Reader, into any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err //nolint:wrapcheck // io.EOF is the end
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxFrame {
		return fmt.Errorf("a frame of %d bytes", size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return fmt.Errorf("a frame ended early: %w", err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("reading a frame: %w", err)
	}
	return nil
}

func writeFrame(w io.Writer, from any) error {
	body, err := json.Marshal(from)
	if err != nil {
		return fmt.Errorf("encoding a frame: %w", err)
	}
	frame := make([]byte, 4, 4+len(body))
	binary.BigEndian.PutUint32(frame, uint32(len(body))) //nolint:gosec // bounded by what is analysed
	if _, err := w.Write(append(frame, body...)); err != nil {
		return fmt.Errorf("writing a frame: %w", err)
	}
	return nil
}
