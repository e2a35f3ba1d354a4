package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

const baseline = "api-performance"

// checkRules takes the PrometheusRule out of the cluster and lets Prometheus's
// own tool judge it.
func (d *demo) checkRules(ctx context.Context) error {
	if err := d.cluster.Tool(ctx, &d.notes, "hack/deps.sh", "promtool"); err != nil {
		return err
	}
	out, err := d.cluster.Kubectl(ctx, nil, "-n", harness.Namespace, "get", "prometheusrule", baseline, "-o", "json")
	if err != nil {
		return err
	}
	var rule struct {
		Spec struct {
			Groups []struct {
				Rules []struct {
					Alert  string            `json:"alert"`
					For    string            `json:"for"`
					Labels map[string]string `json:"labels"`
				} `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}
	if err := json.Unmarshal([]byte(out), &rule); err != nil {
		return fmt.Errorf("reading the PrometheusRule: %w", err)
	}
	alerts := 0
	for _, group := range rule.Spec.Groups {
		for _, r := range group.Rules {
			if r.Alert != "" {
				alerts++
				d.say(fmt.Sprintf("  %-36s %-9s for %s", r.Alert, r.Labels["severity"], r.For))
			}
		}
	}
	file, err := writeSpec(out)
	if err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Dir(file)) //nolint:errcheck // a folder in the machine's own temporary space
	d.ran("promtool check rules " + filepath.Base(file))
	if err := d.cluster.Tool(ctx, &d.notes, "promtool", "check", "rules", file); err != nil {
		return err
	}
	d.block(strings.TrimSpace(d.notes.String()))
	return nil
}

// writeSpec writes the spec of a PrometheusRule, which is a rule file.
func writeSpec(object string) (string, error) {
	var parsed struct {
		Spec any `json:"spec"`
	}
	if err := json.Unmarshal([]byte(object), &parsed); err != nil {
		return "", fmt.Errorf("reading the PrometheusRule: %w", err)
	}
	raw, err := yaml.Marshal(parsed.Spec)
	if err != nil {
		return "", fmt.Errorf("writing the rules: %w", err)
	}
	dir, err := os.MkdirTemp("", "rsolv-demo")
	if err != nil {
		return "", fmt.Errorf("writing the rules: %w", err)
	}
	file := filepath.Join(dir, baseline+".rules.yaml")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return "", fmt.Errorf("writing the rules: %w", err)
	}
	return file, nil
}

func (d *demo) showDashboard(ctx context.Context) error {
	d.ran("kubectl get configmap -l grafana_dashboard=1")
	out, err := d.cluster.Kubectl(ctx, nil, "-n", harness.Namespace, "get", "configmap", "-l", "grafana_dashboard=1", "-o", "json")
	if err != nil {
		return err
	}
	var found struct {
		Items []struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
			Data map[string]string `json:"data"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		return fmt.Errorf("reading the dashboards: %w", err)
	}
	if len(found.Items) == 0 {
		return fmt.Errorf("no ConfigMap carries grafana_dashboard=1")
	}
	for _, item := range found.Items {
		for file, content := range item.Data {
			var dashboard struct {
				Title  string            `json:"title"`
				UID    string            `json:"uid"`
				Panels []json.RawMessage `json:"panels"`
			}
			if err := json.Unmarshal([]byte(content), &dashboard); err != nil {
				return fmt.Errorf("%s is no JSON: %w", file, err)
			}
			d.say(fmt.Sprintf("configmap/%s: %s (/d/%s), %d panels and rows", item.Metadata.Name, dashboard.Title, dashboard.UID, len(dashboard.Panels)))
		}
	}
	return nil
}
