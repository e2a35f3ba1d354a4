package conditionmetrics

import (
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

func TestCollect(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "prod", Name: name} }
	condition := func(name string, status metav1.ConditionStatus) []metav1.Condition {
		return []metav1.Condition{{Type: name, Status: status}}
	}
	cache := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&v1alpha1.RsolvDeployment{ObjectMeta: meta("rsolv"), Status: v1alpha1.RsolvDeploymentStatus{Conditions: condition("Ready", metav1.ConditionTrue)}},
		&v1alpha1.FeatureFlag{ObjectMeta: meta("blog"), Status: v1alpha1.FeatureFlagStatus{Conditions: condition("Valid", metav1.ConditionFalse)}},
		&v1alpha1.AlertBaseline{ObjectMeta: meta("api"), Status: v1alpha1.AlertBaselineStatus{Conditions: condition("RulesApplied", metav1.ConditionUnknown)}},
	).Build()
	const want = `
# HELP rsolv_operator_resource_condition Condition of an object: 1 true, 0 false, -1 unknown.
# TYPE rsolv_operator_resource_condition gauge
rsolv_operator_resource_condition{condition="Ready",kind="RsolvDeployment",name="rsolv",namespace="prod"} 1
rsolv_operator_resource_condition{condition="Valid",kind="FeatureFlag",name="blog",namespace="prod"} 0
rsolv_operator_resource_condition{condition="RulesApplied",kind="AlertBaseline",name="api",namespace="prod"} -1
`
	if err := testutil.CollectAndCompare(New(cache, logr.Discard()), strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
