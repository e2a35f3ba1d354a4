package rsolvdeployment

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

func (f *fixture) wantReady(want metav1.ConditionStatus, reason string) {
	f.t.Helper()
	f.want(v1alpha1.ConditionReady, want, reason)
}

// want checks a condition and returns its message.
func (f *fixture) want(condition string, want metav1.ConditionStatus, reason string) string {
	f.t.Helper()
	rd := f.rd()
	got := apimeta.FindStatusCondition(rd.Status.Conditions, condition)
	if got == nil || got.Status != want || got.Reason != reason {
		f.t.Fatalf("%s is not %s/%s: %+v", condition, want, reason, rd.Status)
	}
	if got.ObservedGeneration != rd.Generation {
		f.t.Errorf("%s speaks of generation %d, not %d", condition, got.ObservedGeneration, rd.Generation)
	}
	return got.Message
}

// wantPhase checks the phase, and that the kstatus conditions agree with it.
func (f *fixture) wantPhase(phase string) {
	f.t.Helper()
	st := f.rd().Status
	if st.Phase != phase {
		f.t.Fatalf("phase %s, want %s: %+v", st.Phase, phase, st)
	}
	stalled := apimeta.FindStatusCondition(st.Conditions, v1alpha1.ConditionStalled) != nil
	reconciling := apimeta.FindStatusCondition(st.Conditions, v1alpha1.ConditionReconciling) != nil
	// What is absent or on its way out is waited for; all else that holds
	// waits for somebody.
	reason := apimeta.FindStatusCondition(st.Conditions, v1alpha1.ConditionReady).Reason
	awaited := slices.Contains([]string{v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonAwaitingDeletion, v1alpha1.ReasonCRDsMissing}, reason)
	wantStalled := phase == v1alpha1.PhaseHeld && !awaited || phase == v1alpha1.PhaseFailed || phase == v1alpha1.PhaseReverted ||
		phase == v1alpha1.PhaseSuspended && reason == v1alpha1.ReasonSuspended
	if stalled != wantStalled || reconciling != (!wantStalled && reason != v1alpha1.ReasonSucceeded) {
		f.t.Errorf("in phase %s: Stalled %t, Reconciling %t", phase, stalled, reconciling)
	}
}

// childKinds are all kinds that the controller writes.
var childKinds = []schema.GroupVersionKind{
	workload.ServiceAccountKind, workload.ConfigMapKind, workload.SecretKind, workload.ServiceKind, workload.DeploymentKind, workload.ControllerRevisionKind,
	workload.JobKind, workload.PodDisruptionBudgetKind, workload.HorizontalPodAutoscalerKind, workload.IngressKind,
	workload.NetworkPolicyKind, workload.HTTPRouteKind, workload.ServiceMonitorKind, workload.ClusterKind,
}

// objects reads every object of the app's kinds, the app itself included.
func (f *fixture) objects() []unstructured.Unstructured {
	f.t.Helper()
	var all []unstructured.Unstructured
	for _, kind := range append(childKinds, v1alpha1.GroupVersion.WithKind(v1alpha1.KindRsolvDeployment)) {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		f.must(f.client.List(f.t.Context(), list, client.InNamespace(f.key.Namespace)))
		all = append(all, list.Items...)
	}
	return all
}

// collectGarbage deletes what an owner that is gone has left, as a cluster
// would: an API server alone does not.
func (f *fixture) collectGarbage(owner types.UID) {
	f.t.Helper()
	for _, object := range f.objects() {
		for _, ref := range object.GetOwnerReferences() {
			if ref.UID == owner {
				f.must(client.IgnoreNotFound(f.client.Delete(f.t.Context(), &object, client.PropagationPolicy(metav1.DeletePropagationBackground))))
			}
		}
	}
}

// versions maps every object to its resource version.
func (f *fixture) versions() map[string]string {
	f.t.Helper()
	versions := map[string]string{}
	for _, object := range f.objects() {
		versions[object.GetKind()+" "+object.GetName()] = object.GetResourceVersion()
	}
	return versions
}

func (f *fixture) names(kind schema.GroupVersionKind) []string {
	f.t.Helper()
	var names []string
	for _, object := range f.objects() {
		if object.GetKind() == kind.Kind {
			names = append(names, object.GetName())
		}
	}
	return names
}

// env is the copy of the secrets that the Deployment's pods are given.
func (f *fixture) env() *corev1.Secret {
	f.t.Helper()
	for _, source := range f.deployment().Spec.Template.Spec.Containers[0].EnvFrom {
		if source.SecretRef != nil {
			secret := &corev1.Secret{}
			f.must(f.client.Get(f.t.Context(), client.ObjectKey{Namespace: f.key.Namespace, Name: source.SecretRef.Name}, secret))
			return secret
		}
	}
	f.t.Fatal("the pods are given no secrets")
	return nil
}

// annotate sets an annotation of the app.
func (f *fixture) annotate(name, value string) {
	f.t.Helper()
	f.edit(func(rd *v1alpha1.RsolvDeployment) {
		if rd.Annotations == nil {
			rd.Annotations = map[string]string{}
		}
		rd.Annotations[name] = value
	})
}

// retry asks for another attempt, as the message of a failure says.
func (f *fixture) retry(value string) { f.t.Helper(); f.annotate(contract.AnnotationRetry, value) }

// flags is the ConfigMap that the app's FeatureFlags make.
func (f *fixture) flags(file string) *corev1.ConfigMap {
	f.t.Helper()
	flags := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.key.Namespace, Name: render.FlagsName("rsolv")},
		Data:       map[string]string{contract.FlagsFile: file},
	}
	f.must(controllerutil.SetControllerReference(f.rd(), flags, f.client.Scheme()))
	return flags
}
