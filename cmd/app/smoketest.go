package main

import (
	"context"
	"flag"
	"net/url"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/app/smoketest"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// smokeTest walks a customer through the running app.
func (p *program) smokeTest(ctx context.Context, args []string) error {
	set := flag.NewFlagSet(contract.CommandSmokeTest, flag.ContinueOnError)
	timeout := set.Duration("timeout", 45*time.Second, "how long the walk may take; cleaning up comes after it")
	if err := p.parse(set, args); err != nil {
		return err
	}
	if *timeout <= 0 {
		return usagef("smoke-test: --timeout is %v: use a positive duration, such as 45s", *timeout)
	}
	r := newReport(contract.CommandSmokeTest)
	usable := p.walk(ctx, r, *timeout)
	p.leave(r)
	if err := r.err(); err != nil && !usable {
		return usagef("%v", err)
	}
	return r.err()
}

// walk answers false when the environment is wrong.
func (p *program) walk(ctx context.Context, r *report, timeout time.Duration) (usable bool) {
	target, err := p.smokeTestURL()
	r.misconfigured(err)
	store, openErr := p.openStore(ctx)
	r.misconfigured(openErr)
	if openErr != nil {
		return false
	}
	defer store.Close()
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result := smoketest.Run(ctx, smoketest.Options{
		URL: target, Database: store, Now: p.now, Redact: postgres.Redact,
		Done: func(step string, took time.Duration) {
			p.printf("%-12s ok in %v\n", step, took.Round(time.Millisecond))
		},
	})
	r.Problems = append(r.Problems, result.Problems...)
	for _, problem := range result.Problems {
		p.printf("%-12s FAILED\n", problem.Check)
	}
	for _, note := range result.Notes {
		p.printf("note: %s\n", note)
	}
	return true
}

// smokeTestURL never quotes the URL whole: it may hold a password.
func (p *program) smokeTestURL() (*url.URL, error) {
	const shape = "the base URL of the app's Service, such as http://rsolv"
	value := p.getenv(contract.EnvSmokeTestURL)
	if value == "" {
		return nil, usagef("%s is not set: use %s", contract.EnvSmokeTestURL, shape)
	}
	target, err := url.Parse(value)
	if err != nil || target.Scheme != "http" && target.Scheme != "https" || target.Host == "" {
		return nil, usagef("%s is no http or https URL with a host: use %s", contract.EnvSmokeTestURL, shape)
	}
	return target, nil
}
