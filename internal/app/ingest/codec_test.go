package ingest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

var noon = time.Date(2025, 11, 4, 12, 0, 0, 123456000, time.UTC)

func sampleBatch() app.Batch {
	source := app.NewSourceID(noon)
	return app.Batch{
		Source: source, Number: 7, Total: 4711, Host: "rsolv-0", Clustered: true,
		Events: []app.Event{
			{
				ID: app.NewEventID(noon), Type: app.EventPageView, At: noon, Site: "rsolv.dev", Key: "k", Name: "n", Metadata: `{"a":1}`,
				Touch: app.Touch{
					VisitorID: "v", SessionID: "s", Path: "/ü", Referrer: "https://r.example/", UserAgent: "u", Network: "203.0.113.0/24",
					UTM: app.UTM{Source: "1", Medium: "2", Campaign: "3", Term: "4", Content: "5"},
				},
			},
			{ID: app.NewEventID(noon), Type: app.EventAPICall, CustomerID: 42, At: noon.Add(-time.Hour)},
			{},
		},
		Calls: []app.Calls{
			{Boot: source, Sequence: 3, CustomerID: 42, Count: 2, First: noon, Second: noon.Add(time.Second), Last: noon.Add(time.Minute)},
			{Boot: source, Sequence: 4, CustomerID: 43, Count: 1, First: noon, Last: noon},
		},
	}
}

func TestCodecRoundTrip(t *testing.T) {
	t.Parallel()
	want := sampleBatch()
	want.Events[2].Type = app.EventPageView // a type is always written
	got, err := decode(encode([]byte("before")[:0], &want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Every type that the domain knows has its code, or events would change on the
// way.
func TestCodecKnowsEveryType(t *testing.T) {
	t.Parallel()
	for _, kind := range app.EventTypes() {
		b := app.Batch{Events: []app.Event{{Type: kind, At: noon}}}
		got, err := decode(encode(nil, &b))
		if err != nil || got.Events[0].Type != kind {
			t.Errorf("%s becomes %v (%v)", kind, got.Events, err)
		}
	}
}

func TestDecodeRefusesDamage(t *testing.T) {
	t.Parallel()
	b := sampleBatch()
	good := encode(nil, &b)
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x20
		if _, err := decode(bad); err == nil {
			t.Errorf("byte %d changed, and nobody noticed", i)
		}
		if _, err := decode(good[:i]); !errors.Is(err, errCorrupt) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	good[0] = codecVersion + 1
	if _, err := decode(good); !errors.Is(err, errNewer) {
		t.Errorf("a newer version: %v", err)
	}
}

// Whatever bytes come, decoding neither panics nor takes memory without bound.
func FuzzDecode(f *testing.F) {
	b := sampleBatch()
	f.Add(encode(nil, &b))
	f.Add([]byte{codecVersion})
	f.Fuzz(func(t *testing.T, data []byte) {
		batch, err := decode(data)
		if err != nil {
			return
		}
		if diff := cmp.Diff(batch, mustDecode(t, encode(nil, &batch))); diff != "" {
			t.Error(diff)
		}
	})
}

func mustDecode(t *testing.T, data []byte) app.Batch {
	t.Helper()
	b, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func BenchmarkEncode(b *testing.B) {
	batch := app.Batch{Events: make([]app.Event, 256)}
	for i := range batch.Events {
		batch.Events[i] = sampleBatch().Events[0]
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = encode(buf[:0], &batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/event")
}

func BenchmarkDecode(b *testing.B) {
	batch := app.Batch{Events: make([]app.Event, 256)}
	for i := range batch.Events {
		batch.Events[i] = sampleBatch().Events[0]
	}
	data := encode(nil, &batch)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(data); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/event")
}

func rawMessage(data []byte) *nats.Msg { return &nats.Msg{Subject: subject, Data: data} }
