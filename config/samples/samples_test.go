// Package samples tests what this folder shows: every sample is admitted and
// becomes ready, every invalid one is refused or held with a message that says
// the fix.
package samples

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/setup"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// TestSamplesBecomeReady applies all samples to a server on which Jobs finish
// and Deployments roll out, as a kubelet would have them do.
func TestSamplesBecomeReady(t *testing.T) {
	for _, pattern := range []string{"rsolv_v1alpha1_*.yaml", "platform/*.yaml", "cloudnativepg/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no samples match %s (%v)", pattern, err)
		}
		t.Run(filepath.Dir(pattern), func(t *testing.T) { becomeReady(t, files) })
	}
}

func becomeReady(t *testing.T, files []string) {
	t.Helper()
	namespace := testenv.Namespace(t)
	c := testenv.Client(t)
	for name, values := range map[string]map[string]string{
		"rsolv-db":     {"database-url": "postgres://rsolv:3c9f1b@db.internal:5432/rsolv"},
		"rsolv-db-app": {"uri": "postgresql://rsolv:3c9f1b@rsolv-db-rw:5432/rsolv"}, // as CloudNativePG makes it
		"rsolv-stripe": {"STRIPE_API_KEY": "sk_live_9fK2", "STRIPE_WEBHOOK_SECRET": "whsec_77aQ"},
	} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, StringData: values}
		if err := c.Create(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	declared := map[string]bool{}
	var all []*unstructured.Unstructured
	for _, file := range files {
		for _, object := range documents(t, file) {
			object.SetNamespace(namespace)
			declared[object.GetKind()] = true
			all = append(all, object)
			if err := c.Create(t.Context(), object, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("%s %s: %v", object.GetKind(), object.GetName(), conditions(t, object))
				}
			})
		}
	}
	startControllers(t, namespace)
	testenv.SimulateKubelet(t, namespace)
	for kind, list := range map[string]client.ObjectList{
		v1alpha1.KindRsolvDeployment: &v1alpha1.RsolvDeploymentList{},
		v1alpha1.KindFeatureFlag:     &v1alpha1.FeatureFlagList{},
		v1alpha1.KindAlertBaseline:   &v1alpha1.AlertBaselineList{},
	} {
		if !declared[kind] {
			continue
		}
		testenv.Eventually(t, func() error { return allReady(t, c, list, namespace) })
	}
	for _, object := range all {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Fatal(err)
		}
		if got := testenv.HealthOf(t, object); got.Kstatus != status.CurrentStatus || got.Argo != "Healthy" {
			t.Errorf("%s %s is ready, and a pipeline makes of it %+v", object.GetKind(), object.GetName(), got)
		}
	}
}

func allReady(t *testing.T, c client.Client, list client.ObjectList, namespace string) error {
	t.Helper()
	if err := c.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
		return err
	}
	found := map[string][]metav1.Condition{}
	switch list := list.(type) {
	case *v1alpha1.RsolvDeploymentList:
		for i := range list.Items {
			found[list.Items[i].Name] = list.Items[i].Status.Conditions
		}
	case *v1alpha1.FeatureFlagList:
		for i := range list.Items {
			found[list.Items[i].Name] = list.Items[i].Status.Conditions
		}
	case *v1alpha1.AlertBaselineList:
		for i := range list.Items {
			found[list.Items[i].Name] = list.Items[i].Status.Conditions
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("no samples of %T", list)
	}
	for name, conditions := range found {
		if !apimeta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReady) {
			return fmt.Errorf("%s is not ready: %+v", name, conditions)
		}
	}
	return nil
}

func startControllers(t *testing.T, namespace string) {
	t.Helper()
	testenv.StartManager(t, namespace, func(m ctrl.Manager) error {
		return setup.Controllers(m, setup.World{
			Clock: time.Now, Logs: testenv.NewLogs(m.GetAPIReader()),
			Random: func(into []byte) error { _, err := rand.Read(into); return err },
		})
	})
}
