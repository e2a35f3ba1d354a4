package alerts

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // images hold no time zones

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// hours are business hours in PromQL, which knows UTC alone.
type hours struct {
	// localTime is the Unix time shifted by the zone's offset, a step function
	// of time().
	localTime string
	// open takes the name of the recorded local time and has a value while
	// business is open.
	open func(localTime string) string
	// renewAt is the next time that localTime changes; zero is never.
	renewAt time.Time
	// span is how long business is open on a day.
	span time.Duration
}

// horizonYears is how far ahead transitions are written down. The rules are
// renewed every year, so that they stay right for years after the operator has
// gone.
const horizonYears = 3

// locations keeps zones that were loaded; a missing zone is never kept.
var locations sync.Map

// newHours renders business hours. A problem has the field set where the cause
// lies outside the threshold.
func newHours(declared *v1alpha1.BusinessHours, now time.Time) (hours, *Problem) {
	if declared == nil {
		return hours{}, &Problem{What: "the baseline has no business hours", Fix: "set spec.businessHours, or remove during"}
	}
	location, problem := zone(or(declared.Timezone, "UTC"))
	if problem != nil {
		return hours{}, problem
	}
	from, fromOK := minuteOfDay(declared.From)
	to, toOK := minuteOfDay(declared.To)
	if !fromOK || !toOK || from >= to {
		return hours{}, &Problem{
			Field: "spec.businessHours", What: fmt.Sprintf("%q to %q is no span of a day", declared.From, declared.To),
			Fix: "write from before to as hh:mm, for example from 09:00 to 18:00",
		}
	}
	days, problem := weekdays(declared.Days)
	if problem != nil {
		return hours{}, problem
	}
	h := hours{span: time.Duration(to-from) * time.Minute}
	h.localTime, h.renewAt = localTime(location, now)
	h.open = func(local string) string { return open(local, days, from, to) }
	return h, nil
}

func zone(name string) (*time.Location, *Problem) {
	if known, ok := locations.Load(name); ok {
		return known.(*time.Location), nil
	}
	location, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, &Problem{
			Field: "spec.businessHours.timezone", What: fmt.Sprintf("%q is no time zone", name),
			Fix: "write a name of the IANA database, for example Europe/Madrid",
		}
	}
	locations.Store(name, location)
	return location, nil
}

// localTime sums the zone's offset at the start of the year and every change
// until the horizon. Being anchored to calendar years, it stays the same until
// the next one begins.
func localTime(location *time.Location, now time.Time) (expression string, renewAt time.Time) {
	year := now.UTC().Year()
	start := time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC)
	end := time.Date(year+horizonYears, time.January, 1, 0, 0, 0, 0, time.UTC)
	_, offset := start.In(location).Zone()

	var b strings.Builder
	b.WriteString("vector(time()")
	if offset != 0 {
		b.WriteString(signed(offset))
	}
	for at := start; ; {
		_, next := at.In(location).ZoneBounds()
		if next.IsZero() || !next.Before(end) {
			break
		}
		_, changed := next.Zone()
		if changed != offset {
			b.WriteString(signed(changed - offset))
			b.WriteString(" * (time() >= bool ")
			b.WriteString(strconv.FormatInt(next.Unix(), 10))
			b.WriteString(")")
			renewAt = time.Date(year+1, time.January, 1, 0, 0, 0, 0, time.UTC)
		}
		at, offset = next, changed
	}
	b.WriteString(")")
	return b.String(), renewAt
}

func signed(seconds int) string {
	if seconds < 0 {
		return " - " + strconv.Itoa(-seconds)
	}
	return " + " + strconv.Itoa(seconds)
}

// open filters the local time: it keeps a value on the days, from the minute
// from until before the minute to.
func open(local string, days []int, from, to int) string {
	const whole = 24 * 60
	var clauses []string
	if len(days) < 7 {
		clauses = append(clauses, dayClause(local, days))
	}
	minute := "hour(" + local + ") * 60 + minute(" + local + ")"
	switch {
	case from > 0 && to < whole:
		clauses = append(clauses, "("+minute+" >= "+strconv.Itoa(from)+" < "+strconv.Itoa(to)+")")
	case from > 0:
		clauses = append(clauses, "("+minute+" >= "+strconv.Itoa(from)+")")
	case to < whole:
		clauses = append(clauses, "("+minute+" < "+strconv.Itoa(to)+")")
	}
	if len(clauses) == 0 {
		return local + " > 0"
	}
	return strings.Join(clauses, "\nand ")
}

// dayClause joins runs of days: Monday to Friday is one comparison.
func dayClause(local string, days []int) string {
	day := "day_of_week(" + local + ")"
	var runs []string
	for i := 0; i < len(days); {
		j := i
		for j+1 < len(days) && days[j+1] == days[j]+1 {
			j++
		}
		if i == j {
			runs = append(runs, day+" == "+strconv.Itoa(days[i]))
		} else {
			runs = append(runs, day+" >= "+strconv.Itoa(days[i])+" <= "+strconv.Itoa(days[j]))
		}
		i = j + 1
	}
	return "(" + strings.Join(runs, " or ") + ")"
}

// weekdays are the days as PromQL counts them, Sunday being 0, in order.
func weekdays(declared []v1alpha1.Weekday) ([]int, *Problem) {
	if len(declared) == 0 {
		return []int{1, 2, 3, 4, 5}, nil
	}
	names := []v1alpha1.Weekday{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
	days := make([]int, 0, len(declared))
	for _, name := range declared {
		day := slices.Index(names, name)
		if day < 0 {
			return nil, &Problem{
				Field: "spec.businessHours.days", What: fmt.Sprintf("%q is no day", name),
				Fix: "write Mon, Tue, Wed, Thu, Fri, Sat or Sun",
			}
		}
		days = append(days, day)
	}
	slices.Sort(days)
	return slices.Compact(days), nil
}

// minuteOfDay reads hh:mm, 24:00 included.
func minuteOfDay(text string) (int, bool) {
	if len(text) != 5 || text[2] != ':' || !isDigits(text[:2]) || !isDigits(text[3:]) {
		return 0, false
	}
	hour, minute := int(text[0]-'0')*10+int(text[1]-'0'), int(text[3]-'0')*10+int(text[4]-'0')
	total := hour*60 + minute
	return total, minute < 60 && total <= 24*60
}
