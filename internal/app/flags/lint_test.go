package flags

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

func TestLint(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		give string
		want Declared
		err  string
	}{
		"a good file": {
			give: string(file(boolean("blog", "enabled"), boolean("api_access", "disabled"))),
			want: Declared{Keys: []string{"api_access", "blog"}},
		},
		"the wrong name of the blog": {
			give: string(file(boolean("rsolv_blog", "enabled"))),
			want: Declared{Keys: []string{"rsolv_blog"}, Findings: []Finding{{"rsolv_blog", `the app knows no flag of this name; did you mean "blog"?`}}},
		},
		"another type": {
			give: string(file(`"blog":{"state":"ENABLED","variants":{"a":"yes"}}`)),
			want: Declared{Keys: []string{"blog"}, Findings: []Finding{{"blog", "the flag is of type String, and the app asks for a Boolean; its default is false"}}},
		},
		"nothing near": {
			give: string(file(boolean("zzzzzzzzzz", "enabled"))),
			want: Declared{Keys: []string{"zzzzzzzzzz"}, Findings: []Finding{{"zzzzzzzzzz", "the app knows no flag of this name; app flags catalog lists those it knows"}}},
		},
		"a bad file": {give: string(file(boolean("blog", "maybe"))), err: `defaultVariant "maybe" is not a variant`},
		"manifests": {
			give: `
apiVersion: rsolv.dev/v1alpha1
kind: FeatureFlag
metadata: {name: metrics-dashbord}
---
# nothing
---
apiVersion: v1
kind: List
items:
- {apiVersion: rsolv.dev/v1alpha1, kind: FeatureFlag, metadata: {name: x}, spec: {key: blog, type: Number}}
- {apiVersion: rsolv.dev/v1alpha1, kind: FeatureFlag, metadata: {name: api-access}, spec: {rules: [{variant: enabled}]}}
- {apiVersion: rsolv.dev/v1alpha1, kind: RsolvDeployment, metadata: {name: rsolv}}
- {apiVersion: other.dev/v1, kind: FeatureFlag, metadata: {name: foreign}}
---
{"apiVersion": "rsolv.dev/v1alpha1", "kind": "FeatureFlag", "metadata": {"name": "blog"}}
`,
			want: Declared{Keys: []string{"metrics_dashbord", "blog", "api_access"}, Findings: []Finding{
				{"metrics_dashbord", `the app knows no flag of this name; did you mean "metrics_dashboard"?`},
				{"blog", "the flag is of type Number, and the app asks for a Boolean; its default is false"},
				{"blog", `the FeatureFlags "x" and "blog" have the same key; remove one`},
			}},
		},
		"one manifest in JSON": {
			give: `{"apiVersion": "rsolv.dev/v1alpha1", "kind": "FeatureFlag", "metadata": {"name": "blog"}}`,
			want: Declared{Keys: []string{"blog"}},
		},
		"neither": {give: "a: [", err: "the file is neither flagd's JSON nor YAML"},
	} {
		got, err := Lint([]byte(test.give))
		if diff := cmp.Diff(test.want, got); diff != "" || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	missing := Missing([]string{"blog", "other"})
	if len(missing) != int(flagCount)-1 || slices.ContainsFunc(missing, func(k Known) bool { return k.Key == "blog" }) {
		t.Errorf("%d missing", len(missing))
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	contexts := []*flagd.Context{{TargetingKey: "a"}, {TargetingKey: "b"}, {TargetingKey: "c", Time: time.Unix(9, 0)}}
	before := file(boolean("blog", "disabled"), boolean("api_access", "disabled"), boolean("gone", "enabled"), boolean("same", "enabled"), boolean("team_size_field", "enabled"))
	after := file(targetedBlog(`{"if":[{"in":[{"var":"targetingKey"},["b","c"]]},"enabled"]}`),
		boolean("api_access", "enabled"), boolean("same", "enabled"), `"new":{"state":"ENABLED","variants":{"long":"`+strings.Repeat("x", 99)+`"},"defaultVariant":"long"}`,
		`"public_site":{"state":"ENABLED","variants":{"no":false},"defaultVariant":"no"}`)
	got, err := Diff(before, after, contexts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Change{
		{Key: "api_access", Before: "false (disabled)", After: "true (enabled)", Contexts: 3},
		{Key: "blog", Before: "false (disabled)", After: "true (enabled)", Contexts: 2},
		{Key: "gone", Before: "true (enabled)", After: "FLAG_NOT_FOUND", Contexts: 3},
		{Key: "new", Before: "FLAG_NOT_FOUND", After: `"` + strings.Repeat("x", 59) + `… (long)`, Contexts: 3},
	}, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range [][2][]byte{{[]byte("{"), after}, {before, []byte("{")}} {
		if _, err := Diff(bad[0], bad[1], contexts); err == nil {
			t.Error("a bad file was compared")
		}
	}
}

func TestViewsAnswerForTheirSubject(t *testing.T) {
	t.Parallel()
	m := &mount{tb: t, dir: t.TempDir()}
	m.publish(file(targetedBlog(`{"if":[{"in":["vip",{"var":"groups"}]},"enabled"]}`), boolean("api_access", "enabled")))
	s, err := Open(m.dir, (&journal{}).logger())
	must(t, err)
	vip := s.For(&flagd.Context{Attributes: map[string]any{"groups": []string{"vip"}}})
	if !vip.Blog() || s.For(nil).Blog() || s.Blog() || !vip.APIAccess() || !s.APIAccess() || !vip.TeamSizeField() {
		t.Error("a view answers for another subject")
	}
}

// byKey are the only files that may evaluate a flag by a key which is no text
// written down: the client's of the protocol, those of an import's proof, and
// this package's own.
var byKey = []string{"../web/ofrep.go", "../flagimport/proof.go", "../flags/store.go", "../flags/diff.go"}

// keysByText finds calls that ask for a flag by a text that is written down, or
// by a variable where none is to.
func keysByText(set *token.FileSet, file *ast.File) (found []string) {
	asking := []string{"Evaluate", "Boolean", "String", "Number", "Object", "Targeted"}
	others := []string{"slog", "stripe"} // packages whose functions are named so too
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 || len(call.Args) > 2 {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		literal, isText := call.Args[0].(*ast.BasicLit)
		text := isText && literal.Kind == token.STRING
		variable := !isText && !slices.Contains(byKey, set.Position(call.Pos()).Filename)
		if ok && (text && slices.Contains(asking, method.Sel.Name) || variable && method.Sel.Name == asking[0]) && !slices.Contains(others, fmt.Sprint(method.X)) {
			found = append(found, set.Position(call.Pos()).String())
		}
		return true
	})
	return found
}

// TestNoFlagIsAskedForByText keeps everybody to the accessors: a misspelt name
// does not compile then.
func TestNoFlagIsAskedForByText(t *testing.T) {
	t.Parallel()
	set := token.NewFileSet()
	planted, err := parser.ParseFile(set, "planted.go", "package p\nfunc f() { store.Evaluate(\"blgo\", nil); store.Evaluate(blgo, nil) }", 0)
	must(t, err)
	if got := keysByText(set, planted); len(got) != 2 {
		t.Fatalf("a planted call was found as %v", got)
	}
	files := 0
	for _, root := range []string{"..", "../../../cmd/app"} {
		must(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			parsed, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				return err
			}
			for _, at := range keysByText(set, parsed) {
				t.Errorf("%s asks for a flag by text; use its accessor on flags.Store or flags.View", at)
			}
			return nil
		}))
	}
	if files < 50 {
		t.Errorf("only %d files were looked at", files)
	}
}
