package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestRenderRuleTests(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tests")
	const declared = `{apiVersion: rsolv.dev/v1alpha1, kind: AlertBaseline, metadata: {name: base, namespace: shop}, spec: {
		deploymentRef: {name: rsolv}, thresholds: [{name: errors, signal: {errorRatio: {}}, warning: {above: 1%, alert: Errors}}]}}`
	var out bytes.Buffer
	if err := renderCommand([]string{"-f", "-", "--rule-tests", dir}, strings.NewReader(declared), &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "kind: PrometheusRule") {
		t.Errorf("nothing is rendered: %s", &out)
	}
	command := exec.CommandContext(t.Context(), "promtool", "test", "rules", "shop.base.errors.test.yaml")
	command.Dir = dir
	if raw, err := command.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, raw)
	}
}
