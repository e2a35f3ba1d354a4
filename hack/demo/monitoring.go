package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

// startMonitoring brings up a Prometheus and what belongs to it. A given
// cluster has its own, or none, and the demo leaves it alone.
func (d *demo) startMonitoring(ctx context.Context) error {
	if !d.cluster.Local {
		d.say("not in a cluster that is not the demo's own")
		return nil
	}
	monitoring, err := d.cluster.Monitoring(ctx, d.out)
	d.monitoring = monitoring
	return err
}

// showLoaded has the operator ask Prometheus for the rules of the samples.
func (d *demo) showLoaded(ctx context.Context) error {
	if !d.cluster.Local {
		d.say("set spec.prometheus.url of an AlertBaseline to your Prometheus, and the column LOADED says whether it runs the rules")
		return nil
	}
	for _, patch := range []struct {
		objects []string
		json    string
	}{
		{[]string{"rd/" + app}, `{"spec":{"metrics":{"interval":"5s"}}}`},
		{d.baselines(), fmt.Sprintf(`{"spec":{"prometheus":{"url":%q},"alertmanager":{"url":%q}}}`, d.monitoring.Prometheus, d.monitoring.Alertmanager)},
	} {
		d.ran("kubectl patch " + strings.Join(patch.objects, " ") + " --type=merge -p '" + patch.json + "'")
		args := append([]string{"-n", harness.Namespace, "patch", "--type=merge", "-p", patch.json}, patch.objects...)
		if _, err := d.cluster.Kubectl(ctx, nil, args...); err != nil {
			return err
		}
	}
	if err := d.awaitLoaded(ctx); err != nil {
		return d.explain(ctx, err)
	}
	d.ran("kubectl get ab")
	table, err := d.cluster.Kubectl(ctx, nil, append([]string{"-n", harness.Namespace, "get"}, d.baselines()...)...)
	if err != nil {
		return err
	}
	d.block(table)
	for _, condition := range []string{"RulesLoaded", "RoutingLoaded"} {
		message, err := d.cluster.Kubectl(ctx, nil, "-n", harness.Namespace, "get", "ab", baseline,
			"-o", fmt.Sprintf(`jsonpath={.status.conditions[?(@.type==%q)].message}`, condition))
		if err != nil {
			return err
		}
		d.say(baseline + ": " + message)
	}
	return nil
}

// awaitLoaded waits until Prometheus runs the rules of each baseline, and
// Alertmanager its routes.
func (d *demo) awaitLoaded(ctx context.Context) error {
	const limit = 4 * time.Minute
	deadline := d.now().Add(limit)
	for {
		missing, err := d.notLoaded(ctx)
		if err != nil || missing == "" {
			return err
		}
		if d.now().After(deadline) {
			return fmt.Errorf("still not after %s: %s", limit, missing)
		}
		if err := d.cluster.HurryMonitoring(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
}

// baselines are those of the samples, as kubectl takes them.
func (d *demo) baselines() []string {
	var all []string
	for _, object := range d.applied {
		if name, ok := strings.CutPrefix(object, "alertbaseline.rsolv.dev/"); ok {
			all = append(all, "ab/"+name)
		}
	}
	return all
}

// notLoaded names a condition that is not true yet; empty when all are.
func (d *demo) notLoaded(ctx context.Context) (string, error) {
	for _, object := range d.baselines() {
		for _, condition := range []string{"RulesLoaded", "RoutingLoaded"} {
			status, err := d.cluster.Kubectl(ctx, nil, "-n", harness.Namespace, "get", object,
				"-o", fmt.Sprintf(`jsonpath={.status.conditions[?(@.type==%q)].status}`, condition))
			if err != nil {
				return "", err
			}
			if status != "True" {
				return condition + " of " + object, nil
			}
		}
	}
	return "", nil
}
