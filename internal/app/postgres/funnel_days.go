package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

const (
	// rollUpMost is how many days one RollUp stores: what is more comes next time.
	rollUpMost = 40
	// rollUpTimeout bounds the storing of one day.
	rollUpTimeout = 2 * time.Minute
	// inFlight is how long after an event was taken it may be on its way to the
	// database on an ordinary day. Stored days leave younger events to the live
	// part; older ones that come after all make a day live until it is stored
	// again.
	inFlight = 10 * time.Second
)

// RollUp stores the days that changed, today's first, each whole, so that doing
// it again changes nothing; and the weeks and months they are in. It does nothing
// when another pod does so now, or did within fresh.
func (s *Store) RollUp(ctx context.Context, now time.Time, fresh time.Duration) error {
	today, through := app.Day(now).Since, now.Add(-inFlight).Truncate(time.Millisecond)
	done, err := s.q.FreshDay(ctx, db.FreshDayParams{Day: today, Seconds: fresh.Seconds()})
	if err != nil || done {
		return classify(wrap("looking for fresh metrics", err))
	}
	days, err := s.q.DirtyDays(ctx, db.DirtyDaysParams{Through: through, Today: today, Yesterday: today.AddDate(0, 0, -1), Most: rollUpMost})
	if err != nil {
		return classify(fmt.Errorf("finding the days to store: %w", err))
	}
	periods := map[storedPeriod]bool{}
	for _, day := range days {
		day = day.UTC()
		if stored, err := s.storeDay(ctx, day, through); err != nil || !stored {
			return err
		}
		for _, p := range periodsOf(day) {
			periods[p] = true
		}
	}
	for p := range periods {
		if _, err := s.rollUp(ctx, func(ctx context.Context, q *db.Queries) error { return storePeriod(ctx, q, p) }); err != nil {
			return err
		}
	}
	return nil
}

// rollUp runs work on one snapshot, unless another pod does some upkeep now, or
// did while this one began.
func (s *Store) rollUp(ctx context.Context, work func(ctx context.Context, q *db.Queries) error) (done bool, err error) {
	ctx, cancel := context.WithTimeout(withWait(ctx), rollUpTimeout)
	defer cancel()
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		if done, err = q.TryLock(ctx, upkeepLock); err != nil || !done {
			return wrap("locking the upkeep", err)
		}
		return work(ctx, q)
	})
	if pgErr, said := errors.AsType[*pgconn.PgError](err); said && pgErr.Code == "40001" {
		return false, nil // another pod has stored it meanwhile
	}
	return done, classify(err)
}

// storeDay stores the numbers of a day, as far as the ids of its events are of a
// moment before through.
func (s *Store) storeDay(ctx context.Context, day, through time.Time) (bool, error) {
	return s.rollUp(ctx, func(ctx context.Context, q *db.Queries) error {
		return storeDay(ctx, q, app.Day(day), through)
	})
}

func storeDay(ctx context.Context, q *db.Queries, day app.Period, through time.Time) error {
	minted := day.Since.Add(-idSlack)
	through, err := laterThrough(ctx, q, day, through)
	if err != nil {
		return err
	}
	err = q.NumberVisitors(ctx, db.NumberVisitorsParams{Since: day.Since, Until: day.Until, Minted: minted, Through: mintedBefore(day, through)})
	if err != nil {
		return fmt.Errorf("numbering the visitors: %w", err)
	}
	rows, err := q.VisitsBetween(ctx, db.VisitsBetweenParams{Since: day.Since, Until: day.Until, Minted: minted, Through: mintedBefore(day, through)})
	if err != nil {
		return fmt.Errorf("counting the day's visits: %w", err)
	}
	seen := newVisits()
	for _, row := range rows {
		seen.add(row)
	}
	sources, err := storeSources(ctx, q, day, minted, through)
	if err != nil {
		return err
	}
	stages, err := readStages(ctx, q, day)
	if err != nil {
		return err
	}
	counts := stages[day.Since]
	counts.Visits, counts.Visitors = seen.count, seen.visitors()
	summary := app.Summary{
		Period: day, Counts: counts,
		TopSources: app.Top(sources["source"], app.TopValues), TopCampaigns: app.Top(sources["campaign"], app.TopValues),
	}
	if err := upsertMetrics(ctx, q, "day", summary); err != nil {
		return err
	}
	if err := storeVisitors(ctx, q, storedPeriod{"day", day}, seen, through); err != nil {
		return err
	}
	return wrap("forgetting what was noted of the day", q.ForgetNotes(ctx, db.ForgetNotesParams{Day: day.Since, Through: through}))
}

// laterThrough is through, or what the day was stored through when that is later:
// the notes up to there are gone, whatever the clock of this pod says.
func laterThrough(ctx context.Context, q *db.Queries, day app.Period, through time.Time) (time.Time, error) {
	rows, err := q.DaysState(ctx, db.DaysStateParams{Since: day.Since, Until: day.Until})
	if err != nil {
		return through, fmt.Errorf("reading the stored day: %w", err)
	}
	if len(rows) == 1 && rows[0].Through != nil && rows[0].Through.After(through) {
		return *rows[0].Through, nil
	}
	return through, nil
}

// storeSources stores the largest sources of a day one by one, and the others
// together.
func storeSources(ctx context.Context, q *db.Queries, day app.Period, minted, through time.Time) (topCounts, error) {
	rows, err := q.SourcesBetween(ctx, db.SourcesBetweenParams{Since: day.Since, Until: day.Until, Minted: minted, Through: mintedBefore(day, through)})
	if err != nil {
		return nil, fmt.Errorf("counting the day's sources: %w", err)
	}
	counts := topCounts{}
	for _, row := range rows {
		counts.add(row.Kind, row.Value, row.Events)
	}
	p := db.StoreSourcesParams{Day: day.Since}
	for kind, values := range counts {
		for value, events := range app.TopAndOther(values, app.MaxSources) {
			p.Kinds, p.Values, p.Events = append(p.Kinds, kind), append(p.Values, value), append(p.Events, events)
		}
	}
	if err := q.ForgetSources(ctx, day.Since); err != nil {
		return nil, fmt.Errorf("forgetting the day's sources: %w", err)
	}
	return counts, wrap("storing the day's sources", q.StoreSources(ctx, p))
}

// storedPeriod is a row of funnel_metrics.
type storedPeriod struct {
	kind string
	app.Period
}

// periodsOf are the week, from Monday, and the month of a day.
func periodsOf(day time.Time) []storedPeriod {
	monday := day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
	first := monthOf(day)
	return []storedPeriod{
		{"week", app.Period{Since: monday, Until: monday.AddDate(0, 0, 7)}}, {"month", app.Period{Since: first, Until: first.AddDate(0, 1, 0)}},
	}
}

func storePeriod(ctx context.Context, q *db.Queries, p storedPeriod) error {
	summary, err := readSummary(ctx, q, p.Period)
	if err != nil {
		return err
	}
	return upsertMetrics(ctx, q, p.kind, summary)
}

func storeVisitors(ctx context.Context, q *db.Queries, p storedPeriod, seen *visits, through time.Time) error {
	seen.numbered.RunOptimize()
	bytes, err := seen.numbered.ToBytes()
	if err != nil {
		return fmt.Errorf("encoding the visitors: %w", err)
	}
	return wrap("storing the visitors", q.StoreVisitors(ctx, db.StoreVisitorsParams{
		PeriodType: p.kind, PeriodStart: p.Since, Through: &through, Visitors: bytes,
	}))
}

func upsertMetrics(ctx context.Context, q *db.Queries, kind string, summary app.Summary) error {
	sources, err := json.Marshal(summary.TopSources)
	if err != nil {
		return fmt.Errorf("encoding the top sources: %w", err)
	}
	campaigns, err := json.Marshal(summary.TopCampaigns)
	if err != nil {
		return fmt.Errorf("encoding the top campaigns: %w", err)
	}
	c, r := summary.Counts, summary.Counts.Rates()
	err = q.UpsertMetrics(ctx, db.UpsertMetricsParams{
		PeriodStart: summary.Period.Since, PeriodEnd: summary.Period.Until, PeriodType: kind,
		WebsiteVisits: c.Visits, UniqueVisitors: c.Visitors, Signups: c.Signups,
		ApiKeysCreated: c.APIKeys, ActivatedUsers: c.Activated, RetainedUsers: c.Retained,
		VisitToSignupRate: r.VisitToSignup, SignupToApiKeyRate: r.SignupToAPIKey,
		ApiKeyToActivationRate: r.APIKeyToActivation, ActivationToRetentionRate: r.ActivationToRetention,
		TopUtmSources: sources, TopUtmCampaigns: campaigns,
	})
	return wrap("storing the metrics of a "+kind, err)
}

// noteVisits notes of which days the visits and signups are that are stored in
// this transaction.
func noteVisits(ctx context.Context, q *db.Queries, events []app.Event) error {
	type span struct{ oldest, newest time.Time }
	days := map[time.Time]span{}
	for i := range events {
		if kind := events[i].Type; kind != app.EventPageView && kind != app.EventSignup {
			continue
		}
		minted, day := events[i].ID.Minted(), app.Day(events[i].At).Since
		s, known := days[day]
		if !known || minted.Before(s.oldest) {
			s.oldest = minted
		}
		if minted.After(s.newest) {
			s.newest = minted
		}
		days[day] = s
	}
	if len(days) == 0 {
		return nil
	}
	var p db.NoteEventsParams
	for day, s := range days {
		p.Days, p.Oldests, p.Newests = append(p.Days, day), append(p.Oldests, s.oldest), append(p.Newests, s.newest)
	}
	return wrap("noting the days of events", q.NoteEvents(ctx, p))
}
