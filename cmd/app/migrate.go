package main

import (
	"context"
	"flag"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// migrate brings the schema up to date and then holds it to what this version
// expects; with --verify it does the latter alone. What it says about a failure
// is safe to show to anybody.
func (p *program) migrate(ctx context.Context, args []string) error {
	set := flag.NewFlagSet(contract.CommandMigrate, flag.ContinueOnError)
	wait := set.Duration("wait", 30*time.Second, "how long to wait for a database that does not answer")
	verify := set.Bool("verify", false, "change nothing: compare the schema with what this version expects")
	if err := p.parse(set, args); err != nil {
		return err
	}
	r := newReport(contract.CommandMigrate)
	again := p.migrateTo(ctx, r, postgres.Migrations(), *wait, *verify)
	p.leave(r)
	if err := r.err(); err != nil && !again {
		return usagef("%v", err)
	}
	return r.err()
}

// migrateTo adds what it finds to the report, and answers whether trying again
// may help when that is not nothing: it does not help a wrong environment, nor a
// schema that somebody must put right by hand.
func (p *program) migrateTo(ctx context.Context, r *report, steps fs.FS, wait time.Duration, verify bool) (again bool) {
	url, err := p.databaseURL()
	if err != nil {
		r.misconfigured(err)
		return false
	}
	store, err := postgres.Open(ctx, postgres.Options{URL: url, PoolSize: 1})
	if err != nil {
		r.problem(contract.CheckConfiguration, contract.EnvDatabaseURL+": "+postgres.Redact(err))
		return false
	}
	defer store.Close()
	if err := p.awaitDatabase(ctx, store, wait); err != nil {
		r.problem(contract.CheckDatabase, postgres.Redact(err))
		return true
	}
	if !verify {
		// A database whose record of steps does not fit what is in it is refused
		// before anything is changed.
		if good, again := p.inspect(ctx, r, store, false); !good {
			return again
		}
		if !p.applySteps(ctx, r, url, steps) {
			return true
		}
	}
	good, again := p.inspect(ctx, r, store, true)
	if good {
		p.printf("the schema is at version %d and has the shape that this version expects\n", r.SchemaVersion)
	}
	return again
}

func (p *program) applySteps(ctx context.Context, r *report, url string, steps fs.FS) bool {
	began, count := p.now(), 0
	err := postgres.Migrate(ctx, url, steps, func(m postgres.Migration) {
		count++
		p.printf("applied %s in %v\n", m.Name, m.Duration.Round(time.Millisecond/10))
	})
	if err != nil {
		r.problem(contract.CheckSchema, postgres.Redact(err))
		return false
	}
	if count == 0 {
		p.printf("nothing was left to apply\n")
		return true
	}
	p.printf("applied %d migrations in %v\n", count, p.now().Sub(began).Round(time.Millisecond))
	return true
}

// inspect adds to the report what is to be said of the schema, and answers
// whether this version can go on with it, and if not, whether it may later.
func (p *program) inspect(ctx context.Context, r *report, store *postgres.Store, migrated bool) (good, again bool) {
	schema, live, err := store.Inspect(ctx)
	if err != nil {
		r.problem(contract.CheckSchema, postgres.Redact(err))
		return false, true
	}
	r.schema(schema)
	review := postgres.ReviewSchema(schema, postgres.ExpectedShape(), live, migrated)
	r.review(review)
	for _, note := range review.Notes {
		p.printf("%s\n", note)
	}
	return len(review.Problems) == 0, false
}

// awaitDatabase waits while the database does not answer. A refused login ends
// the waiting: it does not pass by itself.
func (p *program) awaitDatabase(ctx context.Context, store *postgres.Store, wait time.Duration) error {
	deadline := p.now().Add(wait)
	pause := 250 * time.Millisecond
	var last error
	for {
		err := store.Ping(ctx)
		if err != nil && ctx.Err() != nil && last != nil {
			return last // it says more than that the time was up
		}
		if err == nil || !postgres.Passing(err) || !p.now().Add(pause).Before(deadline) {
			return err
		}
		last = err
		select {
		case <-ctx.Done():
			return last
		case <-time.After(pause + rand.N(pause/2)): //nolint:gosec // jitter, not a secret
		}
		pause = min(2*pause, 5*time.Second)
	}
}
