package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/flags"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// secretVariables are the secrets that the app reads. Those it can do without
// must still hold something real when they are given.
var secretVariables = []struct {
	name     string
	required bool
}{
	{contract.EnvDatabaseURL, true},
	{"SECRET_KEY_BASE", false},
	{"ENCRYPTION_KEY", false},
	{"STRIPE_API_KEY", false},
	{"STRIPE_WEBHOOK_SECRET", false},
	{"ANTHROPIC_API_KEY", false},
	{"OPENAI_API_KEY", false},
	{"OPENROUTER_API_KEY", false},
	{envProvisioningKey, false},
	{envSMTPPassword, false},
	{"GITHUB_WEBHOOK_SECRET", false},
	{"POSTMARK_API_KEY", false},
	{"KIT_API_KEY", false},
}

// preflight finds everything that would keep this version from serving in this
// environment, and changes nothing.
func (p *program) preflight(ctx context.Context, args []string) error {
	set := flag.NewFlagSet(contract.CommandPreflight, flag.ContinueOnError)
	timeout := set.Duration("timeout", 10*time.Second, "how long to wait for a database that does not answer")
	dir := set.String("flags-dir", p.getenv(contract.EnvFlagsDir), "folder with "+contract.FlagsFile+"; default "+
		contract.EnvFlagsDir+", or "+contract.FlagsDir+" when that exists")
	if err := p.parse(set, args); err != nil {
		return err
	}
	if *timeout <= 0 {
		return usagef("preflight: --timeout is %v: use a positive duration, such as 10s", *timeout)
	}
	r := newReport(contract.CommandPreflight, contract.CheckConfiguration, contract.CheckSecrets,
		contract.CheckDatabase, contract.CheckSchema, contract.CheckFlags)
	p.checkConfiguration(r)
	p.checkSecrets(r)
	p.checkDatabase(ctx, r, *timeout)
	if *dir == "" {
		*dir = mountedFlags()
	}
	checkFlags(r, *dir)
	catalog, err := json.Marshal(flags.PreflightCatalog())
	if err != nil {
		return fmt.Errorf("encoding the flag catalogue: %w", err)
	}
	r.CatalogDigest = contract.FlagsDigest(catalog)
	p.leave(r)
	p.printf("%s%s%s\n", r.table(), contract.CatalogLine, catalog)
	return r.err()
}

// mountedFlags is the usual folder of the flags file, "" when it is not there.
func mountedFlags() string {
	if _, err := os.Stat(contract.FlagsDir); err == nil {
		return contract.FlagsDir
	}
	return ""
}

func (p *program) checkConfiguration(r *report) {
	_, sizeErr := p.poolSize()
	_, proxiesErr := p.trustedProxies()
	_, hostErr := p.publicHost()
	_, originsErr := p.corsOrigins()
	_, visitorsErr := p.visitorMode()
	_, exportsErr := p.destinations()
	_, requestsErr := p.requestsPerMinute()
	_, ingestErr := p.ingestSettings()
	providers, providersErr := p.providers()
	_, billingErr := p.billingSettings()
	_, placeholdersErr := p.placeholders()
	for _, warning := range providers.warnings {
		r.note(contract.CheckConfiguration, warning)
	}
	for _, err := range []error{sizeErr, proxiesErr, hostErr, originsErr, visitorsErr, exportsErr, requestsErr, ingestErr, providersErr, billingErr, placeholdersErr} {
		r.misconfigured(err)
	}
	if problem := p.urlProblem(p.getenv(contract.EnvDatabaseURL)); problem != "" {
		r.problem(contract.CheckConfiguration, contract.EnvDatabaseURL+" "+problem)
	}
}

// urlProblem says what is wrong with the shape of a connection string, without
// quoting any part of it. What is missing altogether is a missing secret.
func (p *program) urlProblem(value string) string {
	switch {
	case p.unfilled(value):
		return ""
	case strings.TrimSpace(value) != value:
		return "has white space around it, often the newline of an echo without -n: store it without"
	}
	if err := postgres.CheckURL(value); err != nil {
		return "is " + err.Error()
	}
	return ""
}

// checkSecrets never prints a value, nor a part of one.
func (p *program) checkSecrets(r *report) {
	for _, variable := range secretVariables {
		value, given := p.lookupEnv(variable.name)
		problem := ""
		switch {
		case !given && !variable.required:
		case !given:
			problem = "is not set: this version cannot do without it"
		case strings.TrimSpace(value) == "":
			problem = "is empty: put the real value in"
			if !variable.required {
				problem += ", or leave the variable out"
			}
		case p.isPlaceholder(variable.name, value) || variable.name == contract.EnvDatabaseURL && p.unfilled(value):
			problem = "is a placeholder: put the real value in"
		case variable.name == contract.EnvDatabaseURL && p.passwordIsPlaceholder(value):
			problem = "has a placeholder for its password: put the real one in"
		}
		if problem != "" {
			r.problem(contract.CheckSecrets, variable.name+" "+problem)
		}
	}
}

func (p *program) passwordIsPlaceholder(connection string) bool {
	parsed, err := url.Parse(connection)
	if err != nil {
		return false // the configuration check says so
	}
	password, set := parsed.User.Password()
	return set && p.isPlaceholder("", password)
}

// checkDatabase asks the database and its schema.
func (p *program) checkDatabase(ctx context.Context, r *report, timeout time.Duration) {
	value := p.getenv(contract.EnvDatabaseURL)
	if p.unfilled(value) || p.urlProblem(value) != "" {
		r.skipped[contract.CheckDatabase] = contract.EnvDatabaseURL + " cannot be used"
		r.skipped[contract.CheckSchema] = "the database was not reached"
		return
	}
	store, err := postgres.Open(ctx, postgres.Options{URL: value, PoolSize: 1})
	if err != nil {
		r.problem(contract.CheckDatabase, postgres.Redact(err))
		return
	}
	defer store.Close()
	if err := p.reach(ctx, store, timeout); err != nil {
		r.problem(contract.CheckDatabase, postgres.Redact(err))
		r.skipped[contract.CheckSchema] = "the database was not reached"
		return
	}
	schema, live, err := store.Inspect(ctx)
	if err != nil {
		r.problem(contract.CheckSchema, postgres.Redact(err))
		return
	}
	r.schema(schema)
	r.review(postgres.ReviewSchema(schema, postgres.ExpectedShape(), live, false))
}

// reach is bounded whatever the database does: it may also take the connection
// and stay silent.
func (p *program) reach(ctx context.Context, store *postgres.Store, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return p.awaitDatabase(ctx, store, timeout)
}

// checkFlags leaves flags that nobody declares to the operator, which compares
// the catalogue with what is published and follows later changes.
func checkFlags(r *report, dir string) {
	if dir == "" {
		r.note(contract.CheckFlags, "no flags file is mounted: every flag has its default")
		return
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		r.problem(contract.CheckConfiguration, fmt.Sprintf("%s is %q, which is no folder here: mount the flags there, "+
			"or correct the path", contract.EnvFlagsDir, dir))
		r.skipped[contract.CheckFlags] = "there is no flags folder"
		return
	}
	problems, notes := flags.CheckFile(dir)
	for _, problem := range problems {
		r.problem(contract.CheckFlags, problem)
	}
	for _, note := range notes {
		r.note(contract.CheckFlags, note)
	}
}
