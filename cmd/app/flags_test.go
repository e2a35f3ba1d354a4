package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rsolv-dev/rsolv-operator/internal/app/flags"
)

func TestFlagsCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	flag := func(key, rest string) string {
		return `{"flags":{"` + key + `":{"state":"ENABLED","variants":{"enabled":true,"disabled":false},` + rest + `}}}`
	}
	off := file("off.json", flag("blog", `"defaultVariant":"disabled"`))
	some := file("some.json", flag("blog", `"defaultVariant":"disabled","targeting":{"if":[{"in":[{"var":"targetingKey"},["customer:42"]]},"enabled"]}`))
	wrong := file("wrong.json", flag("rsolv_blog", `"defaultVariant":"disabled"`))
	broken := file("broken.json", flag("blog", `"defaultVariant":"on"`))
	manifests := file("flags.yaml", "apiVersion: rsolv.dev/v1alpha1\nkind: FeatureFlag\nmetadata: {name: metrics-dashbord}\n")
	contexts := file("contexts.jsonl", "{\"targetingKey\": \"customer:42\"}\n\n{\"targetingKey\": \"customer:1\"}\n")
	none := file("none.jsonl", "\n")
	bad := file("bad.jsonl", "{}\n[1]\n")

	for name, test := range map[string]struct {
		args     []string
		code     int
		out, err string
	}{
		"lint":               {[]string{"lint", off}, 0, "note: api_access is not declared and has its default, false\n", ""},
		"lint, wrong":        {[]string{"lint", off, wrong}, 1, wrong + `: rsolv_blog: the app knows no flag of this name; did you mean "blog"?`, "flags lint: 1 of the declared flags do not fit this app"},
		"lint manifests":     {[]string{"lint", manifests}, 1, `did you mean "metrics_dashboard"?`, "do not fit this app"},
		"lint broken":        {[]string{"lint", broken}, 1, "", broken + `: flag "blog": defaultVariant "on" is not a variant; use one of: disabled, enabled`},
		"lint nothing":       {[]string{"lint"}, 2, "", "usage: app flags lint FILE..."},
		"lint no file":       {[]string{"lint", dir + "/no"}, 2, "", "no such file"},
		"diff":               {[]string{"diff", off, some}, 0, "", ""},
		"diff with contexts": {[]string{"diff", "--contexts", contexts, off, some}, 0, "blog: false (disabled) -> true (enabled) for 1 of 2 contexts (50.0 %)\n", ""},
		"diff, exit code":    {[]string{"diff", "--exit-code", "--contexts", contexts, off, some}, 1, "blog:", "flags diff: 1 flags answer otherwise"},
		"diff one":           {[]string{"diff", off}, 2, "", "usage: app flags diff"},
		"diff broken":        {[]string{"diff", off, broken}, 1, "", `the second file: flag "blog"`},
		"no contexts":        {[]string{"diff", "--contexts", none, off, some}, 2, "", "has no contexts; write one in JSON on each line"},
		"bad contexts":       {[]string{"diff", "--contexts", bad, off, some}, 2, "", "line 2: no JSON object"},
		"no contexts file":   {[]string{"diff", "--contexts", dir + "/no", off, some}, 2, "", "no such file"},
		"unknown":            {[]string{"list"}, 2, "", `unknown command "flags list"`},
		"bad flag":           {[]string{"diff", "--nope"}, 2, "", "see app flags diff -h"},
		"help":               {[]string{"lint", "-h"}, 0, "", "Usage of flags lint"},
		"digest":             {[]string{"catalog", "--digest"}, 0, flags.CatalogueDigest() + "\n", ""},
	} {
		p := newProgram(t, nil)
		code := p.run(t.Context(), append([]string{"flags"}, test.args...))
		if code != test.code || !strings.Contains(p.out.String(), test.out) || !strings.Contains(p.errOut.String(), test.err) || test.out == "" && p.out.String() != "" {
			t.Errorf("%s: exit code %d\n%s%s", name, code, p.out.String(), p.errOut.String())
		}
	}
}

func TestFlagsCatalogue(t *testing.T) {
	t.Parallel()
	p := newProgram(t, nil)
	if code := p.run(t.Context(), []string{"flags", "catalog"}); code != 0 {
		t.Fatal(p.errOut.String())
	}
	var printed struct {
		Digest string
		Flags  map[string]struct {
			FlagType     string
			DefaultValue bool
			Description  string
		}
	}
	if err := json.Unmarshal([]byte(p.out.String()), &printed); err != nil {
		t.Fatal(err)
	}
	if printed.Digest != flags.CatalogueDigest() || len(printed.Flags) != len(flags.Catalogue()) {
		t.Errorf("%d flags, digest %s", len(printed.Flags), printed.Digest)
	}
	for _, known := range flags.Catalogue() {
		if got := printed.Flags[known.Key]; got.FlagType != "boolean" || got.DefaultValue != known.Default || got.Description != known.Description {
			t.Errorf("%s: %+v", known.Key, got)
		}
	}
}
