package featureflag

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// cluster is a namespace with an app called shop, and usually a manager.
type cluster struct {
	client.Client
	tb         testing.TB
	namespace  string
	reconciler *Reconciler
	// clock is the controller's; time.Now when nil.
	clock func() time.Time
	// port is that of the pods' admin listeners; 0 before the first.
	port   int
	writes testenv.Writes
	stop   func()
}

func newCluster(tb testing.TB) *cluster {
	tb.Helper()
	return &cluster{Client: testenv.Client(tb), tb: tb, namespace: testenv.Namespace(tb)}
}

// start runs the controller, as after a start of the manager.
func (c *cluster) start() {
	c.tb.Helper()
	clock := c.clock
	if clock == nil {
		clock = time.Now
	}
	c.stop = testenv.StartManager(c.tb, c.namespace, func(m ctrl.Manager) error {
		counted := c.writes.Count(m.GetClient())
		c.reconciler = &Reconciler{
			Client: counted, Live: m.GetAPIReader(), Applier: child.NewApplier(counted, m.GetAPIReader()),
			Recorder: m.GetEventRecorder("rsolv-operator"), Clock: clock, Pods: NewAsker(c.port),
		}
		return c.reconciler.SetupWithManager(m)
	})
}

func (c *cluster) create(objects ...client.Object) {
	c.tb.Helper()
	for _, object := range objects {
		if err := c.Create(c.tb.Context(), object); err != nil {
			c.tb.Fatalf("creating %s: %v", object.GetName(), err)
		}
	}
}

func (c *cluster) app(prefixes ...string) *v1alpha1.RsolvDeployment {
	app := &v1alpha1.RsolvDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: c.namespace},
		Spec: v1alpha1.RsolvDeploymentSpec{
			Image:    "registry.example.com/shop:v1",
			Database: v1alpha1.Database{SecretRef: v1alpha1.SecretKeyReference{Name: "db", Key: "url"}},
		},
	}
	if len(prefixes) > 0 {
		app.Spec.Flags = &v1alpha1.FlagsPolicy{ReservedPrefixes: prefixes}
	}
	return app
}

func (c *cluster) flag(name string, change ...func(*v1alpha1.FeatureFlag)) *v1alpha1.FeatureFlag {
	flag := &v1alpha1.FeatureFlag{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.namespace},
		Spec: v1alpha1.FeatureFlagSpec{
			DeploymentRef:  v1alpha1.DeploymentReference{Name: "shop"},
			DefaultVariant: v1alpha1.VariantDisabled,
		},
	}
	for _, apply := range change {
		apply(flag)
	}
	return flag
}

func key(k string) func(*v1alpha1.FeatureFlag) {
	return func(f *v1alpha1.FeatureFlag) { f.Spec.Key = k }
}

func byDefault(variant string) func(*v1alpha1.FeatureFlag) {
	return func(f *v1alpha1.FeatureFlag) { f.Spec.DefaultVariant = variant }
}

// variants takes names and JSON values in turn.
func variants(t v1alpha1.FlagType, pairs ...string) func(*v1alpha1.FeatureFlag) {
	return func(f *v1alpha1.FeatureFlag) {
		f.Spec.Type, f.Spec.Variants = t, nil
		for i := 0; i < len(pairs); i += 2 {
			f.Spec.Variants = append(f.Spec.Variants, v1alpha1.Variant{Name: pairs[i], Value: apiextensionsv1.JSON{Raw: []byte(pairs[i+1])}})
		}
	}
}

// pod is a pod of the app as the kubelet would find it; none runs here.
func (c *cluster) pod(name, component string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.namespace, Labels: map[string]string{
			contract.LabelDeployment: "shop", contract.LabelComponent: component,
		}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "registry.example.com/shop:v1"}}},
	}
}

// editBlog changes the spec of the flag blog.
func (c *cluster) editBlog(change ...func(*v1alpha1.FeatureFlag)) {
	c.tb.Helper()
	testenv.Eventually(c.tb, func() error {
		flag := &v1alpha1.FeatureFlag{}
		if err := c.Get(c.tb.Context(), c.at("blog"), flag); err != nil {
			return err
		}
		for _, apply := range change {
			apply(flag)
		}
		return c.Update(c.tb.Context(), flag)
	})
}

func (c *cluster) delete(object client.Object) {
	c.tb.Helper()
	if err := c.Delete(c.tb.Context(), object); err != nil {
		c.tb.Fatal(err)
	}
}

func (c *cluster) at(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: c.namespace, Name: name}
}

// awaits waits until a flag's condition has a status, given as True or
// False/Reason, and returns the flag.
func (c *cluster) awaits(name, condition, want string) *v1alpha1.FeatureFlag {
	c.tb.Helper()
	flag := &v1alpha1.FeatureFlag{}
	testenv.Eventually(c.tb, func() error {
		if err := c.Get(c.tb.Context(), c.at(name), flag); err != nil {
			return err
		}
		found := apimeta.FindStatusCondition(flag.Status.Conditions, condition)
		if found == nil || flag.Status.ObservedGeneration != flag.Generation {
			return fmt.Errorf("%s of %s has not been looked at", condition, name)
		}
		got := string(found.Status)
		if found.Status != metav1.ConditionTrue {
			got += "/" + found.Reason
		}
		if got != want {
			return fmt.Errorf("%s of %s is %s (%s), want %s", condition, name, got, found.Message, want)
		}
		return nil
	})
	return flag
}

// says checks a condition's message.
func says(tb testing.TB, flag *v1alpha1.FeatureFlag, condition, part string) {
	tb.Helper()
	if found := apimeta.FindStatusCondition(flag.Status.Conditions, condition); found == nil || !strings.Contains(found.Message, part) {
		tb.Errorf("%s of %s is %+v; want a message with %q", condition, flag.Name, found, part)
	}
}

func (c *cluster) configMap() *corev1.ConfigMap {
	c.tb.Helper()
	found := &corev1.ConfigMap{}
	testenv.Eventually(c.tb, func() error { return c.Get(c.tb.Context(), c.at("shop-flags"), found) })
	return found
}

func (c *cluster) file() []byte { return []byte(c.configMap().Data[contract.FlagsFile]) }

// serves waits until the published file has these default variants and no
// other flags.
func (c *cluster) serves(want map[string]string) {
	c.tb.Helper()
	testenv.Eventually(c.tb, func() error {
		definitions, err := flagd.Decode(c.file())
		if err != nil {
			return err
		}
		got := map[string]string{}
		for _, definition := range definitions {
			got[definition.Key] = definition.DefaultVariant
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("the file has %v, want %v", got, want)
		}
		return nil
	})
}

// versions are the resource versions of all that the controller could write.
func (c *cluster) versions() string {
	c.tb.Helper()
	found := map[string]string{}
	for _, list := range []client.ObjectList{
		&v1alpha1.FeatureFlagList{}, &v1alpha1.RsolvDeploymentList{}, &corev1.ConfigMapList{}, &corev1.PodList{},
	} {
		if err := c.List(c.tb.Context(), list, client.InNamespace(c.namespace)); err != nil {
			c.tb.Fatal(err)
		}
		if err := apimeta.EachListItem(list, func(item runtime.Object) error {
			object := item.(client.Object)
			found[fmt.Sprintf("%T %s", object, object.GetName())] = object.GetResourceVersion()
			return nil
		}); err != nil {
			c.tb.Fatal(err)
		}
	}
	raw, err := json.MarshalIndent(found, "", " ")
	if err != nil {
		c.tb.Fatal(err)
	}
	return string(raw)
}

// quiet checks that another reconcile writes nothing, and does not even ask to.
func (c *cluster) quiet() {
	c.tb.Helper()
	// What was written last may still be on its way into the cache.
	var before string
	testenv.Eventually(c.tb, func() error {
		before = c.versions()
		time.Sleep(200 * time.Millisecond)
		if now := c.versions(); now != before {
			return fmt.Errorf("still changing:\n%s\n%s", before, now)
		}
		return nil
	})
	requests := c.writes.List()
	for range 2 {
		result, err := c.reconciler.Reconcile(c.tb.Context(), ctrl.Request{NamespacedName: c.at("shop")})
		// Looking again is fine, as long as it is not at once.
		if err != nil || 0 < result.RequeueAfter && result.RequeueAfter < time.Second {
			c.tb.Errorf("reconciling again: %+v, %v", result, err)
		}
	}
	if now := c.writes.List(); len(now) != len(requests) {
		c.tb.Errorf("another reconcile sent %v", now[len(requests):])
	}
	if after := c.versions(); after != before {
		c.tb.Errorf("another reconcile wrote something:\n%s\n%s", before, after)
	}
}
