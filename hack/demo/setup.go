package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

const (
	app      = "rsolv"
	database = "rsolv_demo"
)

func (d *demo) findCluster(ctx context.Context) error {
	cluster, err := harness.Find(ctx, ".", d.out)
	if err != nil {
		return err
	}
	d.cluster = cluster
	if !cluster.Local {
		if err := d.checkGiven(ctx); err != nil {
			return err
		}
	}
	nodes, err := cluster.Kubectl(ctx, nil, "get", "nodes")
	if err != nil {
		return err
	}
	d.ran("kubectl get nodes")
	d.block(nodes)
	return nil
}

func (d *demo) buildImages(ctx context.Context) error { return d.cluster.Images(ctx, &d.notes) }

func (d *demo) installOperator(ctx context.Context) error {
	d.ran("kubectl apply --server-side -f dist/install.yaml")
	return d.cluster.Install(ctx, &d.notes)
}

// makeSecrets gives the demo a database of its own, so that a second run
// starts where the first ended, and secrets that are no placeholders.
func (d *demo) makeSecrets(ctx context.Context) error {
	url := d.cluster.DatabaseURL
	if d.cluster.Local {
		exists, err := d.cluster.Psql(ctx, "", "select count(*) from pg_database where datname = '"+database+"'")
		if err != nil {
			return err
		}
		if strings.TrimSpace(exists) == "0" {
			if _, err := d.cluster.Psql(ctx, "", "create database "+database); err != nil {
				return err
			}
		}
		if url, err = withDatabase(url, database); err != nil {
			return err
		}
	}
	if err := d.applySecret(ctx, "rsolv-db", map[string]string{"database-url": url}); err != nil {
		return err
	}
	return d.applySecret(ctx, "rsolv-stripe", map[string]string{
		"STRIPE_API_KEY": "sk_test_" + rand.Text(), "STRIPE_WEBHOOK_SECRET": "whsec_" + rand.Text(),
	})
}

func (d *demo) applySecret(ctx context.Context, name string, values map[string]string) error {
	raw, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "stringData": values,
		"metadata": map[string]any{"name": name, "labels": map[string]string{demoLabel: "true"}},
	})
	if err != nil {
		return fmt.Errorf("writing secret %s: %w", name, err)
	}
	if _, err := d.cluster.Apply(ctx, string(raw)); err != nil {
		return err
	}
	d.say("secret/" + name + " applied")
	return nil
}

// applySamples applies config/samples as they are but for the image, which is
// the one just built, and the time that a later image is watched.
func (d *demo) applySamples(ctx context.Context) error {
	d.ran("kubectl -n " + harness.Namespace + " apply --server-side --force-conflicts -k config/samples   (image: " + d.cluster.AppImage + ")")
	samples, err := d.cluster.Kubectl(ctx, nil, "kustomize", "config/samples")
	if err != nil {
		return err
	}
	if samples, err = withImage(samples, d.cluster.AppImage); err != nil {
		return err
	}
	if samples, err = withShortGate(samples); err != nil {
		return err
	}
	answer, err := d.cluster.Apply(ctx, samples)
	if err != nil {
		return err
	}
	d.block(answer)
	if !d.cluster.Local {
		if err := d.markGiven(ctx); err != nil {
			return err
		}
	}
	d.applied = nil
	for line := range strings.Lines(answer) {
		if object, _, ok := strings.Cut(line, " "); ok {
			d.applied = append(d.applied, object)
		}
	}
	args := append([]string{"-n", harness.Namespace, "wait", "--for=condition=Ready", "--timeout=180s"}, d.applied...)
	if _, err := d.cluster.Kubectl(ctx, nil, args...); err != nil {
		return d.explain(ctx, err)
	}
	return nil
}

// explain adds to an error what the cluster knows about it.
func (d *demo) explain(ctx context.Context, err error) error {
	for _, args := range [][]string{
		{"get", "rd,ff,ab", "-o", "wide"},
		{"get", "pods,jobs"},
		{"logs", "-n", "rsolv-system", "deployment/rsolv-operator", "--tail=30"},
	} {
		out, kerr := d.cluster.Kubectl(ctx, nil, append([]string{"-n", harness.Namespace}, args...)...)
		if kerr == nil {
			fmt.Fprintf(&d.notes, "%s\n", out)
		}
	}
	return err
}

func (d *demo) showKinds(ctx context.Context) error {
	out, err := d.cluster.Kubectl(ctx, nil, "-n", harness.Namespace, "get", "rd,ff,ab")
	if err != nil {
		return err
	}
	d.block(out)
	return nil
}

// block prints output of a tool, indented.
func (d *demo) block(text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		d.print("    %s\n", line)
	}
}
