package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// progress prints what is being done and how long it took, on standard error:
// standard output belongs to the answer of a command.
type progress struct {
	out      io.Writer
	now      func() time.Time
	began    time.Time
	terminal bool
	mu       sync.Mutex
}

// say prints one line with the seconds since the command began.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line(fmt.Sprintf("%6.1fs  %s", p.now().Sub(p.began).Seconds(), fmt.Sprintf(format, args...)), "\n")
}

func (p *progress) line(text, end string) {
	if p.terminal {
		text = "\r\033[K" + text
	}
	_, _ = io.WriteString(p.out, text+end) // nowhere to report a closed terminal
}

// during runs a long step. On a terminal one line counts the seconds; in a log
// there is a line at the start, one a minute, and one at the end.
func (p *progress) during(what string, step func() error) error {
	start := p.now()
	interval := time.Second
	if !p.terminal {
		p.say("%s", what)
		interval = time.Minute
	}
	done := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				p.tick(what, start)
			}
		}
	})
	err := step()
	close(done)
	ticking.Wait()
	if err != nil {
		return err
	}
	p.say("%s … %.0fs", what, p.now().Sub(start).Seconds())
	return nil
}

func (p *progress) tick(what string, start time.Time) {
	if !p.terminal {
		p.say("%s … still at it after %.0fs", what, p.now().Sub(start).Seconds())
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line(fmt.Sprintf("%6.1fs  %s … %.0fs", p.now().Sub(p.began).Seconds(), what, p.now().Sub(start).Seconds()), "")
}

// isTerminal says whether a person watches the file.
func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" && os.Getenv("CI") == ""
}
