package flags

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func app(prefixes ...string) *v1alpha1.RsolvDeployment {
	a := &v1alpha1.RsolvDeployment{ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "prod", UID: "u-1"}}
	if len(prefixes) > 0 {
		a.Spec.Flags = &v1alpha1.FlagsPolicy{ReservedPrefixes: prefixes}
	}
	return a
}

// boolean makes a flag that was created minute minutes into the day.
func boolean(name string, minute int, change ...func(*v1alpha1.FeatureFlag)) *v1alpha1.FeatureFlag {
	f := &v1alpha1.FeatureFlag{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "prod",
			CreationTimestamp: metav1.NewTime(time.Date(2025, 11, 4, 0, minute, 0, 0, time.UTC)),
		},
		Spec: v1alpha1.FeatureFlagSpec{
			DeploymentRef:  v1alpha1.DeploymentReference{Name: "shop"},
			Type:           v1alpha1.FlagBoolean,
			DefaultVariant: v1alpha1.VariantDisabled,
		},
	}
	for _, apply := range change {
		apply(f)
	}
	return f
}

func key(k string) func(*v1alpha1.FeatureFlag) {
	return func(f *v1alpha1.FeatureFlag) { f.Spec.Key = k }
}

func byDefault(variant string) func(*v1alpha1.FeatureFlag) {
	return func(f *v1alpha1.FeatureFlag) { f.Spec.DefaultVariant = variant }
}

// typed sets the type and variants, given as name and JSON in turn; the first
// is the default.
func typed(t v1alpha1.FlagType, pairs ...string) func(*v1alpha1.FeatureFlag) {
	return func(f *v1alpha1.FeatureFlag) {
		f.Spec.Type, f.Spec.DefaultVariant, f.Spec.Variants = t, pairs[0], nil
		for i := 0; i < len(pairs); i += 2 {
			f.Spec.Variants = append(f.Spec.Variants, v1alpha1.Variant{Name: pairs[i], Value: apiextensionsv1.JSON{Raw: []byte(pairs[i+1])}})
		}
	}
}

var broken = typed(v1alpha1.FlagBoolean, "enabled", `"yes"`, "disabled", "false")

// outcome is what a test compares of a verdict.
type outcome struct {
	Key, Reason, Message, Default string
	TooLarge                      bool
}

func outcomes(plan Plan) map[string]outcome {
	got := map[string]outcome{}
	for _, v := range plan.Verdicts {
		got[v.Flag.Name] = outcome{v.Key, v.Reason, v.Message, v.Default, v.TooLarge}
	}
	return got
}

func keys(tb testing.TB, plan Plan) []string {
	tb.Helper()
	set, err := flagd.Parse(plan.File)
	if err != nil {
		tb.Fatalf("the app could not read the file: %v\n%s", err, plan.File)
	}
	return set.Keys()
}

func TestConfigMap(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]*v1alpha1.FeatureFlag{
		"none": nil,
		"all-types": {
			boolean("blog", 1),
			boolean("launch-banner", 2, typed(v1alpha1.FlagString, "plain", `"We are <b>live</b>"`, "none", `""`)),
			boolean("batch", 3, key("batch_size"), typed(v1alpha1.FlagNumber, "small", "10", "large", "2.50")),
			boolean("limits", 4, typed(v1alpha1.FlagObject, "free", `{"scans": 5, "fixes": {"month": 1}}`)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := Make(Input{App: app(), Flags: flags})
			got, err := yaml.Marshal(plan.ConfigMap.Object)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if len(keys(t, plan)) != len(flags) {
				t.Errorf("the file has flags %v", keys(t, plan))
			}
			if plan.Digest != contract.FlagsDigest(plan.File) {
				t.Errorf("digest %s", plan.Digest)
			}
			slices.Reverse(flags)
			if again := Make(Input{App: app(), Flags: flags, Published: plan.File}); string(again.File) != string(plan.File) {
				t.Errorf("the order of the flags shows:\n%s", again.File)
			}
		})
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	blogOn := Make(Input{App: app(), Flags: []*v1alpha1.FeatureFlag{boolean("blog", 1, byDefault("enabled"))}}).File
	deleted := func(f *v1alpha1.FeatureFlag) { f.DeletionTimestamp = &metav1.Time{Time: time.Unix(0, 0)} }
	const immutable = " (keys are immutable: make a new FeatureFlag and delete this one)"
	const notBoolean = `spec.variants[enabled].value is a text ("yes") in a flag of type Boolean; write true or false, without quotes`
	for name, test := range map[string]struct {
		app       *v1alpha1.RsolvDeployment
		flags     []*v1alpha1.FeatureFlag
		published []byte
		want      map[string]outcome
		keys      []string
	}{
		"the name makes the key": {
			flags: []*v1alpha1.FeatureFlag{boolean("display-draft-blog-posts", 1), boolean("x", 1, key("team_size"), byDefault("enabled"))},
			want: map[string]outcome{
				"display-draft-blog-posts": {Key: "display_draft_blog_posts", Default: "disabled"},
				"x":                        {Key: "team_size", Default: "enabled"},
			},
			keys: []string{"display_draft_blog_posts", "team_size"},
		},
		"the older keeps the key": {
			flags: []*v1alpha1.FeatureFlag{boolean("a-blog", 2, key("blog"), byDefault("enabled")), boolean("blog", 1)},
			want: map[string]outcome{
				"blog":   {Key: "blog", Default: "disabled"},
				"a-blog": {Key: "blog", Reason: "DuplicateKey", Message: `key "blog" belongs to the older FeatureFlag "blog"; delete one of the two`},
			},
			keys: []string{"blog"},
		},
		"of equally old ones the first by name": {
			flags: []*v1alpha1.FeatureFlag{boolean("blog", 1), boolean("a-blog", 1, key("blog"))},
			want: map[string]outcome{
				"a-blog": {Key: "blog", Default: "disabled"},
				"blog":   {Key: "blog", Reason: "DuplicateKey", Message: `key "blog" belongs to the older FeatureFlag "a-blog"; delete one of the two`},
			},
			keys: []string{"blog"},
		},
		"of equally old ones the published": {
			flags:     []*v1alpha1.FeatureFlag{boolean("blog", 1), boolean("a-blog", 1, key("blog"))},
			published: blogOn,
			want: map[string]outcome{
				"blog":   {Key: "blog", Default: "disabled"},
				"a-blog": {Key: "blog", Reason: "DuplicateKey", Message: `key "blog" belongs to the older FeatureFlag "blog"; delete one of the two`},
			},
			keys: []string{"blog"},
		},
		"a deleted one gives way at once": {
			flags: []*v1alpha1.FeatureFlag{boolean("blog", 1, deleted), boolean("a-blog", 2, key("blog"))},
			want:  map[string]outcome{"a-blog": {Key: "blog", Default: "disabled"}},
			keys:  []string{"blog"},
		},
		"reserved prefixes": {
			app: app("prod_"),
			flags: []*v1alpha1.FeatureFlag{
				boolean("shop-blog", 1), boolean("a", 1, key("rsolv_blog")), boolean("b", 1, key("prod_blog")), boolean("blog", 1),
			},
			want: map[string]outcome{
				"shop-blog": {Key: "shop_blog", Reason: "ReservedPrefix", Message: `key "shop_blog" begins with the app name; use "blog"` + immutable},
				"a":         {Key: "rsolv_blog", Reason: "ReservedPrefix", Message: `key "rsolv_blog" begins with the reserved prefix "rsolv_"; use "blog"` + immutable},
				"b":         {Key: "prod_blog", Reason: "ReservedPrefix", Message: `key "prod_blog" begins with the reserved prefix "prod_"; use "blog"` + immutable},
				"blog":      {Key: "blog", Default: "disabled"},
			},
			keys: []string{"blog"},
		},
		"a prefix reserved later withdraws nothing": {
			app: app("bl"), flags: []*v1alpha1.FeatureFlag{boolean("blog", 1, byDefault("enabled"))}, published: blogOn,
			want: map[string]outcome{"blog": {Key: "blog", Default: "enabled", Reason: "ReservedPrefix", Message: `key "blog" begins with the reserved prefix "bl"; use "og"` + immutable}},
			keys: []string{"blog"},
		},
		"a bad definition keeps the last good one": {
			flags: []*v1alpha1.FeatureFlag{boolean("blog", 1, broken, byDefault("disabled")), boolean("new", 1)}, published: blogOn,
			want: map[string]outcome{
				"blog": {Key: "blog", Default: "enabled", Reason: "InvalidDefinition", Message: notBoolean},
				"new":  {Key: "new", Default: "disabled"},
			},
			keys: []string{"blog", "new"},
		},
		"a bad definition without a last good one stays out": {
			flags: []*v1alpha1.FeatureFlag{boolean("blog", 1, broken), boolean("new", 1)}, published: []byte("no flags"),
			want: map[string]outcome{
				"blog": {Key: "blog", Reason: "InvalidDefinition", Message: notBoolean},
				"new":  {Key: "new", Default: "disabled"},
			},
			keys: []string{"new"},
		},
		"another object's definition is no last good one": {
			flags: []*v1alpha1.FeatureFlag{boolean("other", 1, key("blog"), broken)}, published: blogOn,
			want: map[string]outcome{"other": {Key: "blog", Reason: "InvalidDefinition", Message: notBoolean}},
			keys: []string{},
		},
		"nor is one of another type": {
			flags: []*v1alpha1.FeatureFlag{boolean("blog", 1, typed(v1alpha1.FlagString, "a", "1"))}, published: blogOn,
			want: map[string]outcome{"blog": {Key: "blog", Reason: "InvalidDefinition", Message: `spec.variants[a].value is a number (1) in a flag of type String; put it in quotes: "1"`}},
			keys: []string{},
		},
		"a deleted flag leaves the file": {published: blogOn, want: map[string]outcome{}, keys: []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.app == nil {
				test.app = app()
			}
			plan := Make(Input{App: test.app, Flags: test.flags, Published: test.published})
			if diff := cmp.Diff(test.want, outcomes(plan)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(append([]string{}, test.keys...), append([]string{}, keys(t, plan)...)); diff != "" {
				t.Errorf("keys, -want +got:\n%s", diff)
			}
			again := Make(Input{App: test.app, Flags: test.flags, Published: plan.File})
			if string(again.File) != string(plan.File) || !cmp.Equal(outcomes(again), outcomes(plan)) {
				t.Errorf("a second plan differs:\n%s\n%s", plan.File, again.File)
			}
		})
	}
}
