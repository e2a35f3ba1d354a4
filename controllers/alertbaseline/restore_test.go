package alertbaseline

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

func TestChildrenAreRestored(t *testing.T) {
	t.Parallel()
	edits := map[string]func(*cluster) error{
		"rule deleted": func(c *cluster) error {
			rule, err := c.rule("small")
			return errors.Join(err, c.Delete(c.tb.Context(), rule))
		},
		"dashboard deleted": func(c *cluster) error {
			configMap, err := c.dashboard("small")
			return errors.Join(err, c.Delete(c.tb.Context(), configMap))
		},
		"dashboard edited": func(c *cluster) error {
			return c.patchDashboard(`{"data": {"` + c.namespace + `-small.json": "{}"}}`)
		},
		"dashboard unlabelled": func(c *cluster) error {
			return c.patchDashboard(`{"metadata": {"labels": {"grafana_dashboard": null}}}`)
		},
		"alert edited": func(c *cluster) error {
			return c.patchRule(`[{"op": "replace", "path": "/spec/groups/0/rules/2/for", "value": "1d"}]`)
		},
		"alert removed": func(c *cluster) error {
			return c.patchRule(`[{"op": "remove", "path": "/spec/groups/0/rules/2"}]`)
		},
		"group removed": func(c *cluster) error {
			return c.patchRule(`[{"op": "remove", "path": "/spec/groups/0"}]`)
		},
		"group added": func(c *cluster) error {
			return c.patchRule(`[{"op": "add", "path": "/spec/groups/-", "value": {"name": "mine", "rules": [{"record": "a", "expr": "1"}]}}]`)
		},
		"key added to the dashboard": func(c *cluster) error {
			return c.patchDashboard(`{"data": {"mine.json": "{}"}}`)
		},
		"field added to a group": func(c *cluster) error {
			return c.patchRule(`[{"op": "add", "path": "/spec/groups/1/limit", "value": 1}]`)
		},
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.create(app(), small())
			c.start()
			c.waitReady("small")
			c.settle("small")
			want := c.content()
			if err := edit(c); err != nil {
				t.Fatal(err)
			}
			testenv.Eventually(t, func() error {
				if diff := cmp.Diff(want, c.content()); diff != "" {
					return fmt.Errorf("not restored (-want +got):\n%s", diff)
				}
				return nil
			})
			// It comes to rest afterwards.
			c.settle("small")
			writes := len(c.writes.List())
			c.settle("small")
			if got := c.writes.List(); len(got) != writes {
				t.Errorf("still writing: %v", got[writes:])
			}
		})
	}
}

func (c *cluster) patchRule(patch string) error {
	rule, err := c.rule("small")
	if err != nil {
		return err
	}
	return c.Patch(c.tb.Context(), rule, client.RawPatch(types.JSONPatchType, []byte(patch)))
}

func (c *cluster) patchDashboard(patch string) error {
	configMap, err := c.dashboard("small")
	if err != nil {
		return err
	}
	return c.Patch(c.tb.Context(), configMap, client.RawPatch(types.MergePatchType, []byte(patch)))
}

// content is what the children of the baseline small declare.
func (c *cluster) content() map[string]any {
	content := map[string]any{}
	if rule, err := c.rule("small"); err == nil {
		content["rule"], content["rule labels"] = rule.Object["spec"], rule.GetLabels()
	}
	if configMap, err := c.dashboard("small"); err == nil {
		content["dashboard"], content["dashboard labels"] = configMap.Data, configMap.Labels
	}
	return content
}

// TestPreviousBaselineIsWaitedFor deletes and makes anew where no garbage
// collector runs, so that the children of the first stay until the test
// deletes them.
func TestPreviousBaselineIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(app(), small())
	c.start()
	c.waitReady("small")
	c.settle("small")
	left := c.content()
	if err := c.Delete(t.Context(), c.baseline("small")); err != nil {
		t.Fatal(err)
	}
	c.create(small())
	message := c.waitFor("small", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonAwaitingDeletion)
	if want := `belongs to the AlertBaseline small that was deleted and is being garbage-collected`; !strings.Contains(message, want) {
		t.Errorf("Ready says %q, want %q", message, want)
	}
	c.waitsByItself(v1alpha1.ReasonAwaitingDeletion)
	if diff := cmp.Diff(left, c.content()); diff != "" {
		t.Errorf("what is being deleted was written:\n%s", diff)
	}
	rule, err := c.rule("small")
	if err != nil {
		t.Fatal(err)
	}
	configMap, err := c.dashboard("small")
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range []client.Object{rule, configMap} {
		if err := c.Delete(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	c.waitReady("small")
}

func TestForeignObjectsAreLeftAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	foreignRule := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "small"},
		"spec":     map[string]any{"groups": []any{map[string]any{"name": "mine"}}},
	}}
	foreignRule.SetGroupVersionKind(alerts.GVK)
	foreignMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "small-dashboard"}, Data: map[string]string{"mine": "yes"}}
	c.create(foreignRule, foreignMap, app(), small())
	c.start()

	message := c.waitFor("small", v1alpha1.ConditionRulesApplied, metav1.ConditionFalse, v1alpha1.ReasonOwnershipConflict)
	if !strings.Contains(message, `PrometheusRule "small" exists and is controlled by nobody: delete or rename it`) {
		t.Errorf("RulesApplied says %q", message)
	}
	message = c.waitFor("small", v1alpha1.ConditionDashboardApplied, metav1.ConditionFalse, v1alpha1.ReasonOwnershipConflict)
	if !strings.Contains(message, `ConfigMap "small-dashboard" exists`) {
		t.Errorf("DashboardApplied says %q", message)
	}
	c.waitFor("small", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonOwnershipConflict)
	c.waitFor("small", v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonOwnershipConflict)
	c.settle("small")
	rule, err := c.rule("small")
	if err != nil || rule.GetResourceVersion() != foreignRule.GetResourceVersion() {
		t.Errorf("the foreign rule was touched: %v %v", rule, err)
	}
	configMap, err := c.dashboard("small")
	if err != nil || configMap.ResourceVersion != foreignMap.ResourceVersion {
		t.Errorf("the foreign ConfigMap was touched: %v %v", configMap, err)
	}
	if alerts := c.baseline("small").Status.Alerts; alerts != 0 {
		t.Errorf("status counts %d alerts that are not there", alerts)
	}

	for _, object := range []client.Object{rule, configMap} {
		if err := c.Delete(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	c.waitReady("small")
	if apimeta.FindStatusCondition(c.baseline("small").Status.Conditions, v1alpha1.ConditionStalled) != nil {
		t.Error("Stalled is still there")
	}
}
