package app

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// Phase is a step of the Action that leaves data for the next.
type Phase string

// The phases.
const (
	PhaseScan       Phase = "scan"
	PhaseValidation Phase = "validation"
	PhaseMitigation Phase = "mitigation"
)

// PhaseData is what a phase left.
type PhaseData struct {
	CustomerID int64
	Phase      Phase
	// Repo is owner/name, Commit a commit; Issue is 0 for a scan.
	Repo, Commit, Branch string
	Issue                int
	Data                 json.RawMessage
	At                   time.Time
}

var (
	repoPattern   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$`)
	commitPattern = regexp.MustCompile(`^[0-9A-Za-z]{1,64}$`)
)

// Check says what is wrong, as a CodeInvalidRequest error.
func (p PhaseData) Check() error {
	var bad []FieldError
	if p.Phase != PhaseScan && p.Phase != PhaseValidation && p.Phase != PhaseMitigation {
		bad = append(bad, FieldError{"phase", "must be scan, validation or mitigation"})
	}
	if problem := RepoProblem(p.Repo); problem != "" {
		bad = append(bad, FieldError{"repo", problem})
	}
	if !commitPattern.MatchString(p.Commit) {
		bad = append(bad, FieldError{"commitSha", "is required: the commit that was looked at"})
	}
	if p.Phase != PhaseScan && p.Issue < 1 {
		bad = append(bad, FieldError{"issueNumber", "is required for validation and mitigation"})
	}
	if !strings.HasPrefix(strings.TrimSpace(string(p.Data)), "{") {
		bad = append(bad, FieldError{"data", "is required: a JSON object"})
	} else if strings.Contains(string(p.Data), `\u0000`) {
		bad = append(bad, FieldError{"data", "must not contain NUL characters"})
	}
	if len(bad) > 0 {
		e := Invalid(bad...)
		e.Code = CodeInvalidRequest
		return e
	}
	return nil
}

// RepoProblem says what is wrong with a repository's name.
func RepoProblem(repo string) string {
	if !repoPattern.MatchString(repo) {
		return "is required, as owner/name"
	}
	return ""
}

// Phases is the storage of what phases left.
type Phases interface {
	// StorePhase answers with the id of the stored data.
	StorePhase(ctx context.Context, data PhaseData) (int64, error)
	// LatestPhases returns the newest data of each phase and issue; issue 0 and
	// an empty commit are any. The commit narrows the scan alone.
	LatestPhases(ctx context.Context, customerID int64, repo, commit string, issue int) ([]PhaseData, error)
}
