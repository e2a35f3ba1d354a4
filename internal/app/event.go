package app

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// EventType names what happened.
type EventType string

// The five event types, in the order of the funnel.
const (
	EventPageView      EventType = "page_view"
	EventSignup        EventType = "signup"
	EventAPIKeyCreated EventType = "api_key_created"
	EventFirstAPICall  EventType = "first_api_call"
	EventAPICall       EventType = "api_call"
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

// EventID is a UUIDv7: it sorts by time, and storing it twice is harmless.
type EventID [16]byte

// NewEventID mints an id for something that happened at the given time.
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
	At         time.Time
}
