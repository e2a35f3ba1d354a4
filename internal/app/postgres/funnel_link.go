package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

// linkVisits gives journeys their first visit and campaign when the signup was
// stored before the visit that led to it.
func linkVisits(ctx context.Context, q *db.Queries, batches []app.Batch) error {
	var p db.LateVisitsParams
	var visitors []string
	for _, b := range batches {
		for i := range b.Events {
			v := &b.Events[i]
			if v.Type == app.EventPageView && v.Touch.VisitorID != "" {
				visitors = append(visitors, v.Touch.VisitorID)
			}
		}
	}
	if len(visitors) == 0 {
		return nil
	}
	slices.Sort(visitors)
	if err := q.LockLinks(ctx, linkLock); err != nil {
		return fmt.Errorf("locking the visit links: %w", err)
	}
	linked, err := q.LinkedVisitors(ctx, slices.Compact(visitors))
	if err != nil || len(linked) == 0 {
		return wrap("finding visitors who have signed up", err)
	}
	for _, b := range batches {
		for i := range b.Events {
			v := &b.Events[i]
			if v.Type == app.EventPageView && slices.Contains(linked, v.Touch.VisitorID) {
				p.VisitorIds, p.VisitedAts = append(p.VisitorIds, v.Touch.VisitorID), append(p.VisitedAts, v.At)
			}
		}
	}
	if _, err := q.LateVisits(ctx, p); err != nil {
		return fmt.Errorf("linking visits to journeys: %w", err)
	}
	if _, err := q.LateCampaigns(ctx, p.VisitorIds); err != nil {
		return fmt.Errorf("linking campaigns to journeys: %w", err)
	}
	return nil
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
