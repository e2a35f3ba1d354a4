package alertbaseline

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

func TestBadThresholdLeavesTheOthers(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(app(), small())
	c.start()
	c.waitReady("small")
	lastGood := c.content()["rule"].(map[string]any)["groups"].([]any)[1]

	c.edit("small", func(b *v1alpha1.AlertBaseline) {
		b.Spec.Thresholds[0].Warning.Above = "2%"
		b.Spec.Thresholds[1].Signal.Expr = "sum(\n  upp(x))"
	})
	message := c.waitFor("small", v1alpha1.ConditionRulesApplied, metav1.ConditionFalse, v1alpha1.ReasonInvalidExpression)
	for _, part := range []string{
		`threshold "up": signal.expr: 2:3: unknown function with name "upp"`, "use a function that Prometheus knows",
		"its last good rules stay", "2 alerts of 2 thresholds in place",
	} {
		if !strings.Contains(message, part) {
			t.Errorf("RulesApplied lacks %q: %s", part, message)
		}
	}
	c.waitFor("small", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPartiallyApplied)
	c.waitFor("small", v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonPartiallyApplied)
	groups := c.content()["rule"].(map[string]any)["groups"].([]any)
	raw, _ := json.Marshal(groups[0])
	if !strings.Contains(string(raw), "\\u003e 0.02") {
		t.Errorf("the good threshold did not follow its spec: %s", raw)
	}
	if diff := cmp.Diff(lastGood, groups[1]); diff != "" {
		t.Errorf("the bad threshold did not keep its rules (-want +got):\n%s", diff)
	}
	c.settle("small")
	writes := len(c.writes.List())
	c.settle("small")
	if got := c.writes.List(); len(got) != writes {
		t.Errorf("a bad threshold keeps the controller writing: %v", got[writes:])
	}

	c.edit("small", func(b *v1alpha1.AlertBaseline) { b.Spec.Thresholds[1].Signal.Expr = "min(up)" })
	c.waitReady("small")
}

func TestBadThresholdFromTheBeginning(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	partly, wholly := small(), small()
	partly.Spec.Thresholds[1].Signal.Expr = "up["
	wholly.Name = "wholly"
	wholly.Spec.Thresholds = partly.DeepCopy().Spec.Thresholds[1:]
	c.create(app(), partly, wholly)
	c.start()
	c.waitFor("small", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPartiallyApplied)
	message := c.waitFor("small", v1alpha1.ConditionRulesApplied, metav1.ConditionFalse, v1alpha1.ReasonInvalidExpression)
	if !strings.Contains(message, "(it has no rules)") || !strings.Contains(message, "1 alert of 1 threshold in place") {
		t.Errorf("RulesApplied says %q", message)
	}
	if got := c.groupNames("small"); got != "errors" {
		t.Errorf("groups %q", got)
	}
	if message := c.waitFor("small", v1alpha1.ConditionDashboardApplied, metav1.ConditionTrue, v1alpha1.ReasonSucceeded); !strings.Contains(message, `without the thresholds that have a problem: "up"`) {
		t.Errorf("DashboardApplied says %q", message)
	}
	c.waitFor("wholly", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonInvalidExpression)
	if got := c.groupNames("wholly"); got != "" {
		t.Errorf("groups %q", got)
	}
}

func TestSuspend(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(app(), small())
	c.start()
	c.waitReady("small")

	c.edit("small", func(b *v1alpha1.AlertBaseline) { b.Spec.Thresholds[0].Suspend = true })
	if got, want := c.waitReady("small"), `1 alert of 2 thresholds in place; suspended: "errors"`; got != want {
		t.Errorf("Ready says %q; want %q", got, want)
	}
	c.edit("small", func(b *v1alpha1.AlertBaseline) { b.Spec.Suspend = true })
	if got, want := c.waitReady("small"), "0 alerts of 2 thresholds in place; the baseline is suspended"; !strings.HasPrefix(got, want) {
		t.Errorf("Ready says %q; want %q", got, want)
	}
	raw, err := json.Marshal(c.content()["rule"])
	if err != nil {
		t.Fatal(err)
	}
	if text := string(raw); strings.Contains(text, `"alert":`) || !strings.Contains(text, "rsolv:errors:ratio") {
		t.Errorf("a suspended baseline alerts, or records nothing: %s", text)
	}
	if got := c.baseline("small").Status.Alerts; got != 0 {
		t.Errorf("%d alerts in status", got)
	}
	// A threshold that is wrong keeps its last good rules, and is silent all the same.
	c.edit("small", func(b *v1alpha1.AlertBaseline) { b.Spec.Suspend, b.Spec.Thresholds[0].Suspend = false, false })
	c.waitReady("small")
	c.edit("small", func(b *v1alpha1.AlertBaseline) {
		b.Spec.Thresholds[1].Suspend, b.Spec.Thresholds[1].Signal.Expr = true, "up{"
	})
	c.waitFor("small", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPartiallyApplied)
	raw, err = json.Marshal(c.content()["rule"])
	if err != nil {
		t.Fatal(err)
	}
	if text := string(raw); strings.Contains(text, `"alert":"Down"`) || !strings.Contains(text, `"alert":"Errors"`) || !strings.Contains(text, "rsolv:up:") {
		t.Errorf("a suspended threshold that is wrong alerts, or records nothing: %s", text)
	}
	c.edit("small", func(b *v1alpha1.AlertBaseline) {
		b.Spec.Thresholds[1].Suspend, b.Spec.Thresholds[1].Signal.Expr = false, "up"
	})
	if got := c.waitReady("small"); got != "2 alerts of 2 thresholds in place" {
		t.Errorf("Ready says %q", got)
	}
}

func TestUnknownTimeZone(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	baseline := sample(t)
	baseline.Spec.BusinessHours.Timezone = "Europe/Atlantis"
	c.create(app(), baseline)
	c.start()
	message := c.waitFor("api-performance", v1alpha1.ConditionRulesApplied, metav1.ConditionFalse, v1alpha1.ReasonInvalidThreshold)
	if !strings.Contains(message, `spec.businessHours.timezone: "Europe/Atlantis" is no time zone`) {
		t.Errorf("RulesApplied says %q", message)
	}
	if got := c.baseline("api-performance").Status.Alerts; got != 11 {
		t.Errorf("%d alerts; want those of the ten other thresholds, 11", got)
	}
}
