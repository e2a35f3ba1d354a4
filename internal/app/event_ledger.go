package app

import "time"

// Kinds of spools.
const (
	// SpoolEmbedded is a pod's own.
	SpoolEmbedded = "embedded"
	// SpoolCluster outlives the pods that fill it.
	SpoolCluster = "cluster"
)

// SourceAccount is what became of the events that one source accepted.
type SourceAccount struct {
	Source SourceID
	// Host is the pod, as far as it is known; Spool the kind of its spool.
	Host, Spool string
	// Accepted is the largest number that anybody reported; the others are
	// committed with the events that they count.
	Accepted, Stored, Deduplicated, Dropped int64
	// Spooled is how many somebody vouches for; a report that has grown old
	// vouches for nothing.
	Spooled int64
	Since   time.Time
}

// Missing is how many events nobody knows anything of: their spool has vanished,
// or its pod has not been heard of for long. It is never negative.
func (a SourceAccount) Missing() int64 {
	return max(0, a.Accepted-a.Stored-a.Deduplicated-a.Dropped-a.Spooled)
}

// EventLedger is what became of all events.
type EventLedger struct {
	Accepted, Stored, Deduplicated, Dropped, Spooled, Missing int64
	// DroppedBy are the dropped by reason.
	DroppedBy map[string]int64
	// DeadLetters is how many events are kept because the database refused them.
	DeadLetters int64
	// Stray is how many events lie in the partition that is to stay empty.
	Stray int64
	// Open are the sources that are not settled whole, the newest first, at most
	// LedgerSources; Sources is the number of all.
	Open    []SourceAccount
	Sources int64
	// Counting: what an earlier life left in the spool of the process that
	// answers is not counted yet.
	Counting bool
	// Reconciled is the last comparison of the milestones with the accounts;
	// nil before the first.
	Reconciled *Reconciliation
}

// LedgerSources is how many sources a ledger lists.
const LedgerSources = 100

// Balanced says whether every accepted event is accounted for.
func (l EventLedger) Balanced() bool {
	return !l.Counting && l.Missing == 0 && l.Accepted == l.Stored+l.Deduplicated+l.Dropped+l.Spooled
}

// Completeness is the share of the accepted events, in percent with two
// decimals, that is not missing and waits in no spool.
func (l EventLedger) Completeness() string {
	if l.Accepted == 0 {
		return "100.00"
	}
	return Rate(l.Accepted-l.Spooled-l.Missing, l.Accepted)
}

// Reconciliation compares the milestones with the accounts that they are of,
// internal ones left out.
type Reconciliation struct {
	At time.Time
	// Customers and Keyed are the accounts, and those of them that have or had a
	// key; Signups and Keys how many of them have the milestone.
	Customers, Signups, Keyed, Keys int64
	// Strange is the number of journeys whose completed stages and milestones
	// differ.
	Strange int64
}

// Complete says whether nothing is missing and nothing too much.
func (r Reconciliation) Complete() bool {
	return r.Customers == r.Signups && r.Keyed == r.Keys && r.Strange == 0
}
