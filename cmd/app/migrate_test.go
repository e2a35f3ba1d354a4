package main

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// newest is the version of the schema that this build wants.
var newest = postgres.ExpectedShape().Version

func TestMigrateCommand(t *testing.T) {
	t.Parallel()
	fine := fmt.Sprintf("the schema is at version %d and has the shape that this version expects\n", newest)
	env := map[string]string{contract.EnvDatabaseURL: dbtest.Empty(t)}
	l := oneShot(t, env, "migrate", "--verify")
	expect(t, l.messages(), "Schema: the schema is behind: run the migrate command (missing versions [1 2 3")
	if l.SchemaVersion != 0 || l.SchemaWanted != newest {
		t.Errorf("versions %d and %d", l.SchemaVersion, l.SchemaWanted)
	}
	l = oneShot(t, env, "migrate")
	for _, want := range []string{
		fmt.Sprintf("the schema is at version 0, this version needs %d: the migrations come next\n", newest), "applied 00001_customers.sql in ",
		"applied 00002_funnel.sql in ", "applied 00003_rollout.sql in ", fmt.Sprintf("applied %d migrations in ", newest),
		fine,
	} {
		if !strings.Contains(l.text, want) {
			t.Errorf("%q is missing in\n%s", want, l.text)
		}
	}
	if l.SchemaVersion != newest || l.SchemaWanted != newest {
		t.Errorf("versions %d and %d", l.SchemaVersion, l.SchemaWanted)
	}
	if l = oneShot(t, env, "migrate"); l.text != "nothing was left to apply\n"+fine {
		t.Errorf("again: %d %s", l.code, l.text)
	}
	if l = oneShot(t, env, "migrate", "--verify"); l.text != fine {
		t.Errorf("verify: %d %s", l.code, l.text)
	}
}

func TestMigrateLeavesARedactedReport(t *testing.T) {
	t.Parallel()
	env := map[string]string{contract.EnvDatabaseURL: "postgres://hunter2:hunter2@127.0.0.1:1/hunter2"}
	l := oneShot(t, env, "migrate", "--wait", "300ms")
	expect(t, l.messages(), "Database: the database does not answer: the connection is refused: check host and port")
	if l.code != contract.ExitFailed || strings.Contains(l.text, "hunter2") {
		t.Errorf("exit code %d\n%s", l.code, l.text)
	}
	l = oneShot(t, nil, "migrate")
	expect(t, l.messages(), "Configuration: DATABASE_URL is not set")
	if l.code != contract.ExitUsage {
		t.Errorf("exit code %d", l.code)
	}
}

// Steps are told of as they happen: those before a failed one stay applied,
// and are in what was printed.
func TestMigrateTellsOfStepsBeforeAFailedOne(t *testing.T) {
	t.Parallel()
	steps := fstest.MapFS{
		"00001_good.sql": {Data: []byte("-- +goose Up\nCREATE TABLE good (x text PRIMARY KEY);\n")},
		"00002_bad.sql":  {Data: []byte("-- +goose Up\nINSERT INTO good VALUES ('hunter2'), ('hunter2');\n")},
	}
	p := newProgram(t, map[string]string{contract.EnvDatabaseURL: dbtest.Empty(t)})
	r := newReport(contract.CommandMigrate)
	if !p.migrateTo(t.Context(), r, steps, time.Second, false) {
		t.Error("the environment is said to be wrong")
	}
	expect(t, left{Report: r.Report}.messages(),
		"Schema: migration 00002_bad.sql failed: existing rows do not fit the new schema: table good, constraint good_pkey (SQLSTATE 23505)")
	if !strings.Contains(p.out.String(), "applied 00001_good.sql in ") {
		t.Errorf("printed %q", p.out)
	}
}

// Outage of 2025-09-18: the record of migrations was empty while the tables
// were there, without the columns of newer migrations. The app went on and
// failed on every request. Now nothing is changed, and preflight, migrate and
// verify all name table and column.
func TestOutage_UnverifiedMigrations(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	execute(t, url,
		"TRUNCATE goose_db_version",
		"DROP TABLE funnel_metrics",
		"ALTER TABLE funnel_events DROP COLUMN ip_network, DROP COLUMN metadata")
	env := map[string]string{contract.EnvDatabaseURL: url}
	for _, args := range [][]string{{"preflight"}, {"migrate"}, {"migrate", "--verify"}} {
		l := oneShot(t, env, args...)
		expect(t, l.messages(),
			"Schema: the record of migrations (table goose_db_version) is empty, yet there are the tables ",
			"Schema: table funnel_events, column ip_network is missing: ALTER TABLE funnel_events ADD COLUMN ip_network cidr",
			"Schema: table funnel_events, column metadata is missing: ALTER TABLE funnel_events ADD COLUMN metadata jsonb DEFAULT '{}'::jsonb NOT NULL",
		)
		// A Job does not repeat what only a person can put right.
		if want := map[bool]int{true: contract.ExitFailed, false: contract.ExitUsage}[args[0] == "preflight"]; l.code != want {
			t.Errorf("%q: exit code %d, want %d", args, l.code, want)
		}
	}
	// The same with a record that claims everything: the columns are missed.
	execute(t, url, fmt.Sprintf("INSERT INTO goose_db_version (version_id, is_applied) SELECT v, true FROM generate_series(0, %d) v", newest))
	expect(t, oneShot(t, env, "migrate").messages(),
		"Schema: table funnel_events, column ip_network is missing",
		"Schema: table funnel_events, column metadata is missing",
		"Schema: table funnel_metrics is missing",
	)
	// What the messages say is what mends it.
	execute(t, url,
		"ALTER TABLE funnel_events ADD COLUMN ip_network cidr",
		"ALTER TABLE funnel_events ADD COLUMN metadata jsonb DEFAULT '{}'::jsonb NOT NULL")
	expect(t, oneShot(t, env, "migrate", "--verify").messages(), "Schema: table funnel_metrics is missing")
}

func TestMigrateRefusesASchemaThatANewerVersionContracted(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	execute(t, url, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (50, true)",
		"UPDATE schema_compatibility SET min_version = 50")
	env := map[string]string{contract.EnvDatabaseURL: url}
	for _, command := range []string{"preflight", "migrate"} {
		expect(t, oneShot(t, env, command).messages(),
			"Schema: the schema is ahead: it is at version 50 and works with programs built for version 50 or newer; this one was built for ")
	}
	execute(t, url, "UPDATE schema_compatibility SET min_version = 3")
	if l := oneShot(t, env, "migrate"); l.code != 0 || l.SchemaVersion != 50 {
		t.Errorf("a compatible schema: %d %s", l.code, l.text)
	}
}
