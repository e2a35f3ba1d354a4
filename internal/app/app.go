// Package app holds the domain of the managed app: customers, API keys, the
// conversion funnel and its rules. Everything here is pure: clocks and
// randomness are passed in, and I/O lives in the adapters below this folder.
// It may import the standard library and internal/contract, nothing else.
package app

import (
	"context"
	"time"
)

// Flags answers the feature flags that the app asks for. Answers may change
// between two calls.
type Flags interface {
	// Blog says whether the blog is public.
	Blog() bool
	// DisplayDraftBlogPosts says whether drafts are shown beside published
	// posts.
	DisplayDraftBlogPosts() bool
}

// Customers is the storage of customers. Errors are *Error with the codes
// CodeValidation, CodeForbidden, CodeNotFound and CodeUnavailable.
type Customers interface {
	// Onboard creates a customer with its first key and credits, all or nothing.
	Onboard(ctx context.Context, signup Signup) (Onboarded, error)
	// Customer returns one customer, or CodeNotFound.
	Customer(ctx context.Context, id int64) (Customer, error)
}

// Keys is the storage of API keys.
type Keys interface {
	// FindKey returns the owner of the active key with this hash, or
	// CodeInvalidKey when there is none or its owner is not active.
	FindKey(ctx context.Context, hash string) (Principal, error)
}

// KeyRing is the storage of a customer's keys. Errors are *Error with the codes
// CodeNotFound, CodeConflict and CodeUnavailable.
type KeyRing interface {
	// CustomerKeys lists the newest 200 keys, revoked ones included.
	CustomerKeys(ctx context.Context, customerID int64) ([]Key, error)
	// AddKey stores a key, or answers CodeConflict at MaxKeys usable ones.
	AddKey(ctx context.Context, draft KeyDraft) (Key, error)
	// RevokeKey ends a key at once and for good.
	RevokeKey(ctx context.Context, customerID, keyID int64, at time.Time) error
	// RotateKey stores a key with the name, permissions and expiry of another,
	// which goes on working until the grace is over.
	RotateKey(ctx context.Context, customerID, keyID int64, hash string, at time.Time, grace time.Duration) (Key, error)
}

// KeyUse remembers when keys were used.
type KeyUse interface {
	TouchKeys(ctx context.Context, used map[int64]time.Time) error
	// ListenKeys calls changed with the hash of each key that changes, and
	// listening when it begins to, until ctx ends or it cannot listen.
	ListenKeys(ctx context.Context, listening func(), changed func(hash string)) error
}

// FunnelReader answers questions about the funnel.
type FunnelReader interface {
	// Summary counts the events of a period.
	Summary(ctx context.Context, period Period) (Summary, error)
	// Days counts those of each of its days.
	Days(ctx context.Context, period Period, now time.Time) ([]Summary, error)
	// Ordered counts persons by how far they come in order.
	Ordered(ctx context.Context, question FunnelQuestion, now time.Time) (FunnelAnswer, error)
	// Timing tells how long customers take, for each step between stages.
	Timing(ctx context.Context, period Period) ([]StageTiming, error)
	// DropOff tells where customers stall, and who.
	DropOff(ctx context.Context, question DropOffQuestion, now time.Time) (DropOffAnswer, error)
	// Cohorts tells how far the signups of each week came within a window.
	Cohorts(ctx context.Context, weeks []Period, window time.Duration, now time.Time) ([]Cohort, error)
	// Sources tells what came of each source, by first touch.
	Sources(ctx context.Context, period Period, kind SourceKind, window time.Duration) ([]SourceCount, error)
	// Journeys lists journeys, and answers Before of the next page, zero when
	// there is none.
	Journeys(ctx context.Context, question JourneyQuestion) ([]JourneyOf, int64, error)
	// Completeness tells how far all that can be trusted.
	Completeness(ctx context.Context) (Completeness, error)
}

// Tracker takes events off the request path. Track never blocks and never
// fails; a visit that cannot be taken is counted as rejected. The tracker owns
// the event from then on.
type Tracker interface {
	Track(event *Event)
}

// Collector takes events that are acknowledged. Accept returns nil when the
// event is where a crash cannot reach it; CodeUnavailable says to send it again
// later.
type Collector interface {
	Accept(ctx context.Context, event *Event) error
}

// EventLedgerReader answers what became of all events.
type EventLedgerReader interface {
	Ledger(ctx context.Context) (EventLedger, error)
}
