package rsolvdeployment

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// manage runs the controller in a real manager, with its caches and watches.
func (f *fixture) manage() (stop func()) {
	f.t.Helper()
	return testenv.StartManager(f.t, f.key.Namespace, func(m ctrl.Manager) error {
		counted := f.writes.Count(m.GetClient())
		return (&Reconciler{
			Client: counted, Live: m.GetAPIReader(),
			Applier:  child.NewApplier(counted, m.GetAPIReader()),
			Recorder: m.GetEventRecorder("rsolv-operator"), Random: counting,
			Logs: f.logs, Clock: time.Now, Prometheus: f.prometheus,
		}).SetupWithManager(m)
	})
}

// soon waits until Ready has the status and the reason.
func (f *fixture) soon(want metav1.ConditionStatus, reason string) {
	f.t.Helper()
	f.eventually(func(rd *v1alpha1.RsolvDeployment) bool {
		c := apimeta.FindStatusCondition(rd.Status.Conditions, v1alpha1.ConditionReady)
		return c != nil && c.Status == want && c.Reason == reason && c.ObservedGeneration == rd.Generation
	})
}

func (f *fixture) eventually(is func(*v1alpha1.RsolvDeployment) bool) {
	f.t.Helper()
	testenv.Eventually(f.t, func() error {
		if rd := f.rd(); !is(rd) {
			return fmt.Errorf("the status is %+v", rd.Status)
		}
		return nil
	})
}

// TestManagerReactsToEvents lets no step be triggered by anything but the
// watch that is meant for it.
func TestManagerReactsToEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t).create()
	stranger := foreign(f)[workload.ServiceKind]
	f.must(f.client.Create(t.Context(), stranger))
	stop := f.manage()
	f.soon(metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	testenv.SimulateKubelet(t, f.key.Namespace)
	f.secrets() // the secrets turn up
	f.soon(metav1.ConditionFalse, v1alpha1.ReasonOwnershipConflict)
	f.must(f.client.Delete(t.Context(), stranger)) // the stranger leaves
	f.soon(metav1.ConditionTrue, v1alpha1.ReasonSucceeded)

	for _, kind := range []string{"ServiceAccount", "Service", "PodDisruptionBudget", "Ingress", "Deployment"} {
		for _, gvk := range childKinds {
			if gvk.Kind != kind {
				continue
			}
			gone := f.object(gvk, "rsolv")
			f.must(f.client.Delete(t.Context(), gone.DeepCopy(), client.PropagationPolicy(metav1.DeletePropagationBackground)))
			testenv.Eventually(t, func() error {
				back := &unstructured.Unstructured{}
				back.SetGroupVersionKind(gvk)
				if err := f.client.Get(t.Context(), f.key, back); err != nil {
					return err
				}
				if back.GetUID() == gone.GetUID() {
					return errors.New("it has not gone yet")
				}
				return nil
			})
		}
	}
	f.soon(metav1.ConditionTrue, v1alpha1.ReasonSucceeded)

	f.must(f.client.Create(t.Context(), f.flags(`{"flags":{"blog":{}}}`))) // the flags are published
	f.eventually(func(rd *v1alpha1.RsolvDeployment) bool { return rd.Status.Flags != nil && rd.Status.Flags.Count == 1 })

	f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": "", "STRIPE_WEBHOOK_SECRET": webhook}) // emptied
	f.soon(metav1.ConditionFalse, v1alpha1.ReasonSecretKeyEmpty)
	stop()
	f.secrets() // mended while no manager runs
	f.manage()
	f.soon(metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	f.wantEnvironment()
}

// TestIdleManagerWritesNothing asks for reconciles through the annotation.
func TestIdleManagerWritesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create()
	f.manage()
	testenv.SimulateKubelet(t, f.key.Namespace)
	f.soon(metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	versions := func() map[string]string {
		v := f.versions()
		delete(v, "RsolvDeployment rsolv") // changed by the annotation itself
		return v
	}
	f.quiet()
	before, sent := versions(), len(f.writes.List())
	for i := range 3 {
		f.annotate(contract.AnnotationReconcile, fmt.Sprint(i))
		// A lost label shows that the reconcile has been made.
		config := f.object(workload.ConfigMapKind, f.configName())
		config.SetLabels(nil)
		f.must(f.client.Update(t.Context(), config))
		testenv.Eventually(t, func() error {
			if f.object(workload.ConfigMapKind, config.GetName()).GetLabels() == nil {
				return errors.New("the label is not back")
			}
			return nil
		})
	}
	for _, request := range f.writes.List()[sent:] {
		if !strings.HasPrefix(request, "apply ") || !strings.HasSuffix(request, " "+f.configName()) {
			t.Errorf("an idle manager sent: %s", request)
		}
	}
	after := versions()
	for name, version := range before {
		if after[name] != version && name != "ConfigMap "+f.configName() {
			t.Errorf("%s was written", name)
		}
	}
}

// quiet waits until what has happened so far makes no more writes.
func (f *fixture) quiet() {
	f.t.Helper()
	testenv.Eventually(f.t, func() error {
		before := len(f.writes.List())
		time.Sleep(500 * time.Millisecond)
		if requests := f.writes.List(); len(requests) != before {
			return fmt.Errorf("still writing: %v", requests[before:])
		}
		return nil
	})
}

func TestRetryAnnotationWakesTheManager(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create()
	f.manage()
	f.soon(metav1.ConditionFalse, v1alpha1.ReasonPreflightRunning)
	f.passPreflight()
	f.soon(metav1.ConditionFalse, v1alpha1.ReasonMigrationRunning)
	f.failWith("no")
	f.soon(metav1.ConditionFalse, v1alpha1.ReasonMigrationFailed)
	testenv.Eventually(t, func() error {
		rd := f.rd()
		rd.Annotations = map[string]string{contract.AnnotationRetry: "now"}
		return f.client.Update(t.Context(), rd)
	})
	f.soon(metav1.ConditionFalse, v1alpha1.ReasonMigrationRunning)
	testenv.SimulateKubelet(t, f.key.Namespace)
	f.soon(metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
}

func TestEventsTellOfTransitions(t *testing.T) {
	t.Parallel()
	f := newFixture(t).create()
	f.manage()
	f.soon(metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	testenv.Eventually(t, func() error {
		var events corev1.EventList
		if err := f.client.List(t.Context(), &events, client.InNamespace(f.key.Namespace)); err != nil {
			return err
		}
		for _, e := range events.Items {
			if e.InvolvedObject.Name == "rsolv" && e.Reason == v1alpha1.ReasonSecretNotFound && e.Type == corev1.EventTypeWarning {
				return nil
			}
		}
		return fmt.Errorf("of %d events none tells of the missing secret", len(events.Items))
	})
}

func TestSetupWantsEveryField(t *testing.T) {
	t.Parallel()
	if err := (&Reconciler{}).SetupWithManager(nil); err == nil {
		t.Error("a Reconciler without fields was set up")
	}
}

func TestDeclarationChanged(t *testing.T) {
	t.Parallel()
	meta := func(change func(*metav1.PartialObjectMetadata)) client.Object {
		object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{UID: "1", Generation: 1, Labels: map[string]string{"a": "b"}}}
		change(object)
		return object
	}
	same := meta(func(*metav1.PartialObjectMetadata) {})
	for name, test := range map[string]struct {
		change func(*metav1.PartialObjectMetadata)
		want   bool
	}{
		"status":        {func(o *metav1.PartialObjectMetadata) { o.ResourceVersion = "2" }, false},
		"spec":          {func(o *metav1.PartialObjectMetadata) { o.Generation = 2 }, true},
		"label":         {func(o *metav1.PartialObjectMetadata) { o.Labels = nil }, true},
		"annotation":    {func(o *metav1.PartialObjectMetadata) { o.Annotations = map[string]string{"a": "b"} }, true},
		"owner":         {func(o *metav1.PartialObjectMetadata) { o.OwnerReferences = []metav1.OwnerReference{{UID: "2"}} }, true},
		"another":       {func(o *metav1.PartialObjectMetadata) { o.UID = types.UID("2") }, true},
		"no generation": {func(o *metav1.PartialObjectMetadata) { o.Generation = 0 }, true},
	} {
		if got := declarationChanged(event.UpdateEvent{ObjectOld: same, ObjectNew: meta(test.change)}); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	old := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "1"}}
	ticked, edited := old.DeepCopy(), old.DeepCopy()
	ticked.ResourceVersion, ticked.Status.CurrentReplicas = "2", 5
	edited.ResourceVersion, edited.Spec.MaxReplicas = "2", 5
	if declarationChanged(event.UpdateEvent{ObjectOld: old, ObjectNew: ticked}) {
		t.Error("the status of an autoscaler without generation counts as a change")
	}
	if !declarationChanged(event.UpdateEvent{ObjectOld: old, ObjectNew: edited}) {
		t.Error("the spec of an autoscaler without generation does not count as a change")
	}
}

func TestAdmission(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	rd := func(change func(*v1alpha1.RsolvDeploymentSpec)) *v1alpha1.RsolvDeployment {
		rd := &v1alpha1.RsolvDeployment{ObjectMeta: metav1.ObjectMeta{Namespace: f.key.Namespace, GenerateName: "app-"}}
		rd.Spec.Image = "ghcr.io/rsolv-dev/rsolv:v1"
		rd.Spec.Database.SecretRef = v1alpha1.SecretKeyReference{Name: "db", Key: "url"}
		change(&rd.Spec)
		return rd
	}
	image := func(image string) func(*v1alpha1.RsolvDeploymentSpec) {
		return func(s *v1alpha1.RsolvDeploymentSpec) { s.Image = image }
	}
	hosts := func(hosts ...string) func(*v1alpha1.RsolvDeploymentSpec) {
		return func(s *v1alpha1.RsolvDeploymentSpec) { s.Ingress = &v1alpha1.Ingress{Hosts: hosts} }
	}
	for name, change := range map[string]func(*v1alpha1.RsolvDeploymentSpec){
		"tag": image("rsolv:v1"), "registry with port": image("localhost:5000/rsolv:dev"),
		"digest":         image("ghcr.io/rsolv-dev/rsolv@sha256:8a1b0e8f6c8e3d9c6f0f3e2d1c0b9a8f7e6d5c4b3a291807f6e5d4c3b2a19080"),
		"tag and digest": image("rsolv:v1@sha256:8a1b0e8f6c8e3d9c6f0f3e2d1c0b9a8f7e6d5c4b3a291807f6e5d4c3b2a19080"),
		"hosts":          hosts("rsolv.dev", "*.rsolv.dev", "localhost"),
		"mapped key": func(s *v1alpha1.RsolvDeploymentSpec) {
			s.Secrets = []v1alpha1.SecretSource{{Name: "a", RequiredKeys: []string{"api-key"}, Env: map[string]v1alpha1.SecretKey{"API_KEY": "api-key"}}}
		},
	} {
		if err := f.client.Create(t.Context(), rd(change)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*v1alpha1.RsolvDeploymentSpec){
		"no tag": image("rsolv"), "port but no tag": image("localhost:5000/rsolv"), "latest": image("rsolv:latest"), "blank": image("rsolv :v1"),
		"upper-case host": hosts("RSOLV.dev"), "host with path": hosts("rsolv.dev/x"), "host with port": hosts("rsolv.dev:443"), "no host": hosts(),
		"pool of nobody": func(s *v1alpha1.RsolvDeploymentSpec) { s.Database.PoolSize = -1 },
		"secret twice": func(s *v1alpha1.RsolvDeploymentSpec) {
			s.Secrets = []v1alpha1.SecretSource{{Name: "a", RequiredKeys: []string{"A"}}, {Name: "a", RequiredKeys: []string{"B"}}}
		},
	} {
		if err := f.client.Create(t.Context(), rd(change)); !apierrors.IsInvalid(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
