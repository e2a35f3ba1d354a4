package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
	"github.com/rsolv-dev/rsolv-operator/internal/app/ratelimit"
)

// LeaseSlices implements ratelimit.Store.
func (s *Store) LeaseSlices(ctx context.Context, leases []ratelimit.Lease) ([]ratelimit.Slice, error) {
	ctx, cancel := operation(ctx)
	defer cancel()
	type caller struct{ action, subject string }
	places := make(map[caller]int, len(leases))
	byLimit := map[int]*db.LeaseSlicesParams{}
	for i, l := range leases {
		places[caller{l.Action, l.Subject}] = i
		p := byLimit[l.Limit]
		if p == nil {
			p = &db.LeaseSlicesParams{Most: int32(l.Limit)} //nolint:gosec // limits are constants
			byLimit[l.Limit] = p
		}
		p.Actions, p.Subjects = append(p.Actions, l.Action), append(p.Subjects, l.Subject)
		p.Windows, p.Wants = append(p.Windows, l.Window), append(p.Wants, int32(l.Want)) //nolint:gosec // no more than a limit
	}
	slices := make([]ratelimit.Slice, len(leases))
	for limit, p := range byLimit {
		rows, err := s.q.LeaseSlices(ctx, *p)
		if err != nil {
			return nil, classify(fmt.Errorf("leasing slices of rate limits: %w", err))
		}
		for _, row := range rows {
			slices[places[caller{row.Action, row.Subject}]] = ratelimit.Slice{
				Granted: int(row.Granted), Left: max(0, limit-int(row.Used)),
			}
		}
	}
	return slices, nil
}

// ForgetWindows implements ratelimit.Store.
func (s *Store) ForgetWindows(ctx context.Context, before time.Time) error {
	ctx, cancel := operation(ctx)
	defer cancel()
	if err := s.q.ForgetWindows(ctx, before); err != nil {
		return classify(fmt.Errorf("forgetting windows of rate limits: %w", err))
	}
	return nil
}
