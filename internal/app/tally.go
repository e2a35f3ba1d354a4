package app

import "slices"

// Outcome is what became of an event.
type Outcome string

// The outcomes. An event is accepted when it is where a crash cannot reach it:
// in the fsynced spool, or in the transaction of the signup that it is of. From
// then on: accepted = stored + deduplicated + dropped_* + what is still spooled.
const (
	OutcomeAccepted Outcome = "accepted"
	OutcomeStored   Outcome = "stored"
	// OutcomeDeduplicated events had been stored before.
	OutcomeDeduplicated Outcome = "deduplicated"
	// OutcomeDroppedOrphaned events belong to customers that do not exist any more.
	OutcomeDroppedOrphaned Outcome = "dropped_orphaned"
	// OutcomeDroppedRefused events are refused by the database for what is in
	// them; they are kept as dead letters.
	OutcomeDroppedRefused Outcome = "dropped_refused"

	// What follows was never accepted.

	// OutcomeFailed events could not be written beside the signup they are of.
	// The funnel is repaired later; what it stores then is accepted.
	OutcomeFailed Outcome = "failed"
	// OutcomeRejectedFull events came while the ring or the spool was full.
	OutcomeRejectedFull Outcome = "rejected_full"
	// OutcomeRejectedClosed events came after shutdown began, or could not be
	// spooled before the process had to end.
	OutcomeRejectedClosed Outcome = "rejected_closed"
)

// Outcomes lists them all.
func Outcomes() []Outcome {
	return slices.Concat(
		[]Outcome{OutcomeAccepted, OutcomeStored, OutcomeDeduplicated}, DropOutcomes(),
		[]Outcome{OutcomeFailed, OutcomeRejectedFull, OutcomeRejectedClosed})
}

// DropOutcomes lists the ways in which accepted events are given up.
func DropOutcomes() []Outcome { return []Outcome{OutcomeDroppedOrphaned, OutcomeDroppedRefused} }

// EventTypes lists the types: the five of the funnel in its order, then the
// others.
func EventTypes() []EventType {
	return []EventType{
		EventPageView, EventSignup, EventAPIKeyCreated, EventFirstAPICall, EventAPICall,
		EventEngagement, EventCustom, EventAnalytics,
	}
}

// Fate is one kind of event with one outcome.
type Fate struct {
	Type    EventType
	Outcome Outcome
}

// Tally counts events by what became of them.
type Tally map[Fate]int

// Add counts n events, which may be negative.
func (t Tally) Add(kind EventType, outcome Outcome, n int) {
	if n != 0 {
		t[Fate{kind, outcome}] += n
	}
}

// Merge adds what other counts.
func (t Tally) Merge(other Tally) {
	for fate, n := range other {
		t[fate] += n
	}
}

// Total is the number of events with an outcome, whatever their type.
func (t Tally) Total(outcome Outcome) int {
	total := 0
	for fate, n := range t {
		if fate.Outcome == outcome {
			total += n
		}
	}
	return total
}
