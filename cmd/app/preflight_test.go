package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

func booleanFlag(key string) string {
	return `"` + key + `":{"state":"ENABLED","variants":{"enabled":true,"disabled":false},"defaultVariant":"disabled"}`
}

// flagsFolder is a folder with a flags file.
func flagsFolder(t *testing.T, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, contract.FlagsFile), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPreflightOfAGoodEnvironment(t *testing.T) {
	t.Parallel()
	l := oneShot(t, map[string]string{
		contract.EnvDatabaseURL: dbtest.URL(t), contract.EnvPoolSize: "10", "STRIPE_API_KEY": "sk_live_51Mabc",
		contract.EnvFlagsDir: flagsFolder(t, `{"flags":{`+booleanFlag("blog_enabled")+`,`+booleanFlag("display_draft_blog_posts")+`}}`),
	}, "preflight")
	expect(t, l.messages())
	if l.SchemaVersion != newest || l.SchemaWanted != newest {
		t.Errorf("versions %d and %d", l.SchemaVersion, l.SchemaWanted)
	}
	table, line, found := strings.Cut(l.text, "\n"+contract.CatalogLine)
	want := `Configuration  ok
Secrets        ok
Database       ok
Schema         ok
Flags          ok  image needs flag "blog"; declared: "blog_enabled"`
	if !found || table != want {
		t.Errorf("printed\n%s\nwant\n%s", table, want)
	}
	line = strings.TrimSuffix(line, "\n")
	var catalog []contract.CatalogFlag
	if err := json.Unmarshal([]byte(line), &catalog); err != nil {
		t.Fatalf("no catalogue: %v: %s", err, line)
	}
	var required []string
	for _, f := range catalog {
		if f.Type != "Boolean" {
			t.Errorf("flag %s is of type %q", f.Key, f.Type)
		}
		if f.Required {
			required = append(required, f.Key)
		}
	}
	if strings.Join(required, " ") != "blog display_draft_blog_posts" || len(catalog) != 22 {
		t.Errorf("%d flags, required %v", len(catalog), required)
	}
	if l.CatalogDigest != contract.FlagsDigest([]byte(line)) {
		t.Errorf("the digest %s is not the catalogue's", l.CatalogDigest)
	}
}

// Everything that is wrong is said at once.
func TestPreflightFindsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	l := oneShot(t, map[string]string{
		contract.EnvDatabaseURL: "postgres://rsolv:changeme@127.0.0.1:1/rsolv", contract.EnvPoolSize: "many",
		contract.EnvTrustedProxies: "10.0.0.0/33", contract.EnvPublicHost: "https://rsolv.dev",
		"STRIPE_API_KEY": "sk_test_xxxx", "ANTHROPIC_API_KEY": "",
		contract.EnvFlagsDir: flagsFolder(t, `{"flags":{"blog":{"state":"ENABLED","variants":{"a":"yes"},"defaultVariant":"a"}}}`),
	}, "preflight", "--timeout", "100ms")
	expect(t, l.messages(),
		`Configuration: POOL_SIZE is "many"`, `Configuration: TRUSTED_PROXIES contains "10.0.0.0/33"`,
		`Configuration: PUBLIC_HOST is "https://rsolv.dev"`,
		"Secrets: DATABASE_URL has a placeholder for its password", "Secrets: STRIPE_API_KEY is a placeholder",
		"Secrets: ANTHROPIC_API_KEY is empty: put the real value in, or leave the variable out",
		"Database: the database does not answer: the connection is refused",
		`Flags: flag "blog" is declared as String, this version needs Boolean`,
	)
	if l.code != contract.ExitFailed || !strings.Contains(l.text, "Schema         skipped  the database was not reached\n") {
		t.Errorf("exit code %d\n%s", l.code, l.text)
	}
}

func TestPreflightSecretsAndConfiguration(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		env  map[string]string
		want []string
	}{
		"nothing given": {nil, []string{"Secrets: DATABASE_URL is not set"}},
		"empty":         {map[string]string{contract.EnvDatabaseURL: " "}, []string{"Secrets: DATABASE_URL is empty"}},
		"placeholder":   {map[string]string{contract.EnvDatabaseURL: "REPLACE_ME"}, []string{"Secrets: DATABASE_URL is a placeholder"}},
		"one of its own": {
			map[string]string{contract.EnvDatabaseURL: "postgres://rsolv:acme@127.0.0.1:1/rsolv", "STRIPE_API_KEY": "none", contract.EnvPlaceholders: `{"words":["acme"],"exempt":["STRIPE_API_KEY"]}`},
			[]string{"Secrets: DATABASE_URL has a placeholder for its password", "Database: "},
		},
		"no list":           {map[string]string{contract.EnvPlaceholders: "changeme"}, []string{"Configuration: RSOLV_PLACEHOLDERS cannot be read: it is no JSON object", "Secrets: DATABASE_URL is not set"}},
		"template":          {map[string]string{contract.EnvDatabaseURL: "postgres://rsolv:${PASSWORD}@db/rsolv"}, []string{"Secrets: DATABASE_URL is a placeholder"}},
		"newline":           {map[string]string{contract.EnvDatabaseURL: "postgres://rsolv:hunter2@127.0.0.1:1/rsolv\n"}, []string{"Configuration: DATABASE_URL has white space around it"}},
		"no URL":            {map[string]string{contract.EnvDatabaseURL: "postgres://rsolv:hunter2%zz@db/rsolv"}, []string{"Configuration: DATABASE_URL is not a Postgres connection string"}},
		"no flags folder":   {map[string]string{contract.EnvDatabaseURL: "todo", contract.EnvFlagsDir: "/nowhere/flags"}, []string{"Secrets: DATABASE_URL", `Configuration: RSOLV_FLAGS_DIR is "/nowhere/flags", which is no folder here`}},
		"no flags file":     {map[string]string{contract.EnvDatabaseURL: "todo", contract.EnvFlagsDir: t.TempDir()}, []string{"Secrets: DATABASE_URL", "Flags: there is no file flags.json in "}},
		"broken flags file": {map[string]string{contract.EnvDatabaseURL: "todo", contract.EnvFlagsDir: flagsFolder(t, `{"flags":`)}, []string{"Secrets: DATABASE_URL", "Flags: the flags file is no valid JSON"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := oneShot(t, tt.env, "preflight")
			expect(t, l.messages(), tt.want...)
			if strings.Contains(l.text, "hunter2") || strings.Contains(l.text, "${PASSWORD}") {
				t.Errorf("a secret is printed:\n%s", l.text)
			}
		})
	}
}

// Each way in which a database is not reached has its own words and fix.
func TestPreflightDatabase(t *testing.T) {
	t.Parallel()
	good, err := url.Parse(dbtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	var config net.ListenConfig
	silent, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	with := func(change func(*url.URL)) string {
		changed := *good
		change(&changed)
		return changed.String()
	}
	for name, tt := range map[string]struct{ url, want string }{
		"refused":       {with(func(u *url.URL) { u.Host = "127.0.0.1:1" }), "the connection is refused: check host and port"},
		"unknown host":  {with(func(u *url.URL) { u.Host = "hunter2.invalid:5432" }), "the host name in the connection string is not known here"},
		"login refused": {with(func(u *url.URL) { u.User = url.UserPassword("rsolv", "hunter2") }), "refuses the login: check user and password"},
		"no database":   {with(func(u *url.URL) { u.Path = "/hunter2" }), "does not exist: create it, or correct the name"},
		"silent":        {with(func(u *url.URL) { u.Host = silent.Addr().String() }), "it took too long: check host and port"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			l := oneShot(t, map[string]string{contract.EnvDatabaseURL: tt.url}, "preflight", "--timeout", "1s")
			expect(t, l.messages(), "Database: ")
			expect(t, l.messages(), tt.want)
			if took := time.Since(began); took > 10*time.Second || strings.Contains(l.text, "hunter2") {
				t.Errorf("after %v:\n%s", took, l.text)
			}
		})
	}
	l := oneShot(t, map[string]string{contract.EnvDatabaseURL: good.String()}, "preflight")
	expect(t, l.messages())
	if !strings.Contains(l.text, fmt.Sprintf("the schema is at version 0, this version needs %d: the migrations come next", newest)) {
		t.Errorf("an empty database:\n%s", l.text)
	}
}
