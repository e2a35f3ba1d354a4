package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/pressly/goose/v3/lock"
)

const (
	// lockWait is how long a migrator waits for another one. It ends well before
	// the ten minutes that a migrations Job has by default, so that the Job
	// fails with the reason and not for the time it took.
	lockWait = 5 * time.Minute
	// lockPause is how often it asks.
	lockPause = time.Second
)

// MigrationLockedError says that another migrator was at work all the time.
type MigrationLockedError struct{ Waited time.Duration }

func (e *MigrationLockedError) Error() string {
	return fmt.Sprintf("another migration holds the lock of this database, for %v and more: "+
		"wait until it ends, or end its session (pg_locks names it, with locktype advisory), then try again",
		e.Waited.Round(time.Second))
}

// patientLocker waits for the session lock as long as it is told, and says so
// when that was in vain.
type patientLocker struct {
	lock.SessionLocker
	wait time.Duration
}

// SessionLock implements lock.SessionLocker.
func (l *patientLocker) SessionLock(ctx context.Context, conn *sql.Conn) error {
	for waited := time.Duration(0); ; waited += lockPause {
		var locked bool
		if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", lock.DefaultLockID).Scan(&locked); err != nil {
			return fmt.Errorf("asking for the migration lock: %w", err)
		}
		if locked {
			return nil
		}
		if waited >= l.wait {
			return &MigrationLockedError{Waited: waited}
		}
		select {
		case <-ctx.Done():
			// Whoever ends the waiting wants to know what it was for.
			return &MigrationLockedError{Waited: waited}
		case <-time.After(lockPause):
		}
	}
}
