package export_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/export"
	"github.com/rsolv-dev/rsolv-operator/internal/app/metrics"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Run(m)) }

const browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// received is a request as it came over the wire.
type received struct {
	query, agent, address, kind string
	body                        map[string]any
}

// sink is a real server that keeps what it gets, and answers as it is told.
type sink struct {
	*httptest.Server

	mu     sync.Mutex
	got    []received
	answer func(w http.ResponseWriter, body map[string]any)
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		var body map[string]any
		if err == nil {
			err = json.Unmarshal(raw, &body)
		}
		if err != nil || r.Method != http.MethodPost || len(raw) >= 130_000 {
			t.Errorf("%s %s of %d bytes: %v", r.Method, r.URL.Path, len(raw), err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got = append(s.got, received{r.URL.RawQuery, r.UserAgent(), r.Header.Get("X-Forwarded-For"), r.Header.Get("Content-Type"), body})
		if s.answer != nil {
			s.answer(w, body)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) requests() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.got...)
}

func (s *sink) answers(answer func(w http.ResponseWriter, body map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

type rig struct {
	t       *testing.T
	store   *postgres.Store
	reg     *prometheus.Registry
	metrics *metrics.Metrics
	number  uint64
	source  app.SourceID
}

func newRig(t *testing.T) *rig {
	t.Helper()
	store, err := postgres.Open(t.Context(), postgres.Options{URL: dbtest.URL(t), PoolSize: 6})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	r := &rig{t: t, store: store, reg: prometheus.NewRegistry(), source: app.NewSourceID(time.Now())}
	if r.metrics, err = metrics.New(r.reg, "test"); err != nil {
		t.Fatal(err)
	}
	return r
}

// start runs an export until the test ends.
func (r *rig) start(d export.Destination) {
	r.t.Helper()
	runner, err := export.New(export.Options{
		Store: r.store, Destination: d, Holder: "test", Log: slog.New(slog.DiscardHandler), Now: time.Now, Metrics: r.metrics,
		Rest: 20 * time.Millisecond, RetryMin: 10 * time.Millisecond, RetryMax: 50 * time.Millisecond,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	// The cursor begins where the export first ran.
	if _, _, err := r.store.LeaseExport(r.t.Context(), d.Name(), "test", time.Second); err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(r.t.Context()))
	ended := make(chan struct{})
	go func() { defer close(ended); runner.Run(ctx) }()
	r.t.Cleanup(func() { stop(); <-ended })
}

func (r *rig) take(events ...app.Event) {
	r.t.Helper()
	r.number++
	if _, err := r.store.Apply(r.t.Context(), []app.Batch{{Source: r.source, Number: r.number, Events: events}}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) await(about string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: not within two minutes", about)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (r *rig) counted(destination, outcome string) float64 {
	return r.sum("rsolv_export_events_total", destination, outcome)
}

func (r *rig) sum(name string, labels ...string) (total float64) {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			text := fmt.Sprint(m.GetLabel())
			matches := true
			for _, label := range labels {
				matches = matches && strings.Contains(text, `"`+label+`"`)
			}
			if matches {
				total += m.GetCounter().GetValue()
			}
		}
	}
	return total
}

func event(kind app.EventType, visitor string, at time.Time) app.Event {
	return app.Event{
		ID: app.NewEventID(time.Now()), Type: kind, At: at, Site: "rsolv.dev",
		Touch: app.Touch{
			VisitorID: visitor, Path: "/pricing", Referrer: "https://news.ycombinator.com/", UserAgent: browser, Network: "198.51.100.0/24",
			UTM: app.UTM{Source: "hn"},
		},
	}
}

func TestGA4(t *testing.T) {
	t.Parallel()
	r, server := newRig(t), newSink(t)
	r.start(&export.GA4{URL: server.URL + "/mp/collect", MeasurementID: "G-1", APISecret: "shh"})
	now := time.Now().UTC().Truncate(time.Millisecond)
	var events []app.Event
	for i := range 60 { // three requests of one visitor
		events = append(events, event(app.EventPageView, "v1", now.Add(time.Duration(i)*time.Millisecond)))
	}
	custom := event(app.EventCustom, "v2", now)
	custom.Name, custom.Metadata = "first_visit", `{"plan":"`+strings.Repeat("x", 500)+`","1 odd name":2}`
	spent := event(app.EventEngagement, "v2", now)
	spent.Metadata = `{"engagement_ms":1200,"scroll_depth":40}`
	old, nobody := event(app.EventPageView, "v3", now.Add(-73*time.Hour)), event(app.EventPageView, "", now)
	r.take(append(events, custom, spent, old, nobody)...)
	r.await("the export", func() bool { return r.counted("ga4", "sent") == 62 && r.counted("ga4", "skipped") == 2 })
	got := server.requests()
	if len(got) != 4 {
		t.Fatalf("%d requests", len(got))
	}
	sizes := []int{}
	for _, request := range got {
		list, _ := request.body["events"].([]any)
		sizes = append(sizes, len(list))
		if request.query != "api_secret=shh&measurement_id=G-1" || request.kind != "application/json" || request.body["client_id"] == "v1" {
			t.Errorf("%+v", request)
		}
	}
	if diff := cmp.Diff([]int{25, 25, 10, 2}, sizes); diff != "" {
		t.Error(diff)
	}
	first := got[0].body["events"].([]any)[0].(map[string]any) //nolint:forcetypeassert // else the test ends here
	session := first["params"].(map[string]any)["session_id"]  //nolint:forcetypeassert // as above
	// Within a batch the order is that of the ids.
	micros, _ := first["timestamp_micros"].(float64)
	if since := time.UnixMicro(int64(micros)).Sub(now); since < 0 || since >= 60*time.Millisecond {
		t.Errorf("the event is %v late", since)
	}
	delete(first, "timestamp_micros")
	want := map[string]any{
		"name": "page_view",
		"params": map[string]any{
			"session_id": session, "engagement_time_msec": 1.0, "page_location": "https://rsolv.dev/pricing?utm_source=hn",
			"page_referrer": "https://news.ycombinator.com/",
		},
	}
	if diff := cmp.Diff(want, first); diff != "" || session == "" {
		t.Error(diff)
	}
	last := fmt.Sprint(got[3].body["events"])
	for _, part := range []string{"name:x_first_visit", "p_1_odd_name:2", "p_plan:" + strings.Repeat("x", 100) + " ", "name:page_engagement", "engagement_time_msec:1200"} {
		if !strings.Contains(last, part) {
			t.Errorf("%s is missing in %s", part, last)
		}
	}
}

func TestPlausible(t *testing.T) {
	t.Parallel()
	r, server := newRig(t), newSink(t)
	server.answers(func(w http.ResponseWriter, body map[string]any) {
		switch body["name"] {
		case "Dropped":
			w.Header().Set("X-Plausible-Dropped", "1")
		case "Refused":
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	r.start(&export.Plausible{URL: server.URL + "/api/event"})
	now := time.Now()
	named := func(name string) app.Event {
		e := event(app.EventCustom, "v2", now)
		e.Name, e.Metadata = name, `{"plan":"pro"}`
		return e
	}
	spent := event(app.EventEngagement, "v1", now)
	spent.Metadata = `{"engagement_ms":1200,"scroll_depth":40}`
	r.take(event(app.EventPageView, "v1", now))
	r.take(spent)
	r.take(named("Dropped"))
	r.take(named("Refused"))
	r.take(event(app.EventPageView, "v1", now.Add(-25*time.Hour)), named("Clicked"))
	r.await("the export", func() bool {
		return r.counted("plausible", "sent") == 3 && r.counted("plausible", "refused") == 2 && r.counted("plausible", "skipped") == 1
	})
	got := server.requests()
	want := map[string]any{"name": "pageview", "url": "https://rsolv.dev/pricing?utm_source=hn", "domain": "rsolv.dev", "referrer": "https://news.ycombinator.com/"}
	if diff := cmp.Diff(want, got[0].body); diff != "" {
		t.Error(diff)
	}
	if got[0].agent != browser || !strings.HasPrefix(got[0].address, "198.51.100.") || got[0].address == "198.51.100.0" {
		t.Errorf("%+v", got[0])
	}
	if got[0].address != got[1].address || got[0].address == got[4].address {
		t.Errorf("visitors have the addresses %s, %s and %s", got[0].address, got[1].address, got[4].address)
	}
	if got[1].body["name"] != "engagement" || got[1].body["e"] != 1200.0 || got[1].body["sd"] != 40.0 {
		t.Errorf("time on a page is %v", got[1].body)
	}
	if diff := cmp.Diff(map[string]any{"plan": "pro"}, got[4].body["props"]); diff != "" {
		t.Error(diff)
	}
}

// A destination that is dead holds up neither the other nor the events, and gets
// everything once it is back.
func TestDeadDestination(t *testing.T) {
	t.Parallel()
	r, dead, alive := newRig(t), newSink(t), newSink(t)
	dead.answers(func(w http.ResponseWriter, _ map[string]any) { w.WriteHeader(http.StatusBadGateway) })
	r.start(&export.Plausible{URL: dead.URL})
	r.start(&export.GA4{URL: alive.URL, MeasurementID: "G-1", APISecret: "s"})
	for i := range 5 {
		r.take(event(app.EventPageView, fmt.Sprint("v", i), time.Now()))
	}
	r.await("the living one", func() bool { return r.counted("ga4", "sent") == 5 })
	r.await("failures", func() bool { return r.sum("rsolv_export_failures_total", "plausible") >= 3 })
	if n := r.counted("plausible", "sent"); n != 0 {
		t.Errorf("the dead one took %v", n)
	}
	before := len(dead.requests())
	dead.answers(nil)
	r.await("the one that is back", func() bool { return r.counted("plausible", "sent") == 5 })
	if n := len(dead.requests()) - before; n < 5 || n > 6 {
		t.Errorf("back again it got %d requests for 5 events", n)
	}
	if n := testutil.CollectAndCount(r.reg, "rsolv_export_last_event_timestamp_seconds"); n != 2 {
		t.Errorf("%d destinations tell how far they are", n)
	}
}

func TestDumps(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 11, 4, 12, 0, 0, 1000, time.UTC)
	events := []app.StoredEvent{{Event: event(app.EventPageView, "v1", at)}, {Event: event(app.EventCustom, "=cmd()", at)}}
	events[1].CustomerID, events[1].Name, events[1].Metadata = 7, "a,\"b\"\n", `{"a":1}`
	dump := func(format string) []byte {
		var out bytes.Buffer
		d, err := export.NewDump(&out, format)
		for i := range events {
			if err == nil {
				err = d.Add(&events[i])
			}
		}
		if err == nil {
			err = d.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	records, err := csv.NewReader(bytes.NewReader(dump(export.FormatCSV))).ReadAll()
	if err != nil || len(records) != 3 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for i, want := range map[int]string{1: "custom", 2: "7", 3: "'=cmd()", 8: "", 16: "a,\"b\"\n", 17: `{"a":1}`, 18: "2025-11-04T12:00:00.000001Z"} {
		if records[2][i] != want {
			t.Errorf("%s is %q, want %q", records[0][i], records[2][i], want)
		}
	}
	file := dump(export.FormatParquet)
	rows, err := parquet.Read[export.Row](bytes.NewReader(file), int64(len(file)))
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if r := rows[1]; r.VisitorID != "=cmd()" || r.CustomerID == nil || *r.CustomerID != 7 || !r.OccurredAt.Equal(at) || rows[0].CustomerID != nil ||
		rows[0].Class != "social" || r.ID != events[1].ID.String() {
		t.Errorf("%+v", rows)
	}
	if _, err := export.NewDump(io.Discard, "xlsx"); err == nil {
		t.Error("any format will do")
	}
}
