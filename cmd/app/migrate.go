package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// migrate brings the schema up to date. What it says about a failure is safe
// to show to anybody.
func (p *program) migrate(ctx context.Context, args []string) error {
	set := flag.NewFlagSet(contract.CommandMigrate, flag.ContinueOnError)
	wait := set.Duration("wait", 30*time.Second, "how long to wait for a database that does not answer")
	if err := p.parse(set, args); err != nil {
		return err
	}
	err := p.migrateTo(ctx, postgres.Migrations(), *wait)
	if err != nil {
		p.leaveMessage(err.Error())
	}
	return err
}

func (p *program) migrateTo(ctx context.Context, steps fs.FS, wait time.Duration) error {
	url, err := p.databaseURL()
	if err != nil {
		return err
	}
	if err := p.awaitDatabase(ctx, url, wait); err != nil {
		return migrationFailed(err)
	}
	began, count := p.now(), 0
	err = postgres.Migrate(ctx, url, steps, func(m postgres.Migration) {
		count++
		p.printf("applied %s in %v\n", m.Name, m.Duration.Round(time.Millisecond/10))
	})
	if err != nil {
		return migrationFailed(err)
	}
	if count == 0 {
		p.printf("the schema is up to date\n")
		return nil
	}
	p.printf("applied %d migrations in %v\n", count, p.now().Sub(began).Round(time.Millisecond))
	return nil
}

func migrationFailed(err error) error {
	message := "migrate: " + postgres.Redact(err)
	if errors.Is(err, postgres.ErrBadURL) {
		return usagef("%s: %s", message, contract.EnvDatabaseURL+" must be put right")
	}
	return errors.New(message)
}

// awaitDatabase waits while the database does not answer. A refused login ends
// the waiting: it does not pass by itself.
func (p *program) awaitDatabase(ctx context.Context, url string, wait time.Duration) error {
	store, err := postgres.Open(ctx, postgres.Options{URL: url, PoolSize: 1})
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	defer store.Close()
	deadline := p.now().Add(wait)
	pause := 250 * time.Millisecond
	for {
		err := store.Ping(ctx)
		if err == nil || !postgres.Passing(err) || !p.now().Add(pause).Before(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause + rand.N(pause/2)): //nolint:gosec // jitter, not a secret
		}
		pause = min(2*pause, 5*time.Second)
	}
}

// leaveMessage puts a failure where the kubelet looks for it. Outside of a pod
// the file does not exist, and is not made.
func (p *program) leaveMessage(message string) {
	file, err := os.OpenFile(p.terminationLog, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return // not in a pod, or the file is not ours: stderr has the message
	}
	if len(message) > contract.TerminationLogLimit {
		message = message[:contract.TerminationLogLimit]
	}
	_, _ = file.WriteString(message) // stderr has the message
	_ = file.Close()                 // stderr has the message
}
