//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// hammer asks the app's Service for a page again and again, from the node, and
// counts the requests that failed, until stop is called.
func hammer(t *testing.T, app string) (stop func() (sent int, failures []string)) {
	t.Helper()
	return hammerPath(t, app, "/health")
}

// hammerPath is hammer for one page.
func hammerPath(t *testing.T, app, path string) (stop func() (sent int, failures []string)) {
	t.Helper()
	address := kubectl(t, "get", "service", app, "-o", "jsonpath={.spec.clusterIP}")
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	var sent int
	var failures []string
	// A connection of its own for each request, so that each one chooses a
	// pod anew.
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	wait.Go(func() {
		for ctx.Err() == nil {
			sent++
			if problem := ask(client, "http://"+address+path); problem != "" {
				failures = append(failures, problem)
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	return func() (int, []string) {
		cancel()
		wait.Wait()
		return sent, failures
	}
}

// ask returns what was wrong with an answer, or nothing. It has no context, so
// that stopping the hammer does not look like a failed request.
func ask(client *http.Client, url string) string {
	response, err := client.Get(url) //nolint:noctx // bounded by the client's timeout
	if err != nil {
		return err.Error()
	}
	if err := response.Body.Close(); err != nil {
		return err.Error()
	}
	if response.StatusCode != http.StatusOK {
		return response.Status
	}
	return ""
}

// unharmed stops the hammer and fails the test if a request failed.
func unharmed(t *testing.T, stop func() (int, []string)) {
	t.Helper()
	sent, failures := stop()
	if len(failures) > 0 {
		t.Errorf("%d of %d requests failed, first: %s", len(failures), sent, failures[0])
	}
	if sent < 10 {
		t.Errorf("only %d requests were sent: the test says nothing about availability", sent)
	}
	t.Logf("%d requests, %d failed", sent, len(failures))
}

// status of one GET through the Service's cluster address.
func status(t *testing.T, app, path string) (int, error) {
	t.Helper()
	address := kubectl(t, "get", "service", app, "-o", "jsonpath={.spec.clusterIP}")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// awaitBlog waits for a status of the blog.
func awaitBlog(t *testing.T, app string, want int, limit time.Duration) {
	t.Helper()
	const path = "/blog"
	eventually(t, limit, func() error {
		got, err := status(t, app, path)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("GET %s answers %d, want %d", path, got, want)
		}
		return nil
	})
}

// podNames of the app's server pods.
func podNames(t *testing.T, app string) string {
	t.Helper()
	return kubectl(t, "get", "pods", "-l", "rsolv.dev/deployment="+app+",app.kubernetes.io/component=server",
		"-o", "jsonpath={.items[*].metadata.name}")
}

// managerLog is what the operator has logged.
func managerLog(t *testing.T) string {
	t.Helper()
	out, err := cluster.Kubectl(t.Context(), nil, "-n", "rsolv-system", "logs", "deployment/rsolv-operator", "--tail=-1")
	if err != nil {
		t.Fatal(err)
	}
	return out
}
