package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

// upkeepLock lets one pod at a time repair the funnel or store its days. Nobody
// waits for it.
const upkeepLock int64 = 0x52534f4c56_02

const (
	// repairMost is how many customers one RepairSignups looks after.
	repairMost = 500
	// relinkAge is how old a signup may be whose visits are looked for again.
	// What a commit at the same moment hid is there a moment later.
	relinkAge = 48 * time.Hour
)

// RepairSignups tracks what the funnel does not know of customers who are not
// internal: their signups and first keys, at the times that the accounts tell.
// Where they came from is lost. Doing so again changes nothing. The tally counts
// the events that were stored; it is empty when another pod is at it.
func (s *Store) RepairSignups(ctx context.Context, now time.Time) (app.Tally, error) {
	done := app.Tally{}
	err := s.upkeep(ctx, func(q *db.Queries) error {
		rows, err := q.UntrackedSignups(ctx, repairMost)
		if err != nil {
			return fmt.Errorf("finding untracked signups: %w", err)
		}
		for _, row := range rows {
			if err := repairSignup(ctx, q, row, now, done); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

func repairSignup(ctx context.Context, q *db.Queries, row db.UntrackedSignupsRow, now time.Time, done app.Tally) error {
	if err := repairStage(ctx, q, row.ID, app.EventSignup, app.StageSignup, row.SignupAt, now, done); err != nil {
		return err
	}
	var keyAt time.Time
	if row.HasKey {
		keyAt = row.KeyAt
		if err := repairStage(ctx, q, row.ID, app.EventAPIKeyCreated, app.StageAPIKey, keyAt, now, done); err != nil {
			return err
		}
	}
	err := q.RepairJourney(ctx, db.RepairJourneyParams{
		CustomerID: row.ID, SignupAt: &row.SignupAt, ApiKeyCreatedAt: nullTime(keyAt),
		SignupToApiKeySeconds: app.Seconds(row.SignupAt, keyAt), CompletedApiKey: row.HasKey,
	})
	if err != nil {
		return fmt.Errorf("repairing a journey: %w", err)
	}
	return nil
}

// repairStage stores an event, minted now, unless its milestone exists: they are always
// stored together.
func repairStage(
	ctx context.Context, q *db.Queries, customerID int64, kind app.EventType, stage app.Stage, at, minted time.Time,
	done app.Tally,
) error {
	e := app.Event{ID: app.NewEventID(minted), Type: kind, CustomerID: customerID, At: at}
	added, err := q.InsertMilestone(ctx, db.InsertMilestoneParams{
		CustomerID: customerID, Stage: string(stage), EventID: pgID(e.ID), ReachedAt: at,
	})
	if err != nil {
		return fmt.Errorf("inserting the milestone %s: %w", stage, err)
	}
	if added == 0 {
		return nil
	}
	if _, err := q.InsertEvents(ctx, eventParams([]app.Event{e})); err != nil {
		return fmt.Errorf("inserting the event %s: %w", kind, err)
	}
	// A day that was stored without it is counted live from now on.
	if err := q.ForgetDay(ctx, app.Day(at).Since); err != nil {
		return fmt.Errorf("forgetting a stored day: %w", err)
	}
	done.Add(kind, app.OutcomeStored, 1)
	return nil
}

// RelinkVisits gives recent signups the first visit and the campaign that they
// missed because both were stored at the same moment.
func (s *Store) RelinkVisits(ctx context.Context, now time.Time) error {
	return s.upkeep(ctx, func(q *db.Queries) error {
		since := now.Add(-relinkAge)
		rows, err := q.UnlinkedVisits(ctx, &since)
		if err != nil {
			return fmt.Errorf("finding unlinked visits: %w", err)
		}
		visits := make([]app.Event, len(rows))
		for i, row := range rows {
			visits[i] = app.Event{Type: app.EventPageView, At: row.VisitedAt, Touch: app.Touch{VisitorID: row.VisitorID}}
		}
		return linkVisits(ctx, q, []app.Batch{{Events: visits}})
	})
}

// upkeep runs work in a transaction, unless another pod does some upkeep now.
func (s *Store) upkeep(ctx context.Context, work func(q *db.Queries) error) error {
	ctx, cancel := context.WithTimeout(withWait(ctx), writeTimeout)
	defer cancel()
	return classify(s.inTx(ctx, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		locked, err := q.TryLock(ctx, upkeepLock)
		if err != nil {
			return fmt.Errorf("locking the upkeep: %w", err)
		}
		if !locked {
			return nil
		}
		return work(q)
	}))
}
