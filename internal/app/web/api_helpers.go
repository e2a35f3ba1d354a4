package web

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/framework"
)

// maxPhaseBody bounds the data of one phase.
const maxPhaseBody = 4 << 20

type detectInput struct {
	Body struct {
		_           struct{} `additionalProperties:"true"`
		PackageJSON *struct {
			_               struct{}          `additionalProperties:"true"`
			DevDependencies map[string]string `json:"devDependencies,omitempty"`
			Dependencies    map[string]string `json:"dependencies,omitempty"`
			Vitest          *struct {
				_       struct{} `additionalProperties:"true"`
				Include []string `json:"include,omitempty" maxItems:"100"`
			} `json:"vitest,omitempty"`
			Jest *struct {
				_         struct{} `additionalProperties:"true"`
				TestMatch []string `json:"testMatch,omitempty" maxItems:"100"`
			} `json:"jest,omitempty"`
		} `json:"packageJson,omitempty" doc:"The parsed package.json."`
		Gemfile         string   `json:"gemfile,omitempty"`
		RequirementsTxt string   `json:"requirementsTxt,omitempty"`
		ConfigFiles     []string `json:"configFiles,omitempty" maxItems:"1000" doc:"Names of files."`
	}
}

type detectOutput struct {
	Body struct {
		Framework      string   `json:"framework"`
		Version        *string  `json:"version" doc:"null when it is not said."`
		TestDir        string   `json:"testDir"`
		CompatibleWith []string `json:"compatibleWith"`
	}
}

type storePhaseInput struct {
	Body struct {
		_           struct{}        `additionalProperties:"true"`
		Phase       string          `json:"phase,omitempty" doc:"scan, validation or mitigation."`
		Repo        string          `json:"repo,omitempty" doc:"As owner/name."`
		CommitSha   string          `json:"commitSha,omitempty"`
		CommitSnake string          `json:"commit_sha,omitempty" doc:"The same as commitSha."`
		IssueNumber int             `json:"issueNumber,omitempty" minimum:"0" maximum:"2000000000" doc:"Required for validation and mitigation."`
		Branch      string          `json:"branch,omitempty" maxLength:"255"`
		Data        json.RawMessage `json:"data,omitempty" doc:"A JSON object. Of validations and mitigations these are counted, if they are there: language, status (failed), testExecutionMs, durationMs, trustScore from 0 to 100, and prUrl."`
	}
}

type storePhaseOutput struct {
	Body struct {
		Success bool   `json:"success"`
		ID      int64  `json:"id"`
		Phase   string `json:"phase"`
	}
}

type retrievePhasesInput struct {
	Repo   string `query:"repo" doc:"As owner/name."`
	Issue  int    `query:"issue" minimum:"0" maximum:"2000000000" doc:"Default: every issue."`
	Commit string `query:"commit" maxLength:"64" doc:"Default: the latest scan."`
}

type retrievePhasesOutput struct {
	Body map[string]any
}

// registerHelpers adds what the Action asks beside its work.
func (s *server) registerHelpers() {
	register(s, huma.Operation{
		OperationID: "detect", Method: http.MethodPost, Path: "/api/v1/framework/detect",
		Summary: "Find the test framework of a project", Tags: []string{"helpers"},
		Errors: []int{http.StatusBadRequest, http.StatusUnprocessableEntity},
	}, s.detect)
	register(s, s.authenticated(huma.Operation{
		OperationID: "store", Method: http.MethodPost, Path: "/api/v1/phases/store", MaxBodyBytes: maxPhaseBody,
		Summary: "Keep what a phase found", Tags: []string{"helpers"},
		Errors: []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge},
	}, app.PermissionAnalysis), s.storePhase)
	register(s, s.authenticated(huma.Operation{
		OperationID: "retrieve", Method: http.MethodGet, Path: "/api/v1/phases/retrieve",
		Summary: "Read what the phases found, the newest of each", Tags: []string{"helpers"},
		Errors: []int{http.StatusBadRequest},
	}, app.PermissionAnalysis), s.retrievePhases)
}

func (s *server) detect(_ context.Context, in *detectInput) (*detectOutput, error) {
	project := framework.Project{Gemfile: in.Body.Gemfile, Requirements: in.Body.RequirementsTxt, ConfigFiles: in.Body.ConfigFiles}
	if p := in.Body.PackageJSON; p != nil {
		project.DevDependencies, project.Dependencies = p.DevDependencies, p.Dependencies
		if p.Vitest != nil {
			project.VitestInclude = p.Vitest.Include
		}
		if p.Jest != nil {
			project.JestTestMatch = p.Jest.TestMatch
		}
	}
	if project.Empty() && in.Body.PackageJSON == nil {
		return nil, &app.Error{Code: app.CodeInvalidRequest, Message: "Nothing to look at: send packageJson, gemfile, requirementsTxt or configFiles"}
	}
	found, ok := framework.Detect(project)
	if !ok {
		return nil, &app.Error{Code: app.CodeValidation, Message: "No test framework detected"}
	}
	out := &detectOutput{}
	out.Body.Framework, out.Body.TestDir, out.Body.CompatibleWith = found.Framework, found.TestDir, found.CompatibleWith
	if found.Version != "" {
		out.Body.Version = &found.Version
	}
	return out, nil
}

func (s *server) storePhase(ctx context.Context, in *storePhaseInput) (*storePhaseOutput, error) {
	b := in.Body
	if b.CommitSha == "" {
		b.CommitSha = b.CommitSnake
	}
	data := app.PhaseData{
		CustomerID: infoOf(ctx).principal.CustomerID, Phase: app.Phase(b.Phase), Repo: b.Repo, Commit: b.CommitSha,
		Branch: app.Clip(b.Branch, 255), Issue: b.IssueNumber, Data: b.Data, At: s.d.Now(),
	}
	if err := data.Check(); err != nil {
		return nil, err
	}
	again, err := s.storedBefore(ctx, data)
	if err != nil {
		return nil, err
	}
	id, err := s.d.Phases.StorePhase(ctx, data)
	if err != nil {
		return nil, err
	}
	if !again {
		s.d.Metrics.ObservePhase(data.Result())
	}
	out := &storePhaseOutput{}
	out.Body.Success, out.Body.ID, out.Body.Phase = true, id, b.Phase
	return out, nil
}

// storedBefore tells whether the same was stored last: a client that heard no
// answer sends it again, and it counts once.
func (s *server) storedBefore(ctx context.Context, data app.PhaseData) (bool, error) {
	if data.Phase == app.PhaseScan {
		return false, nil // of which nothing is counted
	}
	latest, err := s.d.Phases.LatestPhases(ctx, data.CustomerID, data.Repo, "", data.Issue)
	if err != nil {
		return false, err
	}
	for _, l := range latest {
		if l.Phase == data.Phase && l.Issue == data.Issue && l.Commit == data.Commit {
			return sameJSON(l.Data, data.Data), nil
		}
	}
	return false, nil
}

// sameJSON compares values: the database writes them in a way of its own.
func sameJSON(a, b json.RawMessage) bool {
	var left, right any
	return json.Unmarshal(a, &left) == nil && json.Unmarshal(b, &right) == nil && reflect.DeepEqual(left, right)
}

func (s *server) retrievePhases(ctx context.Context, in *retrievePhasesInput) (*retrievePhasesOutput, error) {
	if problem := app.RepoProblem(in.Repo); problem != "" {
		e := app.Invalid(app.FieldError{Field: "repo", Message: problem})
		e.Code = app.CodeInvalidRequest
		return nil, e
	}
	phases, err := s.d.Phases.LatestPhases(ctx, infoOf(ctx).principal.CustomerID, in.Repo, app.Clip(in.Commit, 64), in.Issue)
	if err != nil {
		return nil, err
	}
	body := map[string]any{}
	for _, p := range phases {
		if p.Phase == app.PhaseScan {
			body[string(p.Phase)] = p.Data
			continue
		}
		issues, ok := body[string(p.Phase)].(map[string]json.RawMessage)
		if !ok {
			issues = map[string]json.RawMessage{}
			body[string(p.Phase)] = issues
		}
		issues["issue-"+strconv.Itoa(p.Issue)] = p.Data
	}
	return &retrievePhasesOutput{Body: body}, nil
}
