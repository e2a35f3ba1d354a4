package main

import (
	"bytes"
	"strings"
	"testing"
)

const sampleFile = "../../config/samples/rsolv_v1alpha1_alertbaseline_api-performance.yaml"

func TestRoutesSayWhoIsTold(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := routesCommand([]string{"-f", sampleFile, "severity=critical,component=api"}, nil, &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	// APIErrorRateCritical, APIP95LatencyCritical, APIRequestsStopped, APIMetricsAbsent.
	if len(lines) != 5 {
		t.Fatalf("%d lines:\n%s", len(lines), &out)
	}
	for _, line := range lines[1:] {
		if fields := strings.Fields(line); len(fields) != 8 || fields[4] != "api-critical" || fields[5] != "admin@rsolv.dev" || fields[6] != "10s" || fields[7] != "2h" {
			t.Errorf("row %q", line)
		}
	}
}

func TestRoutesRefuse(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		`"critical" is no label: write name=value`: {"-f", sampleFile, "critical"},
		"no routes to walk":                        {"severity=critical"},
		"no alert has the labels severity=fatal":   {"-f", sampleFile, "severity=fatal"},
	} {
		if err := routesCommand(args, nil, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", args, err, want)
		}
	}
}

func TestRoutesOfABaselineWithoutRouting(t *testing.T) {
	t.Parallel()
	const declared = `{apiVersion: rsolv.dev/v1alpha1, kind: AlertBaseline, metadata: {name: base}, spec: {
		deploymentRef: {name: rsolv}, thresholds: [{name: errors, signal: {errorRatio: {}}, warning: {above: 1%, alert: Errors}}]}}`
	var out bytes.Buffer
	if err := routesCommand([]string{"-f", "-"}, strings.NewReader(declared), &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "Alertmanager's own routes") {
		t.Errorf("said:\n%s", &out)
	}
}
