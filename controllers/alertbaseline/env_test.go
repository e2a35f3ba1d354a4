package alertbaseline

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/promclient"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// cluster is a namespace, and usually a manager that runs the controller in it.
type cluster struct {
	client.Client
	tb        testing.TB
	namespace string
	writes    testenv.Writes
	clock     func() time.Time
	// pace of the looks at a Prometheus; the usual one when zero.
	pace pace
	// looks counts the reconciles of baselines whose app exists.
	looks atomic.Int64
}

func newCluster(tb testing.TB) *cluster {
	tb.Helper()
	return &cluster{Client: testenv.Client(tb), tb: tb, namespace: testenv.Namespace(tb), clock: time.Now}
}

// start runs the controller, as after a start of the manager.
func (c *cluster) start() (stop func()) {
	c.tb.Helper()
	return testenv.StartManager(c.tb, c.namespace, func(m ctrl.Manager) error {
		counting := c.writes.Count(m.GetClient())
		return (&Reconciler{
			Client: counting, Live: m.GetAPIReader(), Applier: child.NewApplier(counting, m.GetAPIReader()),
			Recorder:   m.GetEventRecorder("rsolv-operator"),
			Clock:      func() time.Time { c.looks.Add(1); return c.clock() },
			Prometheus: &promclient.Clients{}, pace: c.pace,
		}).SetupWithManager(m)
	})
}

// create makes objects in the namespace, together with the app.
func (c *cluster) create(objects ...client.Object) {
	c.tb.Helper()
	for _, object := range objects {
		object.SetNamespace(c.namespace)
		if err := c.Create(c.tb.Context(), object); err != nil {
			c.tb.Fatalf("creating %s: %v", object.GetName(), err)
		}
	}
}

func app() *v1alpha1.RsolvDeployment {
	return &v1alpha1.RsolvDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: "rsolv"},
		Spec: v1alpha1.RsolvDeploymentSpec{
			Image:    "registry.example.com/rsolv:v1",
			Database: v1alpha1.Database{SecretRef: v1alpha1.SecretKeyReference{Name: "db", Key: "url"}},
		},
	}
}

// sample is the shipped baseline.
func sample(tb testing.TB) *v1alpha1.AlertBaseline {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join(testenv.Root(), "config", "samples", "rsolv_v1alpha1_alertbaseline_api-performance.yaml"))
	if err != nil {
		tb.Fatal(err)
	}
	baseline := &v1alpha1.AlertBaseline{}
	if err := yaml.UnmarshalStrict(raw, baseline); err != nil {
		tb.Fatal(err)
	}
	return baseline
}

// small has two thresholds that are in order.
func small() *v1alpha1.AlertBaseline {
	return &v1alpha1.AlertBaseline{
		ObjectMeta: metav1.ObjectMeta{Name: "small"},
		Spec: v1alpha1.AlertBaselineSpec{
			DeploymentRef: v1alpha1.DeploymentReference{Name: "rsolv"},
			Thresholds: []v1alpha1.Threshold{
				{Name: "errors", Signal: v1alpha1.Signal{ErrorRatio: &v1alpha1.ErrorRatio{}}, Warning: &v1alpha1.Level{Above: "1%", Alert: "Errors"}},
				{Name: "up", Signal: v1alpha1.Signal{Expr: "up"}, Critical: &v1alpha1.Level{Below: "1", Alert: "Down"}},
			},
		},
	}
}

// edit changes the spec of a baseline.
func (c *cluster) edit(name string, change func(*v1alpha1.AlertBaseline)) {
	c.tb.Helper()
	testenv.Eventually(c.tb, func() error {
		baseline := c.baseline(name)
		change(baseline)
		return c.Update(c.tb.Context(), baseline)
	})
}

// settle asks twice for a reconcile and sees each begin. The queue holds an
// object once, so that all that was due before has then been done.
func (c *cluster) settle(name string) {
	c.tb.Helper()
	for range 2 {
		before := c.looks.Load()
		c.edit(name, func(b *v1alpha1.AlertBaseline) {
			b.Annotations = map[string]string{contract.AnnotationReconcile: strconv.FormatInt(time.Now().UnixNano(), 10)}
		})
		testenv.Eventually(c.tb, func() error {
			if c.looks.Load() == before {
				return errors.New("no reconcile was seen")
			}
			return nil
		})
	}
}

func (c *cluster) baseline(name string) *v1alpha1.AlertBaseline {
	c.tb.Helper()
	baseline := &v1alpha1.AlertBaseline{}
	if err := c.Get(c.tb.Context(), c.key(name), baseline); err != nil {
		c.tb.Fatal(err)
	}
	return baseline
}

func (c *cluster) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: c.namespace, Name: name}
}

// rule reads the PrometheusRule.
func (c *cluster) rule(name string) (*unstructured.Unstructured, error) {
	rule := &unstructured.Unstructured{}
	rule.SetGroupVersionKind(alerts.GVK)
	err := c.Get(c.tb.Context(), c.key(name), rule)
	return rule, err
}

// groupNames are those of the live rule, or the error that reading it gave.
func (c *cluster) groupNames(name string) string {
	rule, err := c.rule(name)
	if err != nil {
		return err.Error()
	}
	list, _, _ := unstructured.NestedSlice(rule.Object, "spec", "groups")
	var names []string
	for _, group := range list {
		names = append(names, group.(map[string]any)["name"].(string))
	}
	return strings.Join(names, " ")
}

func (c *cluster) dashboard(name string) (*corev1.ConfigMap, error) {
	configMap := &corev1.ConfigMap{}
	err := c.Get(c.tb.Context(), c.key(name+"-dashboard"), configMap)
	return configMap, err
}

// waitFor waits until a condition of the newest generation has the wanted
// status and reason, and returns its message.
func (c *cluster) waitFor(name, condition string, status metav1.ConditionStatus, reason string) string {
	c.tb.Helper()
	var message string
	testenv.Eventually(c.tb, func() error {
		baseline := c.baseline(name)
		got := apimeta.FindStatusCondition(baseline.Status.Conditions, condition)
		if got == nil || got.Status != status || got.Reason != reason || got.ObservedGeneration != baseline.Generation {
			return fmt.Errorf("%s is %+v; want %s %s of generation %d", condition, got, status, reason, baseline.Generation)
		}
		message = got.Message
		return nil
	})
	return message
}

func (c *cluster) waitReady(name string) string {
	c.tb.Helper()
	return c.waitFor(name, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
}

// events are the reasons of the events about a baseline, in no order.
func (c *cluster) events(name string) []string {
	c.tb.Helper()
	var list eventsv1.EventList
	if err := c.List(c.tb.Context(), &list, client.InNamespace(c.namespace)); err != nil {
		c.tb.Fatal(err)
	}
	var reasons []string
	for i := range list.Items {
		if list.Items[i].Regarding.Name == name {
			reasons = append(reasons, list.Items[i].Reason)
		}
	}
	return reasons
}
