package rsolvdeployment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// TestOptionalCRDsComeAndGo must not run beside others: the CRDs are the same
// for all of them. Tests that are not parallel do not.
func TestOptionalCRDsComeAndGo(t *testing.T) {
	f := newFixture(t)
	routes, monitors := f.crd("httproutes.gateway.networking.k8s.io"), f.crd("servicemonitors.monitoring.coreos.com")
	f.remove(routes)
	f.remove(monitors)
	f.secrets().create(platform)
	f.manage()
	testenv.SimulateKubelet(t, f.key.Namespace)
	for range 2 {
		f.soon(metav1.ConditionFalse, v1alpha1.ReasonCRDsMissing)
		f.eventually(func(rd *v1alpha1.RsolvDeployment) bool { // nothing else is held up
			return apimeta.IsStatusConditionTrue(rd.Status.Conditions, v1alpha1.ConditionSmokeTestPassed) &&
				apimeta.IsStatusConditionTrue(rd.Status.Conditions, v1alpha1.ConditionReconciling)
		})
		message := apimeta.FindStatusCondition(f.rd().Status.Conditions, v1alpha1.ConditionReady).Message
		for _, want := range []string{
			"spec.gateway needs HTTPRoutes, a kind that the cluster does not know: install the CustomResourceDefinitions of the Gateway API, or remove spec.gateway",
			"spec.metrics needs ServiceMonitors, a kind that the cluster does not know: install the CustomResourceDefinitions of prometheus-operator",
		} {
			if !strings.Contains(message, want) {
				t.Errorf("Ready says %q, want it to say %q", message, want)
			}
		}
		f.install(routes)
		f.comesBack(workload.HTTPRouteKind)
		f.install(monitors)
		f.comesBack(workload.ServiceMonitorKind)
		f.soon(metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
		// The watches are on: what is deleted comes back.
		for _, kind := range []schema.GroupVersionKind{workload.HTTPRouteKind, workload.ServiceMonitorKind} {
			f.must(f.client.Delete(t.Context(), f.object(kind, "rsolv")))
			f.comesBack(kind)
		}
		f.remove(routes)
		f.remove(monitors)
	}
	f.install(routes)
	f.install(monitors)
	f.soon(metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
}

// TestUnservedVersionIsSaid: an older Gateway API has HTTPRoutes, but not of
// the version that we write.
func TestUnservedVersionIsSaid(t *testing.T) {
	f := newFixture(t)
	routes := f.crd("httproutes.gateway.networking.k8s.io")
	older := routes.DeepCopy()
	for i := range older.Spec.Versions {
		if older.Spec.Versions[i].Name == workload.HTTPRouteKind.Version {
			older.Spec.Versions[i].Served = false
		}
	}
	f.remove(routes)
	f.install(older)
	f.secrets().create(platform)
	f.manage()
	testenv.SimulateKubelet(t, f.key.Namespace)
	f.soon(metav1.ConditionFalse, v1alpha1.ReasonCRDsMissing)
	message := apimeta.FindStatusCondition(f.rd().Status.Conditions, v1alpha1.ConditionReady).Message
	if want := "spec.gateway needs HTTPRoutes of gateway.networking.k8s.io/v1, a version that the cluster does not serve: update"; !strings.Contains(message, want) {
		t.Errorf("Ready says %q, want it to say %q", message, want)
	}
	f.remove(older)
	f.install(routes)
	f.soon(metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
}

func (f *fixture) crd(name string) *apiextensionsv1.CustomResourceDefinition {
	f.t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	f.must(f.client.Get(f.t.Context(), client.ObjectKey{Name: name}, crd))
	return crd
}

// remove deletes a CRD and waits until it is gone. A test that fails in between
// leaves it to the others all the same.
func (f *fixture) remove(crd *apiextensionsv1.CustomResourceDefinition) {
	f.t.Helper()
	f.t.Cleanup(func() {
		again := &apiextensionsv1.CustomResourceDefinition{
			ObjectMeta: metav1.ObjectMeta{Name: crd.Name, Labels: crd.Labels, Annotations: crd.Annotations}, Spec: crd.Spec,
		}
		if err := f.client.Create(context.Background(), again); err != nil && !apierrors.IsAlreadyExists(err) {
			f.t.Error(err)
		}
	})
	f.must(f.client.Delete(f.t.Context(), &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: crd.Name}}))
	testenv.Eventually(f.t, func() error {
		err := f.client.Get(f.t.Context(), client.ObjectKeyFromObject(crd), &apiextensionsv1.CustomResourceDefinition{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("the CRD is still there: %w", err)
	})
}

// install makes a CRD and waits until it is served.
func (f *fixture) install(crd *apiextensionsv1.CustomResourceDefinition) {
	f.t.Helper()
	again := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: crd.Name, Labels: crd.Labels, Annotations: crd.Annotations}, Spec: crd.Spec,
	}
	f.must(f.client.Create(f.t.Context(), again))
	testenv.Eventually(f.t, func() error {
		for _, condition := range f.crd(crd.Name).Status.Conditions {
			if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
				return nil
			}
		}
		return errors.New("the CRD is not established")
	})
}

// comesBack waits for a child of the app's name.
func (f *fixture) comesBack(kind schema.GroupVersionKind) {
	f.t.Helper()
	testenv.Eventually(f.t, func() error {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(kind)
		return f.client.Get(f.t.Context(), f.key, object)
	})
}
