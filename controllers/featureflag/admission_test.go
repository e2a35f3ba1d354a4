package featureflag

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

func TestAdmissionMessages(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for name, test := range map[string]struct {
		name, spec string
		want       []string // parts of the message; none: admitted
	}{
		"plain":                     {"blog", "{deploymentRef: {name: rsolv}, defaultVariant: disabled}", nil},
		"the app's name alone":      {"rsolv", "{deploymentRef: {name: rsolv}, defaultVariant: disabled}", nil},
		"a name that is no key":     {"2.x", "{deploymentRef: {name: rsolv}, key: v2, defaultVariant: disabled}", nil},
		"all types":                 {"limits", "{deploymentRef: {name: rsolv}, type: Object, variants: [{name: a, value: {n: 1}}], defaultVariant: a}", nil},
		"reserved prefix":           {"a1", "{deploymentRef: {name: shop}, key: rsolv_blog, defaultVariant: disabled}", []string{`key "rsolv_blog" begins with the reserved prefix "rsolv_"; use "blog"`}},
		"app name":                  {"a2", "{deploymentRef: {name: rsolv}, key: rsolv_blog, defaultVariant: disabled}", []string{`key "rsolv_blog" begins with the app name; use "blog"`}},
		"app name with -":           {"a3", "{deploymentRef: {name: my-shop}, key: my_shop_blog, defaultVariant: disabled}", []string{`key "my_shop_blog" begins with the app name; use "blog"`}},
		"reserved prefix by name":   {"rsolv-blog", "{deploymentRef: {name: shop}, defaultVariant: disabled}", []string{`the name "rsolv-blog" makes a key with the reserved prefix "rsolv_"; use "blog"`}},
		"app name by name":          {"rsolv-blog", "{deploymentRef: {name: rsolv}, defaultVariant: disabled}", []string{`the name "rsolv-blog" begins with the app name; use "blog"`}},
		"app name with - by name":   {"my-shop-blog", "{deploymentRef: {name: my-shop}, defaultVariant: disabled}", []string{`the name "my-shop-blog" begins with the app name; use "blog"`}},
		"name that makes no key":    {"2.x", "{deploymentRef: {name: rsolv}, defaultVariant: disabled}", []string{"metadata.name becomes the flag's key", "or set spec.key"}},
		"camel case":                {"a4", "{deploymentRef: {name: rsolv}, key: draftPosts, defaultVariant: disabled}", []string{"a key is lower_snake_case"}},
		"empty key":                 {"a5", `{deploymentRef: {name: rsolv}, key: "", defaultVariant: disabled}`, []string{"a key is lower_snake_case"}},
		"long key":                  {"a6", "{deploymentRef: {name: rsolv}, key: " + strings.Repeat("a", 64) + ", defaultVariant: disabled}", []string{"spec.key", "63"}},
		"unknown default":           {"a7", "{deploymentRef: {name: rsolv}, defaultVariant: released}", []string{`defaultVariant "released" is not a variant; use enabled or disabled`}},
		"unknown default of own":    {"a8", "{deploymentRef: {name: rsolv}, type: Number, variants: [{name: a, value: 1}], defaultVariant: b}", []string{`defaultVariant "b" is not a variant; use the name of one under spec.variants`}},
		"variant called on":         {"a9", `{deploymentRef: {name: rsolv}, variants: [{name: "on", value: true}], defaultVariant: "on"}`, []string{"YAML reads this name as a boolean or as nothing; call it enabled or disabled"}},
		"variant called No":         {"a9", `{deploymentRef: {name: rsolv}, variants: [{name: "No", value: true}], defaultVariant: "No"}`, []string{"YAML reads this name as a boolean"}},
		"variant twice":             {"b1", "{deploymentRef: {name: rsolv}, variants: [{name: a, value: true}, {name: a, value: false}], defaultVariant: a}", []string{"spec.variants[1]", "Duplicate value"}},
		"text without variants":     {"b2", "{deploymentRef: {name: rsolv}, type: String, defaultVariant: a}", []string{"is invalid: spec: Invalid value: a flag of type String needs variants: list its possible values under spec.variants"}},
		"unknown type":              {"b3", "{deploymentRef: {name: rsolv}, type: bool, defaultVariant: a}", []string{`supported values: "Boolean", "String", "Number", "Object"`}},
		"no default":                {"b4", "{deploymentRef: {name: rsolv}}", []string{"spec.defaultVariant", "Required value"}},
		"no app":                    {"b5", "{defaultVariant: disabled}", []string{"spec.deploymentRef", "Required value"}},
		"misspelt field":            {"b6", "{deploymentRef: {name: rsolv}, defaultVarient: disabled, defaultVariant: disabled}", []string{`unknown field "spec.defaultVarient"`}},
		"app name of a longer name": {"b7", "{deploymentRef: {name: " + strings.Repeat("a", 41) + "}, defaultVariant: disabled}", []string{"spec.deploymentRef.name", "40"}},
		"rules of all kinds": {"c1", `{deploymentRef: {name: rsolv}, defaultVariant: disabled, state: Disabled, hash: flagd-murmur3, bucketKey: old, lifecycle: {kind: KillSwitch, owner: me},
			rules: [{variant: enabled, when: {actors: [a], groups: [b]}, schedule: {from: "2026-01-01T00:00:00Z"}}, {rollout: [{variant: enabled, percent: 0}, {variant: disabled, percent: "99.125%"}], bucketBy: user.id}]}`, nil},
		"targeting with null":         {"c2", "{deploymentRef: {name: rsolv}, defaultVariant: disabled, targeting: {if: [{var: [a.b, 1]}, enabled, null]}}", nil},
		"unknown rule variant":        {"c3", "{deploymentRef: {name: rsolv}, defaultVariant: disabled, rules: [{variant: released}]}", []string{`a rule gives a variant that the flag does not have; use enabled or disabled`}},
		"unknown rule variant of own": {"c4", "{deploymentRef: {name: rsolv}, type: Number, variants: [{name: a, value: 1}], defaultVariant: a, rules: [{variant: a}, {variant: enabled}]}", []string{`a rule gives a variant that the flag does not have; use the name of one under spec.variants`}},
		"unknown share of own":        {"c5", "{deploymentRef: {name: rsolv}, type: Number, variants: [{name: a, value: 1}], defaultVariant: a, rules: [{rollout: [{variant: b, percent: 1}]}]}", []string{`a rollout gives a variant that the flag does not have; use the name of one under spec.variants`}},
		"percent 100.5":               {"c6", `{deploymentRef: {name: rsolv}, defaultVariant: disabled, rules: [{rollout: [{variant: enabled, percent: "100.5"}]}]}`, []string{`percent is 0 to 100, for example 25, or "12.5" in quotes`}},
		"negative percent":            {"c7", `{deploymentRef: {name: rsolv}, defaultVariant: disabled, rules: [{rollout: [{variant: enabled, percent: -5}]}]}`, []string{`percent is 0 to 100`}},
		"bucketBy with a space":       {"c8", `{deploymentRef: {name: rsolv}, defaultVariant: disabled, rules: [{rollout: [{variant: enabled, percent: 5}], bucketBy: "customer id"}]}`, []string{`bucketBy is the name of an attribute, for example customer_id`}},
		"hash without rollout":        {"c9", `{deploymentRef: {name: rsolv}, defaultVariant: disabled, hash: flagd-murmur3, rules: [{variant: enabled}]}`, []string{`hash is how the percentages of rules are counted, and no rule has a rollout`}},
		"no expiry":                   {"d1", `{deploymentRef: {name: rsolv}, defaultVariant: disabled, lifecycle: {kind: Experiment, owner: me}}`, []string{`a flag of kind Experiment needs expiresAt, the day by which it is to be gone`}},
		"empty schedule":              {"d2", `{deploymentRef: {name: rsolv}, defaultVariant: disabled, rules: [{variant: enabled, schedule: {}}]}`, []string{`schedule has no time; write from or until, or remove schedule`}},
	} {
		flag := &unstructured.Unstructured{}
		text := "apiVersion: rsolv.dev/v1alpha1\nkind: FeatureFlag\nmetadata: {name: " + `"` + test.name + `"` + "}\nspec: " + test.spec
		if err := yaml.Unmarshal([]byte(text), &flag.Object); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		flag.SetNamespace(c.namespace)
		err := c.Create(t.Context(), flag, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
		if (err == nil) != (len(test.want) == 0) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range test.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: no %q in: %v", name, part, err)
			}
		}
	}
}

func TestWhatIsImmutable(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.flag("blog"), c.flag("keyed", key("other")))
	for name, test := range map[string]struct {
		flag   string
		change func(*v1alpha1.FeatureFlag)
		want   string
	}{
		"key":            {"keyed", key("another"), "key is immutable"},
		"key added":      {"blog", key("another"), "key is immutable"},
		"same key added": {"blog", key("blog"), "key is immutable"},
		"key removed":    {"keyed", key(""), "key is immutable"},
		"type":           {"blog", variants(v1alpha1.FlagString, "disabled", `"x"`), "type is immutable"},
		"app":            {"blog", func(f *v1alpha1.FeatureFlag) { f.Spec.DeploymentRef.Name = "rsolv" }, "deploymentRef is immutable"},
		"default":        {"blog", byDefault("enabled"), ""},
		"variants":       {"blog", variants(v1alpha1.FlagBoolean, "disabled", "true"), ""},
	} {
		flag := &v1alpha1.FeatureFlag{}
		if err := c.Get(t.Context(), c.at(test.flag), flag); err != nil {
			t.Fatal(err)
		}
		test.change(flag)
		err := c.Update(t.Context(), flag, client.DryRunAll)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.want != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}
