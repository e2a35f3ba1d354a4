package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// startAll brings the components to work in order; those that do not wait for
// each other start together.
func (c *cluster) startAll(ctx context.Context, t tools, all []component) error {
	byName := map[string]component{}
	for _, comp := range all {
		byName[comp.name] = comp
	}
	if _, err := c.ensureStep(ctx, byName, "containerd", "etcd", "postgres"); err != nil {
		return err
	}
	if err := c.ensureImage(ctx, pauseImage, "pause", pauseSource); err != nil {
		return err
	}
	if err := c.ensureDatabase(ctx, t); err != nil {
		return err
	}
	started, err := c.ensureStep(ctx, byName, "kube-apiserver")
	if err != nil {
		return err
	}
	clients := []string{"kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"}
	if started {
		// Clients that lost the API server come back when their backoff ends,
		// which takes up to a minute; new ones are back at once. Containers
		// run on without a kubelet.
		if err := c.stopStep(byName, clients...); err != nil {
			return err
		}
	}
	if _, err := c.ensureStep(ctx, byName, clients...); err != nil {
		return err
	}
	return c.awaitCluster(ctx, byName["kube-proxy"])
}

// ensureStep brings several components to work at once and says whether any
// had to be started.
func (c *cluster) ensureStep(ctx context.Context, byName map[string]component, names ...string) (started bool, err error) {
	var (
		wait   sync.WaitGroup
		errs   = make([]error, len(names))
		starts = make([]bool, len(names))
	)
	for i, name := range names {
		wait.Go(func() { starts[i], errs[i] = c.ensure(ctx, byName[name]) })
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return false, err
	}
	var fresh []string
	for i, name := range names {
		if starts[i] {
			fresh = append(fresh, name)
		}
	}
	if len(fresh) > 0 {
		c.out.say("started %s", strings.Join(fresh, ", "))
	}
	return len(fresh) > 0, nil
}

func (c *cluster) stopStep(byName map[string]component, names ...string) error {
	var wait sync.WaitGroup
	errs := make([]error, len(names))
	for i, name := range names {
		wait.Go(func() { errs[i] = c.stop(byName[name]) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// ensure brings one component to work: it leaves a healthy one alone, waits
// for one that is starting, restarts one that hangs.
func (c *cluster) ensure(ctx context.Context, comp component) (started bool, err error) {
	if _, ok := c.running(comp.name); ok {
		const hung = 30 * time.Second
		err := c.waitReady(ctx, comp, nil, min(hung, comp.patience))
		if err == nil || ctx.Err() != nil {
			return false, err
		}
		c.out.say("%s hangs: restarting it", comp.name)
		if err := c.stop(comp); err != nil {
			return false, err
		}
	}
	if comp.prepare != nil {
		if err := comp.prepare(); err != nil {
			return false, fmt.Errorf("preparing %s: %w", comp.name, err)
		}
	}
	ended, err := c.start(ctx, comp)
	if err != nil {
		return false, err
	}
	return true, c.waitReady(ctx, comp, ended, comp.patience)
}

// awaitCluster waits for what several components achieve together.
func (c *cluster) awaitCluster(ctx context.Context, proxy component) error {
	if err := waitFor(ctx, "the node is not ready", slow, c.nodeReady); err != nil {
		return err
	}
	// A running kube-proxy does not notice that its rules were emptied; a new
	// one writes them all.
	const unnoticed = 10 * time.Second
	if err := waitFor(ctx, "services cannot be reached", unnoticed, c.serviceAnswers); err != nil {
		if ctx.Err() != nil {
			return err
		}
		c.out.say("%v: restarting %s", err, proxy.name)
		if err := c.stop(proxy); err != nil {
			return err
		}
		if _, err := c.ensure(ctx, proxy); err != nil {
			return err
		}
	}
	if err := waitFor(ctx, "services cannot be reached", slow, c.serviceAnswers); err != nil {
		return err
	}
	if err := waitFor(ctx, "the default service account is missing", slow, c.accountReady); err != nil {
		return err
	}
	c.out.say("node and services are ready")
	return nil
}
