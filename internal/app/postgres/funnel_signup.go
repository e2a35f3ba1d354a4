package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

// linkLock is the advisory lock between signups (shared) and the writer of page
// views (exclusive). Without it a visit and the signup it leads to, committing
// at the same moment, would each miss the other until RelinkVisits.
const linkLock int64 = 0x52534f4c56_01

// lockNotAvailable is the SQLSTATE of a lock that was not to be had in time.
const lockNotAvailable = "55P03"

// Bounds of the funnel's part of a signup: it must never hold up the rest.
const (
	trackLockTimeout      = "500ms"
	trackStatementTimeout = "1000ms"
)

// trackSignup records a signup and its key behind a savepoint: its failure
// undoes its own writes alone and leaves the transaction usable.
func trackSignup(ctx context.Context, tx pgx.Tx, customerID int64, signup app.Signup) error {
	return aside(ctx, tx, func(save pgx.Tx) error {
		if err := lockLinks(ctx, save); err != nil {
			return err
		}
		return writeSignup(ctx, save, customerID, signup)
	})
}

// trackKey records that a customer got a key, behind a savepoint like
// trackSignup. The first key is a step in the funnel; further ones are none.
func trackKey(ctx context.Context, tx pgx.Tx, customerID int64, at time.Time) error {
	return aside(ctx, tx, func(save pgx.Tx) error {
		q := db.New(save)
		e := app.Event{ID: app.NewEventID(at), Type: app.EventAPIKeyCreated, CustomerID: customerID, At: at}
		first, err := q.InsertMilestone(ctx, db.InsertMilestoneParams{
			CustomerID: customerID, Stage: string(app.StageAPIKey), EventID: pgID(e.ID), ReachedAt: at,
		})
		if err != nil || first == 0 {
			return wrap("inserting the milestone api_key", err)
		}
		if err := insertEvents(ctx, save, app.SourceID{}, []app.Event{e}, app.Tally{}); err != nil {
			return err
		}
		return wrap("moving the journey to its first key", q.FirstKeyJourney(ctx, db.FirstKeyJourneyParams{CustomerID: customerID, At: &at}))
	})
}

// aside runs the funnel's part of somebody else's transaction behind a
// savepoint, within timeouts of its own. They are the database's: a deadline of
// the context would close the connection, and the transaction with it.
func aside(ctx context.Context, tx pgx.Tx, work func(save pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, tx, func(save pgx.Tx) error {
		restore, err := readTimeouts(ctx, save)
		if err != nil {
			return err
		}
		// Rolling back to the savepoint takes these settings back by itself;
		// releasing it keeps them, so they are put back before that.
		if err := setTimeouts(ctx, save, timeouts{lock: trackLockTimeout, statement: trackStatementTimeout}); err != nil {
			return err
		}
		if err := work(save); err != nil {
			return err
		}
		return setTimeouts(ctx, save, restore)
	})
}

// lockLinks takes the lock, or goes without it when it is not to be had in time:
// a signup that does not know its latest visit is worth more than none.
func lockLinks(ctx context.Context, tx pgx.Tx) error {
	err := pgx.BeginFunc(ctx, tx, func(save pgx.Tx) error { return db.New(save).LockLinksShared(ctx, linkLock) })
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == lockNotAvailable {
		return nil
	}
	if err != nil {
		return fmt.Errorf("locking the visit links: %w", err)
	}
	return nil
}

func writeSignup(ctx context.Context, tx pgx.Tx, customerID int64, signup app.Signup) error {
	q := db.New(tx)
	touch := signup.Touch.Clipped()
	visit, campaign, err := firstVisit(ctx, q, touch, signup.At)
	if err != nil {
		return err
	}
	event := func(kind app.EventType) app.Event {
		return app.Event{ID: app.NewEventID(signup.At), Type: kind, CustomerID: customerID, Touch: touch, At: signup.At}
	}
	signedUp, gotKey := event(app.EventSignup), event(app.EventAPIKeyCreated)
	if err := insertEvents(ctx, tx, app.SourceID{}, []app.Event{signedUp, gotKey}, app.Tally{}); err != nil {
		return err
	}
	if err := noteVisits(ctx, q, []app.Event{signedUp}); err != nil {
		return err
	}
	for stage, e := range map[app.Stage]app.Event{app.StageSignup: signedUp, app.StageAPIKey: gotKey} {
		if err := insertMilestone(ctx, q, stage, e); err != nil {
			return err
		}
	}
	utm := touch.UTM
	if utm.IsZero() {
		utm = campaign
	}
	err = q.InsertSignupJourney(ctx, db.InsertSignupJourneyParams{
		CustomerID: customerID, VisitorID: touch.VisitorID, SessionID: touch.SessionID,
		FirstVisitAt: nullTime(visit), SignupAt: &signup.At, ApiKeyCreatedAt: &signup.At,
		VisitToSignupSeconds:  app.Seconds(visit, signup.At),
		SignupToApiKeySeconds: app.Seconds(signup.At, signup.At),
		UtmSource:             utm.Source, UtmMedium: utm.Medium, UtmCampaign: utm.Campaign,
		UtmTerm: utm.Term, UtmContent: utm.Content,
	})
	if err != nil {
		return fmt.Errorf("inserting the journey: %w", err)
	}
	if touch.VisitorID == "" {
		return nil
	}
	return wrap("linking the visitor to the customer",
		q.LinkIdentity(ctx, db.LinkIdentityParams{VisitorID: touch.VisitorID, CustomerID: customerID, LinkedAt: signup.At}))
}

// firstVisit finds when this browser came first, and the first campaign that
// brought it.
func firstVisit(ctx context.Context, q *db.Queries, touch app.Touch, until time.Time) (time.Time, app.UTM, error) {
	if touch.VisitorID == "" {
		return time.Time{}, app.UTM{}, nil
	}
	visits, err := q.FirstVisit(ctx, db.FirstVisitParams{VisitorID: touch.VisitorID, Until: until})
	if err != nil {
		return time.Time{}, app.UTM{}, fmt.Errorf("finding the first visit: %w", err)
	}
	if len(visits) == 0 {
		return time.Time{}, app.UTM{}, nil
	}
	campaigns, err := q.FirstCampaign(ctx, db.FirstCampaignParams{VisitorID: touch.VisitorID, Until: until})
	if err != nil {
		return time.Time{}, app.UTM{}, fmt.Errorf("finding the first campaign: %w", err)
	}
	if len(campaigns) == 0 {
		return visits[0], app.UTM{}, nil
	}
	c := campaigns[0]
	return visits[0], app.UTM{
		Source: c.UtmSource, Medium: c.UtmMedium, Campaign: c.UtmCampaign, Term: c.UtmTerm, Content: c.UtmContent,
	}, nil
}

func insertMilestone(ctx context.Context, q *db.Queries, stage app.Stage, e app.Event) error {
	_, err := q.InsertMilestone(ctx, db.InsertMilestoneParams{
		CustomerID: e.CustomerID, Stage: string(stage), EventID: pgID(e.ID), ReachedAt: e.At,
	})
	if err != nil {
		return fmt.Errorf("inserting the milestone %s: %w", stage, err)
	}
	return nil
}

type timeouts struct{ lock, statement string }

func readTimeouts(ctx context.Context, tx pgx.Tx) (timeouts, error) {
	var t timeouts
	err := tx.QueryRow(ctx, "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')").
		Scan(&t.lock, &t.statement)
	if err != nil {
		return timeouts{}, fmt.Errorf("reading the timeouts: %w", err)
	}
	return t, nil
}

// setTimeouts is SET LOCAL with parameters.
func setTimeouts(ctx context.Context, tx pgx.Tx, t timeouts) error {
	_, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true)",
		t.lock, t.statement)
	if err != nil {
		return fmt.Errorf("setting the timeouts: %w", err)
	}
	return nil
}

func pgID(id app.EventID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: true} }

func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
