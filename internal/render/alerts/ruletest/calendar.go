package ruletest

import (
	"slices"
	"strconv"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// calendar is when business is open.
type calendar struct {
	location *time.Location
	// offset of the zone at the start of the year of rendering: at the time
	// at which tests run, long before every change, the rules know no other.
	offset   time.Duration
	days     []time.Weekday
	from, to int
}

// newCalendar is nil without business hours, or where they are wrong.
func newCalendar(hours *v1alpha1.BusinessHours, now time.Time) *calendar {
	if hours == nil {
		return nil
	}
	zone := hours.Timezone
	if zone == "" {
		zone = "UTC"
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		return nil
	}
	c := &calendar{location: location, from: minutes(hours.From), to: minutes(hours.To)}
	_, seconds := time.Date(now.UTC().Year(), time.January, 1, 0, 0, 0, 0, time.UTC).In(location).Zone()
	c.offset = time.Duration(seconds) * time.Second
	names := []v1alpha1.Weekday{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
	for _, day := range hours.Days {
		c.days = append(c.days, time.Weekday(slices.Index(names, day)))
	}
	if len(hours.Days) == 0 {
		c.days = []time.Weekday{1, 2, 3, 4, 5}
	}
	return c
}

func minutes(text string) int {
	hour, _ := strconv.Atoi(text[:2])
	minute, _ := strconv.Atoi(text[3:])
	return hour*60 + minute
}

// open tells whether business is open at a local time, given as if it were
// UTC.
func (c *calendar) open(local time.Time) bool {
	minute := local.Hour()*60 + local.Minute()
	return slices.Contains(c.days, local.Weekday()) && minute >= c.from && minute < c.to
}

// openAt tells it for a step of a test.
func (c *calendar) openAt(at int) bool {
	return c.open(time.Unix(0, 0).UTC().Add(time.Duration(at)*step + c.offset))
}

// week is the number of steps after which hours repeat.
const week = int(7 * 24 * time.Hour / step)

// opening is the first step from a given one on at which business opens, and
// the next at which it closes. ok is false if it never does either.
func (c *calendar) opening(after int) (opens, closes int, ok bool) {
	for opens = after; opens <= after+week; opens++ {
		if c.openAt(opens) && opens > 0 && !c.openAt(opens-1) {
			for closes = opens; closes <= opens+week; closes++ {
				if !c.openAt(closes) {
					return opens, closes, true
				}
			}
		}
	}
	return 0, 0, false
}

// changes are the moments at which the clocks change within the years that the
// rules know.
func (c *calendar) changes(now time.Time) []time.Time {
	year := now.UTC().Year()
	end := time.Date(year+knownYears, time.January, 1, 0, 0, 0, 0, time.UTC)
	var all []time.Time
	for at := time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC); ; {
		_, next := at.In(c.location).ZoneBounds()
		if next.IsZero() || !next.Before(end) {
			return all
		}
		all = append(all, next)
		at = next
	}
}

// knownYears is for how many years the rules have the changes of the clocks.
const knownYears = 3
