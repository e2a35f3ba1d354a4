package alertbaseline

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/routing"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// routed is small with two receivers, both by mail.
func routed() *v1alpha1.AlertBaseline {
	baseline := small()
	baseline.Spec.Routing = &v1alpha1.Routing{
		SMTP: &v1alpha1.SMTP{Smarthost: "smtp.example.com:587", From: "alerts@example.com"},
		Receivers: []v1alpha1.Receiver{
			{Name: "phone", Match: v1alpha1.LabelMatch{"severity": "critical"}, Email: []v1alpha1.EmailAddress{"oncall@example.com"}},
			{Name: "mail", Email: []v1alpha1.EmailAddress{"team@example.com"}},
		},
	}
	return baseline
}

// routes reads the AlertmanagerConfig.
func (c *cluster) routes(name string) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(routing.GVK)
	err := c.Get(c.tb.Context(), c.key(name), object)
	return object, err
}

func (c *cluster) routesMap(name string) (*corev1.ConfigMap, error) {
	configMap := &corev1.ConfigMap{}
	err := c.Get(c.tb.Context(), c.key(routing.ConfigMapName(name)), configMap)
	return configMap, err
}

// awaitGone waits until reading an object says that it is not there.
func awaitGone[T any](t *testing.T, read func(string) (T, error)) {
	t.Helper()
	testenv.Eventually(t, func() error {
		if _, err := read("small"); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is still there (error: %w)", err)
		}
		return nil
	})
}

func TestRoutingComesInTheFormDeclared(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(app(), routed())
	c.start()
	if message := c.waitFor("small", v1alpha1.ConditionRoutingApplied, metav1.ConditionTrue, v1alpha1.ReasonSucceeded); message != `2 receivers in AlertmanagerConfig "small"` {
		t.Errorf("RoutingApplied says %q", message)
	}
	c.waitReady("small")
	baseline := c.baseline("small")
	plan, problem := routing.Make(baseline, nil)
	if problem != nil {
		t.Fatal(problem)
	}
	live, err := c.routes("small")
	if err != nil {
		t.Fatal(err)
	}
	want := routing.AlertmanagerConfig(baseline, plan)
	if diff := cmp.Diff(want.Object["spec"], live.Object["spec"]); diff != "" {
		t.Errorf("the routes differ (-want +got):\n%s", diff)
	}
	if !metav1.IsControlledBy(live, baseline) {
		t.Errorf("owners %v", live.GetOwnerReferences())
	}

	c.edit("small", func(b *v1alpha1.AlertBaseline) { b.Spec.Routing.Output = v1alpha1.RoutingOutputConfigMap })
	awaitGone(t, c.routes)
	c.waitReady("small")
	configMap, err := c.routesMap("small")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(configMap.Data[routing.ConfigKey], "oncall@example.com") || len(configMap.Data) != 1 {
		t.Errorf("the ConfigMap has %v", configMap.Data)
	}

	c.edit("small", func(b *v1alpha1.AlertBaseline) { b.Spec.Routing = nil })
	awaitGone(t, c.routesMap)
	testenv.Eventually(t, func() error {
		if condition := apimeta.FindStatusCondition(c.baseline("small").Status.Conditions, v1alpha1.ConditionRoutingApplied); condition != nil {
			return fmt.Errorf("RoutingApplied is still there: %+v", condition)
		}
		return nil
	})
	c.waitReady("small")
}

func TestUntoldAlertsAreNamed(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	baseline := routed()
	baseline.Spec.Routing.Receivers = baseline.Spec.Routing.Receivers[:1]
	c.create(app(), baseline)
	c.start()
	message := c.waitFor("small", v1alpha1.ConditionRoutingApplied, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	if !strings.Contains(message, "none of them is told of Errors: add a receiver without match") {
		t.Errorf("RoutingApplied says %q", message)
	}
}

func TestMissingSecretKeepsTheRest(t *testing.T) {
	t.Parallel()
	const value = "4f2b-do-not-tell"
	c := newCluster(t)
	baseline := routed()
	baseline.Spec.Routing.Receivers[0].PagerDuty = &v1alpha1.PagerDuty{RoutingKeySecretRef: v1alpha1.SecretKeyReference{Name: "pager", Key: "key"}}
	c.create(app(), baseline)
	c.start()
	message := c.waitFor("small", v1alpha1.ConditionRoutingApplied, metav1.ConditionFalse, v1alpha1.ReasonSecretMissing)
	if want := `there is no secret "pager" (spec.routing.receivers[phone].pagerDuty.routingKeySecretRef, key "key"): until it is there, it is left out for phone; 2 receivers in`; !strings.Contains(message, want) {
		t.Errorf("RoutingApplied says %q", message)
	}
	c.waitFor("small", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSecretMissing)
	c.waitsByItself(v1alpha1.ReasonSecretMissing)
	if text := c.routesText(); !strings.Contains(text, "oncall@example.com") || strings.Contains(text, "pagerduty") {
		t.Errorf("the routes are %s", text)
	}

	// The secret comes with nothing in it, and then with a value.
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "pager"}}
	c.create(secret)
	testenv.Eventually(t, func() error {
		message := c.waitFor("small", v1alpha1.ConditionRoutingApplied, metav1.ConditionFalse, v1alpha1.ReasonSecretMissing)
		if !strings.Contains(message, `secret "pager" has no key "key", or nothing under it`) {
			return errors.New(message)
		}
		return nil
	})
	secret.Data = map[string][]byte{"key": []byte(value)}
	if err := c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	c.waitReady("small")
	text := c.routesText()
	if !strings.Contains(text, `"routingKey":{"key":"key","name":"pager"}`) {
		t.Errorf("the routes are %s", text)
	}
	everything, err := json.Marshal(c.baseline("small"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text+string(everything), value) {
		t.Error("the value of the secret is told")
	}
}

func (c *cluster) routesText() string {
	c.tb.Helper()
	live, err := c.routes("small")
	if err != nil {
		c.tb.Fatal(err)
	}
	raw, err := json.Marshal(live.Object["spec"])
	if err != nil {
		c.tb.Fatal(err)
	}
	return string(raw)
}

func TestBadPatternKeepsTheRoutes(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(app(), routed())
	c.start()
	c.waitReady("small")
	before := c.routesText()
	c.edit("small", func(b *v1alpha1.AlertBaseline) {
		b.Spec.Routing.Receivers[0].MatchRegexp = v1alpha1.LabelMatch{"severity": "("}
	})
	message := c.waitFor("small", v1alpha1.ConditionRoutingApplied, metav1.ConditionFalse, v1alpha1.ReasonInvalidSpec)
	if !strings.HasPrefix(message, `spec.routing.receivers[phone].matchRegexp.severity: "(" is no pattern`) {
		t.Errorf("RoutingApplied says %q", message)
	}
	c.waitFor("small", v1alpha1.ConditionRulesApplied, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	c.waitFor("small", v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonInvalidSpec)
	if after := c.routesText(); after != before {
		t.Errorf("the routes changed from %s to %s", before, after)
	}
}

func TestEditedRoutesAreRestored(t *testing.T) {
	t.Parallel()
	edits := map[string]string{
		"receiver changed": `[{"op": "replace", "path": "/spec/receivers/1/emailConfigs/0/to", "value": "me@example.com"}]`,
		"receiver added":   `[{"op": "add", "path": "/spec/receivers/-", "value": {"name": "me"}}]`,
		"route removed":    `[{"op": "remove", "path": "/spec/route/routes/0"}]`,
		"route muted": `[{"op": "add", "path": "/spec/muteTimeIntervals", "value": [{"name": "always", "timeIntervals": []}]},
			{"op": "add", "path": "/spec/route/muteTimeIntervals", "value": ["always"]}]`,
	}
	for name, patch := range edits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.create(app(), routed())
			c.start()
			c.waitReady("small")
			c.settle("small")
			want := c.routesText()
			live, err := c.routes("small")
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Patch(t.Context(), live, client.RawPatch(types.JSONPatchType, []byte(patch))); err != nil {
				t.Fatal(err)
			}
			testenv.Eventually(t, func() error {
				if diff := cmp.Diff(want, c.routesText()); diff != "" {
					return fmt.Errorf("not restored:\n%s", diff)
				}
				return nil
			})
		})
	}
}

func TestForeignRoutesAreLeftAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	foreign := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "small"}, "spec": map[string]any{}}}
	foreign.SetGroupVersionKind(routing.GVK)
	c.create(foreign, app(), routed())
	c.start()
	message := c.waitFor("small", v1alpha1.ConditionRoutingApplied, metav1.ConditionFalse, v1alpha1.ReasonOwnershipConflict)
	if !strings.Contains(message, `AlertmanagerConfig "small" exists and is controlled by nobody`) {
		t.Errorf("RoutingApplied says %q", message)
	}
	// Nor is it deleted when the routing is declared no more.
	c.edit("small", func(b *v1alpha1.AlertBaseline) { b.Spec.Routing = nil })
	c.waitReady("small")
	if live, err := c.routes("small"); err != nil || live.GetResourceVersion() != foreign.GetResourceVersion() {
		t.Errorf("the foreign object was touched: %v, %v", live, err)
	}
}

// TestRoutingCRDComes must not run beside others; see
// TestMonitoringCRDComesAndGoes.
func TestRoutingCRDComes(t *testing.T) {
	c := newCluster(t)
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: routingCRDName}, crd); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), crd); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, func() error {
		err := c.Get(t.Context(), client.ObjectKey{Name: routingCRDName}, &apiextensionsv1.CustomResourceDefinition{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("the CRD is still there: %w", err)
	})
	again := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: crd.Name, Annotations: crd.Annotations}, Spec: crd.Spec,
	}
	t.Cleanup(func() { _ = c.Create(t.Context(), again.DeepCopy()) }) // where the test has not come to it
	c.create(app(), routed())
	c.start()
	message := c.waitFor("small", v1alpha1.ConditionRoutingApplied, metav1.ConditionFalse, v1alpha1.ReasonCRDsMissing)
	if !strings.Contains(message, "spec.routing.output to ConfigMap") {
		t.Errorf("RoutingApplied says %q", message)
	}
	c.waitFor("small", v1alpha1.ConditionRulesApplied, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	if err := c.Create(t.Context(), again.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	c.waitReady("small")
	if _, err := c.routes("small"); err != nil {
		t.Error(err)
	}
}
