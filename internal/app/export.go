package app

// ExportPlace is a place in the order in which events were committed.
type ExportPlace struct {
	// Transaction is the number of the transaction that stored the event.
	Transaction int64
	ID          EventID
}

// StoredEvent is an event as the database has it.
type StoredEvent struct {
	Event

	Place ExportPlace
}

// ExportTally is what became of events that were read for an export.
type ExportTally struct {
	// Sent were taken by the destination, Skipped are not for it, Refused are
	// what it will never take.
	Sent, Skipped, Refused int64
}
