package app

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// EventType names what happened.
type EventType string

// The five event types of the funnel, in its order, and what collectors report
// besides.
const (
	EventPageView      EventType = "page_view"
	EventSignup        EventType = "signup"
	EventAPIKeyCreated EventType = "api_key_created"
	EventFirstAPICall  EventType = "first_api_call"
	EventAPICall       EventType = "api_call"
	// EventEngagement is time spent on a page. It is never a visit.
	EventEngagement EventType = "engagement"
	// EventCustom is what a site calls by a name of its own.
	EventCustom EventType = "custom"
	// EventAnalytics goes to analytics_events, under the name in Event.Name.
	EventAnalytics EventType = "analytics"
)

// Stage is a stage of the funnel that a customer reaches once.
type Stage string

// The stages a customer reaches.
const (
	StageSignup     Stage = "signup"
	StageAPIKey     Stage = "api_key"
	StageActivation Stage = "activation"
	StageRetention  Stage = "retention"
)

// EventType is the type of the call by which a stage of calls is reached.
func (s Stage) EventType() EventType {
	if s == StageActivation {
		return EventFirstAPICall
	}
	return EventAPICall
}

// EventID is a UUIDv7: it sorts by time, and storing it twice is harmless.
type EventID [16]byte

// NewEventID mints an id at the given time: when the server takes the event,
// which decides the month that it is stored in.
func NewEventID(at time.Time) EventID {
	var id EventID
	// crypto/rand.Read never fails: it ends the program instead.
	_, _ = rand.Read(id[6:])
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli()))
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// Minted is when the id was minted, to the millisecond.
func (id EventID) Minted() time.Time {
	var ms [8]byte
	copy(ms[2:], id[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:]))).UTC() //nolint:gosec // 48 bits
}

// String returns the usual form with dashes.
func (id EventID) String() string {
	var out [36]byte
	hex.Encode(out[0:8], id[0:4])
	hex.Encode(out[9:13], id[4:6])
	hex.Encode(out[14:18], id[6:8])
	hex.Encode(out[19:23], id[8:10])
	hex.Encode(out[24:36], id[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// Event is one step of somebody through the funnel.
type Event struct {
	// ID is minted by the tracker when it is zero.
	ID   EventID
	Type EventType
	// CustomerID is zero for a visitor who has no account.
	CustomerID int64
	Touch      Touch
	// At is when it happened.
	At time.Time
	// Site is the site that a collector was told, Key the id that the client
	// gave the event: within EventKeyAge, a second event of the same site and
	// key is the first one, sent again. Both may be empty.
	Site, Key string
	// Name is the name of a custom event.
	Name string
	// Metadata is a JSON object, or empty for none.
	Metadata string
}

// EventKeyAge is how long ids of clients are remembered.
const EventKeyAge = 72 * time.Hour

// Calls are API calls of one customer that a process counted instead of keeping
// them one by one.
type Calls struct {
	// Boot names the process that counted, Sequence numbers what it counted: by
	// the two, storing them again changes nothing.
	Boot       SourceID
	Sequence   uint64
	CustomerID int64
	// Count is at least one.
	Count int64
	// First and Second are the two smallest times, Last the largest. Second is
	// zero when Count is one.
	First, Second, Last time.Time
}

// Add counts one more call.
func (c *Calls) Add(at time.Time) {
	c.Count++
	c.First, c.Second = smallest(c.First, c.Second, at)
	if at.After(c.Last) {
		c.Last = at
	}
}

// Merge counts the calls of other as well.
func (c *Calls) Merge(other Calls) {
	c.Count += other.Count
	c.First, c.Second = smallest(c.First, c.Second, other.First, other.Second)
	if other.Last.After(c.Last) {
		c.Last = other.Last
	}
}

// smallest returns the two smallest of the times that are not zero, in order.
func smallest(times ...time.Time) (first, second time.Time) {
	for _, at := range times {
		switch {
		case at.IsZero():
		case first.IsZero() || at.Before(first):
			first, second = at, first
		case second.IsZero() || at.Before(second):
			second = at
		}
	}
	return first, second
}
