package app

import (
	"strings"
	"time"
)

// Salt is the key of a day's visitor ids.
type Salt struct {
	// Day is midnight UTC.
	Day time.Time
	// Secret must never be stored beside what it hashed, nor logged.
	Secret []byte
	MadeAt time.Time
}

// SaltAge is how long a salt is kept, by the database and by every process.
const SaltAge = 48 * time.Hour

// DailyVisitorPrefix begins ids of visitors without a cookie. Such an id is
// good for one day: distinct ids over several days are the sum of the days, not
// a number of persons.
const DailyVisitorPrefix = "d_"

// DailyVisitor says whether an id is good for one day alone.
func DailyVisitor(id string) bool { return strings.HasPrefix(id, DailyVisitorPrefix) }

// VisitorMode is how the app's own pages tell visitors apart.
type VisitorMode string

// The ways to tell visitors apart.
const (
	// VisitorsDaily leaves nothing in the browser: ids of one day.
	VisitorsDaily VisitorMode = "daily"
	// VisitorsLocal lets the script keep an id in the browser's local storage.
	VisitorsLocal VisitorMode = "local"
	// VisitorsCookie lets the server keep one in a cookie.
	VisitorsCookie VisitorMode = "cookie"
)
