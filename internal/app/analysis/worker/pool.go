package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"sync"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// Options are what a pool needs.
type Options struct {
	// Command and Args start a worker.
	Command string
	Args    []string
	// Env is all that a worker sees of the environment.
	Env []string
	// Size is how many workers there are at most, at least one.
	Size int
	// Timeout is how long one job may take before its worker is killed.
	Timeout time.Duration
	Log     *slog.Logger
}

// ErrFailed says that a worker crashed over a job, or took too long.
var ErrFailed = errors.New("analysing this file failed")

// jobsOfWorker is after how many jobs a worker is replaced, so that whatever C
// code leaks does not add up.
const jobsOfWorker = 5000

// Pool keeps workers. They start when there is work, and are replaced when they
// crash.
type Pool struct {
	o    Options
	free chan *process // nil stands for one that is not started
	once sync.Once
	done chan struct{}
}

// NewPool makes a pool; nothing is started yet.
func NewPool(o Options) (*Pool, error) {
	if !syntax.Available {
		return nil, syntax.ErrNoParser
	}
	if o.Size < 1 || o.Timeout <= 0 || o.Command == "" || o.Log == nil {
		return nil, errors.New("worker.NewPool: a required option is missing")
	}
	p := &Pool{o: o, free: make(chan *process, o.Size), done: make(chan struct{})}
	for range o.Size {
		p.free <- nil
	}
	return p, nil
}

// Do has a job done. It waits for a free worker as long as ctx allows.
func (p *Pool) Do(ctx context.Context, job *Job) (Result, error) {
	var w *process
	select {
	case w = <-p.free:
	case <-p.done:
		return Result{}, errors.New("the workers have ended")
	case <-ctx.Done():
		return Result{}, fmt.Errorf("waiting for a worker: %w", ctx.Err())
	}
	if w == nil {
		var err error
		if w, err = start(p.o); err != nil {
			p.free <- nil
			return Result{}, fmt.Errorf("starting a worker: %w", err)
		}
	}
	result, err := w.do(ctx, job, p.o.Timeout)
	w.jobs++
	if err != nil || w.jobs >= jobsOfWorker {
		if err != nil {
			p.o.Log.Warn("a worker of the analysis is replaced", "error", err, "bytes", len(job.Content), "stderr", w.stderr.String())
		}
		w.stop()
		w = nil
	}
	p.free <- w
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", ErrFailed, err)
	}
	return result, err
}

// Close ends the workers. Jobs that run are finished.
func (p *Pool) Close() {
	p.once.Do(func() {
		close(p.done)
		for range p.o.Size {
			if w := <-p.free; w != nil {
				w.stop()
			}
		}
	})
}

// process is one running worker.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr *excerpt
	jobs   int
}

func start(o Options) (*process, error) {
	cmd := exec.Command(o.Command, o.Args...) //nolint:gosec,noctx // the program itself; it ends when its input does
	cmd.Env = append([]string{}, o.Env...)
	w := &process{cmd: cmd, stderr: &excerpt{}}
	cmd.Stderr = w.stderr
	var err error
	if w.in, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("opening its input: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("opening its output: %w", err)
	}
	w.out = bufio.NewReaderSize(out, 64<<10)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("running %s: %w", o.Command, err)
	}
	return w, nil
}

// do sends a job and waits for its result. A worker that takes longer than it
// may, or whose job nobody waits for any more, is killed.
func (w *process) do(ctx context.Context, job *Job, timeout time.Duration) (Result, error) {
	timer := time.AfterFunc(timeout, func() { _ = w.cmd.Process.Kill() })
	defer timer.Stop()
	stop := context.AfterFunc(ctx, func() { _ = w.cmd.Process.Kill() })
	defer stop()
	var result Result
	if err := writeFrame(w.in, job); err != nil {
		return result, err
	}
	if err := readFrame(w.out, &result); err != nil {
		return result, fmt.Errorf("no answer: %w", err)
	}
	return result, nil
}

// stop ends a worker and waits for it.
func (w *process) stop() {
	_ = w.in.Close()
	timer := time.AfterFunc(time.Second, func() { _ = w.cmd.Process.Kill() })
	defer timer.Stop()
	_ = w.cmd.Wait()
}

// excerpt keeps the beginning and the end of what a worker complains: a crash
// of Go says what happened first, and then shows every goroutine.
type excerpt struct {
	mu         sync.Mutex
	head, tail []byte
}

// excerptBytes is how much is kept of each.
const excerptBytes = 1000

// Write implements io.Writer.
func (e *excerpt) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	room := min(excerptBytes-len(e.head), len(p))
	e.head = append(e.head, p[:room]...)
	e.tail = append(e.tail, p[room:]...)
	if over := len(e.tail) - excerptBytes; over > 0 {
		e.tail = e.tail[over:]
	}
	return len(p), nil
}

func (e *excerpt) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return string(e.head) + string(e.tail)
}
