//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// away is how long the database stays away: longer than three failed probes,
// ten seconds apart, after which the original system's pods were restarted.
const away = 45 * time.Second

// TestOutage_DatabaseDownRestartsEverything: the original's liveness probe
// asked the database, so that its outage restarted every pod, and each start
// made it worse. Here no pod restarts or leaves the Service while Postgres
// takes nobody in: pages answer, routes that need the database answer 503, and
// what collectors acknowledged meanwhile is stored when it is back, each event
// once. With a liveness probe that asks what readiness asks at start, which is
// the old way, the pods restart within that time and the test fails where it
// counts restarts.
func TestOutage_DatabaseDownRestartsEverything(t *testing.T) {
	const app = "outage-database"
	newApp(t, app, "sk_test_51Hq8vJ2eZ")
	waitCondition(t, "rd/"+app, "Ready", "True")
	database := "e2e_" + strings.ReplaceAll(app, "-", "_")
	before := podNames(t, app)
	stop := hammerPath(t, app, "/")

	admit(t, database, false)
	t.Cleanup(func() { readmit(t, database) })
	acknowledged, needed := 0, 0
	for began := time.Now(); time.Since(began) < away; time.Sleep(100 * time.Millisecond) {
		event := fmt.Sprintf(`{"name":"pageview","url":"https://rsolv.dev/while-away/%d","domain":"rsolv.dev","id":"away-%[1]d"}`, acknowledged)
		if got := post(t, app, "/api/event", event); got != http.StatusAccepted {
			t.Fatalf("event %d was answered with %d while the database is away, want 202", acknowledged, got)
		}
		acknowledged++
		if needed == 0 && time.Since(began) > away/2 {
			needed = post(t, app, "/api/v1/customers/onboard", `{"name":"Ada","email":"ada@away.example"}`)
		}
	}
	if needed != http.StatusServiceUnavailable {
		t.Errorf("a signup was answered with %d while the database is away, want 503", needed)
	}
	if ready := kubectl(t, "get", "deployment", app, "-o", "jsonpath={.status.readyReplicas}"); ready != "2" {
		t.Errorf("%s of 2 pods are ready while the database is away", ready)
	}
	admit(t, database, true)

	eventually(t, time.Minute, func() error { return stored(t, database, acknowledged) })
	if after := podNames(t, app); after != before {
		t.Errorf("other pods run than before: %s, before %s", after, before)
	}
	restarts := kubectl(t, "get", "pods", "-l", "rsolv.dev/deployment="+app+",app.kubernetes.io/component=server",
		"-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}")
	if restarts != "0 0" {
		t.Errorf("restarts of the two pods: %s, want none", restarts)
	}
	unharmed(t, stop)
	waitCondition(t, "rd/"+app, "Ready", "True")
	t.Logf("%d events were acknowledged in %s without a database, and stored after", acknowledged, away)
}

// admit lets a database take connections, or ends those that it has and takes
// no more.
func admit(t *testing.T, database string, yes bool) {
	t.Helper()
	statements := []string{fmt.Sprintf("alter database %s allow_connections %t", database, yes)}
	if !yes {
		statements = append(statements, fmt.Sprintf("select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = '%s'", database))
	}
	for _, statement := range statements {
		if _, err := cluster.Psql(t.Context(), "", statement); err != nil {
			t.Error(err)
		}
	}
}

// readmit is admit for when the test has ended, and its context with it.
func readmit(t *testing.T, database string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := cluster.Psql(ctx, "", "alter database "+database+" allow_connections true"); err != nil {
		t.Error(err)
	}
}

// stored tells what is wrong with the stored events: each is to be there once.
func stored(t *testing.T, database string, want int) error {
	t.Helper()
	out, err := cluster.Psql(t.Context(), database,
		"select count(*) || ' ' || count(distinct page_path) from funnel_events where page_path like '/while-away/%'")
	if err != nil {
		return err
	}
	if all := strconv.Itoa(want); strings.TrimSpace(out) != all+" "+all {
		return fmt.Errorf("events stored, and different ones: %s, want %d", strings.TrimSpace(out), want)
	}
	return nil
}

// post sends JSON to the app's Service as a browser would, and returns the
// status.
func post(t *testing.T, app, path, body string) int {
	t.Helper()
	address := kubectl(t, "get", "service", app, "-o", "jsonpath={.spec.clusterIP}")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	response, err := (&http.Client{Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}
