package alertbaseline

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

func TestSampleBecomesReady(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(app(), sample(t))
	c.start()
	if message := c.waitReady("api-performance"); message != "14 alerts of 11 thresholds in place" {
		t.Errorf("Ready says %q", message)
	}

	baseline := c.baseline("api-performance")
	if s := baseline.Status; s.Thresholds != 11 || s.Alerts != 14 || s.ObservedGeneration != baseline.Generation || len(s.Conditions) != 8 {
		t.Errorf("status: %+v", s)
	}
	rule, err := c.rule("api-performance")
	if err != nil {
		t.Fatal(err)
	}
	want := alerts.PrometheusRule(baseline, alerts.Rules(baseline, time.Now()).Groups)
	for _, part := range [][]string{{"spec"}, {"metadata", "labels"}, {"metadata", "ownerReferences"}} {
		wantPart, _, _ := unstructured.NestedFieldCopy(want.Object, part...)
		gotPart, _, _ := unstructured.NestedFieldCopy(rule.Object, part...)
		if diff := cmp.Diff(wantPart, gotPart); diff != "" {
			t.Errorf("%s differs (-want +got):\n%s", strings.Join(part, "."), diff)
		}
	}
	configMap, err := c.dashboard("api-performance")
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid([]byte(configMap.Data[c.namespace+"-api-performance.json"])) || len(configMap.Data) != 1 {
		t.Errorf("the dashboard's data has the keys %v", configMap.Data)
	}
	if configMap.Labels["grafana_dashboard"] != "1" || configMap.Annotations["grafana_folder"] != "RSOLV" || !metav1.IsControlledBy(configMap, baseline) {
		t.Errorf("the dashboard's metadata: %+v", configMap.ObjectMeta)
	}
	testenv.Eventually(t, func() error {
		if got := c.events("api-performance"); len(got) != 1 || got[0] != v1alpha1.ReasonSucceeded {
			return fmt.Errorf("events %v; want one for becoming ready", got)
		}
		return nil
	})
}

// versions are the resource versions of a baseline's children and, apart from
// the annotation that asks for a reconcile, its own state.
func (c *cluster) versions(name string) string {
	c.tb.Helper()
	rule, err := c.rule(name)
	if err != nil {
		c.tb.Fatal(err)
	}
	configMap, err := c.dashboard(name)
	if err != nil {
		c.tb.Fatal(err)
	}
	raw, err := json.Marshal(c.baseline(name).Status)
	if err != nil {
		c.tb.Fatal(err)
	}
	versions := rule.GetResourceVersion() + " " + configMap.ResourceVersion + " " + string(raw)
	if routes, err := c.routes(name); err == nil {
		versions += " " + routes.GetResourceVersion()
	}
	return versions
}

func TestSecondReconcileWritesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(app(), sample(t))
	stop := c.start()
	c.waitReady("api-performance")
	c.settle("api-performance")

	writes, versions := c.writes.List(), c.versions("api-performance")
	for range 3 {
		c.settle("api-performance")
	}
	if got := c.writes.List(); len(got) != len(writes) {
		t.Errorf("idle reconciles wrote: %v", got[len(writes):])
	}
	if got := c.versions("api-performance"); got != versions {
		t.Errorf("idle reconciles changed\n%s\nto\n%s", versions, got)
	}

	// A new manager remembers nothing: it applies once, and nothing changes.
	stop()
	c.start()
	c.settle("api-performance")
	c.settle("api-performance")
	if got := c.versions("api-performance"); got != versions {
		t.Errorf("a restart changed\n%s\nto\n%s", versions, got)
	}
	for _, write := range c.writes.List()[len(writes):] {
		if !strings.HasPrefix(write, "apply") {
			t.Errorf("after a restart: %s", write)
		}
	}
}

func TestMissingDeploymentIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(small())
	c.start()
	message := c.waitFor("small", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeploymentMissing)
	if !strings.Contains(message, `there is no RsolvDeployment "rsolv" in this namespace`) {
		t.Errorf("Ready says %q", message)
	}
	c.waitsByItself(v1alpha1.ReasonDeploymentMissing)
	c.waitFor("small", v1alpha1.ConditionRulesApplied, metav1.ConditionUnknown, v1alpha1.ReasonNotEvaluated)
	c.waitFor("small", v1alpha1.ConditionDashboardApplied, metav1.ConditionUnknown, v1alpha1.ReasonNotEvaluated)
	if _, err := c.rule("small"); !apierrors.IsNotFound(err) {
		t.Errorf("the rule exists: %v", err)
	}
	deployment := app()
	c.create(deployment)
	c.waitReady("small")

	// When the app goes, what is there stays.
	if err := c.Delete(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
	c.waitFor("small", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeploymentMissing)
	if got := c.groupNames("small"); got != "errors up" {
		t.Errorf("groups %q", got)
	}
}

// waitsByItself checks that nobody is told to act: a pipeline that applies the
// app next must not give up here.
func (c *cluster) waitsByItself(reason string) {
	c.tb.Helper()
	const name = "small"
	c.waitFor(name, v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason)
	if stalled := apimeta.FindStatusCondition(c.baseline(name).Status.Conditions, v1alpha1.ConditionStalled); stalled != nil {
		c.tb.Errorf("%s is stalled: %+v", name, stalled)
	}
}

func TestThresholdsComeAndGo(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(app(), small())
	c.start()
	c.waitReady("small")
	c.settle("small")
	before := len(c.writes.Accepted())
	c.edit("small", func(b *v1alpha1.AlertBaseline) {
		b.Spec.Thresholds = append(b.Spec.Thresholds[1:], v1alpha1.Threshold{
			Name: "rate", Target: "1/s", Signal: v1alpha1.Signal{RequestRate: &v1alpha1.RequestRate{}},
		})
	})
	c.waitReady("small")
	c.settle("small")
	if got := c.groupNames("small"); got != "up rate" {
		t.Errorf("groups %q", got)
	}
	if got := c.baseline("small").Status; got.Alerts != 1 || got.Thresholds != 2 {
		t.Errorf("status %+v", got)
	}
	// One write for each child and the status.
	if got := c.writes.Accepted()[before:]; len(got) != 3 {
		t.Errorf("writes: %v", got)
	}
}

func TestRefusedChildIsReported(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	baseline := small()
	baseline.Spec.Outputs = &v1alpha1.Outputs{Labels: map[string]string{"release": "not valid!"}}
	c.create(app(), baseline)
	c.start()
	message := c.waitFor("small", v1alpha1.ConditionRulesApplied, metav1.ConditionFalse, v1alpha1.ReasonApplyRejected)
	if !strings.Contains(message, "not valid!") {
		t.Errorf("RulesApplied says %q", message)
	}
	c.waitFor("small", v1alpha1.ConditionDashboardApplied, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	c.waitFor("small", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonApplyRejected)
}

// TestHoursAreRenewed lets a year end.
func TestHoursAreRenewed(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	began := time.Now()
	c.clock = func() time.Time {
		return time.Date(2026, time.December, 31, 23, 59, 55, 0, time.UTC).Add(time.Since(began))
	}
	baseline := small()
	baseline.Spec.BusinessHours = &v1alpha1.BusinessHours{Timezone: "Europe/Madrid", From: "09:00", To: "18:00"}
	baseline.Spec.Thresholds[0].Warning.During = v1alpha1.DuringBusinessHours
	c.create(app(), baseline)
	c.start()
	c.waitReady("small")
	// The clocks change on the last Sundays of March and October.
	newest := time.Date(2029, time.October, 28, 1, 0, 0, 0, time.UTC).Unix()
	testenv.Eventually(t, func() error {
		raw, err := json.Marshal(c.content()["rule"])
		if err != nil || !strings.Contains(string(raw), fmt.Sprint(newest)) {
			return fmt.Errorf("the year 2029 is not in the rule yet: %s %w", raw, err)
		}
		return nil
	})
}

func TestSetupNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	if err := (&Reconciler{}).SetupWithManager(nil); err == nil || !strings.Contains(err.Error(), "Applier") {
		t.Errorf("setup without dependencies: %v", err)
	}
}
