package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Outages for tests: one server goes away while all else runs on.

func postgresStopCommand(_ context.Context, c *cluster, _ []string) error {
	return c.outage(c.postgres, "PostgreSQL is stopped")
}

func apiserverStopCommand(_ context.Context, c *cluster, _ []string) error {
	return c.outage(func(tools) component { return c.apiserver() }, "the API server is stopped; the command up starts it again")
}

func postgresStartCommand(ctx context.Context, c *cluster, _ []string) error {
	t, err := c.presentTools()
	if err != nil {
		return err
	}
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := c.ensure(ctx, c.postgres(t)); err != nil {
		return err
	}
	c.out.say("PostgreSQL is ready")
	return nil
}

func (c *cluster) outage(of func(tools) component, said string) error {
	t, err := c.presentTools()
	if err != nil {
		return err
	}
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.stop(of(t)); err != nil {
		return err
	}
	c.out.say("%s", said)
	return nil
}

// presentTools refuses when there is no cluster to act on.
func (c *cluster) presentTools() (tools, error) {
	if err := requireRoot(); err != nil {
		return tools{}, err
	}
	if !c.exists() {
		return tools{}, errors.New("the cluster is not up: run the command up first")
	}
	found, missing := findTools()
	if len(missing) > 0 {
		names, _ := describeMissing(missing)
		return tools{}, fmt.Errorf("missing on this machine: %s: run the command up first", strings.Join(names, ", "))
	}
	return found, nil
}
