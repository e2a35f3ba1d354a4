package postgres

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres/db"
)

// visits are the page views of a time and the browsers that they are of: those
// with a number as a set, so that times are joined without counting twice, the
// others one by one, each with whether a customer is known to be behind it.
type visits struct {
	count    int64
	numbered *roaring.Bitmap
	others   map[[16]byte]bool
	// summed are browsers of days of which a number is all that is left: they
	// are counted for each of these days.
	summed int64
}

func newVisits() *visits {
	return &visits{numbered: roaring.New(), others: map[[16]byte]bool{}}
}

// visitors is the number of browsers.
func (v *visits) visitors() int64 {
	return int64(v.numbered.GetCardinality()) + int64(len(v.others)) + v.summed //nolint:gosec // fewer than 2^32
}

// strangers is the number of browsers of nobody known, given the others.
func (v *visits) strangers(linked *roaring.Bitmap) int64 {
	n := v.summed + int64(v.numbered.GetCardinality()-v.numbered.AndCardinality(linked)) //nolint:gosec // fewer than 2^32
	for _, known := range v.others {
		if !known {
			n++
		}
	}
	return n
}

// add counts the page views of one browser.
func (v *visits) add(row db.VisitsBetweenRow) {
	v.count += row.Visits
	switch {
	case row.Number > 0:
		v.numbered.Add(uint32(row.Number)) //nolint:gosec // an integer column
	case row.Visitor.Bytes != [16]byte{}:
		v.others[row.Visitor.Bytes] = row.Linked
	}
}

// join adds up times.
func join(days []dayVisits) *visits {
	all := newVisits()
	sets := make([]*roaring.Bitmap, len(days))
	for i, d := range days {
		all.count += d.count
		all.summed += d.summed
		sets[i] = d.numbered
		maps.Copy(all.others, d.others)
	}
	all.numbered = roaring.FastOr(sets...)
	return all
}

// dayVisits are those of one day.
type dayVisits struct {
	*visits
	day app.Period
	// stored says that the stored sources of the day are part of it; live, when
	// it is not zero, that so are events whose ids are of this moment or later.
	stored bool
	live   time.Time
}

// lateMost is how much later than it happened a visit may be taken: collectors
// accept what is three days old.
const lateMost = 72*time.Hour + 2*idSlack

// mintedBefore bounds the ids of what happened on a day, so that no month is read
// that cannot have any of it.
func mintedBefore(day app.Period, through time.Time) time.Time {
	if last := day.Until.Add(lateMost); last.Before(through) {
		return last
	}
	return through
}

// ever is later than any event.
var ever = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// readVisits reads the visits of each day of a period: what is stored of it, with
// what came since; or all of it, when nothing is stored, or when something came
// late that what is stored does not have.
func readVisits(ctx context.Context, q *db.Queries, period app.Period) ([]dayVisits, error) {
	rows, err := q.DaysState(ctx, db.DaysStateParams{Since: period.Since, Until: period.Until})
	if err != nil {
		return nil, fmt.Errorf("reading the stored days: %w", err)
	}
	states := make(map[time.Time]db.DaysStateRow, len(rows))
	for _, row := range rows {
		states[row.PeriodStart.UTC()] = row
	}
	var days []dayVisits
	for at := period.Since; at.Before(period.Until); at = at.AddDate(0, 0, 1) {
		state, known := states[at]
		d, err := planDay(app.Day(at), state)
		if err != nil {
			return nil, err
		}
		if !d.live.IsZero() {
			if err := d.readLive(ctx, q); err != nil {
				return nil, err
			}
		}
		if known && !d.stored && d.count == 0 && state.WebsiteVisits > 0 {
			d.count, d.summed = state.WebsiteVisits, state.UniqueVisitors // its events are gone
		}
		days = append(days, d)
	}
	return days, nil
}

// planDay decides what is read of a day. The zero row is of a day that is not
// stored.
func planDay(day app.Period, state db.DaysStateRow) (dayVisits, error) {
	d := dayVisits{visits: newVisits(), day: day}
	if state.Through == nil || noted(state) && state.Noted.Before(*state.Through) {
		d.live = day.Since.Add(-idSlack)
		return d, nil
	}
	if err := d.numbered.UnmarshalBinary(state.Visitors); err != nil {
		return d, fmt.Errorf("reading the browsers of %s: %w", day.Since.Format(time.DateOnly), err)
	}
	d.stored, d.count = true, state.WebsiteVisits
	if noted(state) {
		d.live = *state.Through
	}
	return d, nil
}

// noted says whether there is a note of the day.
func noted(state db.DaysStateRow) bool { return state.Noted.Unix() != 0 }

func (d *dayVisits) readLive(ctx context.Context, q *db.Queries) error {
	rows, err := q.VisitsBetween(ctx, db.VisitsBetweenParams{Since: d.day.Since, Until: d.day.Until, Minted: d.live, Through: mintedBefore(d.day, ever)})
	if err != nil {
		return fmt.Errorf("counting visits: %w", err)
	}
	for _, row := range rows {
		d.add(row)
	}
	return nil
}

// topCounts are the largest counts, by kind of source and value.
type topCounts map[string]map[string]int64

func (t topCounts) add(kind, value string, events int64) {
	if t[kind] == nil {
		t[kind] = map[string]int64{}
	}
	t[kind][value] += events
}

// readSources adds up where the events of some days came from.
func readSources(ctx context.Context, q *db.Queries, days []dayVisits) (topCounts, error) {
	counts := topCounts{}
	var stored []time.Time
	for _, d := range days {
		if d.stored {
			stored = append(stored, d.day.Since)
		}
		if d.live.IsZero() {
			continue
		}
		rows, err := q.SourcesBetween(ctx, db.SourcesBetweenParams{Since: d.day.Since, Until: d.day.Until, Minted: d.live, Through: mintedBefore(d.day, ever)})
		if err != nil {
			return nil, fmt.Errorf("counting sources: %w", err)
		}
		for _, row := range rows {
			counts.add(row.Kind, row.Value, row.Events)
		}
	}
	rows, err := q.StoredSources(ctx, stored)
	if err != nil {
		return nil, fmt.Errorf("adding up the stored sources: %w", err)
	}
	for _, row := range rows {
		counts.add(row.Kind, row.Value, row.Events)
	}
	return counts, nil
}
