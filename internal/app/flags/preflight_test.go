package flags

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

var capital = regexp.MustCompile(`(.)([A-Z])`)

// A flag that the code asks for is required, and no other.
func TestRequiredFlagsAreThoseAskedFor(t *testing.T) {
	t.Parallel()
	var asked, listed []string
	for method := range reflect.TypeFor[app.Flags]().Methods() {
		asked = append(asked, strings.ToLower(capital.ReplaceAllString(method.Name, "${1}_${2}")))
	}
	for _, f := range PreflightCatalog() {
		if f.Required {
			listed = append(listed, f.Key)
		}
	}
	slices.Sort(asked)
	slices.Sort(listed)
	if diff := cmp.Diff(asked, listed); diff != "" || len(asked) == 0 {
		t.Error(diff)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		key      string
		declared []string
		want     string
	}{
		{"blog", []string{"ab", "blog_enabled", "public_site"}, "blog_enabled"},
		{"blog", []string{"rsolv_blog"}, "rsolv_blog"},
		{"blog", []string{"bolg"}, "bolg"},
		{"blog", []string{"blogger_pages", "blogs"}, "blogs"},
		{"display_draft_blog_posts", []string{"display_drafts_blog_post", "enabled"}, "display_drafts_blog_post"},
		{"early_access_signup", []string{"early_access"}, "early_access"},
		{"display_draft_blog_posts", []string{"display_drafts_blog_post"}, "display_drafts_blog_post"},
		{"blog", []string{"public_site", "core_features"}, ""},
		{"blog", nil, ""},
	} {
		if got := nearestDeclared(tt.key, tt.declared); got != tt.want {
			t.Errorf("nearestDeclared(%q, %q) = %q, want %q", tt.key, tt.declared, got, tt.want)
		}
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"same", "same", 0}} {
		if got := edits(tt.a, tt.b); got != tt.want {
			t.Errorf("edits(%q, %q) = %d", tt.a, tt.b, got)
		}
	}
}

func TestCheckFile(t *testing.T) {
	t.Parallel()
	text := `:{"state":"ENABLED","variants":{"a":"yes"},"defaultVariant":"a"}`
	for name, tt := range map[string]struct {
		file            []byte
		problems, notes []string
	}{
		"all is there": {file: file(boolean("blog", "enabled"), boolean("display_draft_blog_posts", "enabled"))},
		// A known flag is no misspelling of another.
		"one is missing": {
			file:  file(boolean("blog", "enabled")),
			notes: []string{`image needs flag "display_draft_blog_posts", and nothing like it is declared`},
		},
		"one has another name": {
			file:  file(boolean("blog_enabled", "enabled"), boolean("display_draft_blog_posts", "enabled")),
			notes: []string{`image needs flag "blog"; declared: "blog_enabled"`},
		},
		"wrong types": {
			file:     file(`"blog"`+text, `"ab_test"`+text, `"public_site"`+text, boolean("display_draft_blog_posts", "enabled")),
			problems: []string{`flag "blog" is declared as String, this version needs Boolean: declare it anew with that type`},
			notes:    []string{`flag "public_site" is declared as String, this version needs Boolean: declare it anew with that type`},
		},
		"not to be read": {file: []byte("{}"), problems: []string{`the flags file has no "flags"`}},
		"not there":      {problems: []string{"there is no file flags.json in DIR: mount the flags that the operator publishes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if tt.file != nil {
				must(t, os.WriteFile(filepath.Join(dir, contract.FlagsFile), tt.file, 0o600))
			}
			problems, notes := CheckFile(dir)
			for i := range problems {
				problems[i] = strings.ReplaceAll(problems[i], dir, "DIR")
			}
			if diff := cmp.Diff(tt.problems, problems); diff != "" {
				t.Error("problems", diff)
			}
			if diff := cmp.Diff(tt.notes, notes); diff != "" {
				t.Error("notes", diff)
			}
		})
	}
}
