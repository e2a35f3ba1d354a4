package postgres

import (
	"context"
	"fmt"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

// StorePhase implements app.Phases.
func (s *Store) StorePhase(ctx context.Context, d app.PhaseData) (int64, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	id, err := s.q.InsertPhase(ctx, db.InsertPhaseParams{
		CustomerID: d.CustomerID, Phase: string(d.Phase), Repo: d.Repo, CommitSha: d.Commit, Branch: d.Branch,
		IssueNumber: int32(d.Issue), Data: d.Data, Now: d.At, //nolint:gosec // bounded by the API
	})
	if err != nil {
		return 0, classify(unstorable(fmt.Errorf("storing a phase: %w", err)))
	}
	return id, nil
}

// LatestPhases implements app.Phases.
func (s *Store) LatestPhases(ctx context.Context, customerID int64, repo, commit string, issue int) ([]app.PhaseData, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	rows, err := s.q.LatestPhases(ctx, db.LatestPhasesParams{
		CustomerID: customerID, Repo: repo, CommitSha: commit, Issue: int32(issue), //nolint:gosec // bounded by the API
	})
	if err != nil {
		return nil, classify(fmt.Errorf("reading phases: %w", err))
	}
	phases := make([]app.PhaseData, len(rows))
	for i, row := range rows {
		phases[i] = app.PhaseData{
			CustomerID: customerID, Phase: app.Phase(row.Phase), Repo: repo, Commit: row.CommitSha, Branch: row.Branch,
			Issue: int(row.IssueNumber), Data: row.Data, At: row.InsertedAt,
		}
	}
	return phases, nil
}
