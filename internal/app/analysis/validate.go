// Package analysis judges reported vulnerabilities and places tests. It is the
// service behind the API; the work itself is done in the worker processes of
// ./worker, on the syntax trees of ./syntax.
package analysis

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/insert"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/judge"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/worker"
)

// Runner does jobs.
type Runner interface {
	Do(ctx context.Context, job *worker.Job) (worker.Result, error)
}

// Service is the analysis.
type Service struct {
	run   Runner
	cache *Cache
}

// New makes the service.
func New(run Runner, cache *Cache) *Service { return &Service{run: run, cache: cache} }

// Finding is one finding of a request. ID is the client's own and comes back as
// it is.
type Finding struct {
	ID string
	judge.Finding
}

// Validation is a request for the judgement of findings.
type Validation struct {
	CustomerID int64
	Findings   []Finding
	// Files are the contents by path; a finding without one cannot be judged.
	Files map[string]string
}

// Judgement is the verdict on one finding.
type Judgement struct {
	ID, File string
	judge.Verdict
	FromCache bool
}

// CacheStats counts one request's findings by where their verdicts came from.
type CacheStats struct {
	// Hits were answered from earlier requests, Internal by the same finding
	// earlier in this one.
	Hits     int `json:"cache_hits"`
	Misses   int `json:"cache_misses"`
	Internal int `json:"internal_hits"`
}

// Validate judges findings. The judgements are in the findings' order. A file
// over which a worker fails costs that file's findings their judgement alone.
func (s *Service) Validate(ctx context.Context, in Validation) ([]Judgement, CacheStats, error) {
	out := make([]Judgement, len(in.Findings))
	var stats CacheStats
	keys := make([]Key, len(in.Findings))
	first := map[Key]int{}
	pending := map[string][]int{} // findings to judge, by file
	var files []string
	digests := map[string][32]byte{}
	for i, f := range in.Findings {
		out[i].ID, out[i].File = f.ID, f.File
		content, ok := in.Files[f.File]
		if !ok {
			out[i].Verdict = judge.NoContent()
			stats.Misses++
			continue
		}
		if _, ok := digests[f.File]; !ok {
			digests[f.File] = digest(content)
		}
		keys[i] = KeyOf(in.CustomerID, f.Finding, digests[f.File])
		if at, ok := first[keys[i]]; ok {
			out[i].FromCache = true
			stats.Internal++
			first[keys[i]] = at
			continue
		}
		first[keys[i]] = i
		if v, ok := s.cache.Get(keys[i]); ok {
			out[i].Verdict, out[i].FromCache = v, true
			stats.Hits++
			continue
		}
		stats.Misses++
		if pending[f.File] == nil {
			files = append(files, f.File)
		}
		pending[f.File] = append(pending[f.File], i)
	}
	var group sync.WaitGroup
	errs := make([]error, len(files))
	for n, file := range files {
		group.Go(func() { errs[n] = s.judgeFile(ctx, in, file, pending[file], keys, out) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, stats, err
	}
	for i := range out {
		if at, ok := first[keys[i]]; ok && at != i {
			out[i].Verdict = out[at].Verdict
		}
	}
	return out, stats, nil
}

// judgeFile judges the findings of one file.
func (s *Service) judgeFile(ctx context.Context, in Validation, file string, at []int, keys []Key, out []Judgement) error {
	job := &worker.Job{Path: file, Content: in.Files[file]}
	for _, i := range at {
		job.Findings = append(job.Findings, in.Findings[i].Finding)
	}
	result, err := s.run.Do(ctx, job)
	switch {
	case errors.Is(err, worker.ErrFailed):
		for _, i := range at {
			out[i].Verdict = judge.NotJudged(in.Findings[i].Finding, worker.ErrFailed.Error())
		}
		return nil
	case err != nil:
		return fmt.Errorf("judging the findings of a file: %w", err)
	case len(result.Verdicts) != len(at):
		return fmt.Errorf("judging the findings of a file: %d verdicts for %d findings", len(result.Verdicts), len(at))
	}
	for n, i := range at {
		out[i].Verdict = result.Verdicts[n]
		if !result.Verdicts[n].Unjudged {
			s.cache.Put(keys[i], result.Verdicts[n])
		}
	}
	return nil
}

// Insert places tests in a file. What the request is to blame for is a
// *insert.BadTestError or an *insert.RefusedError.
func (s *Service) Insert(ctx context.Context, in insert.Request) (insert.Result, error) {
	result, err := s.run.Do(ctx, &worker.Job{Insert: &in})
	switch {
	case err != nil:
		return insert.Result{}, fmt.Errorf("inserting tests: %w", err)
	case result.BadTest > 0:
		return insert.Result{}, &insert.BadTestError{Index: result.BadTest - 1, Reason: result.Refused}
	case result.Refused != "":
		return insert.Result{}, &insert.RefusedError{Reason: result.Refused}
	}
	return result.Inserted, nil
}
