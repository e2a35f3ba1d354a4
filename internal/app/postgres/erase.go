package postgres

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// eraseLock is the advisory lock between writers of events (shared) and
// erasures (exclusive): a writer either knows of an erasure, or has committed
// what the erasure then deletes.
const eraseLock int64 = 0x52534f4c56_02

// erasedAge is how long visitors of erased customers are remembered, as hashes:
// as long as a spool may reasonably hold visits of theirs.
const erasedAge = 30 * 24 * time.Hour

// erased are the visitors of erased customers, and since when.
type erased map[[sha256.Size]byte]time.Time

// has says whether an event is a visit that an erasure covers.
func (g erased) has(e *app.Event) bool {
	if len(g) == 0 || e.Touch.VisitorID == "" {
		return false
	}
	at, ok := g[sha256.Sum256([]byte(e.Touch.VisitorID))]
	return ok && !e.At.After(at)
}

func readErased(ctx context.Context, tx pgx.Tx) (erased, error) {
	// In a statement of its own: the next one sees what was committed meanwhile.
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock_shared($1)", eraseLock); err != nil {
		return nil, fmt.Errorf("locking out erasures: %w", err)
	}
	rows, err := tx.Query(ctx, "SELECT visitor_hash, erased_at FROM erased_visitors")
	if err != nil {
		return nil, fmt.Errorf("reading erased visitors: %w", err)
	}
	gone := erased{}
	var hash []byte
	var at time.Time
	if _, err := pgx.ForEachRow(rows, []any{&hash, &at}, func() error {
		gone[[sha256.Size]byte(hash)] = at
		return nil
	}); err != nil {
		return nil, fmt.Errorf("reading erased visitors: %w", err)
	}
	return gone, nil
}

// lockWriters waits for the writers that are at it, and holds up others. It
// comes before any other lock: writers take theirs on customers after it too.
func lockWriters(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", eraseLock); err != nil {
		return fmt.Errorf("locking out writers: %w", err)
	}
	return nil
}

// eraseVisitors deletes what the browsers of a customer left: visits before the
// signup have no customer, what they reported to /api/track neither, and the
// database may have refused some. What still waits in a spool is dropped as it
// arrives.
func eraseVisitors(ctx context.Context, tx pgx.Tx, customerID int64) error {
	const visitors = `(SELECT visitor_id FROM customer_journeys WHERE customer_id = $1 AND visitor_id <> ''
		UNION SELECT visitor_id FROM identity_links WHERE customer_id = $1)`
	for _, statement := range []struct{ about, sql string }{
		{"remembering the visitor", `INSERT INTO erased_visitors (visitor_hash)
			SELECT sha256(convert_to(visitor_id, 'UTF8')) FROM ` + visitors + ` v
			ON CONFLICT (visitor_hash) DO UPDATE SET erased_at = now()`},
		{"erasing visits", "DELETE FROM funnel_events WHERE customer_id IS NULL AND visitor_id IN " + visitors},
		{"erasing what pages reported", "DELETE FROM analytics_events WHERE visitor_id IN " + visitors},
		{"erasing dead letters", "DELETE FROM funnel_dead_letters WHERE customer_id = $1 OR visitor_id IN " + visitors},
	} {
		if _, err := tx.Exec(ctx, statement.sql, customerID); err != nil {
			return fmt.Errorf("%s: %w", statement.about, err)
		}
	}
	return nil
}

// ForgetErased forgets visitors of erased customers whom no spool can hold any
// more, and damaged batches, of which nobody can tell whose they are.
func (s *Store) ForgetErased(ctx context.Context) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	for _, sql := range []string{
		"DELETE FROM erased_visitors WHERE erased_at < now() - make_interval(secs => $1)",
		"DELETE FROM funnel_dead_letters WHERE event_type = 'batch' AND inserted_at < now() - make_interval(secs => $1)",
	} {
		if _, err := s.pool.Exec(ctx, sql, erasedAge.Seconds()); err != nil {
			return classify(fmt.Errorf("forgetting erased visitors: %w", err))
		}
	}
	return nil
}
