package alertbaseline

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// inConfigMap asks for the rules in a ConfigMap.
func inConfigMap(b *v1alpha1.AlertBaseline) {
	b.Spec.Outputs = &v1alpha1.Outputs{Rules: v1alpha1.RulesInConfigMap, Labels: map[string]string{"prometheus": "main"}}
}

// ruleFile reads the groups of the ConfigMap with the rules.
func (c *cluster) ruleFile() ([]alerts.Group, error) {
	configMap := &corev1.ConfigMap{}
	if err := c.Get(c.tb.Context(), c.key("small-rules"), configMap); err != nil {
		return nil, err
	}
	if configMap.Labels["prometheus"] != "main" {
		return nil, fmt.Errorf("labels %v", configMap.Labels)
	}
	var file struct{ Groups []alerts.Group }
	err := yaml.UnmarshalStrict([]byte(configMap.Data[c.namespace+"-small.yaml"]), &file)
	return file.Groups, err
}

func TestRulesInAConfigMap(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(app(), small())
	c.start()
	c.waitReady("small")

	c.edit("small", inConfigMap)
	if message := c.waitReady("small"); !strings.Contains(message, `2 alerts of 2 thresholds in place, in ConfigMap "small-rules"`) {
		t.Errorf("Ready says %q", message)
	}
	testenv.Eventually(t, func() error {
		if groups, err := c.ruleFile(); err != nil || len(groups) != 2 || groups[0].Name != "errors" {
			return fmt.Errorf("groups %v, %w", groups, err)
		}
		if _, err := c.rule("small"); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the PrometheusRule is still there: %w", err)
		}
		return nil
	})

	// A bad threshold keeps its last good rules there as well, and what is
	// deleted by hand comes back.
	c.edit("small", func(b *v1alpha1.AlertBaseline) { b.Spec.Thresholds[1].Signal.Expr = "up[" })
	c.waitFor("small", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPartiallyApplied)
	if groups, err := c.ruleFile(); err != nil || len(groups) != 2 || groups[1].Name != "up" {
		t.Errorf("groups %v, %v", groups, err)
	}
	c.edit("small", func(b *v1alpha1.AlertBaseline) { b.Spec.Thresholds[1].Signal.Expr = "up" })
	c.waitReady("small")
	if err := c.Delete(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: "small-rules"}}); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, func() error { _, err := c.ruleFile(); return err })

	c.edit("small", func(b *v1alpha1.AlertBaseline) { b.Spec.Outputs = nil })
	c.waitReady("small")
	testenv.Eventually(t, func() error {
		if _, err := c.ruleFile(); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the ConfigMap is still there: %w", err)
		}
		if got := c.groupNames("small"); got != "errors up" {
			return errors.New("groups " + got)
		}
		return nil
	})
	c.settle("small")
	writes := len(c.writes.List())
	c.settle("small")
	if got := c.writes.List(); len(got) != writes {
		t.Errorf("idle reconciles wrote: %v", got[writes:])
	}
}

// TestForeignConfigMapIsLeftAlone: the ConfigMap that would hold the rules may
// be somebody's.
func TestForeignConfigMapIsLeftAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	baseline := small()
	inConfigMap(baseline)
	c.create(app(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "small-rules"}, Data: map[string]string{"mine": "1"}}, baseline)
	c.start()
	c.waitFor("small", v1alpha1.ConditionRulesApplied, metav1.ConditionFalse, v1alpha1.ReasonOwnershipConflict)
	c.edit("small", func(b *v1alpha1.AlertBaseline) { b.Spec.Outputs = nil })
	c.waitReady("small")
	configMap := &corev1.ConfigMap{}
	if err := c.Get(t.Context(), c.key("small-rules"), configMap); err != nil || configMap.Data["mine"] != "1" {
		t.Errorf("the foreign ConfigMap: %v, %v", configMap.Data, err)
	}
}

// TestOneBadAmongTwenty: the other nineteen stay live, and the condition says
// which one is bad, where and why.
func TestOneBadAmongTwenty(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	baseline := small()
	baseline.Spec.Thresholds = nil
	for i := range 20 {
		baseline.Spec.Thresholds = append(baseline.Spec.Thresholds, v1alpha1.Threshold{
			Name:   fmt.Sprintf("queue-%d", i),
			Signal: v1alpha1.Signal{Expr: fmt.Sprintf("max(queue_length{queue=\"%d\"})", i)}, Warning: &v1alpha1.Level{Above: "100", Alert: fmt.Sprintf("Queue%d", i)},
		})
	}
	c.create(app(), baseline)
	c.start()
	c.waitReady("small")
	c.edit("small", func(b *v1alpha1.AlertBaseline) {
		for i := range b.Spec.Thresholds {
			b.Spec.Thresholds[i].Warning.Above = "200"
		}
		b.Spec.Thresholds[7].Signal.Expr = "max(queue_length{queue=\"7\")"
	})
	message := c.waitFor("small", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPartiallyApplied)
	for _, part := range []string{`threshold "queue-7": signal.expr: 1:27: `, "close the label matchers with }", "its last good rules stay", "20 alerts of 20 thresholds in place"} {
		if !strings.Contains(message, part) {
			t.Errorf("Ready lacks %q: %s", part, message)
		}
	}
	raw, err := yaml.Marshal(c.content()["rule"])
	if err != nil {
		t.Fatal(err)
	}
	if now, before := strings.Count(string(raw), "} > 200"), strings.Count(string(raw), "} > 100"); now != 19 || before != 1 {
		t.Errorf("%d alerts have the new bound and %d the one before; want 19 and 1", now, before)
	}
}
