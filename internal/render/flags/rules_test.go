package flags

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// declared is a flag called blog whose spec continues as given in YAML.
func declared(tb testing.TB, spec string) *v1alpha1.FeatureFlag {
	tb.Helper()
	flag := boolean("blog", 1)
	if err := yaml.UnmarshalStrict([]byte(spec), &flag.Spec); err != nil {
		tb.Fatalf("%s: %v", spec, err)
	}
	return flag
}

// evaluators are those of the app in these tests.
func evaluators() []v1alpha1.FlagEvaluator {
	return []v1alpha1.FlagEvaluator{
		{Name: "is_paying", Rule: apiextensionsv1.JSON{Raw: []byte(`{"in": [{"var": "plan"}, ["gold", "silver"]]}`)}},
		{Name: "is_customer", Rule: apiextensionsv1.JSON{Raw: []byte(`{"or": [{"$ref": "is_paying"}, {"var": "customer_id"}]}`)}},
	}
}

func appWithEvaluators() *v1alpha1.RsolvDeployment {
	a := app()
	a.Spec.Flags = &v1alpha1.FlagsPolicy{Evaluators: evaluators()}
	return a
}

var ruleSamples = map[string]string{
	"everybody":    `{rules: [{variant: enabled}]}`,
	"actors":       `{rules: [{variant: enabled, when: {actors: ["customer:42", "customer:7"]}}]}`,
	"who or which": `{rules: [{variant: enabled, when: {actors: ["customer:42"], groups: [vip, admin]}}]}`,
	"percentage":   `{rules: [{rollout: [{variant: enabled, percent: 25}]}]}`,
	"by customer":  `{rules: [{rollout: [{variant: enabled, percent: 25}], bucketBy: customer.id}], bucketKey: old_blog}`,
	"fine shares":  `{rules: [{rollout: [{variant: enabled, percent: "12.5%"}, {variant: disabled, percent: "0.125"}]}, {variant: enabled, when: {groups: [admin]}}]}`,
	"all shared":   `{rules: [{rollout: [{variant: enabled, percent: 50}, {variant: disabled, percent: 50}]}]}`,
	"imported":     `{hash: fwf-sha256-16, bucketKey: pipeweed, rules: [{rollout: [{variant: enabled, percent: 30}]}]}`,
	"scheduled":    `{rules: [{variant: enabled, schedule: {from: "2026-02-01T00:00:00Z", until: "2026-03-01T01:00:00+01:00"}, when: {groups: [vip]}}, {variant: disabled}]}`,
	"own":          `{targeting: {if: [{$ref: is_customer}, enabled, null]}}`,
}

func TestRulesInFlagdsTerms(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, name := range slices.Sorted(maps.Keys(ruleSamples)) {
		definition, problems := Definition(declared(t, ruleSamples[name]), Evaluators(appWithEvaluators()))
		if len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
		if err := definition.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		fmt.Fprintf(&got, "%s:\n  %s\n  %s\n", name, ruleSamples[name], definition.Targeting)
	}
	golden := filepath.Join("testdata", "rules.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// asked evaluates a declaration as the app would.
func asked(tb testing.TB, spec string, context *flagd.Context) flagd.Result {
	tb.Helper()
	plan := Make(Input{App: appWithEvaluators(), Flags: []*v1alpha1.FeatureFlag{declared(tb, spec)}})
	if !plan.Verdicts[0].Current() {
		tb.Fatalf("%s: %s", spec, plan.Verdicts[0].Message)
	}
	set, err := flagd.Parse(plan.File)
	if err != nil {
		tb.Fatal(err)
	}
	return set.Evaluate("blog", context)
}

func TestRulesAnswer(t *testing.T) {
	t.Parallel()
	day := func(text string) time.Time {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	vip := map[string]any{"groups": []string{"vip"}}
	for _, test := range []struct {
		sample  string
		context *flagd.Context
		want    bool
	}{
		{"everybody", nil, true},
		{"actors", nil, false},
		{"actors", &flagd.Context{TargetingKey: "customer:42"}, true},
		{"actors", &flagd.Context{TargetingKey: "customer:4"}, false},
		{"who or which", &flagd.Context{TargetingKey: "customer:42"}, true},
		{"who or which", &flagd.Context{Attributes: vip}, true},
		{"who or which", &flagd.Context{Attributes: map[string]any{"groups": "vip"}}, false},
		{"percentage", nil, false},
		{"by customer", &flagd.Context{TargetingKey: "customer:42"}, false},
		{"imported", &flagd.Context{TargetingKey: "user:4"}, true},
		{"imported", &flagd.Context{TargetingKey: "user:1"}, false},
		{"scheduled", &flagd.Context{Attributes: vip, Time: day("2026-01-31T23:59:59Z")}, false},
		{"scheduled", &flagd.Context{Attributes: vip, Time: day("2026-02-01T00:00:00Z")}, true},
		{"scheduled", &flagd.Context{Attributes: vip, Time: day("2026-03-01T00:00:00Z")}, false},
		{"scheduled", &flagd.Context{Time: day("2026-02-01T00:00:00Z")}, false},
		{"own", &flagd.Context{Attributes: map[string]any{"plan": "gold"}}, true},
		{"own", &flagd.Context{Attributes: map[string]any{"customer_id": 7}}, true},
		{"own", nil, false},
	} {
		if got := asked(t, ruleSamples[test.sample], test.context); got.Value != test.want {
			t.Errorf("%s for %+v: %+v", test.sample, test.context, got)
		}
	}
}

// TestPercentagesGrow checks that a rollout has about as many subjects as it
// says, and that nobody loses what they have when it grows.
func TestPercentagesGrow(t *testing.T) {
	t.Parallel()
	const subjects = 2000
	for _, hash := range []string{"flagd-murmur3", "fwf-sha256-16"} {
		had := map[string]bool{}
		for _, percent := range []string{"0", "0.5", "10", "33.333", "50", "100"} {
			plan := Make(Input{App: app(), Flags: []*v1alpha1.FeatureFlag{declared(t, fmt.Sprintf(`{hash: %s, rules: [{rollout: [{variant: enabled, percent: %q}]}]}`, hash, percent))}})
			set, err := flagd.Parse(plan.File)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for i := range subjects {
				who := fmt.Sprintf("customer:%d", i)
				on, result := set.Boolean("blog", &flagd.Context{TargetingKey: who})
				if !result.OK() || had[who] && !on {
					t.Fatalf("%s, %s percent: %s lost it: %+v", hash, percent, who, result)
				}
				if had[who] = on; on {
					n++
				}
			}
			var want float64
			if _, err := fmt.Sscan(percent, &want); err != nil {
				t.Fatal(err)
			}
			if got := 100 * float64(n) / subjects; got < want-3 || got > want+3 || (want == 0 || want == 100) && got != want {
				t.Errorf("%s, %s percent: %v percent have it", hash, percent, got)
			}
		}
	}
}

// TestSharesAgreeWithTheCondition checks that whoever is within the
// percentages gets the variant of their share, and all others the next rule.
func TestSharesAgreeWithTheCondition(t *testing.T) {
	t.Parallel()
	const shares = `rollout: [{variant: a, percent: 20}, {variant: b, percent: "30.5"}]`
	const variants = `type: String, variants: [{name: a, value: A}, {name: b, value: B}, {name: c, value: C}, {name: d, value: D}], defaultVariant: d`
	counts := map[string]int{}
	for i := range 1000 {
		context := &flagd.Context{TargetingKey: fmt.Sprintf("customer:%d", i)}
		followed := asked(t, `{`+variants+`, rules: [{`+shares+`}, {variant: c}]}`, context)
		alone := asked(t, `{`+variants+`, rules: [{`+shares+`}]}`, context)
		counts[followed.Variant]++
		if followed.Variant != alone.Variant && (followed.Variant != "c" || alone.Variant != "d") {
			t.Fatalf("%s: %s, and %s", context.TargetingKey, followed.Variant, alone.Variant)
		}
	}
	if counts["a"] < 150 || counts["a"] > 250 || counts["b"] < 255 || counts["b"] > 355 || counts["d"] != 0 {
		t.Errorf("%v", counts)
	}
}

func TestRulesThatAreWrong(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		`{rules: [{rollout: [{variant: enabled, percent: 60}, {variant: disabled, percent: "40.001"}]}]}`:              `spec.rules[0].rollout has percentages that sum to 100.001; make them sum to at most 100`,
		`{rules: [{rollout: [{variant: enabled, percent: "1.2345"}]}]}`:                                                `spec.rules[0].rollout[enabled].percent is "1.2345"; write 0 to 100, for example 25 or "12.5"`,
		`{rules: [{rollout: [{variant: enabled, percent: NaN}]}]}`:                                                     `spec.rules[0].rollout[enabled].percent is "NaN"; write 0 to 100`,
		`{rules: [{rollout: [{variant: enabled, percent: -1}]}]}`:                                                      `spec.rules[0].rollout[enabled].percent is "-1"; write 0 to 100`,
		`{rules: [{variant: enabled}, {variant: disabled}]}`:                                                           `spec.rules[1] never applies, because rules[0] applies to everybody; put that rule last or give it a condition`,
		`{rules: [{variant: released}]}`:                                                                               `gives "released", which is not a variant; use one of: disabled, enabled`,
		`{targeting: {if: [{$ref: is_paing}, enabled]}}`:                                                               `spec.targeting.if[0].$ref refers to "is_paing", which is no evaluator; use "is_paying" or declare it`,
		`{targeting: {and: []}}`:                                                                                       `spec.targeting.and has 0 arguments; and takes 1 or more`,
		`{lifecycle: {kind: Release, owner: me, expiresAt: "2026-02-30"}}`:                                             `spec.lifecycle.expiresAt is "2026-02-30", which is no day; write one, for example "2026-03-01"`,
		`{hash: fwf-sha256-16, rules: [{rollout: [{variant: enabled, percent: 1}, {variant: disabled, percent: 1}]}]}`: `spec.rules[0].rollout has 2 variants under hash fwf-sha256-16; write one`,
		`{defaultVariant: x, rules: [{rollout: [{variant: enabled, percent: 101}]}]}`:                                  `spec.defaultVariant "x" is not a variant; use one of: disabled, enabled; and spec.rules[0].rollout[enabled].percent is "101"`,
	} {
		plan := Make(Input{App: appWithEvaluators(), Flags: []*v1alpha1.FeatureFlag{declared(t, spec)}})
		v := plan.Verdicts[0]
		if v.Reason != v1alpha1.ReasonInvalidDefinition || !strings.Contains(v.Message, want) {
			t.Errorf("%s: %s: %q; want %q", spec, v.Reason, v.Message, want)
		}
	}
}

// TestABadEvaluatorLeavesTheFlagsThatReferToItAsTheyWere: the neighbours
// change as they should.
func TestABadEvaluatorLeavesTheFlagsThatReferToItAsTheyWere(t *testing.T) {
	t.Parallel()
	good := appWithEvaluators()
	referring := declared(t, ruleSamples["own"])
	other := boolean("other", 2)
	before := Make(Input{App: good, Flags: []*v1alpha1.FeatureFlag{referring, other}})

	bad := appWithEvaluators()
	bad.Spec.Flags.Evaluators[0].Rule.Raw = []byte(`{"in": [1]}`)
	other.Spec.DefaultVariant = "enabled"
	after := Make(Input{App: bad, Flags: []*v1alpha1.FeatureFlag{referring, other}, Published: before.File})
	if v := after.Verdicts[0]; !v.LastGood() || !strings.Contains(v.Message, "spec.targeting.if[0].or[0].in has 1 arguments; in takes exactly 2") {
		t.Errorf("%+v", v)
	}
	set, err := flagd.Parse(after.File)
	if err != nil {
		t.Fatal(err)
	}
	if on, _ := set.Boolean("blog", &flagd.Context{Attributes: map[string]any{"plan": "gold"}}); !on {
		t.Error("the flag lost its rules")
	}
	if on, _ := set.Boolean("other", nil); !on {
		t.Error("the neighbour did not change")
	}
}

func TestDisabledFlag(t *testing.T) {
	t.Parallel()
	if got := asked(t, `{state: Disabled, defaultVariant: enabled, rules: [{variant: enabled}]}`, nil); got.Reason != flagd.Disabled || got.OK() {
		t.Errorf("%+v", got)
	}
}

func TestExpires(t *testing.T) {
	t.Parallel()
	for day, want := range map[string]bool{"": false, "2026-03-01": true, "2026-02-30": false} {
		at, ok := Expires(declared(t, fmt.Sprintf(`{lifecycle: {kind: KillSwitch, owner: me, expiresAt: %q}}`, day)))
		if ok != want || ok && !at.Equal(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%q: %v %v", day, at, ok)
		}
	}
	if _, ok := Expires(boolean("blog", 1)); ok {
		t.Error("a flag without lifecycle expires")
	}
}
