package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGeneratedIsUpToDate fails when catalogue.json changed without
// go generate.
func TestGeneratedIsUpToDate(t *testing.T) {
	t.Parallel()
	manifest, err := os.ReadFile("../catalogue.json")
	if err != nil {
		t.Fatal(err)
	}
	want, err := generate(manifest)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../catalogue_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run go generate ./internal/app/flags; -want +got:\n%s", diff)
	}
}

func TestManifestsThatAreRefused(t *testing.T) {
	t.Parallel()
	const good = `{"flagType":"boolean","defaultValue":true,"description":"Does it."}`
	for manifest, want := range map[string]string{
		``:                                   "reading the manifest",
		`{}`:                                 `the manifest has no "flags"`,
		`{"flags":{}}`:                       "the manifest has no flags",
		`{"flags":{"a":1}}`:                  `flag "a"`,
		`{"flags":{"Blog":` + good + `}}`:    `flag "Blog": the key is not lower_snake_case`,
		`{"flags":{"rsolv_a":` + good + `}}`: `begins with the reserved prefix "rsolv_"`,
		`{"flags":{"a_b":` + good + `,"a_b":` + good + `}}`:                                  `flag "a_b": flag "a_b" is called AB in Go too`,
		`{"flags":{"a":{"flagType":"string","defaultValue":"x","description":"Does it."}}}`:  `flagType is "string"; the app's flags are boolean`,
		`{"flags":{"a":{"flagType":"boolean","defaultValue":1,"description":"Does it."}}}`:   `defaultValue is 1; write true or false`,
		`{"flags":{"a":{"flagType":"boolean","defaultValue":true,"description":"Does it"}}}`: `not a sentence`,
	} {
		if _, err := generate([]byte(manifest)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", manifest, err, want)
		}
	}
}

func TestGoNames(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{"a_b_testing": "ABTesting", "interactive_roi_calculator": "InteractiveROICalculator", "api_access": "APIAccess", "blog": "Blog", "v2_blog": "V2Blog"} {
		if got := goName(key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}
