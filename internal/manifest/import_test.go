package manifest

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestImportedFlagsAreAdmittedAndPublished holds what `app flags import` prints
// to the API server's rules and to the builders: it can be applied as it is.
func TestImportedFlagsAreAdmittedAndPublished(t *testing.T) {
	t.Parallel()
	const app = "apiVersion: rsolv.dev/v1alpha1\nkind: RsolvDeployment\nmetadata: {name: rsolv}\n" +
		"spec: {image: \"registry.example.com/rsolv:v1\", database: {secretRef: {name: db, key: url}}}\n"
	for file, keys := range map[string][]string{
		"funwithflags.yaml": {"advanced_analytics", "api_access", "blog", "core_features", "pipeweed", "team_collaboration"},
		"flagd.yaml":        {"api_access", "blog", "limits", "theme"},
	} {
		raw, err := os.ReadFile("../app/flagimport/testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		set, err := load(t, string(raw), app)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		rendered, err := Render(set, now)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var out bytes.Buffer
		if err := Write(&out, rendered.Objects); err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if !strings.Contains(out.String(), `"`+key+`":{"defaultVariant":`) {
				t.Errorf("%s: %s is not published", file, key)
			}
		}
	}
}
