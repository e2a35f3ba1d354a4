package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

const browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

func fillFunnel(t *testing.T, store *postgres.Store, now time.Time) {
	t.Helper()
	var events []app.Event
	add := func(kind app.EventType, customer int64, ago time.Duration, touch app.Touch) {
		at := now.Add(-ago)
		events = append(events, app.Event{ID: app.NewEventID(at), Type: kind, CustomerID: customer, At: at, Touch: touch})
	}
	for i := range 55 {
		touch := app.Touch{VisitorID: fmt.Sprintf("v%d", i%40)}
		if i%5 == 0 {
			touch.UTM = app.UTM{Source: "hn", Campaign: "launch"}
		}
		add(app.EventPageView, 0, time.Duration(i)*6*time.Hour, touch)
	}
	for i := range 5 {
		email := fmt.Sprintf("c%d@kiln.example", i)
		done, err := store.Onboard(t.Context(), app.Signup{Name: "K", Email: email, KeyHash: app.HashKey(email), At: now.Add(-time.Hour)})
		if err != nil || done.TrackingErr != nil {
			t.Fatal(err, done.TrackingErr)
		}
		for c := range max(0, 3-i) {
			add(app.EventAPICall, done.Customer.ID, time.Duration(30-c)*time.Minute, app.Touch{})
		}
	}
	if _, err := store.Apply(t.Context(), []app.Batch{{Source: app.NewSourceID(now), Number: 1, Total: uint64(len(events)), Events: events}}); err != nil {
		t.Fatal(err)
	}
}

// running is a serve command that runs.
type running struct {
	t             *testing.T
	p             testProgram
	public, admin string
	stop          context.CancelFunc
	done          chan int
}

func startServe(t *testing.T, env map[string]string, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &running{t: t, p: newProgram(t, env), stop: stop, done: make(chan int, 1)}
	ready := make(chan struct{})
	r.p.started = func(public, admin string) {
		r.public, r.admin = "http://"+public, "http://"+admin
		close(ready)
	}
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)
	go func() { r.done <- r.p.run(ctx, args) }()
	t.Cleanup(stop)
	select {
	case <-ready:
	case code := <-r.done:
		t.Fatalf("serve ended with %d: %s", code, r.p.errOut)
	case <-time.After(30 * time.Second):
		t.Fatal("serve does not start")
	}
	return r
}

// wait returns the exit code.
func (r *running) wait() int {
	r.t.Helper()
	select {
	case code := <-r.done:
		return code
	case <-time.After(30 * time.Second):
		r.t.Fatal("serve does not end")
		return -1
	}
}

// request answers status 0 when nobody answers.
func (r *running) request(method, url, body string, headers ...string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(context.WithoutCancel(r.t.Context()), method, url, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", browser)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}

func (r *running) await(url string, status int) {
	r.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		got, body := r.request(http.MethodGet, url, "")
		if got == status {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%s answers %d %s, want %d", url, got, body, status)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (r *running) onboard(email string) string {
	r.t.Helper()
	status, text := r.request(http.MethodPost, r.public+"/api/v1/customers/onboard", `{"name":"K","email":"`+email+`"}`)
	var body struct {
		APIKey string `json:"api_key"`
	}
	if err := json.Unmarshal([]byte(text), &body); err != nil || status != http.StatusCreated {
		r.t.Fatalf("onboarding: %d %s", status, text)
	}
	return body.APIKey
}

func TestServeCountsAndDrains(t *testing.T) {
	t.Parallel()
	env := map[string]string{contract.EnvDatabaseURL: dbtest.URL(t)}
	r := startServe(t, env, "--drain", "1s")
	r.await(r.admin+contract.ReadyPath, 200)
	key := r.onboard("ops@kiln.example")
	const calls = 20
	for range calls {
		if status, body := r.request(http.MethodGet, r.public+"/api/v1/customers/me", "", "X-Api-Key", key); status != 200 {
			t.Fatal(status, body)
		}
	}
	for _, path := range []string{"/health", "/api/health", "/nothing/of-4711", "/"} {
		r.request(http.MethodGet, r.public+path, "")
	}
	checkMetrics(t, r)

	r.stop()
	r.await(r.admin+contract.ReadyPath, 503)
	if status, body := r.request(http.MethodGet, r.public+"/api/v1/customers/me", "", "X-Api-Key", key); status != 200 {
		t.Errorf("while draining: %d %s", status, body)
	}
	if status, _ := r.request(http.MethodGet, r.admin+contract.LivePath, ""); status != 200 {
		t.Errorf("liveness while draining: %d", status)
	}
	if code := r.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, r.p.errOut)
	}
	if status, _ := r.request(http.MethodGet, r.public+"/", ""); status != 0 {
		t.Error("it answers after its end")
	}
	conn, err := pgx.Connect(t.Context(), env[contract.EnvDatabaseURL])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var stored int
	err = conn.QueryRow(t.Context(), "SELECT api_calls FROM customer_journeys").Scan(&stored)
	if err != nil || stored != calls+1 {
		t.Errorf("%d calls are stored, want %d (%v)", stored, calls+1, err)
	}
	if log := r.p.out.String(); strings.Contains(log, strings.TrimPrefix(key, "rsolv_")) || strings.Contains(log, "of-4711") {
		t.Error("the log contains a key or a raw path:\n", log)
	}
	for line := range strings.Lines(r.p.out.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a log line is no JSON: %s", line)
		}
	}
}

// The preStop hook has drained the pod already.
func TestServeDrainsOnlyWhenTold(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]time.Duration{"": 0, "--drain 2s": 2 * time.Second} {
		o, err := newProgram(t, nil).serveOptions(strings.Fields(args))
		if err != nil || o.drain != want {
			t.Errorf("serve %s drains for %v, want %v (%v)", args, o.drain, want, err)
		}
	}
	grace := contract.TerminationGraceSeconds * time.Second
	if sum := contract.DrainSeconds*time.Second + maxDrain + shutdownTimeout + trackerTimeout; sum >= grace {
		t.Errorf("the shutdown may take %v of a grace of %v", sum, grace)
	}
}

// It starts without a database, becomes ready once the schema is there, and
// stays ready when the database leaves.
func TestServeWithoutDatabase(t *testing.T) {
	t.Parallel()
	db, err := devdb.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Stop() })
	if err := db.Pause(); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{contract.EnvDatabaseURL: db.URL("postgres")}
	r := startServe(t, env, "--drain", "0s")
	probe := func(live, ready int) {
		t.Helper()
		for path, want := range map[string]int{contract.LivePath: live, contract.ReadyPath: ready} {
			if status, body := r.request(http.MethodGet, r.admin+path, ""); status != want {
				t.Errorf("%s answers %d %s, want %d", path, status, body, want)
			}
		}
	}
	probe(200, 503)
	began := time.Now()
	if status, body := r.request(http.MethodGet, r.public+"/api/v1/customers/me", "", "X-Api-Key", "rsolv_x"); status != 503 {
		t.Errorf("without a database: %d %s", status, body)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the answer took %v", took)
	}
	if err := db.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for !strings.Contains(r.p.out.String(), "the schema is behind") {
		if time.Now().After(deadline) {
			t.Fatalf("an empty database is not noticed:\n%s", r.p.out)
		}
		time.Sleep(20 * time.Millisecond)
	}
	probe(200, 503)
	if m := newProgram(t, env); m.run(t.Context(), []string{"migrate"}) != 0 {
		t.Fatal(m.errOut)
	}
	r.await(r.admin+contract.ReadyPath, 200)
	r.onboard("ops@kiln.example")
	if err := db.Pause(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second) // longer than a ping takes to notice
	probe(200, 200)
	if status, body := r.request(http.MethodGet, r.public+"/health", ""); status != 200 || !strings.Contains(body, "degraded") {
		t.Errorf("health: %d %s", status, body)
	}
	if err := db.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	deadline = time.Now().Add(20 * time.Second)
	for {
		if _, body := r.request(http.MethodGet, r.public+"/health", ""); strings.Contains(body, `"ok"`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the database's return goes unnoticed")
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.onboard("second@kiln.example")
	r.stop()
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d: %s", code, r.p.errOut)
	}
	reasons := map[string]bool{}
	for line := range strings.Lines(r.p.out.String()) {
		_, reason, waits := strings.Cut(line, "not ready yet")
		if waits && reasons[reason] {
			t.Errorf("a reason for waiting is logged twice: %s", line)
		}
		reasons[reason] = true
	}
}

// The flags come from a folder, and a change of it shows without a restart.
func TestServeFollowsTheFlags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(variant string) {
		t.Helper()
		text := fmt.Sprintf(`{"flags":{"blog":{"state":"ENABLED","variants":{"enabled":true,"disabled":false},"defaultVariant":%q}}}`, variant)
		staged := filepath.Join(t.TempDir(), "staged")
		if err := os.WriteFile(staged, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(staged, filepath.Join(dir, contract.FlagsFile)); err != nil {
			t.Fatal(err)
		}
	}
	write("disabled")
	r := startServe(t, map[string]string{contract.EnvDatabaseURL: dbtest.URL(t), contract.EnvFlagsDir: dir}, "--drain", "0s")
	r.await(r.public+"/blog", 404)
	write("enabled")
	r.await(r.public+"/blog", 200)
	want := contract.MetricFlagEnabled + `{` + contract.LabelFlag + `="blog"} 1` + "\n"
	if _, body := r.request(http.MethodGet, r.admin+contract.MetricsPath, ""); !strings.Contains(body, want) {
		t.Errorf("the metrics lack %q", want)
	}
	if _, body := r.request(http.MethodGet, r.admin+contract.FlagsStatusPath, ""); !strings.Contains(body, `"digest":"sha256:`) {
		t.Errorf("status is %s", body)
	}
	write("disabled")
	r.await(r.public+"/blog", 404)
	r.stop()
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d: %s", code, r.p.errOut)
	}
}

func TestServeDev(t *testing.T) {
	t.Parallel()
	r := startServe(t, nil, "--dev")
	r.await(r.admin+contract.ReadyPath, 200)
	r.onboard("ops@kiln.example")
	for _, want := range []string{"database  postgres://", "site      " + r.public, "metrics   " + r.admin} {
		if !strings.Contains(r.p.errOut.String(), want) {
			t.Errorf("%q is missing in\n%s", want, r.p.errOut)
		}
	}
	r.stop()
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d: %s", code, r.p.errOut)
	}
}
