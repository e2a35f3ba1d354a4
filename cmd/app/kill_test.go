package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// envKills sets how often TestKill kills; the default is what every test run
// takes, the end-to-end run asks for more.
const envKills = "RSOLV_TEST_KILLS"

// buildApp builds the program as it is shipped.
func buildApp(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "app")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the app: %v: %s", err, out)
	}
	return binary
}

// pod is the real program in a process of its own, with a spool of its own that
// outlives the process.
type pod struct {
	t             *testing.T
	binary, spool string
	databaseURL   string
	public, admin string
	env           []string

	mu      sync.Mutex
	process *exec.Cmd
	log     buffer
}

func newPod(t *testing.T, binary, databaseURL string, env ...string) *pod {
	t.Helper()
	p := &pod{t: t, binary: binary, spool: t.TempDir(), databaseURL: databaseURL, public: freeAddress(t), admin: freeAddress(t), env: env}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			text := p.log.String()
			t.Logf("log of the pod:\n%s", text[max(0, len(text)-6000):])
		}
	})
	p.start()
	return p
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (p *pod) start() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.process = exec.CommandContext(context.WithoutCancel(p.t.Context()), p.binary, "serve", "--listen", p.public, "--admin-listen", p.admin)
	p.process.Env = append([]string{
		contract.EnvDatabaseURL + "=" + p.databaseURL, contract.EnvSpoolDir + "=" + p.spool, contract.EnvPodName + "=pod-" + filepath.Base(p.spool),
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(),
	}, p.env...)
	p.process.Stdout, p.process.Stderr = &p.log, &p.log
	if err := p.process.Start(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pod) end(how syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process != nil {
		_ = p.process.Process.Signal(how)
		_ = p.process.Wait()
		p.process = nil
	}
}

func (p *pod) kill() { p.end(syscall.SIGKILL) }

func (p *pod) awaitReady() {
	p.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		response, err := http.Get("http://" + p.admin + contract.ReadyPath) //nolint:noctx // a probe
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			p.t.Fatal("the pod does not become ready")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// send answers the status, 0 when nobody answers.
func send(client *http.Client, url, body string, headers ...string) int {
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	request, err := http.NewRequest(method, url, strings.NewReader(body)) //nolint:noctx // the client has a timeout
	if err != nil {
		return 0
	}
	request.Header.Set("User-Agent", browser)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0 // the answer did not arrive whole
	}
	return response.StatusCode
}

// Whatever is killed when: each acknowledged event is stored once, the ledger
// balances, and while the database is away collectors go on.
func TestKill(t *testing.T) {
	kills := 5
	if text := os.Getenv(envKills); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s is %q", envKills, text)
		}
	}
	db, err := devdb.StartDurable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Stop() })
	databaseURL := db.URL("postgres")
	if err := postgres.Migrate(t.Context(), databaseURL, postgres.Migrations(), func(postgres.Migration) {}); err != nil {
		t.Fatal(err)
	}
	p := newPod(t, buildApp(t), databaseURL)
	p.awaitReady()
	load := startLoad(p)
	disturb(t, p, db, load, kills)
	load.stop()
	p.awaitReady()
	settled(t, p, databaseURL, load)
}

// disturb kills and revives one thing after another.
func disturb(t *testing.T, p *pod, db *devdb.Server, load *load, kills int) {
	t.Helper()
	for n := range kills {
		load.await(t, 200)
		switch n % 3 {
		case 0:
			p.kill()
			p.start()
		case 1:
			if err := db.Crash(); err != nil {
				t.Fatal(err)
			}
			failed := load.failed.Load()
			load.await(t, 200) // nothing holds the collectors up
			if now := load.failed.Load(); now != failed {
				t.Errorf("%d events were refused while the database was away", now-failed)
			}
			if err := db.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			continue // the pod was never away
		default: // both
			if err := db.Pause(); err != nil {
				t.Fatal(err)
			}
			p.kill()
			if err := db.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.start()
		}
		p.awaitReady()
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
	}
}

// load sends events, each with an id of its own, and remembers which were
// acknowledged.
type load struct {
	ended     chan struct{}
	wait      sync.WaitGroup
	failed    atomic.Int64
	mu        sync.Mutex
	confirmed map[string]bool
}

func startLoad(p *pod) *load {
	l := &load{ended: make(chan struct{}), confirmed: map[string]bool{}}
	for worker := range 8 {
		l.wait.Go(func() {
			client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{}}
			for n := 0; ; n++ {
				select {
				case <-l.ended:
					return
				default:
				}
				id := fmt.Sprintf("w%d-%d", worker, n)
				body := fmt.Sprintf(`{"n":"pageview","u":"https://rsolv.dev/pricing?utm_source=%s","d":"rsolv.dev"}`, id)
				if send(client, "http://"+p.public+"/api/event", body) != http.StatusAccepted {
					l.failed.Add(1)
					time.Sleep(5 * time.Millisecond)
					continue
				}
				l.mu.Lock()
				l.confirmed[id] = true
				l.mu.Unlock()
			}
		})
	}
	return l
}

func (l *load) stop() {
	close(l.ended)
	l.wait.Wait()
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.confirmed)
}

// await waits until so many more events are acknowledged.
func (l *load) await(t *testing.T, more int) {
	t.Helper()
	want := l.count() + more
	deadline := time.Now().Add(60 * time.Second)
	for l.count() < want {
		if time.Now().After(deadline) {
			t.Fatalf("only %d of %d events are acknowledged", l.count(), want)
		}
		time.Sleep(time.Millisecond)
	}
}

// settled waits until the spool is empty, and compares what was acknowledged
// with what is stored, and with the ledger.
func settled(t *testing.T, p *pod, databaseURL string, l *load) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	ledger := awaitBalance(t, p, conn)
	rows, err := conn.Query(t.Context(), "SELECT utm_source, count(*) FROM funnel_events WHERE event_type = 'page_view' GROUP BY 1")
	if err != nil {
		t.Fatal(err)
	}
	stored, total := map[string]int64{}, int64(0)
	var id string
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&id, &n}, func() error { stored[id] = n; total += n; return nil }); err != nil {
		t.Fatal(err)
	}
	lost, twice := 0, 0
	for id := range l.confirmed {
		if stored[id] == 0 {
			lost++
		}
	}
	for _, n := range stored {
		if n > 1 {
			twice++
		}
	}
	t.Logf("%d acknowledged, %d not, %d stored; ledger %+v", len(l.confirmed), l.failed.Load(), total, ledger)
	if lost > 0 || twice > 0 {
		t.Errorf("%d acknowledged events are lost, %d are stored twice", lost, twice)
	}
	if ledger.Stored != total || ledger.Accepted != ledger.Stored+ledger.Deduplicated || ledger.Accepted < int64(len(l.confirmed)) {
		t.Errorf("the ledger says %+v of %d stored and %d acknowledged events", ledger, total, len(l.confirmed))
	}
}

type balance struct {
	Accepted, Stored, Deduplicated, Dropped, Spooled, Missing int64
	Balanced                                                  bool
	Open                                                      []json.RawMessage
}

// awaitBalance asks the ledger until nothing is on its way.
func awaitBalance(t *testing.T, p *pod, conn *pgx.Conn) balance {
	t.Helper()
	key := adminKey(t, p, conn)
	deadline := time.Now().Add(90 * time.Second)
	for {
		var b balance
		response := fetch(t, "http://"+p.public+"/api/v1/funnel/ledger", key)
		if err := json.Unmarshal(response, &b); err == nil && b.Balanced && b.Spooled == 0 && b.Accepted > 0 {
			return b
		}
		if time.Now().After(deadline) {
			t.Fatalf("the ledger does not balance: %s", response)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func fetch(t *testing.T, url, key string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Api-Key", key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// adminKey signs somebody up and makes an administrator of them.
func adminKey(t *testing.T, p *pod, conn *pgx.Conn) string {
	t.Helper()
	key := signUp(t, p, fmt.Sprintf("admin%d@kiln-works.com", time.Now().UnixNano()))
	if _, err := conn.Exec(t.Context(), "UPDATE api_keys SET permissions = array_append(permissions, 'admin')"); err != nil {
		t.Fatal(err)
	}
	return key
}

// signUp returns the new customer's key. As a client would, it comes again
// while the pod has yet to notice that its database is back.
func signUp(t *testing.T, p *pod, email string) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		key, status := trySignUp(t, p, email)
		if status == http.StatusCreated {
			return key
		}
		if status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			t.Fatalf("signing up: %d", status)
		}
	}
}

func trySignUp(t *testing.T, p *pod, email string) (key string, status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.public+"/api/v1/customers/onboard",
		strings.NewReader(`{"name":"K","email":"`+email+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var body struct {
		APIKey string `json:"api_key"`
	}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		t.Fatalf("signing up: %d %v", response.StatusCode, err)
	}
	return body.APIKey, response.StatusCode
}

// A thousand first calls of one customer at once, to two pods of which one is
// killed and comes back: one activation, one retention.
func TestFirstCallsToTwoPods(t *testing.T) {
	db, err := devdb.StartDurable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Stop() })
	databaseURL := db.URL("postgres")
	if err := postgres.Migrate(t.Context(), databaseURL, postgres.Migrations(), func(postgres.Migration) {}); err != nil {
		t.Fatal(err)
	}
	binary := buildApp(t)
	const unlimited = contract.EnvRequestsPerMinute + "=1000000"
	pods := []*pod{newPod(t, binary, databaseURL, unlimited), newPod(t, binary, databaseURL, unlimited)}
	for _, p := range pods {
		p.awaitReady()
	}
	key := signUp(t, pods[0], "ops@kiln-works.com")
	var wg sync.WaitGroup
	var answered [2]atomic.Int64
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100, MaxConnsPerHost: 100}}
	for i := range 1000 {
		wg.Go(func() {
			for began := time.Now(); time.Since(began) < 3*time.Minute; time.Sleep(50 * time.Millisecond) {
				status := send(client, "http://"+pods[i%2].public+"/api/v1/customers/me", "", "X-Api-Key", key)
				if status == http.StatusOK {
					answered[i%2].Add(1)
					return
				}
				if status != 0 && status != http.StatusServiceUnavailable {
					t.Errorf("a call to pod %d is answered with %d", i%2, status)
					return
				}
			}
			t.Errorf("a call to pod %d is not answered", i%2)
		})
	}
	wg.Go(func() {
		for began := time.Now(); answered[1].Load() < 50 && time.Since(began) < time.Minute; {
			time.Sleep(time.Millisecond)
		}
		pods[1].kill()
		pods[1].start()
	})
	wg.Wait()
	pods[1].awaitReady()
	for _, p := range pods {
		p.end(syscall.SIGTERM) // everything is stored before they end
	}
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var activations, retentions, firstCalls, journeys int
	var calls int64
	err = conn.QueryRow(t.Context(), `SELECT
		(SELECT count(*) FROM funnel_milestones WHERE stage = 'activation'),
		(SELECT count(*) FROM funnel_milestones WHERE stage = 'retention'),
		(SELECT count(*) FROM funnel_events WHERE event_type = 'first_api_call'),
		(SELECT count(*) FROM customer_journeys WHERE completed_activation AND completed_retention AND first_api_call_at <= second_api_call_at),
		(SELECT api_calls FROM customer_journeys)`).Scan(&activations, &retentions, &firstCalls, &journeys, &calls)
	if err != nil {
		t.Fatal(err)
	}
	// The pod that was not killed lost nothing; the other may have lost what it
	// had counted and not yet spooled. Calls whose answers were cut off count too.
	least := answered[0].Load()
	t.Logf("%d and %d calls were answered, %d are counted", answered[0].Load(), answered[1].Load(), calls)
	if answered[0].Load()+answered[1].Load() != 1000 {
		t.Error("not all of a thousand calls were answered")
	}
	if activations != 1 || retentions != 1 || firstCalls != 1 || journeys != 1 || calls < least || calls > 1100 {
		t.Errorf("%d activations, %d retentions, %d first calls, %d journeys, %d calls", activations, retentions, firstCalls, journeys, calls)
	}
}
