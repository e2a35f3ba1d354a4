// Package ingest carries events from the process that takes them to Postgres:
// a durable spool, and the writer that empties it. It is built so that whatever
// was acknowledged is stored exactly once, whichever part dies when.
package ingest

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// A batch on the spool:
//
//	version, flags            1 byte each
//	source                    16 bytes
//	number, total             uvarint
//	host                      text
//	events                    uvarint, then as many events
//	calls                     uvarint, then as many counted calls
//	CRC-32C of all that       4 bytes, big endian
//
// A text is its length as uvarint and its bytes; a time is microseconds since
// 1970 as varint. Versions are added, never changed: a spool may hold what an
// older program wrote.
const codecVersion = 1

const flagClustered = 1

var (
	// errNewer says that a newer program wrote the batch.
	errNewer = errors.New("the batch was written by a newer version")
	// errCorrupt says that the batch is not what was written.
	errCorrupt = errors.New("the batch is damaged")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// typeCodes is append-only: the position is what is written.
var typeCodes = []app.EventType{
	app.EventPageView, app.EventSignup, app.EventAPIKeyCreated, app.EventFirstAPICall, app.EventAPICall,
	app.EventEngagement, app.EventCustom, app.EventAnalytics,
}

// zeroTime stands for the zero time, which has no microseconds since 1970.
const zeroTime = -1 << 63

// encode appends a batch to buf.
func encode(buf []byte, b *app.Batch) []byte {
	start := len(buf)
	var flags byte
	if b.Clustered {
		flags |= flagClustered
	}
	buf = append(buf, codecVersion, flags)
	buf = append(buf, b.Source[:]...)
	buf = binary.AppendUvarint(buf, b.Number)
	buf = binary.AppendUvarint(buf, b.Total)
	buf = appendText(buf, b.Host)
	buf = binary.AppendUvarint(buf, uint64(len(b.Events)))
	for i := range b.Events {
		buf = appendEvent(buf, &b.Events[i])
	}
	buf = binary.AppendUvarint(buf, uint64(len(b.Calls)))
	for i := range b.Calls {
		buf = appendCalls(buf, &b.Calls[i])
	}
	return binary.BigEndian.AppendUint32(buf, crc32.Checksum(buf[start:], castagnoli))
}

func appendEvent(buf []byte, e *app.Event) []byte {
	buf = append(buf, e.ID[:]...)
	buf = append(buf, byte(max(0, slices.Index(typeCodes, e.Type)))) //nolint:gosec // a short list
	buf = binary.AppendVarint(buf, e.CustomerID)
	buf = appendTime(buf, e.At)
	t := &e.Touch
	for _, text := range [...]string{
		t.VisitorID, t.SessionID, t.Path, t.Referrer, t.UserAgent, t.Network,
		t.UTM.Source, t.UTM.Medium, t.UTM.Campaign, t.UTM.Term, t.UTM.Content, e.Site, e.Key, e.Name, e.Metadata,
	} {
		buf = appendText(buf, text)
	}
	return buf
}

func appendCalls(buf []byte, c *app.Calls) []byte {
	buf = append(buf, c.Boot[:]...)
	buf = binary.AppendUvarint(buf, c.Sequence)
	buf = binary.AppendVarint(buf, c.CustomerID)
	buf = binary.AppendVarint(buf, c.Count)
	return appendTime(appendTime(appendTime(buf, c.First), c.Second), c.Last)
}

func appendText(buf []byte, text string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(text))), text...)
}

func appendTime(buf []byte, at time.Time) []byte {
	if at.IsZero() {
		return binary.AppendVarint(buf, zeroTime)
	}
	return binary.AppendVarint(buf, at.UnixMicro())
}

// decode reads one batch. Its texts share one copy of data.
func decode(data []byte) (app.Batch, error) {
	var b app.Batch
	if len(data) > 0 && data[0] > codecVersion {
		return b, errNewer
	}
	if len(data) < 5 || data[0] != codecVersion {
		return b, errCorrupt
	}
	body, sum := data[:len(data)-4], data[len(data)-4:]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(sum) {
		return b, errCorrupt
	}
	r := reader{data: body[2:], text: string(body[2:])}
	b.Clustered = body[1]&flagClustered != 0
	r.bytes(b.Source[:])
	b.Number, b.Total, b.Host = r.uvarint(), r.uvarint(), r.string()
	b.Events = make([]app.Event, r.count(leastEvent))
	for i := range b.Events {
		r.event(&b.Events[i])
	}
	if n := r.count(leastCalls); n > 0 {
		b.Calls = make([]app.Calls, n)
	}
	for i := range b.Calls {
		r.calls(&b.Calls[i])
	}
	if r.failed || r.at != len(r.data) {
		return app.Batch{}, errCorrupt
	}
	return b, nil
}

// reader reads the parts of a batch; once it failed it reads zeros.
type reader struct {
	data   []byte
	text   string
	at     int
	failed bool
}

func (r *reader) event(e *app.Event) {
	r.bytes(e.ID[:])
	if code := r.byte(); int(code) < len(typeCodes) {
		e.Type = typeCodes[code]
	} else {
		r.failed = true
	}
	e.CustomerID, e.At = r.varint(), r.time()
	t := &e.Touch
	for _, text := range [...]*string{
		&t.VisitorID, &t.SessionID, &t.Path, &t.Referrer, &t.UserAgent, &t.Network,
		&t.UTM.Source, &t.UTM.Medium, &t.UTM.Campaign, &t.UTM.Term, &t.UTM.Content, &e.Site, &e.Key, &e.Name, &e.Metadata,
	} {
		*text = r.string()
	}
}

func (r *reader) calls(c *app.Calls) {
	r.bytes(c.Boot[:])
	c.Sequence, c.CustomerID, c.Count = r.uvarint(), r.varint(), r.varint()
	c.First, c.Second, c.Last = r.time(), r.time(), r.time()
}

func (r *reader) bytes(to []byte) {
	if r.failed || len(r.data)-r.at < len(to) {
		r.failed = true
		return
	}
	r.at += copy(to, r.data[r.at:])
}

func (r *reader) byte() byte {
	var one [1]byte
	r.bytes(one[:])
	return one[0]
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data[r.at:])
	return advance(r, v, n)
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.data[r.at:])
	return advance(r, v, n)
}

func advance[T int64 | uint64](r *reader, v T, n int) T {
	if r.failed || n <= 0 {
		r.failed = true
		return 0
	}
	r.at += n
	return v
}

// The fewest bytes that an event and counted calls take.
const (
	leastEvent = 16 + 1 + 2 + 15
	leastCalls = 16 + 6
)

// count reads how many follow, each of at least so many bytes.
func (r *reader) count(least int) int {
	n := r.uvarint()
	if n > uint64((len(r.data)-r.at)/least) { //nolint:gosec // never negative
		r.failed = true
		return 0
	}
	return int(n) //nolint:gosec // bounded above
}

func (r *reader) string() string {
	n := r.count(1)
	text := r.text[r.at : r.at+n]
	r.at += n
	return text
}

func (r *reader) time() time.Time {
	v := r.varint()
	if r.failed || v == zeroTime {
		return time.Time{}
	}
	return time.UnixMicro(v).UTC()
}
