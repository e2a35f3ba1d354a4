package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

// flipFlag turns the blog on while the app runs, and off again.
func (d *demo) flipFlag(ctx context.Context) error {
	base, stop, err := d.cluster.Forward(ctx, "svc/"+app, 80)
	if err != nil {
		return err
	}
	d.base, d.closers = base, append(d.closers, stop)
	if err := d.awaitBlog(ctx, http.StatusNotFound); err != nil {
		return err
	}
	d.say("GET /blog → 404, the flag is disabled")
	for _, flip := range []struct {
		variant string
		status  int
	}{{"enabled", http.StatusOK}, {"disabled", http.StatusNotFound}, {"enabled", http.StatusOK}} {
		patch := fmt.Sprintf(`{"spec":{"defaultVariant":%q}}`, flip.variant)
		d.ran("kubectl patch ff blog --type=merge -p '" + patch + "'")
		began := d.now()
		if _, err := d.cluster.Kubectl(ctx, nil, "-n", harness.Namespace, "patch", "ff", "blog", "--type=merge", "-p", patch); err != nil {
			return err
		}
		if err := d.awaitBlog(ctx, flip.status); err != nil {
			return err
		}
		d.say(fmt.Sprintf("GET /blog → %d, %s after the patch; no pod restarted", flip.status, seconds(d.now().Sub(began))))
	}
	return d.noRestarts(ctx)
}

func (d *demo) awaitBlog(ctx context.Context, want int) error {
	const limit = 15 * time.Second
	deadline := d.now().Add(limit)
	for {
		got, err := d.status(ctx, "/blog")
		if err == nil && got == want {
			return nil
		}
		if d.now().After(deadline) {
			return fmt.Errorf("GET /blog answers %d (error: %w), want %d within %s", got, errOrNone(err), want, limit)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (d *demo) noRestarts(ctx context.Context) error {
	out, err := d.cluster.Kubectl(ctx, nil, "-n", harness.Namespace, "get", "pods",
		"-l", "app.kubernetes.io/component=server,rsolv.dev/deployment="+app,
		"-o", `jsonpath={range .items[*]}{.status.containerStatuses[0].restartCount}{"\n"}{end}`)
	if err != nil {
		return err
	}
	for _, r := range out {
		if r != '0' && r != '\n' {
			return fmt.Errorf("pods restarted; restart counts: %q", out)
		}
	}
	return nil
}
