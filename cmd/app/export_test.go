package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

func TestFunnelExport(t *testing.T) {
	t.Parallel()
	env := map[string]string{contract.EnvDatabaseURL: dbtest.URL(t)}
	file := filepath.Join(t.TempDir(), "events.parquet")
	for about, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"csv":           {[]string{"funnel", "export"}, 0, "id,event_type,customer_id"},
		"parquet":       {[]string{"funnel", "export", "--format", "parquet", "--output", file}, 0, "0 events from"},
		"no format":     {[]string{"funnel", "export", "--format", "xlsx"}, 2, `--format is "xlsx": use csv or parquet`},
		"no day":        {[]string{"funnel", "export", "--from", "yesterday"}, 2, `--from is "yesterday": write a day`},
		"the other way": {[]string{"funnel", "export", "--from", "2025-11-04", "--to", "2025-11-03"}, 2, "--to is before --from"},
	} {
		p := newProgram(t, env)
		code := p.run(t.Context(), tt.args)
		if said := p.out.String() + p.errOut.String(); code != tt.code || !strings.Contains(said, tt.want) {
			t.Errorf("%s: %d %s", about, code, said)
		}
	}
	if raw, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(raw), "PAR1") {
		t.Errorf("the file: %v", err)
	}
}

func TestDestinations(t *testing.T) {
	t.Parallel()
	for want, env := range map[string]map[string]string{
		"":                     {},
		"belong together":      {envGA4ID: "G-1"},
		"EXPORT_PLAUSIBLE_URL": {envPlausibleURL: "plausible.io"},
		"EXPORT_GA4_URL":       {envGA4ID: "G-1", envGA4Secret: "s", envGA4URL: "https://x/?api_secret=s"},
	} {
		p := &program{lookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
		if _, err := p.destinations(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", env, err)
		}
	}
	p := &program{lookupEnv: func(name string) (string, bool) {
		return map[string]string{envGA4ID: "G-1", envGA4Secret: "s", envPlausibleURL: "https://plausible.io/api/event"}[name], true
	}}
	if list, err := p.destinations(); err != nil || len(list) != 2 {
		t.Errorf("%d destinations, %v", len(list), err)
	}
}
