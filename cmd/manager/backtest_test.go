package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/promtest"
)

const queueBaseline = `
apiVersion: rsolv.dev/v1alpha1
kind: AlertBaseline
metadata: {name: queue}
spec:
  deploymentRef: {name: rsolv}
  thresholds:
  - name: queue
    signal: {expr: 'queue_length{$selector}'}
    warning: {above: "100", for: 10m, alert: QueueLong}
`

// TestBacktest looks back at a queue that was long for half an hour.
func TestBacktest(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)
	values := make([]float64, 180)
	for i := range values {
		values[i] = 20
		if i >= 100 && i < 130 {
			values[i] = 150
		}
	}
	server := promtest.Start(t, promtest.Options{History: []promtest.Series{{
		Name: `queue_length{job="rsolv",namespace="shop"}`, From: now.Add(-3 * time.Hour), Step: time.Minute, Values: values,
	}}})
	var out bytes.Buffer
	err := backtestCommand(t.Context(), []string{"-f", "-", "--namespace", "shop", "--prometheus", server.URL, "--window", "2h"},
		strings.NewReader(queueBaseline), &out, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"== AlertBaseline shop/queue\n", "The last 2h.", "warning  above 100 for 10m: would have fired once, for 2", "█", "─ warning 100\n", "Mar 2 12:00 UTC\n",
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("the output lacks %q:\n%s", part, out.String())
		}
	}
}

func TestBacktestSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"nothing to look at":                     {"--prometheus", "http://localhost:1"},
		"no history: name a Prometheus":          {"-f", "-"},
		`--window "1y" is no window`:             {"-f", "-", "--prometheus", "http://localhost:1", "--window", "1y"},
		`--window "90d" is no window`:            {"-f", "-", "--prometheus", "http://localhost:1", "--window", "90d"},
		"http://127.0.0.1:1: connection refused": {"-f", "-", "--prometheus", "http://127.0.0.1:1"},
	} {
		err := backtestCommand(t.Context(), args, strings.NewReader(queueBaseline), &bytes.Buffer{}, time.Unix(0, 0))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v; want %s", args, err, want)
		}
	}
}
