package featureflag

import (
	"fmt"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// answers waits until the published blog flag answers for a subject as wanted.
func (c *cluster) answers(subject, variant string) {
	c.tb.Helper()
	testenv.Eventually(c.tb, func() error {
		set, err := flagd.Parse(c.file())
		if err != nil {
			return err
		}
		result := set.Evaluate("blog", &flagd.Context{TargetingKey: subject, Attributes: map[string]any{"plan": "gold"}, Time: time.Now()})
		if result.Variant != variant {
			return fmt.Errorf("blog for %s is %+v, want %s", subject, result, variant)
		}
		return nil
	})
}

func rules(list ...v1alpha1.FlagRule) func(*v1alpha1.FeatureFlag) {
	return func(f *v1alpha1.FeatureFlag) { f.Spec.Rules = list }
}

func TestRulesArePublished(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.app(), c.flag("blog", rules(v1alpha1.FlagRule{Variant: "enabled", When: &v1alpha1.FlagCondition{Actors: []string{"customer:42"}}})))
	c.start()
	c.answers("customer:42", "enabled")
	c.answers("customer:1", "disabled")
	says(t, c.awaits("blog", v1alpha1.ConditionReady, "True"), v1alpha1.ConditionPublished, `are given the rules of "blog", and variant "disabled" where none applies`)
	c.quiet()

	// What the API server cannot see is held, with the last good rules.
	c.editBlog(rules(
		v1alpha1.FlagRule{Variant: "disabled", When: &v1alpha1.FlagCondition{Groups: []string{"admin"}}},
		v1alpha1.FlagRule{Rollout: []v1alpha1.RolloutShare{{Variant: "enabled", Percent: intstr.FromInt32(60)}, {Variant: "disabled", Percent: intstr.FromString("50%")}}},
	))
	flag := c.awaits("blog", v1alpha1.ConditionReady, "False/InvalidDefinition")
	says(t, flag, v1alpha1.ConditionReady, `spec.rules[1].rollout has percentages that sum to 110; make them sum to at most 100; until then the last good definition stays published`)
	c.answers("customer:42", "enabled")

	c.editBlog(rules(), func(f *v1alpha1.FeatureFlag) { f.Spec.State = v1alpha1.FlagDisabled })
	says(t, c.awaits("blog", v1alpha1.ConditionReady, "True"), v1alpha1.ConditionReady, `"blog" is disabled`)
	c.answers("customer:42", "")
	c.quiet()
}

func TestEvaluatorsOfTheApp(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	app := c.app()
	paying := func(plan string) apiextensionsv1.JSON {
		return apiextensionsv1.JSON{Raw: fmt.Appendf(nil, `{"==":[{"var":"plan"},%q]}`, plan)}
	}
	app.Spec.Flags = &v1alpha1.FlagsPolicy{Evaluators: []v1alpha1.FlagEvaluator{{Name: "is_paying", Rule: paying("silver")}}}
	c.create(app, c.flag("blog", func(f *v1alpha1.FeatureFlag) {
		f.Spec.Targeting = &apiextensionsv1.JSON{Raw: []byte(`{"if":[{"$ref":"is_paying"},"enabled",null]}`)}
	}))
	c.start()
	c.answers("anybody", "disabled")
	edit := func(rule apiextensionsv1.JSON) {
		t.Helper()
		testenv.Eventually(t, func() error {
			if err := c.Get(t.Context(), c.at("shop"), app); err != nil {
				return err
			}
			app.Spec.Flags.Evaluators[0].Rule = rule
			return c.Update(t.Context(), app)
		})
	}
	edit(paying("gold"))
	c.answers("anybody", "enabled")
	edit(apiextensionsv1.JSON{Raw: []byte(`{"equals":[1,1]}`)})
	says(t, c.awaits("blog", v1alpha1.ConditionValid, "False/InvalidDefinition"), v1alpha1.ConditionValid, `spec.targeting.if[0].equals is no known operator`)
	c.answers("anybody", "enabled")
}

func TestExpiryIsReportedWhenItComes(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	const soonIs = 3 * time.Second
	start, eve := time.Now(), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(-soonIs)
	c.clock = func() time.Time { return eve.Add(time.Since(start)) }
	expiring := func(day string) func(*v1alpha1.FeatureFlag) {
		return func(f *v1alpha1.FeatureFlag) {
			f.Spec.Lifecycle = &v1alpha1.FlagLifecycle{Kind: v1alpha1.FlagRelease, Owner: "growth@example.com", ExpiresAt: day}
		}
	}
	c.create(c.app(), c.flag("blog", expiring("2026-03-01")), c.flag("later", expiring("2026-03-02")))
	c.start()
	fresh := c.awaits("blog", v1alpha1.ConditionReady, "True")
	if apimeta.FindStatusCondition(fresh.Status.Conditions, v1alpha1.ConditionStale) != nil {
		t.Fatalf("stale before its day: %+v", fresh.Status.Conditions)
	}
	flag := c.awaits("blog", v1alpha1.ConditionStale, "True")
	if late := c.clock().Sub(eve.Add(soonIs)); late < 0 || late > 2*time.Second {
		t.Errorf("reported %v after the expiry", late)
	}
	says(t, flag, v1alpha1.ConditionStale, `the flag expired on 2026-03-01 and still answers as before; remove "blog" from the app's code and then this FeatureFlag`)
	says(t, flag, v1alpha1.ConditionStale, `(owner: growth@example.com)`)
	c.awaits("blog", v1alpha1.ConditionReady, "True")
	if later := c.awaits("later", v1alpha1.ConditionReady, "True"); apimeta.FindStatusCondition(later.Status.Conditions, v1alpha1.ConditionStale) != nil {
		t.Errorf("the neighbour is stale: %+v", later.Status.Conditions)
	}
	c.editBlog(expiring("2099-01-01"))
	testenv.Eventually(t, func() error {
		flag := c.awaits("blog", v1alpha1.ConditionReady, "True")
		if stale := apimeta.FindStatusCondition(flag.Status.Conditions, v1alpha1.ConditionStale); stale != nil {
			return fmt.Errorf("still stale: %+v", stale)
		}
		return nil
	})
}

func TestUntilExpiry(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var list []*v1alpha1.FeatureFlag
	for _, day := range []string{"", "2026-03-01", "2026-03-05", "2026-03-03", "no day"} {
		flag := &v1alpha1.FeatureFlag{}
		if err := yaml.Unmarshal(fmt.Appendf(nil, "spec: {lifecycle: {expiresAt: %q}}", day), flag); err != nil {
			t.Fatal(err)
		}
		list = append(list, flag)
	}
	if got := untilExpiry(list, now); got != 36*time.Hour {
		t.Errorf("%v", got)
	}
	if got := untilExpiry(list[:2], now); got != 0 {
		t.Errorf("%v", got)
	}
}
