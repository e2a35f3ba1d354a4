package postgres_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
)

var update = flag.Bool("update", false, "rewrite the snapshot of the schema")

// The embedded snapshot is what the embedded migrations make.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	schema, shape, err := openStore(t, dbtest.URL(t)).Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	shape.Version = schema.Wanted
	if *update {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(shape); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("schema.snapshot.json", text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(postgres.ExpectedShape(), shape, equalEmpty()); diff != "" {
		t.Errorf("the migrations make another schema than the snapshot says; "+
			"run go test ./internal/app/postgres -run TestSnapshot -update\n%s", diff)
	}
}

// equalEmpty takes an empty map, which the snapshot leaves out, for no map.
func equalEmpty() cmp.Option {
	return cmp.Transformer("table", func(table postgres.Table) map[string]any {
		all := map[string]any{}
		for name, column := range table.Columns {
			all["column "+name] = column
		}
		for name, definition := range table.Constraints {
			all["constraint "+name] = definition
		}
		for name, definition := range table.Indexes {
			all["index "+name] = definition
		}
		return all
	})
}

// review changes a migrated database and judges it.
func review(t *testing.T, migrated bool, changes ...string) postgres.Review {
	t.Helper()
	b := newBench(t)
	for _, change := range changes {
		b.exec(t, change)
	}
	schema, live, err := b.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return postgres.ReviewSchema(schema, postgres.ExpectedShape(), live, migrated)
}

func TestEveryDifferenceIsFoundWithItsFix(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ change, want string }{
		{"DROP TABLE funnel_metrics", "table funnel_metrics is missing: create it as the migrations do, or restore it"},
		{
			"ALTER TABLE funnel_events DROP COLUMN ip_network",
			"table funnel_events, column ip_network is missing: ALTER TABLE funnel_events ADD COLUMN ip_network cidr",
		},
		{
			"ALTER TABLE customers ALTER COLUMN source TYPE varchar(20)",
			"table customers, column source has the type character varying(20), not text: ALTER TABLE customers ALTER COLUMN source TYPE text",
		},
		{
			"ALTER TABLE customers ALTER COLUMN subscription_state SET NOT NULL",
			"table customers, column subscription_state refuses NULL: ALTER TABLE customers ALTER COLUMN subscription_state DROP NOT NULL",
		},
		{
			"ALTER TABLE customers ALTER COLUMN name DROP NOT NULL",
			"table customers, column name takes NULL: ALTER TABLE customers ALTER COLUMN name SET NOT NULL",
		},
		{
			"ALTER TABLE customers ALTER COLUMN internal DROP DEFAULT",
			"table customers, column internal lacks DEFAULT false: ALTER TABLE customers ALTER COLUMN internal SET DEFAULT false",
		},
		{
			"ALTER TABLE customers ALTER COLUMN email SET DEFAULT 'x@y'",
			"table customers, column email has a default and is to have none: ALTER TABLE customers ALTER COLUMN email DROP DEFAULT, or DROP IDENTITY",
		},
		{
			"ALTER TABLE customers ALTER COLUMN id DROP IDENTITY",
			"table customers, column id lacks GENERATED ALWAYS AS IDENTITY: ALTER TABLE customers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY",
		},
		{
			"DROP INDEX customers_email_key",
			"table customers, index customers_email_key is missing: CREATE UNIQUE INDEX customers_email_key ON customers USING btree (lower(email))",
		},
		{
			"DROP INDEX api_keys_customer_id_idx; CREATE INDEX api_keys_customer_id_idx ON api_keys (name)",
			"table api_keys, index api_keys_customer_id_idx is CREATE INDEX api_keys_customer_id_idx ON api_keys USING btree (name): " +
				"DROP INDEX api_keys_customer_id_idx; CREATE INDEX api_keys_customer_id_idx ON api_keys USING btree (customer_id)",
		},
		{
			"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'api_keys_customer_id_idx'::regclass",
			"table api_keys, index api_keys_customer_id_idx is INVALID CREATE INDEX api_keys_customer_id_idx ON api_keys USING btree (customer_id): " +
				"DROP INDEX api_keys_customer_id_idx; CREATE INDEX api_keys_customer_id_idx ON api_keys USING btree (customer_id)",
		},
		{
			"ALTER TABLE api_keys DROP CONSTRAINT api_keys_customer_id_fkey",
			"table api_keys, constraint api_keys_customer_id_fkey is missing: ALTER TABLE api_keys ADD CONSTRAINT api_keys_customer_id_fkey " +
				"FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE CASCADE",
		},
		{
			"ALTER TABLE customers DROP CONSTRAINT customers_monthly_limit_check, ADD CONSTRAINT customers_monthly_limit_check CHECK (monthly_limit > 7)",
			"table customers, constraint customers_monthly_limit_check is CHECK (monthly_limit > 7): " +
				"ALTER TABLE customers DROP CONSTRAINT customers_monthly_limit_check; " +
				"ALTER TABLE customers ADD CONSTRAINT customers_monthly_limit_check CHECK (monthly_limit >= 0)",
		},
	} {
		t.Run(tt.change, func(t *testing.T) {
			t.Parallel()
			got := review(t, true, strings.Split(tt.change, ";")...)
			if diff := cmp.Diff(postgres.Review{Problems: []string{tt.want}}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What a newer program adds does not disturb this one.
func TestExtraPartsAreFine(t *testing.T) {
	t.Parallel()
	got := review(t, true, "CREATE TABLE more (x int)", "ALTER TABLE customers ADD COLUMN more text", "CREATE INDEX more_idx ON customers (more)")
	if diff := cmp.Diff(postgres.Review{}, got); diff != "" {
		t.Error(diff)
	}
}

func TestReviewByVersion(t *testing.T) {
	t.Parallel()
	const ahead = "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)"
	for name, tt := range map[string]struct {
		changes         []string
		migrated        bool
		problems, notes []string // beginnings
	}{
		"equal": {migrated: true},
		"behind, before migrating": {
			changes: []string{"DELETE FROM goose_db_version WHERE version_id = 3", "DROP TABLE schema_compatibility", "DROP TABLE smoke_test_tokens"},
			notes:   []string{"the schema is at version 2, this version needs 3: the migrations come next"},
		},
		"behind, after migrating": {
			changes:  []string{"DELETE FROM goose_db_version WHERE version_id = 3"},
			migrated: true,
			problems: []string{"the schema is behind: run the migrate command (missing versions [3])"},
		},
		"out of order": {
			changes:  []string{"DELETE FROM goose_db_version WHERE version_id = 2"},
			problems: []string{"the migrations [2] were never applied although 3 was"},
		},
		"ahead and compatible": {
			changes:  []string{ahead, "DROP INDEX funnel_events_type_time_idx", "ALTER TABLE customers ALTER COLUMN monthly_limit TYPE bigint"},
			migrated: true,
			notes: []string{
				"the schema is ahead, at version 99; it works with versions from 1 on, this one was built for 3",
				"a newer version changed it: table customers, column monthly_limit has the type bigint",
				"a newer version changed it: table funnel_events, index funnel_events_type_time_idx is missing",
			},
		},
		"ahead, and a column is gone all the same": {
			changes:  []string{ahead, "ALTER TABLE customers DROP COLUMN source"},
			problems: []string{"table customers, column source is missing"},
			notes:    []string{"the schema is ahead"},
		},
		"ahead and incompatible": {
			changes:  []string{ahead, "UPDATE schema_compatibility SET min_version = 98"},
			problems: []string{"the schema is ahead: it is at version 99 and works with programs built for version 98 or newer; this one was built for 3: run a newer image"},
		},
		"ahead without a word": {
			changes:  []string{ahead, "DELETE FROM schema_compatibility"},
			problems: []string{"the schema is ahead: it is at version 99, this program was built for 3, and the table schema_compatibility does not say"},
		},
		"an emptied record without tables": {
			changes:  []string{"DELETE FROM goose_db_version", "DROP TABLE customers, api_keys, credit_transactions, funnel_events, customer_journeys, funnel_milestones, funnel_metrics, schema_compatibility, smoke_test_tokens"},
			problems: []string{"the record of migrations (table goose_db_version) has no row"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := review(t, tt.migrated, tt.changes...)
			if !begin(got.Problems, tt.problems) || !begin(got.Notes, tt.notes) {
				t.Errorf("problems %q\nwant     %q\nnotes    %q\nwant     %q", got.Problems, tt.problems, got.Notes, tt.notes)
			}
		})
	}
}

func begin(got, want []string) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if !strings.HasPrefix(got[i], want[i]) {
			return false
		}
	}
	return true
}

// A pod of an old version that starts on a schema it cannot work with stays
// unready.
func TestCheckSchemaAhead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.exec(t, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)")
	if err := b.CheckSchema(t.Context()); err != nil {
		t.Errorf("a compatible schema that is ahead: %v", err)
	}
	b.exec(t, "UPDATE schema_compatibility SET min_version = 4")
	err := b.CheckSchema(t.Context())
	if got := postgres.Redact(err); !strings.HasPrefix(got, "the schema is ahead: it is at version 99 and works with programs built for version 4") {
		t.Errorf("an incompatible one: %v, %q", err, got)
	}
}
