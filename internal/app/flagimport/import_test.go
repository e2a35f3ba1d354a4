package flagimport

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Run(m)) }

// toggles is a table as the original's migrations and its administrators leave
// it: with NULL, empty and marked targets, and with rows that come twice.
const toggles = `
CREATE TABLE fun_with_flags_toggles (
	id bigserial PRIMARY KEY, flag_name text NOT NULL, gate_type text NOT NULL, target text, enabled boolean NOT NULL
);
CREATE UNIQUE INDEX ON fun_with_flags_toggles (flag_name, gate_type, target);
INSERT INTO fun_with_flags_toggles (flag_name, gate_type, target, enabled) VALUES
	('rsolv_blog', 'boolean', NULL, true),
	('rsolv_blog', 'boolean', NULL, true),
	('core_features', 'boolean', '', true),
	('core_features', 'boolean', '_fwf_none', true),
	('team_collaboration', 'boolean', '_fwf_none', false),
	('team_collaboration', 'actor', 'customer:1', true),
	('team_collaboration', 'actor', 'customer:2', false),
	('team_collaboration', 'group', 'vip', true),
	('team_collaboration', 'group', 'banned', false),
	('api_access', 'actor', 'customer:3', false),
	('api_access', 'percentage', 'actors/0.25', true),
	('pipeweed', 'percentage_of_actors', '0.6', true),
	('advanced_analytics', 'percentage', 'time/0.05', true),
	('early_access_signup', 'boolean', NULL, true),
	('early_access_signup', 'boolean', NULL, false)`

func TestImportFromARealTable(t *testing.T) {
	t.Parallel()
	url := dbtest.Empty(t)
	connection, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close(t.Context()) //nolint:errcheck // the test is over
	if _, err := connection.Exec(t.Context(), toggles); err != nil {
		t.Fatal(err)
	}
	rows, err := ReadToggles(t.Context(), url)
	if err != nil || len(rows) != 15 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	result := FunWithFlags("rsolv", rows, "", []Subject{{Actor: "customer:4", Groups: []string{"vip", "banned"}}, {Actor: "customer:5"}})
	if different := result.Proof.Different(); len(different) != 0 {
		t.Errorf("answers differ: %+v", different)
	}
	wantProblem := []Problem{{"early_access_signup", "the boolean gate has rows that contradict each other, so the original's answer was by chance: delete one, or say which counts by --on-conflict=enabled or disabled"}}
	if diff := cmp.Diff(wantProblem, result.Problems); diff != "" {
		t.Errorf("problems, -want +got:\n%s", diff)
	}
	var text strings.Builder
	if err := result.WriteYAML(&text, "rsolv"); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/funwithflags.yaml", text.String())

	forced := FunWithFlags("rsolv", rows, "enabled", nil)
	if len(forced.Problems) != 0 || len(forced.Flags) != len(result.Flags)+1 {
		t.Errorf("with --on-conflict: %+v", forced.Problems)
	}
	if _, err := ReadToggles(t.Context(), dbtest.Empty(t)); err == nil || !strings.Contains(err.Error(), "fun_with_flags_toggles") {
		t.Errorf("a database without the table: %v", err)
	}
}

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
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
		t.Errorf("%s, -want +got (-update rewrites it):\n%s", path, diff)
	}
}

// TestPercentagesLetInTheSameActors tries every score against awkward ratios.
func TestPercentagesLetInTheSameActors(t *testing.T) {
	t.Parallel()
	ratios := []float64{0.25, 0.6, 0.05, 1e-9, 1.0 / 65536, 0.5 / 65536, 1.0 / 3, 2.0 / 3, 0.123456789, 1 - 1e-9, math.Nextafter(0.5, 0), 0.99999}
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		ratios = append(ratios, random.Float64())
	}
	for _, ratio := range ratios {
		var percent float64
		if _, err := fmt.Sscan(percentOf(ratio), &percent); err != nil || percent <= 0 || percent > 100 {
			t.Fatalf("ratio %v is %q percent: %v", ratio, percentOf(ratio), err)
		}
		here := math.Round(percent*1000) / 1e5 // as rules are compiled
		edge := math.Floor(ratio * 65536)
		for score := max(0, edge-2); score <= min(65535, edge+2); score++ {
			if was, is := score/65536 <= ratio, score/65536 <= here; was != is {
				t.Fatalf("ratio %v as %q percent: score %v/65536 is in: %v, was %v", ratio, percentOf(ratio), score, is, was)
			}
		}
	}
}

func TestOriginalPrecedence(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	g := &gates{name: "f", actors: map[string]bool{}, groups: map[string]bool{}}
	for _, row := range []Toggle{
		{"f", "actor", text("a"), false},
		{"f", "group", text("good"), true},
		{"f", "group", text("bad"), false},
		{"f", "boolean", nil, false},
		{"f", "percentage", text("actors/0.999"), true},
	} {
		g.add(row, "")
	}
	for name, test := range map[string]struct {
		subject Subject
		want    string
	}{
		"an actor counts before groups":       {Subject{Actor: "a", Groups: []string{"good"}}, "false"},
		"a disabled group counts first":       {Subject{Actor: "b", Groups: []string{"good", "bad"}}, "false"},
		"an enabled group":                    {Subject{Actor: "b", Groups: []string{"good"}}, "true"},
		"boolean false goes on to percentage": {Subject{Actor: "b"}, "true"},
		"nobody is in no percentage":          {Subject{}, "false"},
	} {
		if got, known := g.answer(test.subject); got != test.want || !known {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestRowsThatCannotBeUnderstood(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	for want, rows := range map[string][]Toggle{
		`it has a gate of the unknown type "weather"`:   {{"f", "weather", nil, true}},
		`a row of type actor names nobody`:              {{"f", "actor", nil, true}},
		`it has a percentage of "moon/0.5"`:             {{"f", "percentage", text("moon/0.5"), true}},
		`it has a percentage of "actors/7"`:             {{"f", "percentage", text("actors/7"), true}},
		`it has two percentages`:                        {{"f", "percentage", text("actors/0.5"), true}, {"f", "percentage", text("time/0.5"), true}},
		`actor "a" has rows that contradict each other`: {{"f", "actor", text("a"), true}, {"f", "actor", text("a"), false}},
		`"2" makes no key`:                              {{"2", "boolean", nil, true}},
		`is longer than 128 bytes`:                      {{"f", "actor", text(strings.Repeat("x", 129)), true}},
		`its key would be "blog", as that of "Blog"`:    {{"blog", "boolean", nil, true}, {"Blog", "boolean", nil, true}},
	} {
		result := FunWithFlags("rsolv", rows, "", nil)
		if len(result.Problems) != 1 || !strings.Contains(result.Problems[0].What, want) {
			t.Errorf("%+v; want %q", result.Problems, want)
		}
	}
}

func TestManyActorsMakeSeveralRules(t *testing.T) {
	t.Parallel()
	var rows []Toggle
	for i := range 1200 {
		actor := fmt.Sprintf("customer:%d", i)
		rows = append(rows, Toggle{"blog", "actor", &actor, i%3 != 0})
	}
	result := FunWithFlags("rsolv", rows, "", nil)
	if len(result.Problems) != 0 || len(result.Flags[0].Rules) != 3 || len(result.Proof.Different()) != 0 {
		t.Errorf("%d rules, %+v", len(result.Flags[0].Rules), result.Problems)
	}
	if sum := result.Proof.Flags[0]; sum.Actors != 1200 || sum.Same != 1201 {
		t.Errorf("%+v", sum)
	}
}

const flagdFile = `{"$evaluators":{"gold":{"==":[{"var":"plan"},"gold"]}},"flags":{
"rsolv_blog":{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"off","targeting":{"if":[{"in":[{"var":"targetingKey"},["customer:1","on"]]},"on",{"fractional":[["on",25],["off",75]]}]}},
"api-access":{"state":"ENABLED","variants":{"true":true,"false":false},"defaultVariant":"false","targeting":{"$ref":"gold"}},
"limits":{"state":"DISABLED","variants":{"small":{"n":1,"text":"yes"},"large":{"n":10.50}},"defaultVariant":"small"},
"theme":{"state":"ENABLED","variants":{"dark":"dark","no":"light"},"defaultVariant":"no","targeting":{"if":[{"==":[{"var":"$flagd.flagKey"},"theme"]},"dark"]}},
"none":{"state":"ENABLED","variants":{"a":1},"targeting":{"if":[{"var":"x"},"a"]}},
"computed":{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"off","targeting":{"var":"variant"}}
}}`

func TestImportFromFlagd(t *testing.T) {
	t.Parallel()
	result, err := Flagd("rsolv", []byte(flagdFile), []Subject{{Actor: "customer:9", Attributes: map[string]any{"plan": "gold"}}})
	if err != nil {
		t.Fatal(err)
	}
	if different := result.Proof.Different(); len(different) != 0 {
		t.Errorf("answers differ: %+v", different)
	}
	// Buckets are counted by the old key, so nobody changes sides.
	old, err := flagd.Parse([]byte(flagdFile))
	if err != nil {
		t.Fatal(err)
	}
	for i := range result.Flags {
		imported := &result.Flags[i]
		definition, err := imported.Definition()
		if err != nil {
			t.Fatal(err)
		}
		set, err := flagd.Compile([]flagd.Definition{definition})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 500 {
			subject := Subject{Actor: fmt.Sprintf("customer:%d", n)}
			if was, is := here(old, imported.Source, subject), here(set, imported.Key, subject); was != is {
				t.Fatalf("%s for %s: %s, here %s", imported.Source, subject, was, is)
			}
		}
	}
	var text strings.Builder
	if err := result.WriteYAML(&text, "rsolv"); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/flagd.yaml", text.String())
	if _, err := Flagd("rsolv", []byte(`{}`), nil); err == nil {
		t.Error("took a file without flags")
	}
}
