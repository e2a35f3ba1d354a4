package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

const (
	// monthsAhead is how many months have their partitions before they begin.
	monthsAhead = 3
	// partitionLockTimeout bounds how long a change of partitions, which locks
	// out writers while it waits, may wait for its lock. The next round tries again.
	partitionLockTimeout = "2s"
	// forgetAtOnce bounds one round of forgetting.
	forgetAtOnce = 50_000
	// batchesKept is how long settled batches are remembered. Longer than any
	// spool is away and comes back; and past it the ids of the events still tell.
	batchesKept = 14 * 24 * time.Hour
)

// Partitioned tables, by month.
const (
	funnelTable    = "funnel_events"
	analyticsTable = "analytics_events"
)

// MakePartitions makes the partitions of the months around now, and
// answers how many were missing.
func (s *Store) MakePartitions(ctx context.Context, now time.Time) (int, error) {
	made := 0
	month := monthOf(now)
	for n := -1; n <= monthsAhead; n++ { // the last one: its events may still be on their way
		day := month.AddDate(0, n, 0)
		for _, create := range []func(*db.Queries) (bool, error){
			func(q *db.Queries) (bool, error) { return q.CreateFunnelPartition(ctx, day) },
			func(q *db.Queries) (bool, error) { return q.CreateAnalyticsPartition(ctx, day) },
		} {
			err := s.changePartitions(ctx, func(tx pgx.Tx) error {
				created, err := create(s.q.WithTx(tx))
				if created {
					made++
				}
				return wrap("making the partition of "+day.Format("2006-01"), err)
			})
			if err != nil {
				return made, err
			}
		}
	}
	return made, nil
}

// RetirePartitions drops the months that ended more than keep months ago; zero
// keeps everything. Days of the funnel that are not stored are stored before
// their events go. It answers the names of what it dropped.
func (s *Store) RetirePartitions(ctx context.Context, now time.Time, keep int) ([]string, error) {
	if keep <= 0 {
		return nil, nil
	}
	oldest := monthOf(now).AddDate(0, -keep, 0)
	var retired []string
	for _, table := range []string{funnelTable, analyticsTable} {
		names, err := s.partitions(ctx, table)
		if err != nil {
			return retired, err
		}
		for _, name := range names {
			month, err := time.Parse("2006_01", name[len(name)-len("2006_01"):])
			if err != nil || !month.Before(oldest) {
				continue
			}
			if err := s.retire(ctx, table, name, month, now); err != nil {
				return retired, err
			}
			retired = append(retired, name)
		}
	}
	return retired, nil
}

// partitions lists the months of a table by the names of their partitions.
func (s *Store) partitions(ctx context.Context, table string) ([]string, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	rows, err := s.pool.Query(ctx, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = $1::regclass AND c.relname ~ '_[0-9]{4}_[0-9]{2}$' ORDER BY c.relname`, table)
	if err != nil {
		return nil, classify(fmt.Errorf("listing the partitions of %s: %w", table, err))
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return names, classify(wrap("listing the partitions of "+table, err))
}

func (s *Store) retire(ctx context.Context, table, name string, month, now time.Time) error {
	if table == funnelTable {
		if err := s.storeMonth(ctx, month, now); err != nil {
			return err
		}
	}
	return s.changePartitions(ctx, func(tx pgx.Tx) error {
		part := pgx.Identifier{name}.Sanitize()
		if _, err := tx.Exec(ctx, "ALTER TABLE "+pgx.Identifier{table}.Sanitize()+" DETACH PARTITION "+part); err != nil {
			return fmt.Errorf("detaching %s: %w", name, err)
		}
		_, err := tx.Exec(ctx, "DROP TABLE "+part)
		return wrap("dropping "+name, err)
	})
}

// storeMonth stores the numbers of the days that are not stored as they are.
func (s *Store) storeMonth(ctx context.Context, month, now time.Time) error {
	for day := month; day.Before(month.AddDate(0, 1, 0)); day = day.AddDate(0, 0, 1) {
		stored, err := s.rollUp(ctx, func(ctx context.Context, q *db.Queries) error {
			rows, err := q.DaysState(ctx, db.DaysStateParams{Since: day, Until: day.AddDate(0, 0, 1)})
			if err != nil {
				return fmt.Errorf("reading a stored day: %w", err)
			}
			if len(rows) == 1 && rows[0].Through != nil && !noted(rows[0]) {
				return nil
			}
			return storeDay(ctx, q, app.Day(day), now)
		})
		if err != nil {
			return err
		}
		if !stored {
			return unavailable(errors.New("another pod does the upkeep now; the month is retired next time"))
		}
	}
	return nil
}

// changePartitions runs a change that needs strong locks for a moment.
func (s *Store) changePartitions(ctx context.Context, change func(tx pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(withWait(ctx), writeTimeout)
	defer cancel()
	return classify(s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", partitionLockTimeout); err != nil {
			return fmt.Errorf("bounding the wait for the table: %w", err)
		}
		return change(tx)
	}))
}

// Forget removes what is remembered for a time alone: the keys that clients
// gave their events, and the numbers of settled batches.
func (s *Store) Forget(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(withWait(ctx), writeTimeout)
	defer cancel()
	_, keys := s.q.ForgetKeys(ctx, db.ForgetKeysParams{Seconds: app.EventKeyAge.Seconds(), Most: forgetAtOnce})
	_, batches := s.q.ForgetBatches(ctx, batchesKept.Seconds())
	return classify(errors.Join(wrap("forgetting event keys", keys), wrap("forgetting settled batches", batches)))
}

// Stray counts the events in the partition that is to stay empty.
func (s *Store) Stray(ctx context.Context) (int64, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	n, err := s.q.CountStray(ctx)
	return n, classify(wrap("counting events outside of their months", err))
}

func monthOf(at time.Time) time.Time {
	year, month, _ := at.UTC().Date()
	return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
}
