package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// envTerminationLog moves the termination log, so that a one-shot command can
// be tried outside of a pod; the file is made when it does not exist.
const envTerminationLog = "RSOLV_TERMINATION_LOG"

// report gathers what a one-shot command finds, all of it before it ends.
type report struct {
	contract.Report
	checks []string
	notes  map[string][]string
	// skipped says why a check was not made.
	skipped map[string]string
}

func newReport(command string, checks ...string) *report {
	return &report{
		Report: contract.Report{Command: command, Version: appVersion()},
		checks: checks, notes: map[string][]string{}, skipped: map[string]string{},
	}
}

func (r *report) problem(check, message string) {
	r.Problems = append(r.Problems, contract.Problem{Check: check, Message: message})
}

func (r *report) note(check, message string) { r.notes[check] = append(r.notes[check], message) }

// misconfigured adds an error of the environment; nil adds nothing.
func (r *report) misconfigured(err error) {
	if err != nil {
		r.problem(contract.CheckConfiguration, err.Error())
	}
}

func (r *report) schema(s postgres.Schema) { r.SchemaVersion, r.SchemaWanted = s.Version, s.Wanted }

func (r *report) review(review postgres.Review) {
	for _, problem := range review.Problems {
		r.problem(contract.CheckSchema, problem)
	}
	for _, note := range review.Notes {
		r.note(contract.CheckSchema, note)
	}
}

// err is what the command ends with: a line for each problem, nil without any.
func (r *report) err() error {
	lines := make([]string, len(r.Problems))
	for i, p := range r.Problems {
		lines[i] = r.Command + ": " + p.Message
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}

// table is the report for people: a line for each check, and one for each
// problem and note.
func (r *report) table() string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, check := range r.checks {
		lines := 0
		line := func(result, message string) {
			name := check
			if lines > 0 {
				name = ""
			}
			lines++
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", name, result, message) // writes to memory
		}
		for _, p := range r.Problems {
			if p.Check == check {
				line("FAILED", p.Message)
			}
		}
		if why := r.skipped[check]; why != "" {
			line("skipped", why)
		}
		if lines == 0 && len(r.notes[check]) == 0 {
			line("ok", "")
		}
		for _, note := range r.notes[check] {
			result := "note"
			if lines == 0 {
				result = "ok"
			}
			line(result, note)
		}
	}
	_ = w.Flush() // writes to memory
	lines := strings.Split(text.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// leave puts the report where the kubelet looks for it. Outside of a pod that
// file does not exist, and is not made.
func (p *program) leave(r *report) {
	path, mode := p.terminationLog, os.O_WRONLY|os.O_TRUNC
	if moved := p.getenv(envTerminationLog); moved != "" {
		path, mode = moved, mode|os.O_CREATE
	}
	file, err := os.OpenFile(path, mode, 0o600) //nolint:gosec // whoever sets the environment may choose
	if err != nil {
		return // not in a pod, or the file is not ours: what is printed says the same
	}
	_, _ = file.Write(contract.EncodeReport(r.Report, contract.TerminationLogLimit)) // as above
	_ = file.Close()                                                                 // as above
}
