package app

import "time"

// DeadLetter is an event that the database refused.
type DeadLetter struct {
	ID   int64
	Type string
	// Reason is what the database said.
	Reason string
	At     time.Time
	Bytes  int
}
