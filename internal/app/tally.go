package app

// Outcome is what became of an event.
type Outcome string

// The outcomes. Accepted = Stored + Known + Orphaned + Failed + what is dropped after
// it was accepted + what still waits.
const (
	OutcomeAccepted Outcome = "accepted"
	OutcomeStored   Outcome = "stored"
	// OutcomeKnown events had been stored before.
	OutcomeKnown Outcome = "known"
	// OutcomeOrphaned events belong to customers that do not exist any more.
	OutcomeOrphaned Outcome = "orphaned"
	// OutcomeFailed events could not be written beside the signup they are of.
	// The funnel is repaired later; what it stores then is accepted anew.
	OutcomeFailed Outcome = "failed"
	// OutcomeDroppedFull events came while the queue was full; they were never
	// accepted.
	OutcomeDroppedFull Outcome = "dropped_queue_full"
	// OutcomeDroppedClosed events came after shutdown began; they were never
	// accepted.
	OutcomeDroppedClosed Outcome = "dropped_closed"
	// OutcomeDroppedShutdown events were accepted, but the database did not
	// come back before the process had to end.
	OutcomeDroppedShutdown Outcome = "dropped_shutdown"
	// OutcomeDroppedRefused events were accepted, but the database refuses them.
	OutcomeDroppedRefused Outcome = "dropped_refused"
)

// Outcomes lists them all.
func Outcomes() []Outcome {
	return []Outcome{
		OutcomeAccepted, OutcomeStored, OutcomeKnown, OutcomeOrphaned, OutcomeFailed, OutcomeDroppedFull,
		OutcomeDroppedClosed, OutcomeDroppedShutdown, OutcomeDroppedRefused,
	}
}

// EventTypes lists the five types in the order of the funnel.
func EventTypes() []EventType {
	return []EventType{EventPageView, EventSignup, EventAPIKeyCreated, EventFirstAPICall, EventAPICall}
}

// Fate is one kind of event with one outcome.
type Fate struct {
	Type    EventType
	Outcome Outcome
}

// Tally counts events by what became of them.
type Tally map[Fate]int

// Add counts n events, which may be negative.
func (t Tally) Add(kind EventType, outcome Outcome, n int) { t[Fate{kind, outcome}] += n }

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
