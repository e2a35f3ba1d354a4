package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
)

func TestFlagsImport(t *testing.T) {
	t.Parallel()
	url := dbtest.Empty(t)
	connection, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close(t.Context()) //nolint:errcheck // the test is over
	if _, err := connection.Exec(t.Context(), `
		CREATE TABLE fun_with_flags_toggles (flag_name text, gate_type text, target text, enabled boolean);
		INSERT INTO fun_with_flags_toggles VALUES ('rsolv_blog', 'boolean', NULL, true), ('api_access', 'actor', 'customer:1', true)`); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	actors := filepath.Join(dir, "actors")
	if err := os.WriteFile(actors, []byte("customer:9 vip\n\ncustomer:10\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "flags.json")
	if err := os.WriteFile(file, []byte(`{"flags":{"a":{"state":"ENABLED","variants":{"x":1},"targeting":{"if":[true,"x"]}}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	proof := filepath.Join(dir, "proof.csv")
	for name, test := range map[string]struct {
		args     []string
		env      map[string]string
		code     int
		out, err string
	}{
		"a database":             {[]string{"--from", "fun-with-flags", "--actors", actors, "--proof", proof, url}, nil, 0, "# rsolv_blog   blog", ""},
		"the database":           {[]string{"--from", "fun-with-flags", "--app", "shop"}, map[string]string{"DATABASE_URL": url}, 0, "deploymentRef: {name: shop}", ""},
		"a file with a problem":  {[]string{"--from", "flagd", file}, nil, 1, "# NOT IMPORTED a: it has no defaultVariant", "flags import: 1 flags are left out"},
		"no database":            {[]string{"--from", "fun-with-flags"}, nil, 2, "", "DATABASE_URL is not set"},
		"a database without any": {[]string{"--from", "fun-with-flags", dbtest.Empty(t)}, nil, 1, "", "fun_with_flags_toggles"},
		"from elsewhere":         {[]string{"--from", "unleash"}, nil, 2, "", `--from is "unleash": use fun-with-flags or flagd`},
		"no file":                {[]string{"--from", "flagd"}, nil, 2, "", "needs a FILE"},
		"a wrong choice":         {[]string{"--from", "flagd", "--on-conflict", "maybe", file}, nil, 2, "", "use enabled or disabled"},
	} {
		p := newProgram(t, test.env)
		code := p.run(t.Context(), append([]string{"flags", "import"}, test.args...))
		if code != test.code || !strings.Contains(p.out.String(), test.out) || !strings.Contains(p.errOut.String(), test.err) {
			t.Errorf("%s: exit code %d\n%s\n%s", name, code, p.out.String(), p.errOut.String())
		}
	}
	raw, err := os.ReadFile(proof)
	if err != nil || !strings.Contains(string(raw), "api_access,api_access,customer:9,vip,false,false,true\n") {
		t.Errorf("the proof: %v\n%s", err, raw)
	}
}
