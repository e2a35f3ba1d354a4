package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/worker"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestMain lets the test binary be a worker of the analysis too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == worker.Command {
		if err := worker.Main(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(dbtest.Run(m))
}

// buffer is an output that goroutines of serve write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

type testProgram struct {
	*program
	out, errOut *buffer
}

func newProgram(t *testing.T, env map[string]string) testProgram {
	t.Helper()
	out, errOut := &buffer{}, &buffer{}
	return testProgram{&program{
		stdout: out, stderr: errOut, now: time.Now,
		lookupEnv: func(name string) (string, bool) {
			value, set := env[name]
			return value, set
		},
		terminationLog: filepath.Join(t.TempDir(), "none"),
	}, out, errOut}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: %s", path, diff)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	db := map[string]string{contract.EnvDatabaseURL: "postgres://u:hunter2@127.0.0.1:1/x"}
	with := func(name, value string) map[string]string {
		env := map[string]string{name: value}
		for k, v := range db {
			if _, set := env[k]; !set {
				env[k] = v
			}
		}
		return env
	}
	for _, tt := range []struct {
		args string
		env  map[string]string
		code int
		want string
	}{
		{"", nil, 0, "usage: app COMMAND"},
		{"help", nil, 0, "usage: app COMMAND"},
		{"version", nil, 0, "dev"},
		{"serf", nil, contract.ExitUsage, `unknown command "serf"`},
		{"funnel", nil, contract.ExitUsage, `unknown command "funnel"`},
		{"serve --nope", db, contract.ExitUsage, "flag provided but not defined: -nope"},
		{"serve extra", db, contract.ExitUsage, `serve takes no argument, got "extra"`},
		{"serve --drain 6s", db, contract.ExitUsage, "--drain is 6s: use 0 to 5s, so that all of the shutdown fits into 60 s"},
		{"serve", nil, contract.ExitUsage, "DATABASE_URL is not set"},
		{"serve", with(contract.EnvDatabaseURL, "hunter2://x:%zz"), contract.ExitUsage, "DATABASE_URL: not a Postgres connection string"},
		{"serve", with(contract.EnvPoolSize, "many"), contract.ExitUsage, `POOL_SIZE is "many"`},
		{"serve", with(contract.EnvRequestsPerMinute, "all"), contract.ExitUsage, `REQUESTS_PER_MINUTE is "all": use a whole number from 1 to 1000000`},
		{"serve", with(contract.EnvTrustedProxies, "10.0.0.0/8,x"), contract.ExitUsage, `TRUSTED_PROXIES contains "x"`},
		{"serve", with(contract.EnvPublicHost, "https://rsolv.dev"), contract.ExitUsage, `PUBLIC_HOST is "https://rsolv.dev"`},
		{"serve", with("CORS_ORIGINS", "app.rsolv.dev"), contract.ExitUsage, `CORS_ORIGINS contains "app.rsolv.dev": use origins`},
		{"serve", with("CREDENTIALS_STATIC", "anthropic,cohere"), contract.ExitUsage, `CREDENTIALS_STATIC contains "cohere": use anthropic, openai, openrouter or ollama`},
		{"serve", with("CREDENTIALS_MINT", "openai"), contract.ExitUsage, `CREDENTIALS_MINT contains "openai": keys can be minted at openrouter only`},
		{"serve", with("STRIPE_PRO_CREDITS", "many"), contract.ExitUsage, `STRIPE_PRO_CREDITS is "many"`},
		{"serve", with("SMTP_HOST", "mail.example"), contract.ExitUsage, "SMTP_HOST is set, and MAIL_FROM is no address"},
		{"serve", with("BLOG_DIR", "/nonexistent"), contract.ExitUsage, `BLOG_DIR is "/nonexistent", which is no folder here`},
		{"billing parked", nil, contract.ExitUsage, "DATABASE_URL is not set"},
		{"serve --public-flags blog,Blog", db, contract.ExitUsage, `--public-flags (PUBLIC_FLAGS): "Blog" is not the key of a flag; write keys like early_access`},
		{"serve --listen nowhere:99999", db, contract.ExitFailed, "--listen"},
		{"migrate", nil, contract.ExitUsage, "DATABASE_URL is not set"},
		{"migrate", with(contract.EnvDatabaseURL, "hunter2"), contract.ExitUsage, "not a Postgres connection string"},
		{"migrate --wait 0s", db, contract.ExitFailed, "does not answer"},
		{"preflight --nope", db, contract.ExitUsage, "flag provided but not defined: -nope"},
		{"preflight --timeout -1s", db, contract.ExitUsage, "--timeout is -1s"},
		{"preflight --timeout 100ms", db, contract.ExitFailed, "the connection is refused"},
		{"smoke-test", db, contract.ExitUsage, "SMOKE_TEST_URL is not set"},
		{"smoke-test --timeout 0s", db, contract.ExitUsage, "--timeout is 0s"},
		{"smoke-test -timeout 1s", with(contract.EnvSmokeTestURL, "ftp://x:hunter2@y"), contract.ExitUsage, "SMOKE_TEST_URL is no http or https URL"},
		{"smoke-test -timeout 2s", map[string]string{contract.EnvSmokeTestURL: "http://127.0.0.1:1"}, contract.ExitUsage, "DATABASE_URL is not set"},
		{"smoke-test -timeout 100ms", with(contract.EnvSmokeTestURL, "http://127.0.0.1:1"), contract.ExitFailed, "the smoke test's token cannot be stored"},
		{"funnel summary --days 0", db, contract.ExitUsage, "--days must be between 1 and 366, got 0"},
		{"funnel summary", db, contract.ExitFailed, "does not answer"},
		{"funnel days --from 4711", db, contract.ExitUsage, `funnel daily: --from is "4711": write a day such as 2025-11-04`},
		{"funnel days --to 2999-01-01", db, contract.ExitUsage, "--to is 2999-01-01, which has not begun: use "},
		{"funnel days --from 2025-11-05 --to 2025-11-04", db, contract.ExitUsage, "--from is after to"},
		{"funnel days --from 2023-11-05 --to 2025-11-04", db, contract.ExitUsage, "--from is more than 366 days before to"},
		{"funnel days", db, contract.ExitFailed, "does not answer"},
		{"funnel", db, contract.ExitUsage, `unknown command "funnel"`},
		{"funnel ordered --window 0", db, contract.ExitUsage, "funnel ordered: --window must be between 1 and 366 days, got 0"},
		{"funnel ordered --start retention", db, contract.ExitUsage, `--start is "retention": a funnel begins with visit, signup, api_key or activation`},
		{"funnel drop-off --limit 501", db, contract.ExitUsage, "--limit must be between 1 and 500, got 501"},
		{"funnel cohorts --tz Mars/Olympus", db, contract.ExitUsage, `--tz is "Mars/Olympus", which is no time zone`},
		{"funnel cohorts --weeks 0", db, contract.ExitUsage, "--weeks must be between 1 and 106, got 0"},
		{"funnel sources --by colour", db, contract.ExitUsage, `--by is "colour": use source, medium or campaign`},
		{"funnel journeys --completed-retention perhaps", db, contract.ExitUsage, `--completed-retention is "perhaps": use true or false`},
		{"funnel timing --json --csv", db, contract.ExitUsage, "--json and --csv exclude each other: use one"},
		{"admin grant", db, contract.ExitUsage, "--email is required"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			p := newProgram(t, tt.env)
			code := p.run(t.Context(), strings.Fields(tt.args))
			text := p.out.String() + p.errOut.String()
			if code != tt.code || !strings.Contains(text, tt.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, tt.code, tt.want, text)
			}
			if strings.Contains(text, "hunter2") {
				t.Errorf("a secret is printed:\n%s", text)
			}
		})
	}
}

func TestFunnelAndAdminCommands(t *testing.T) {
	t.Parallel()
	env := map[string]string{contract.EnvDatabaseURL: dbtest.URL(t)}
	p := newProgram(t, env)
	store, err := p.openStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	now := time.Date(2025, 11, 4, 18, 0, 0, 0, time.UTC)
	fillFunnel(t, store, now)
	run := func(args ...string) (int, string) {
		p := newProgram(t, env)
		p.now = func() time.Time { return now }
		code := p.run(context.WithoutCancel(t.Context()), args)
		return code, p.out.String() + p.errOut.String()
	}
	code, text := run("funnel", "summary")
	if code != 0 {
		t.Fatal(code, text)
	}
	golden(t, "funnel.txt", text)
	if code, text = run("funnel", "summary", "--json", "--days", "7"); code != 0 {
		t.Fatal(code, text)
	}
	golden(t, "funnel.json", text)
	for _, question := range []struct{ args, golden string }{
		{"daily --from 2025-11-02", "funnel-daily.txt"},
		{"days --from 2025-11-03 --to 2025-11-03 --json", "funnel-daily.json"},
		{"summary --csv", "funnel-summary.csv"},
		{"ordered", "funnel-ordered.txt"},
		{"ordered --start signup --window 1 --to 2025-11-04 --json", "funnel-ordered.json"},
		{"timing", "funnel-timing.txt"},
		{"drop-off --after 1", "funnel-drop-off.txt"},
		{"drop-off --after 1 --list --limit 2", "funnel-stalled.txt"},
		{"cohorts --weeks 2 --tz Europe/Berlin", "funnel-cohorts.txt"},
		{"sources --by campaign", "funnel-sources.txt"},
		{"journeys --completed-activation true --completed-retention false --csv", "funnel-journeys.csv"},
		{"journeys --limit 2", "funnel-journeys.txt"},
	} {
		if code, text = run(append([]string{"funnel"}, strings.Fields(question.args)...)...); code != 0 {
			t.Errorf("funnel %s: %d %s", question.args, code, text)
			continue
		}
		golden(t, question.golden, text)
	}
	for _, tt := range []struct {
		args    string
		code    int
		want    string
		signups int64
	}{
		{
			"--email c1@kiln.example", 0, "customer 2 (c1@kiln.example): 1 of 1 active API keys newly have the permission admin\n" +
				"customer 2 is internal: the funnel does not count it (--internal=false does)\n", 4,
		},
		{
			"--email C1@kiln.example --internal=false", 0,
			"customer 2 (C1@kiln.example): 0 of 1 active API keys newly have the permission admin\n" +
				"customer 2 counts in the funnel like any other\n", 5,
		},
		{
			"--email nobody@kiln.example", 1,
			"admin grant: no customer has the address nobody@kiln.example: check its spelling\n", 5,
		},
	} {
		if code, text := run(append([]string{"admin", "grant"}, strings.Fields(tt.args)...)...); code != tt.code || text != tt.want {
			t.Errorf("%s: %d %q", tt.args, code, text)
		}
		summary, err := store.Summary(t.Context(), app.Day(now))
		if err != nil || summary.Counts.Signups != tt.signups {
			t.Errorf("%s: %d signups are counted, want %d (%v)", tt.args, summary.Counts.Signups, tt.signups, err)
		}
	}
}
