package postgres_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
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
func review(t *testing.T, changes ...string) postgres.Review {
	t.Helper()
	b := newBench(t)
	for _, change := range changes {
		b.exec(t, change)
	}
	schema, live, err := b.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return postgres.ReviewSchema(schema, postgres.ExpectedShape(), live, true)
}

func TestEveryDifferenceIsFoundWithItsFix(t *testing.T) {
	t.Parallel()
	var changes, want []string
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
			"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'credit_transactions_customer_id_idx'::regclass",
			"table credit_transactions, index credit_transactions_customer_id_idx is " +
				"INVALID CREATE INDEX credit_transactions_customer_id_idx ON credit_transactions USING btree (customer_id, id): " +
				"DROP INDEX credit_transactions_customer_id_idx; " +
				"CREATE INDEX credit_transactions_customer_id_idx ON credit_transactions USING btree (customer_id, id)",
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
		changes, want = append(changes, strings.Split(tt.change, ";")...), append(want, tt.want)
	}
	got := review(t, changes...)
	slices.Sort(want)
	slices.Sort(got.Problems)
	if diff := cmp.Diff(postgres.Review{Problems: want}, got); diff != "" {
		t.Error(diff)
	}
}

// What a newer program adds does not disturb this one.
func TestExtraPartsAreFine(t *testing.T) {
	t.Parallel()
	got := review(t, "CREATE TABLE more (x int)", "ALTER TABLE customers ADD COLUMN more text", "CREATE INDEX more_idx ON customers (more)")
	if diff := cmp.Diff(postgres.Review{}, got); diff != "" {
		t.Error(diff)
	}
}

// at is what a database at some version says.
func at(version, compatibleFrom int64, missing ...int64) postgres.Schema {
	return postgres.Schema{Version: version, Wanted: newest, CompatibleFrom: compatibleFrom, Missing: missing}
}

func TestReviewByVersion(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		schema          postgres.Schema
		change          func(live postgres.Shape)
		migrated        bool
		problems, notes []string // beginnings
	}{
		"equal": {schema: at(newest, 1), migrated: true},
		"behind, before migrating": {
			schema: at(newest-1, 0, newest),
			change: func(live postgres.Shape) { delete(live.Tables, "schema_compatibility") },
			notes:  []string{fmt.Sprintf("the schema is at version %d, this version needs %d: the migrations come next", newest-1, newest)},
		},
		"behind, after migrating": {
			schema:   at(newest-1, 0, newest),
			migrated: true,
			problems: []string{fmt.Sprintf("the schema is behind: run the migrate command (missing versions [%d])", newest)},
		},
		"nothing there": {
			schema: at(0, 0, allSteps()...),
			change: func(live postgres.Shape) { clear(live.Tables) },
			notes:  []string{fmt.Sprintf("the schema is at version 0, this version needs %d: the migrations come next", newest)},
		},
		"out of order": {
			schema:   at(newest, 1, 2),
			problems: []string{fmt.Sprintf("the migrations [2] were never applied although %d was", newest)},
		},
		"ahead and compatible": {
			schema: at(99, newest),
			change: func(live postgres.Shape) {
				delete(live.Tables["funnel_events"].Indexes, "funnel_events_time_idx")
				live.Tables["customers"].Columns["monthly_limit"] = postgres.Column{Type: "bigint", Default: "DEFAULT 100"}
			},
			migrated: true,
			notes: []string{
				fmt.Sprintf("the schema is ahead, at version 99; it works with versions from %d on, this one was built for %[1]d", newest),
				"a newer version changed it: table customers, column monthly_limit has the type bigint",
				"a newer version changed it: table funnel_events, index funnel_events_time_idx is missing",
			},
		},
		"ahead, and a column is gone all the same": {
			schema:   at(99, newest),
			change:   func(live postgres.Shape) { delete(live.Tables["customers"].Columns, "source") },
			problems: []string{"table customers, column source is missing"},
			notes:    []string{"the schema is ahead"},
		},
		"ahead and incompatible": {
			schema:   at(99, 98),
			problems: []string{fmt.Sprintf("the schema is ahead: it is at version 99 and works with programs built for version 98 or newer; this one was built for %d: run a newer image", newest)},
		},
		"ahead without a word": {
			schema:   at(99, 0),
			problems: []string{fmt.Sprintf("the schema is ahead: it is at version 99, this program was built for %d, and the table schema_compatibility does not say", newest)},
		},
		"an emptied record without tables": {
			schema:   postgres.Schema{Wanted: newest, Missing: allSteps(), RecordEmptied: true},
			change:   func(live postgres.Shape) { clear(live.Tables) },
			problems: []string{"the record of migrations (table goose_db_version) has no row"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live := postgres.ExpectedShape()
			if tt.change != nil {
				tt.change(live)
			}
			got := postgres.ReviewSchema(tt.schema, postgres.ExpectedShape(), live, tt.migrated)
			if !begin(got.Problems, tt.problems) || !begin(got.Notes, tt.notes) {
				t.Errorf("problems %q\nwant     %q\nnotes    %q\nwant     %q", got.Problems, tt.problems, got.Notes, tt.notes)
			}
		})
	}
}

// What a database says of itself, as Inspect reads it.
func TestInspectReadsTheRecord(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, tt := range []struct {
		change string
		want   postgres.Schema
	}{
		{"SELECT", at(newest, 1)},
		{"INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)", at(99, 1)},
		{"UPDATE schema_compatibility SET min_version = 98", at(99, 98)},
		{"DELETE FROM schema_compatibility", at(99, 0)},
		{"DELETE FROM goose_db_version WHERE version_id IN (2, 99)", at(newest, 0, 2)},
		{"DROP TABLE schema_compatibility", at(newest, 0, 2)},
		{"TRUNCATE goose_db_version", postgres.Schema{Wanted: newest, Missing: allSteps(), RecordEmptied: true}},
		{"DROP TABLE goose_db_version", at(0, 0, allSteps()...)},
	} {
		b.exec(t, tt.change)
		got, _, err := b.Inspect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("after %s: %s", tt.change, diff)
		}
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
	b.exec(t, "UPDATE schema_compatibility SET min_version = 98")
	err := b.CheckSchema(t.Context())
	if got := postgres.Redact(err); !strings.HasPrefix(got, "the schema is ahead: it is at version 99 and works with programs built for version 98") {
		t.Errorf("an incompatible one: %v, %q", err, got)
	}
}
