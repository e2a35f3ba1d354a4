package alertbaseline

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// TestMonitoringCRDComesAndGoes must not run beside others: the CRD is one for
// all of them. Tests that are not parallel do not.
func TestMonitoringCRDComesAndGoes(t *testing.T) {
	c := newCluster(t)
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: ruleCRDName}, crd); err != nil {
		t.Fatal(err)
	}
	remove := func() {
		t.Helper()
		if err := c.Delete(t.Context(), &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: ruleCRDName}}); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, func() error {
			err := c.Get(t.Context(), client.ObjectKey{Name: ruleCRDName}, &apiextensionsv1.CustomResourceDefinition{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("the CRD is still there: %w", err)
		})
	}
	install := func() {
		t.Helper()
		again := &apiextensionsv1.CustomResourceDefinition{
			ObjectMeta: metav1.ObjectMeta{Name: crd.Name, Labels: crd.Labels, Annotations: crd.Annotations}, Spec: crd.Spec,
		}
		if err := c.Create(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, func() error {
			if err := c.Get(t.Context(), client.ObjectKey{Name: ruleCRDName}, again); err != nil {
				return err
			}
			for _, condition := range again.Status.Conditions {
				if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
					return nil
				}
			}
			return errors.New("the CRD is not established")
		})
	}

	remove()
	c.create(app(), small())
	c.start()
	for range 2 {
		message := c.waitFor("small", v1alpha1.ConditionRulesApplied, metav1.ConditionFalse, v1alpha1.ReasonCRDsMissing)
		if !strings.Contains(message, "install the CustomResourceDefinitions of prometheus-operator") {
			t.Errorf("RulesApplied says %q", message)
		}
		c.waitFor("small", v1alpha1.ConditionDashboardApplied, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
		c.waitFor("small", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonCRDsMissing)
		c.waitsByItself(v1alpha1.ReasonCRDsMissing)

		install()
		c.waitReady("small")
		// The watch is on: a deleted rule comes back.
		rule, err := c.rule("small")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Delete(t.Context(), rule); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, func() error { _, err := c.rule("small"); return err })
		remove()
	}
	install()
	c.waitReady("small")
}
