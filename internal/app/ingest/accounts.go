package ingest

import (
	"bytes"
	"maps"
	"slices"
	"sync"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// accounts count, for each source, what was accepted and what of it waits.
type accounts struct {
	mu      sync.Mutex
	sources map[app.SourceID]*account
	// scanning: batches of earlier lives are still being counted, up to scanned.
	// settledAhead are those that were settled before they were counted.
	scanning     bool
	scanned      uint64
	settledAhead map[uint64]bool
}

type account struct{ accepted, spooled int64 }

func (a *accounts) init() {
	a.sources, a.settledAhead = map[app.SourceID]*account{}, map[uint64]bool{}
}

func (a *accounts) of(source app.SourceID) *account {
	if a.sources[source] == nil {
		a.sources[source] = &account{}
	}
	return a.sources[source]
}

// offer counts a batch as waiting before it is made durable: once it is, the
// writer may settle it before anything else happens here.
func (a *accounts) offer(source app.SourceID, events int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.of(source).spooled += int64(events)
}

// accept tells that an offered batch is durable.
func (a *accounts) accept(source app.SourceID, events int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.of(source).accepted += int64(events)
}

// withdraw takes an offer back. When the batch is there nevertheless, the writer
// settles it all the same.
func (a *accounts) withdraw(source app.SourceID, events int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := a.of(source)
	of.spooled = max(0, of.spooled-int64(events))
}

// found counts a batch of an earlier life.
func (a *accounts) found(sequence uint64, b *app.Batch) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.scanned = sequence
	if a.settledAhead[sequence] {
		delete(a.settledAhead, sequence)
		return
	}
	of := a.of(b.Source)
	of.accepted = max(of.accepted, int64(b.Total)) //nolint:gosec // a count of events
	of.spooled += int64(b.Count())
}

// settle takes a batch that the writer has settled from those that wait.
func (a *accounts) settle(d *delivery) {
	a.mu.Lock()
	defer a.mu.Unlock()
	of, mine := a.sources[d.batch.Source]
	switch {
	case a.scanning && d.old && d.sequence > a.scanned:
		a.settledAhead[d.sequence] = true
	case mine:
		of.spooled = max(0, of.spooled-int64(d.batch.Count()))
	}
}

func (a *accounts) pending() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	var n int64
	for _, of := range a.sources {
		n += of.spooled
	}
	return n
}

// list is empty while earlier lives are being counted: half the truth would be
// shown as a loss.
func (a *accounts) list(host, spool string) []app.SourceAccount {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.scanning {
		return nil
	}
	sources := slices.SortedFunc(maps.Keys(a.sources), func(x, y app.SourceID) int { return bytes.Compare(x[:], y[:]) })
	list := make([]app.SourceAccount, 0, len(sources))
	for _, source := range sources {
		of := a.sources[source]
		list = append(list, app.SourceAccount{
			Source: source, Host: host, Spool: spool, Accepted: of.accepted, Spooled: of.spooled,
		})
	}
	return list
}

// forget drops the accounts of other sources than current that are settled and
// were reported so.
func (a *accounts) forget(current app.SourceID, reported []app.SourceAccount) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range reported {
		if of := a.sources[r.Source]; r.Source != current && of != nil && r.Spooled == 0 && of.spooled == 0 {
			delete(a.sources, r.Source)
		}
	}
}
