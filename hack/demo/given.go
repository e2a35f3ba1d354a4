package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

// demoLabel marks what the demo made in a cluster that is not its own.
const demoLabel = "rsolv.dev/demo"

// guarded are the objects that a real install has under the same names.
var guarded = []string{"rd/" + app, "secret/rsolv-db", "secret/rsolv-stripe"}

// checkGiven refuses a cluster in which the demo would overwrite an install.
func (d *demo) checkGiven(ctx context.Context) error {
	for _, object := range guarded {
		out, err := d.cluster.Kubectl(ctx, nil, "-n", harness.Namespace, "get", object, "--ignore-not-found",
			"-o", `jsonpath={.metadata.name}={.metadata.labels.rsolv\.dev/demo}`)
		var failed *harness.KubectlError
		if errors.As(err, &failed) && strings.Contains(failed.Stderr, "the server doesn't have a resource type") {
			continue // the CRDs are not there yet, so neither is an install
		}
		if err != nil {
			return err
		}
		if out != "" && !strings.HasSuffix(out, "=true") {
			return fmt.Errorf("%s exists in namespace %s and is not the demo's: the demo would overwrite it; use another cluster", object, harness.Namespace)
		}
	}
	return nil
}

// markGiven labels what checkGiven looks at.
func (d *demo) markGiven(ctx context.Context) error {
	_, err := d.cluster.Kubectl(ctx, nil, append([]string{"-n", harness.Namespace, "label", "--overwrite", demoLabel + "=true"}, guarded...)...)
	return err
}

// leaveGiven removes from a given cluster what the demo made: its objects, the
// manager and its rights. Namespace and CRDs stay.
func (d *demo) leaveGiven(ctx context.Context) error {
	d.cluster = harness.Existing(".", os.Getenv("KUBECONFIG"))
	if err := d.cluster.PrepareKubectl(ctx, d.out); err != nil {
		return err
	}
	if err := d.checkGiven(ctx); err != nil {
		return err
	}
	if _, err := d.cluster.Kubectl(ctx, nil, "-n", harness.Namespace, "delete", "--ignore-not-found",
		"rd/"+app, "ff/blog", "ff/display-draft-blog-posts", "ab/"+baseline, "secret/rsolv-db", "secret/rsolv-stripe"); err != nil {
		return err
	}
	return d.cluster.Tool(ctx, d.out, "make", "--no-print-directory", "undeploy")
}
