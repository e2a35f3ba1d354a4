package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryModuleHasANotice(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run([]string{"github.com/rsolv-dev/rsolv-operator/cmd/app"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"github.com/jackc/pgx/v5 v", "github.com/riverqueue/river v", "Mozilla Public License", "MIT License"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
}

func TestAModuleWithoutLicenceIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "NOTICE"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := read([]module{{Path: "kiln.example/x", Version: "v1.0.0", Dir: dir}})
	if err == nil || !strings.Contains(err.Error(), "kiln.example/x v1.0.0 has no licence file") {
		t.Errorf("%v", err)
	}
}

func TestEqualTextsAreWrittenOnce(t *testing.T) {
	t.Parallel()
	var modules []module
	for _, name := range []string{"a", "b"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "LICENSE.md"), []byte("Do as you like.\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		modules = append(modules, module{Path: name, Version: "v1", Dir: dir})
	}
	notices, err := read(modules)
	if err != nil || len(notices) != 1 || strings.Join(notices[0].modules, ",") != "a v1,b v1" {
		t.Errorf("%+v %v", notices, err)
	}
}
