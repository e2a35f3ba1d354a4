package app

import "time"

// SourceID names one life of one process that takes events. It is a UUIDv7.
type SourceID [16]byte

// NewSourceID mints an id for a process that starts now.
func NewSourceID(now time.Time) SourceID { return SourceID(NewEventID(now)) }

// String returns the usual form with dashes.
func (id SourceID) String() string { return EventID(id).String() }

// Batch is what a source made durable at once. Source and Number identify it:
// applying it again changes nothing.
type Batch struct {
	Source SourceID
	// Number is 1 for the first batch of the source; there are no gaps.
	Number uint64
	// Total is how many events the source has accepted, this batch included.
	Total uint64
	// Host is the pod that took it; Clustered says whether it went through the
	// spool of a cluster.
	Host      string
	Clustered bool

	Events []Event
	Calls  []Calls
}

// Count is the number of events in the batch; counted calls are as many as
// their count.
func (b Batch) Count() int {
	n := len(b.Events)
	for _, c := range b.Calls {
		n += int(c.Count)
	}
	return n
}

// Accepted is a tally of the batch as it is accepted.
func (b Batch) Accepted() Tally {
	t := Tally{}
	for i := range b.Events {
		t.Add(b.Events[i].Type, OutcomeAccepted, 1)
	}
	for _, c := range b.Calls {
		t.Add(EventAPICall, OutcomeAccepted, int(c.Count))
	}
	return t
}
