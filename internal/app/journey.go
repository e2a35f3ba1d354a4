package app

import "time"

// Journey is how far one customer has come. The zero time means "not yet".
type Journey struct {
	CustomerID      int64
	SignupAt        time.Time
	APIKeyCreatedAt time.Time
	FirstCallAt     time.Time
	SecondCallAt    time.Time
}

// Activated says whether the first call was made.
func (j Journey) Activated() bool { return !j.FirstCallAt.IsZero() }

// Retained says whether the second call was made.
func (j Journey) Retained() bool { return !j.SecondCallAt.IsZero() }

// Call applies one API call. It returns the journey after it, the type the
// call's event gets, and the stage the customer reached by it ("" for none).
//
// Pods deliver their calls independently, so the second call to arrive may be
// the earlier one: then the times swap, and durations stay true.
func (j Journey) Call(at time.Time) (Journey, EventType, Stage) {
	switch {
	case !j.Activated():
		j.FirstCallAt = at
		return j, EventFirstAPICall, StageActivation
	case !j.Retained():
		j.SecondCallAt = at
		if at.Before(j.FirstCallAt) {
			j.FirstCallAt, j.SecondCallAt = at, j.FirstCallAt
		}
		return j, EventAPICall, StageRetention
	default:
		return j, EventAPICall, ""
	}
}

// Seconds is the whole number of seconds between two stages, never negative,
// and nil when either has not been reached.
func Seconds(from, to time.Time) *int64 {
	if from.IsZero() || to.IsZero() {
		return nil
	}
	s := max(0, int64(to.Sub(from)/time.Second))
	return &s
}
