package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// LeaseExport makes the holder the one who works on an export for a while, and
// tells where to go on. It answers false while somebody else is at it. A new
// export begins with what is committed from now on; so does one whose place
// lies in the future, which means that the database was restored from a copy.
func (s *Store) LeaseExport(ctx context.Context, name, holder string, lease time.Duration) (app.ExportPlace, bool, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	var place app.ExportPlace
	var id pgtype.UUID
	err := s.pool.QueryRow(ctx, `
		INSERT INTO export_cursors AS c (name, stored_xid, event_id, holder, leased_until)
		VALUES ($1, pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1, 'ffffffff-ffff-ffff-ffff-ffffffffffff', $2,
			now() + make_interval(secs => $3))
		ON CONFLICT (name) DO UPDATE SET
			holder = excluded.holder, leased_until = excluded.leased_until,
			stored_xid = CASE WHEN c.stored_xid > pg_snapshot_xmax(pg_current_snapshot())::text::bigint
				THEN excluded.stored_xid ELSE c.stored_xid END
			WHERE c.holder = excluded.holder OR c.leased_until < now()
		RETURNING stored_xid, event_id`, name, holder, lease.Seconds()).Scan(&place.Transaction, &id)
	if errors.Is(err, pgx.ErrNoRows) {
		return place, false, nil
	}
	if err != nil {
		return place, false, classify(fmt.Errorf("leasing the export %s: %w", name, err))
	}
	place.ID = id.Bytes
	return place, true, nil
}

// MoveExport tells that everything up to a place is dealt with. It answers
// false when the lease has gone to somebody else.
func (s *Store) MoveExport(ctx context.Context, name, holder string, to app.ExportPlace, done app.ExportTally) (bool, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	tag, err := s.pool.Exec(ctx, `UPDATE export_cursors SET stored_xid = $3, event_id = $4, sent = sent + $5,
			skipped = skipped + $6, refused = refused + $7, moved_at = now()
		WHERE name = $1 AND holder = $2`, name, holder, to.Transaction, pgID(to.ID), done.Sent, done.Skipped, done.Refused)
	if err != nil {
		return false, classify(fmt.Errorf("moving the export %s: %w", name, err))
	}
	return tag.RowsAffected() == 1, nil
}

// storedColumns are what scanStored reads.
const storedColumns = `coalesce(e.stored_xid, 0), e.id, e.event_type, coalesce(e.customer_id, 0), coalesce(e.visitor_id, ''),
	coalesce(e.session_id, ''), coalesce(e.page_path, ''), coalesce(e.referrer, ''), coalesce(e.user_agent, ''),
	coalesce(e.ip_network::text, ''), coalesce(e.utm_source, ''), coalesce(e.utm_medium, ''), coalesce(e.utm_campaign, ''),
	coalesce(e.utm_term, ''), coalesce(e.utm_content, ''), e.occurred_at, coalesce(e.site, ''), coalesce(e.name, ''), e.metadata::text`

func scanStored(rows pgx.CollectableRow) (app.StoredEvent, error) {
	var e app.StoredEvent
	var id pgtype.UUID
	t := &e.Touch
	err := rows.Scan(&e.Place.Transaction, &id, (*string)(&e.Type), &e.CustomerID, &t.VisitorID, &t.SessionID, &t.Path, &t.Referrer,
		&t.UserAgent, &t.Network, &t.UTM.Source, &t.UTM.Medium, &t.UTM.Campaign, &t.UTM.Term, &t.UTM.Content,
		&e.At, &e.Site, &e.Name, &e.Metadata)
	e.ID = id.Bytes
	e.Place.ID, e.At = e.ID, e.At.UTC()
	return e, err
}

// NextEvents reads up to so many events that come after a place, in the order
// of commits: a transaction gets its number when it begins to write, so that
// those that ended do not end in the order of their numbers. Read are those
// alone whose number is below that of the oldest transaction still running
// (pg_snapshot_xmin): no smaller number can be committed later, and nothing is
// ever passed over. A transaction that writes for long, of whatever table, holds
// exports up for as long; it loses nothing. Events of internal customers are
// nobody's business elsewhere.
func (s *Store) NextEvents(ctx context.Context, after app.ExportPlace, most int) ([]app.StoredEvent, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	rows, err := s.pool.Query(ctx, `SELECT `+storedColumns+` FROM funnel_events e
		WHERE e.stored_xid IS NOT NULL AND (e.stored_xid, e.id) > ($1::bigint, $2::uuid)
			AND e.stored_xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
			AND NOT EXISTS (SELECT FROM customers c WHERE c.id = e.customer_id AND c.internal)
		ORDER BY e.stored_xid, e.id LIMIT $3`, after.Transaction, pgID(after.ID), most)
	if err != nil {
		return nil, classify(fmt.Errorf("reading events to export: %w", err))
	}
	events, err := pgx.CollectRows(rows, scanStored)
	if err != nil {
		return nil, classify(fmt.Errorf("reading events to export: %w", err))
	}
	return events, nil
}

// EachEvent gives every event that was taken from a time up to before another,
// in the order in which they were taken, to visit; its first error ends it.
func (s *Store) EachEvent(ctx context.Context, from, until time.Time, visit func(*app.StoredEvent) error) error {
	rows, err := s.pool.Query(ctx, `SELECT `+storedColumns+` FROM funnel_events e
		WHERE e.id >= lowest_uuid_at($1) AND e.id < lowest_uuid_at($2)
			AND NOT EXISTS (SELECT FROM customers c WHERE c.id = e.customer_id AND c.internal)
		ORDER BY e.id`, from, until)
	if err != nil {
		return classify(fmt.Errorf("reading events: %w", err))
	}
	defer rows.Close()
	for rows.Next() {
		e, err := scanStored(rows)
		if err != nil {
			return classify(fmt.Errorf("reading an event: %w", err))
		}
		if err := visit(&e); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return classify(fmt.Errorf("reading events: %w", err))
	}
	return nil
}
