package app

import "time"

// Journey is how far one customer has come. The zero time means "not yet".
type Journey struct {
	CustomerID      int64
	SignupAt        time.Time
	APIKeyCreatedAt time.Time
	FirstCallAt     time.Time
	SecondCallAt    time.Time
	// APICalls is the number of all calls.
	APICalls int64
}

// Activated says whether the first call was made.
func (j Journey) Activated() bool { return !j.FirstCallAt.IsZero() }

// Retained says whether the second call was made.
func (j Journey) Retained() bool { return !j.SecondCallAt.IsZero() }

// Call applies one API call. It returns the journey after it, the type the
// call's event gets, and the stage the customer reached by it ("" for none).
//
// Pods deliver their calls independently, so a call that arrives late may be
// an early one: the two smallest times are kept, and durations stay true.
func (j Journey) Call(at time.Time) (Journey, EventType, Stage) {
	after, stages := j.Count(Calls{Count: 1, First: at})
	if len(stages) == 0 {
		return after, EventAPICall, ""
	}
	if stages[0] == StageActivation {
		return after, EventFirstAPICall, StageActivation
	}
	return after, EventAPICall, stages[0]
}

// Count applies counted calls, and returns the journey after them and the
// stages that the customer reached by them.
func (j Journey) Count(calls Calls) (Journey, []Stage) {
	after := j
	after.APICalls += calls.Count
	after.FirstCallAt, after.SecondCallAt = smallest(j.FirstCallAt, j.SecondCallAt, calls.First, calls.Second)
	var stages []Stage
	if after.Activated() && !j.Activated() {
		stages = append(stages, StageActivation)
	}
	if after.Retained() && !j.Retained() {
		stages = append(stages, StageRetention)
	}
	return after, stages
}

// Reached is when a stage of calls was reached.
func (j Journey) Reached(stage Stage) time.Time {
	if stage == StageRetention {
		return j.SecondCallAt
	}
	return j.FirstCallAt
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
